/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/log.h"
#include "conf/json.h"
#include "engine/shell.h"
#include "sys/helper.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	ANSWER_MAX = 1024 * 1024,
	HELPERS_MAX = 8,		/* at once: a name service that hangs holds up those alone who need it */
};

enum name_kind { NAME_USER, NAME_GROUP };

/* What is known of one name. */
struct entry {
	enum name_kind kind;
	char *name;
	bool missing;
	uid_t uid;
	gid_t gid;
	char *home, *shell;
	gid_t *groups;
	size_t group_count;
};

/* One run of the helper, or one who waits for the answer to another's that asks the same. */
struct names_request {
	struct names_request *next;
	struct names_request *alike, *last_alike;	/* who waits for this one's answer, in the order they came */
	struct names *n;
	struct buf argv;		/* char *[]: "u:NAME", "g:NAME", owned */
	names_done *done;
	void *arg;
	struct helper helper;
	struct watch *watch;		/* NULL: it does not run yet */
	struct timer *timer;
	struct buf answer;
};

struct names {
	struct daemon *d;
	struct entry *v;
	size_t n, cap;
	struct names_request *first;		/* those that are being asked, and those that wait */
	unsigned running;
};

static void ask_next(struct names *n);

/* A number means itself and needs nobody to be asked; false: it is a name. */
static bool
number_of(const char *s, uint32_t *out)
{
	char *end;
	unsigned long v;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	v = strtoul(s, &end, 10);
	*out = (uint32_t)v;
	return *end == '\0' && errno == 0 && v < UINT32_MAX;
}

/* root is the same everywhere: it must not hang on a name service. */
static bool
needs_no_lookup(const char *name)
{
	uint32_t number;

	return strcmp(name, "root") == 0 || number_of(name, &number);
}

static struct entry *
find(const struct names *n, enum name_kind kind, const char *name)
{
	size_t i;

	for (i = 0; i < n->n; i++) {
		if (n->v[i].kind == kind && strcmp(n->v[i].name, name) == 0)
			return &n->v[i];
	}
	return NULL;
}

bool
names_user(const struct names *n, const char *user, struct name_user *out)
{
	const struct entry *e = find(n, NAME_USER, user);
	uint32_t number;

	if (strcmp(user, "root") == 0) {
		*out = (struct name_user){ .home = "/root", .shell = "/bin/sh", .name = "root" };
	} else if (number_of(user, &number)) {
		*out = (struct name_user){ .uid = number, .gid = number, .home = "/", .shell = "/bin/sh", .name = user };
	} else if (e != NULL && !e->missing) {
		*out = (struct name_user){ .uid = e->uid, .gid = e->gid, .home = e->home, .shell = e->shell,
					   .name = e->name, .groups = e->groups, .group_count = e->group_count };
	} else {
		return false;
	}
	return true;
}

bool
names_group(const struct names *n, const char *group, gid_t *out)
{
	const struct entry *e = find(n, NAME_GROUP, group);
	uint32_t number;

	if (strcmp(group, "root") == 0)
		*out = 0;
	else if (number_of(group, &number))
		*out = number;
	else if (e != NULL && !e->missing)
		*out = e->gid;
	else
		return false;
	return true;
}

static void
entry_clear(struct entry *e)
{
	free(e->name);
	free(e->home);
	free(e->shell);
	free(e->groups);
	*e = (struct entry){ 0 };
}

/* The place for what is said of that name; NULL: no memory. */
static struct entry *
place(struct names *n, enum name_kind kind, const char *name)
{
	struct entry *e = find(n, kind, name), *grown;

	if (e == NULL && n->n == n->cap) {
		grown = realloc(n->v, (n->cap * 2 + 4) * sizeof(*n->v));
		if (grown == NULL)
			return NULL;
		n->v = grown;
		n->cap = n->cap * 2 + 4;
	}
	if (e == NULL) {
		e = &n->v[n->n++];
		*e = (struct entry){ 0 };
	}
	entry_clear(e);
	e->kind = kind;
	e->name = strdup(name);
	if (e->name != NULL)
		return e;
	*e = n->v[--n->n];
	return NULL;
}

static void
forget(struct names *n, struct entry *e)
{
	entry_clear(e);
	*e = n->v[--n->n];
}

static bool
id_of(const json_t *o, const char *key, uint32_t *out)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) >= UINT32_MAX)
		return false;
	*out = (uint32_t)json_integer_value(v);
	return true;
}

static void
take_groups(struct entry *e, const json_t *groups)
{
	size_t i, n = json_array_size(groups);

	e->groups = calloc(n ? n : 1, sizeof(*e->groups));
	for (i = 0; e->groups != NULL && i < n; i++)
		e->groups[e->group_count++] = (gid_t)json_integer_value(json_array_get(groups, i));
}

