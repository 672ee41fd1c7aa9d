/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/log.h"
#include "engine/shell.h"
#include "sys/helper.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_MAX = 1024 * 1024 };

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

/* One run of the helper. */
struct names_request {
	struct names_request *next;
	struct buf argv;		/* char *[]: "u:NAME", "g:NAME", owned */
	names_done *done;
	void *arg;
};

struct names {
	struct daemon *d;
	struct entry *v;
	size_t n, cap;
	struct names_request *first;		/* the one that is being asked, and those that wait */
	struct helper helper;
	struct watch *watch;
	struct timer *timer;
	struct buf answer;
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
	json_t *o = json_loadb(line, len, 0, NULL);
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
		e->missing = e->missing || e->home == NULL || e->shell == NULL || e->groups == NULL;
	} else if (e != NULL) {
		e->missing = error != NULL || !id_of(o, "gid", &e->gid);
	}
	if (error != NULL && e == NULL)
		log_write(LOG_CONFIG, LOG_LEVEL_WARNING, "%s %s could not be looked up: %s", user ? "user" : "group",
			  user ? user : group ? group : "?", error);
	json_decref(o);
}

static void
request_free(struct names_request *r)
{
	char **argv = (char **)(void *)r->argv.data;
	size_t i;

	for (i = 0; i < r->argv.len / sizeof(*argv); i++)
		free(argv[i]);
	buf_free(&r->argv);
	free(r);
}

/* The helper has answered, ended or had its time: whoever asked goes on, then the next. */
static void
finish(struct names *n, bool timed_out)
{
	struct names_request *r = n->first;

	watch_free(n->watch);
	n->watch = NULL;
	helper_fini(&n->helper);
	timer_at(n->timer, 0);
	buf_free(&n->answer);
	n->first = r->next;
	r->done(r->arg, timed_out);
	request_free(r);
	ask_next(n);
}

static void
take_lines(struct names *n)
{
	char *eol;

	while (n->answer.len > 0 && (eol = memchr(n->answer.data, '\n', n->answer.len)) != NULL) {
		take_answer(n, n->answer.data, (size_t)(eol - n->answer.data));
		buf_consume(&n->answer, (size_t)(eol - n->answer.data) + 1);
	}
}

static void
answer_readable(void *arg, int what)
{
	struct names *n = arg;
	char *room = buf_reserve(&n->answer, 4096);
	ssize_t len = room ? read(n->helper.out_fd, room, 4096) : 0;

	(void)what;
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len > 0) {
		n->answer.len += (size_t)len;
		take_lines(n);
	}
	if (len <= 0 || n->answer.len > ANSWER_MAX)
		finish(n, false);
}

static void
time_is_up(void *arg)
{
	struct names *n = arg;

	log_write(LOG_CONFIG, LOG_LEVEL_WARNING,
		  "users and groups could not be looked up within %d s: going on, asking again when they are needed",
		  NAMES_TIMEOUT_MS / 1000);
	finish(n, true);
}

/* The helper lies beside this program. */
static const char *
helper_path(void)
{
	static char path[PATH_MAX + 16];

	return beside_engine("appctl-lookup", path, sizeof(path));
}

static void
ask_next(struct names *n)
{
	const char *end = NULL;
	struct err err;

	while (n->first != NULL && n->helper.out_fd < 0) {
		buf_add(&n->first->argv, &end, sizeof(end));
		if (!n->first->argv.failed &&
		    helper_start(&n->helper, (const char *const *)(const void *)n->first->argv.data, &err) == 0)
			n->watch = watch_new(n->d->loop, n->helper.out_fd, LOOP_READ, answer_readable, n);
		if (n->watch != NULL) {
			timer_at(n->timer, clock_mono_ms() + NAMES_TIMEOUT_MS);
			return;
		}
		log_write(LOG_CONFIG, LOG_LEVEL_ERROR, "users and groups cannot be looked up: %s", err.msg);
		finish(n, true);
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
	add_word(r, "", helper_path());
	return r;
}

bool
names_submit(struct names *n, struct names_request *r)
{
	struct names_request **last;

	if (!r->argv.failed && r->argv.len <= sizeof(char *)) {
		request_free(r);
		return false;
	}
	for (last = &n->first; *last != NULL; last = &(*last)->next)
		;
	*last = r;
	if (n->first == r)
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
	n->helper.out_fd = -1;
	n->timer = timer_new(d->loop, time_is_up, n);
	if (n->timer == NULL) {
		free(n);
		return NULL;
	}
	return n;
}

void
names_free(struct names *n)
{
	struct names_request *r;
	size_t i;

	if (n == NULL)
		return;
	watch_free(n->watch);
	helper_fini(&n->helper);
	timer_free(n->timer);
	while ((r = n->first) != NULL) {
		n->first = r->next;
		request_free(r);
	}
	for (i = 0; i < n->n; i++)
		entry_clear(&n->v[i]);
	free(n->v);
	buf_free(&n->answer);
	free(n);
}