static char *
copy_of(const json_t *o, const char *key, const char *otherwise)
{
	const char *s = json_string_value(json_object_get(o, key));

	return strdup(s ? s : otherwise);
}

/* One line of the helper's. */
static void
take_answer(struct names *n, const char *line, size_t len)
{
	json_t *o = json_read(line, len, NULL, NULL);
	const char *user = json_string_value(json_object_get(o, "user"));
	const char *group = json_string_value(json_object_get(o, "group"));
	const char *error = json_string_value(json_object_get(o, "error"));
	struct entry *e = NULL;

	if ((user != NULL || group != NULL) && (error == NULL || strcmp(error, "not found") == 0))
		e = place(n, user ? NAME_USER : NAME_GROUP, user ? user : group);
	if (e != NULL && user != NULL) {
		e->missing = error != NULL || !id_of(o, "uid", &e->uid) || !id_of(o, "gid", &e->gid);
		e->home = copy_of(o, "home", "/");
		e->shell = copy_of(o, "shell", "/bin/sh");
		take_groups(e, json_object_get(o, "groups"));
		/* Better not known than half, and asked for again. */
		if (e->home == NULL || e->shell == NULL || e->groups == NULL)
			forget(n, e);
	} else if (e != NULL) {
		e->missing = error != NULL || !id_of(o, "gid", &e->gid);
	}
	if (error != NULL && e == NULL)
		log_write(LOG_CONFIG, LOG_LEVEL_WARNING, "%s %s could not be looked up: %s", user ? "user" : "group",
			  user ? user : group ? group : "?", error);
	json_decref(o);
}

static void
stop_asking(struct names_request *r)
{
	if (r->watch != NULL)
		r->n->running--;
	watch_free(r->watch);
	r->watch = NULL;
	helper_fini(&r->helper);
	timer_free(r->timer);
	r->timer = NULL;
	buf_free(&r->answer);
}

static void
request_free(struct names_request *r)
{
	char **argv = (char **)(void *)r->argv.data;
	size_t i;

	stop_asking(r);
	for (i = 0; i < r->argv.len / sizeof(*argv); i++)
		free(argv[i]);
	buf_free(&r->argv);
	free(r);
}

/* Those who wait go on, r and those that asked the same; what they ask for next is another request. */
static void
tell_all(struct names_request *r, bool timed_out)
{
	struct names_request *next;

	for (; r != NULL; r = next) {
		next = r->alike;
		r->done(r->arg, timed_out);
		request_free(r);
	}
}

/* The helper has answered, ended or had its time: whoever asked goes on. */
static void
conclude(struct names_request *r, bool timed_out)
{
	struct names *n = r->n;
	struct names_request **at;

	stop_asking(r);
	for (at = &n->first; *at != r; at = &(*at)->next)
		;
	*at = r->next;
	tell_all(r, timed_out);
}

static void
finish(struct names_request *r, bool timed_out)
{
	struct names *n = r->n;

	conclude(r, timed_out);
	ask_next(n);
}

static void
take_lines(struct names_request *r)
{
	char *eol;

	while (r->answer.len > 0 && (eol = memchr(r->answer.data, '\n', r->answer.len)) != NULL) {
		take_answer(r->n, r->answer.data, (size_t)(eol - r->answer.data));
		buf_consume(&r->answer, (size_t)(eol - r->answer.data) + 1);
	}
}

static void
answer_readable(void *arg, int what)
{
	struct names_request *r = arg;
	char *room = buf_reserve(&r->answer, 4096);
	ssize_t len = room ? read(r->helper.out_fd, room, 4096) : 0;

	(void)what;
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len > 0) {
		r->answer.len += (size_t)len;
		take_lines(r);
	}
	if (len <= 0 || r->answer.len > ANSWER_MAX)
		finish(r, false);
}

static void
time_is_up(void *arg)
{
	log_write(LOG_CONFIG, LOG_LEVEL_WARNING,
		  "users and groups could not be looked up within %d s: going on, asking again when they are needed",
		  NAMES_TIMEOUT_MS / 1000);
	finish(arg, true);
}

/* The helper lies beside this program. */
static const char *
helper_path(void)
{
	static char path[PATH_MAX + 16];

	return beside_engine("appctl-lookup", path, sizeof(path));
}

/* false: it cannot be asked; err says why. */
static bool
ask(struct names_request *r, struct err *err)
{
	const char *end = NULL;

	err_set(err, ENOMEM, "%s", helper_path());
	buf_add(&r->argv, &end, sizeof(end));
	r->timer = timer_new(r->n->d->loop, time_is_up, r);
	if (r->argv.failed || r->timer == NULL ||
	    helper_start(&r->helper, (const char *const *)(const void *)r->argv.data, err) < 0)
		return false;
	r->watch = watch_new(r->n->d->loop, r->helper.out_fd, LOOP_READ, answer_readable, r);
	if (r->watch == NULL)
		return false;
	r->n->running++;
	timer_at(r->timer, clock_mono_ms() + NAMES_TIMEOUT_MS);
	return true;
}

static struct names_request *
first_that_waits(const struct names *n)
{
	struct names_request *r = n->first;

	while (r != NULL && r->watch != NULL)
		r = r->next;
	return r;
}

static void
ask_next(struct names *n)
{
	struct names_request *r;
	struct err err;

	while (n->running < HELPERS_MAX && (r = first_that_waits(n)) != NULL) {
		if (ask(r, &err))
			continue;
		log_write(LOG_CONFIG, LOG_LEVEL_ERROR, "users and groups cannot be looked up: %s", err.msg);
		conclude(r, true);
	}
}

static void
add_word(struct names_request *r, const char *prefix, const char *name)
{
	char *word = NULL;

	if (asprintf(&word, "%s%s", prefix, name) < 0)
		r->argv.failed = true;
	else
		buf_add(&r->argv, &word, sizeof(word));
}

void
names_want(struct names_request *r, const char *name, bool is_group)
{
	if (name != NULL && !needs_no_lookup(name))
		add_word(r, is_group ? "g:" : "u:", name);
}

struct names_request *
names_request_new(names_done *done, void *arg)
{
	struct names_request *r = calloc(1, sizeof(*r));

	if (r == NULL)
		daemon_give_up("no memory to look up names");
	r->done = done;
	r->arg = arg;
	r->helper.out_fd = -1;
	add_word(r, "", helper_path());
	return r;
}

/* The end of the words of one that runs is part of its argv. */
static bool
asks_the_same(const struct names_request *a, const struct names_request *b)
{
	const char *const *x = (const char *const *)(const void *)a->argv.data, *const *y = (const char *const *)(const void *)b->argv.data;
	size_t n = b->argv.len / sizeof(*y), i;

	if (a->argv.len != b->argv.len + (a->watch ? sizeof(*x) : 0))
		return false;
	for (i = 0; i < n && strcmp(x[i], y[i]) == 0; i++)
		;
	return i == n;
}

static void
join(struct names_request *first, struct names_request *r)
{
	if (first->alike == NULL)
		first->alike = r;
	else
		first->last_alike->alike = r;
	first->last_alike = r;
}

bool
names_submit(struct names *n, struct names_request *r)
{
	struct names_request **last;

	r->n = n;
	if (!r->argv.failed && r->argv.len <= sizeof(char *)) {
		request_free(r);
		return false;
	}
	for (last = &n->first; *last != NULL; last = &(*last)->next) {
		if (!r->argv.failed && !(*last)->argv.failed && asks_the_same(*last, r)) {
			join(*last, r);
			return true;
		}
	}
	*last = r;
	ask_next(n);
	return true;
}

bool
names_ask(struct names *n, const struct model *m, names_done *done, void *arg)
{
	struct names_request *r = names_request_new(done, arg);
	uint32_t i;

	for (i = 0; i < m->name_count; i++)
		names_want(r, m->names[i].name, m->names[i].is_group);
	return names_submit(n, r);
}

bool
names_ask_for(struct names *n, const struct circumstances *as, names_done *done, void *arg)
{
	struct names_request *r = names_request_new(done, arg);
	uint32_t i;

	names_want(r, as->user, false);
	names_want(r, as->group, true);
	for (i = 0; i < as->groups.n; i++)
		names_want(r, as->groups.v[i], true);
	return names_submit(n, r);
}

bool
names_may_exist(const struct names *n, const char *name, bool is_group)
{
	const struct entry *e = find(n, is_group ? NAME_GROUP : NAME_USER, name);

	return e == NULL || !e->missing;
}

void
names_check(const struct names *n, const struct model *m, struct problems *ps)
{
	const struct name_use *use;
	uint32_t i;

	for (i = 0; i < m->name_count; i++) {
		use = &m->names[i];
		if (!names_may_exist(n, use->name, use->is_group))
			problem_add(ps, use->at, use->path, NULL, "unknown %s \"%.80s\"",
				    use->is_group ? "group" : "user", use->name);
	}
}

struct names *
names_new(struct daemon *d)
{
	struct names *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->d = d;
	return n;
}

void
names_free(struct names *n)
{
	struct names_request *r, *alike;
	size_t i;

	if (n == NULL)
		return;
	while ((r = n->first) != NULL) {
		n->first = r->next;
		for (; r != NULL; r = alike) {
			alike = r->alike;
			request_free(r);
		}
	}
	for (i = 0; i < n->n; i++)
		entry_clear(&n->v[i]);
	free(n->v);
	free(n);
}
