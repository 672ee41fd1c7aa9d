/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "engine/shell.h"
#include "wire/envfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { ENV_FILE_MAX = 1024 * 1024, PROBE_SHUTDOWN_MS = 1000 };

/* Descriptors that came with Run. */
struct kept {
	char app[NAME_MAX_LEN + 1];
	struct spawn_fds fds;
};

/* A spawn whose names are being looked up. */
struct waiting {
	struct daemon *d;
	uint64_t inc;
};

struct children {
	struct buf kept;		/* struct kept[] */
	uint64_t asked;			/* the incarnation whose names were asked for: what is not known now is not to be had */
	uint64_t ordered;		/* the greatest one that the keeper was told of */
};

/* An order in the making, and what it is made of. */
struct order {
	struct daemon *d;
	const struct app *app;
	enum child_kind kind;
	uint64_t inc;
	struct spawn_order o;
	struct name_user user;
	bool has_user;
	struct buf argv, envp;		/* const char *[] */
	struct buf groups, limits;
	struct buf owned;		/* char *[]: strings to be freed */
	int fds[3];
	size_t fd_count;
	const char *step;		/* what went wrong, if anything did */
	int error;
	const char *env_file;
};

static int
fail(struct order *r, enum spawn_step step, int error)
{
	if (r->step == NULL) {
		r->step = spawn_step_name(step);
		r->error = error;
	}
	return -1;
}

static void
order_free(struct order *r)
{
	char **owned = (char **)(void *)r->owned.data;
	size_t i;

	for (i = 0; i < r->owned.len / sizeof(*owned); i++)
		free(owned[i]);
	buf_free(&r->owned);
	buf_free(&r->argv);
	buf_free(&r->envp);
	buf_free(&r->groups);
	buf_free(&r->limits);
}

static void
add_pointer(struct buf *b, const char *s)
{
	buf_add(b, &s, sizeof(s));
}

/* The string is the order's from now on; NULL: no memory. */
static const char *
own(struct order *r, char *s)
{
	if (s == NULL)
		r->owned.failed = true;
	else
		add_pointer(&r->owned, s);
	return s;
}

static const char *
text(struct order *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static const char *
text(struct order *r, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	va_end(ap);
	return own(r, s);
}

/* --- environment ------------------------------------------------------------ */

/* entry: "NAME=value"; replaces an earlier one of that name. */
static void
put_env(struct order *r, const char *entry)
{
	const char **v = (const char **)(void *)r->envp.data;
	size_t i, name_len;

	if (entry == NULL)
		return;
	name_len = strcspn(entry, "=") + 1;
	for (i = 0; i < r->envp.len / sizeof(*v); i++) {
		if (strncmp(v[i], entry, name_len) == 0) {
			v[i] = entry;
			return;
		}
	}
	add_pointer(&r->envp, entry);
}

static bool
has_env(const struct order *r, const char *name)
{
	const char *const *v = (const char *const *)(const void *)r->envp.data;
	size_t i, len = strlen(name);

	for (i = 0; i < r->envp.len / sizeof(*v); i++) {
		if (strncmp(v[i], name, len) == 0 && v[i][len] == '=')
			return true;
	}
	return false;
}

/* What is meant for appctld itself does not go on to what it starts. */
static bool
is_own(const char *entry)
{
	static const char *const prefixes[] = { "NOTIFY_SOCKET=", "WATCHDOG_", "LISTEN_", "APPCTL_" };
	size_t i;

	for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (strncmp(entry, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	}
	return false;
}

static void
inherit_env(struct order *r)
{
	char **e;

	for (e = environ; *e != NULL; e++) {
		if (!is_own(*e))
			add_pointer(&r->envp, *e);
	}
}

/* Of the user it runs as; what is there already stays where no user was asked for. */
static void
put_user_env(struct order *r)
{
	static const struct name_user root = { .home = "/root", .shell = "/bin/sh", .name = "root" };
	const struct name_user *u = r->has_user ? &r->user : geteuid() == 0 ? &root : NULL;

	if (u == NULL)
		return;
	if (r->has_user || !has_env(r, "HOME"))
		put_env(r, text(r, "HOME=%s", u->home));
	if (r->has_user || !has_env(r, "USER"))
		put_env(r, text(r, "USER=%s", u->name));
	if (r->has_user || !has_env(r, "LOGNAME"))
		put_env(r, text(r, "LOGNAME=%s", u->name));
	if (r->has_user || !has_env(r, "SHELL"))
		put_env(r, text(r, "SHELL=%s", u->shell));
}

static int
set_from_file(void *arg, const char *name, const char *value)
{
	struct order *r = arg;

	put_env(r, text(r, "%s=%s", name, value));
	return 0;
}

static void
line_is_bad(void *arg, unsigned line)
{
	struct order *r = arg;

	log_write(LOG_SPAWN, LOG_LEVEL_WARNING, "%s: %s:%u: no assignment, passed over", r->app->name, r->env_file, line);
}

/* A regular file and nothing that could make this process wait.  -1 with errno. */
static int
read_env_file(const char *path, struct buf *out)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	ssize_t n;
	char *room;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode) || st.st_size > ENV_FILE_MAX) {
		errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		return -1;
	}
	do {
		room = buf_reserve(out, 4096);
		n = room ? read(fd, room, 4095) : -1;
		if (n > 0)
			out->len += (size_t)n;
	} while (n > 0 && out->len <= ENV_FILE_MAX);
	return n == 0 ? 0 : -1;
}

static int
put_env_file(struct order *r, const char *path)
{
	bool may_be_missing = *path == '-';
	struct buf content = { 0 };
	int failed;

	r->env_file = path + may_be_missing;
	errno = 0;
	failed = read_env_file(r->env_file, &content);
	if (failed == 0)
		envfile_parse((char *)(uintptr_t)buf_cstr(&content), content.len, set_from_file, line_is_bad, r);
	else if (may_be_missing && errno == ENOENT)
		failed = 0;
	else
		fail(r, SPAWN_STEP_ENVIRONMENT, errno ? errno : EIO);
	if (failed != 0)
		log_write(LOG_SPAWN, LOG_LEVEL_ERROR, "%s: environment file %s: %s", r->app->name, r->env_file,
			  strerror(r->error));
	buf_free(&content);
	return failed;
}

static int
make_env(struct order *r)
{
	const struct app_def *def = r->app->def;
	uint32_t i;

	if (!def->as->clear_environment)
		inherit_env(r);
	if (!has_env(r, "PATH"))
		put_env(r, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	put_user_env(r);
	put_env(r, r->d->runtime_env);
	for (i = 0; i < def->as->environment_files.n; i++) {
		if (put_env_file(r, def->as->environment_files.v[i]) < 0)
			return -1;
	}
	for (i = 0; i < def->as->environment.n; i++)
		put_env(r, def->as->environment.v[i]);
	if ((def->ready->type == READY_NOTIFY || def->announces_nodes) && notify_path(r->d->shell->notify) != NULL)
		put_env(r, text(r, "NOTIFY_SOCKET=%s", notify_path(r->d->shell->notify)));
	if (r->kind == CHILD_STOP || r->kind == CHILD_RELOAD)
		put_env(r, text(r, "MAINPID=%ld", (long)r->app->pid));
	put_env(r, text(r, "APPCTL_APP=%s", r->app->name));
	put_env(r, text(r, "APPCTL_SELF=%s/%s", r->d->node, r->app->name));
	put_env(r, text(r, "APPCTL_INCARNATION=%" PRIu64, r->inc));
	add_pointer(&r->envp, NULL);
	return 0;
}

/* --- command ---------------------------------------------------------------- */

static void
put_command(struct order *r, const struct command *c)
{
	buf_add(&r->argv, c->argv.v, c->argv.n * sizeof(*c->argv.v));
}

static void
put_option(struct order *r, const char *name, const char *value)
{
	if (value == NULL)
		return;
	add_pointer(&r->argv, name);
	add_pointer(&r->argv, value);
}

static void
put_probe(struct order *r)
{
	const struct ready *ready = r->app->def->ready;
	char path[PATH_MAX + 16];

	add_pointer(&r->argv, text(r, "%s", beside_engine("appctl-probe", path, sizeof(path))));
	add_pointer(&r->argv, ready_type_name(ready->type));
	put_option(r, "--host", ready->host);
	if (ready->type == READY_TCP)
		put_option(r, "--port", text(r, "%u", ready->port));
	put_option(r, "--path", ready->path);
	put_option(r, "--url", ready->url);
	put_option(r, "--interval", text(r, "%" PRId64, ready->interval_ms));
	if (ready->type == READY_EXEC) {
		add_pointer(&r->argv, "--");
		put_command(r, &ready->command);
	}
}

static int
make_argv(struct order *r)
{
	const struct app_def *def = r->app->def;

	switch (r->kind) {
	case CHILD_MAIN:
		put_command(r, &def->command);
		break;
	case CHILD_PROBE:
		put_probe(r);
		break;
	case CHILD_STOP:
		put_command(r, &def->stop_command);
		break;
	case CHILD_RELOAD:
		put_command(r, &def->reload_command);
		break;
	case CHILD_KIND_COUNT:
		break;
	}
	if (r->argv.len == 0 || r->argv.failed)
		return fail(r, SPAWN_STEP_MEMORY, ENOMEM);
	add_pointer(&r->argv, NULL);
	return 0;
}

/* --- as whom and where ------------------------------------------------------ */

static int
add_group(struct order *r, const char *name)
{
	gid_t gid;

	if (!names_group(r->d->names, name, &gid))
		return fail(r, SPAWN_STEP_LOOKUP, ENOENT);
	buf_add(&r->groups, &gid, sizeof(gid));
	return 0;
}

/* With `groups` exactly those; without, the user's own. */
static int
make_groups(struct order *r)
{
	const struct circumstances *as = r->app->def->as;
	uint32_t i;

	for (i = 0; i < as->groups.n; i++) {
		if (add_group(r, as->groups.v[i]) < 0)
			return -1;
	}
	if (as->groups.n == 0 && r->has_user)
		buf_add(&r->groups, r->user.groups, r->user.group_count * sizeof(gid_t));
	r->o.fixed.flags |= SPAWN_HAS_GROUPS;
	r->o.fixed.group_count = (uint32_t)(r->groups.len / sizeof(gid_t));
	return 0;
}

/* -1: failed, or a name is not known (yet). */
static int
make_identity(struct order *r)
{
	const struct circumstances *as = r->app->def->as;
	struct link_spawn *f = &r->o.fixed;

	if (as->user != NULL) {
		if (!names_user(r->d->names, as->user, &r->user))
			return fail(r, SPAWN_STEP_LOOKUP, ENOENT);
		r->has_user = true;
		f->uid = r->user.uid;
		f->gid = r->user.gid;
		f->flags |= SPAWN_HAS_UID | SPAWN_HAS_GID;
	}
	if (as->group != NULL) {
		if (!names_group(r->d->names, as->group, &f->gid))
			return fail(r, SPAWN_STEP_LOOKUP, ENOENT);
		f->flags |= SPAWN_HAS_GID;
	}
	/* Who is that user already, and not root, has nothing to change and may not try. */
	if (geteuid() != 0 && f->flags & SPAWN_HAS_UID && f->uid == geteuid() && as->groups.n == 0 && as->group == NULL) {
		f->flags &= ~(uint32_t)(SPAWN_HAS_UID | SPAWN_HAS_GID);
		return 0;
	}
	if (f->flags & (SPAWN_HAS_UID | SPAWN_HAS_GID) || as->groups.n > 0)
		return make_groups(r);
	return 0;
}

static void
make_limits(struct order *r)
{
	const struct circumstances *as = r->app->def->as;
	uint32_t i;

	for (i = 0; i < as->limit_count; i++) {
		const struct link_limit l = {
			.resource = (uint32_t)as->limits[i].resource,
			.soft = as->limits[i].soft, .hard = as->limits[i].hard,
		};

		buf_add(&r->limits, &l, sizeof(l));
	}
	r->o.fixed.limit_count = as->limit_count;
}

static void
make_circumstances(struct order *r)
{
	const struct circumstances *as = r->app->def->as;
	struct link_spawn *f = &r->o.fixed;

	f->flags |= SPAWN_SESSION | (as->umask >= 0 ? SPAWN_HAS_UMASK : 0) | (as->has_nice ? SPAWN_HAS_NICE : 0) |
		(as->has_oom_score_adj ? SPAWN_HAS_OOM : 0) | (as->ionice >= 0 ? SPAWN_HAS_IONICE : 0) |
		(as->has_capabilities ? SPAWN_HAS_CAPS : 0) | (as->no_new_privileges ? SPAWN_NO_NEW_PRIVS : 0) |
		(as->controlling_terminal && r->kind == CHILD_MAIN ? SPAWN_TERMINAL : 0);
	f->umask = as->umask >= 0 ? (uint32_t)as->umask : 0;
	f->nice = as->nice;
	f->oom_score_adj = as->oom_score_adj;
	f->ionice = as->ionice;
	f->capabilities = as->capabilities;
	memcpy(f->cpu_affinity, as->cpu_affinity, sizeof(f->cpu_affinity));
	for (size_t i = 0; i < sizeof(as->cpu_affinity) / sizeof(as->cpu_affinity[0]); i++)
		f->flags |= as->cpu_affinity[i] != 0 ? SPAWN_HAS_AFFINITY : 0;
	make_limits(r);
}

/* --- descriptors ------------------------------------------------------------ */

static void
pass(struct order *r, int as, int fd)
{
	if (fd < 0)
		return;
	r->o.fixed.stdio[as] = STDIO_PASSED;
	r->fds[r->fd_count++] = fd;
}

static void
make_stdio(struct order *r, const struct spawn_fds *given)
{
	static const uint8_t kinds[] = {
		[LOG_TO_INHERIT] = STDIO_INHERIT, [LOG_TO_FILE] = STDIO_FILE, [LOG_TO_NULL] = STDIO_NULL,
	};
	const struct app_def *def = r->app->def;
	struct link_spawn *f = &r->o.fixed;
	int i;

	f->stdio[0] = STDIO_NULL;
	f->stdio[1] = f->stdio[2] = kinds[def->log];
	r->o.log_path = def->log == LOG_TO_FILE ? def->log_path : "";
	for (i = 0; given != NULL && i < 3; i++)
		pass(r, i, given->fd[i]);
	if (r->kind == CHILD_MAIN && def->ready->type == READY_FD) {
		f->flags |= SPAWN_READY_FD;
		f->ready_fd = def->ready->fd;
	}
}

/* How the keeper alone would end it. */
static void
make_label(struct order *r)
{
	struct link_label *l = &r->o.fixed.label;

	l->stop_signal = r->kind == CHILD_MAIN ? r->app->def->stop_signal : SIGTERM;
	l->shutdown_ms = r->kind == CHILD_MAIN ? r->app->def->shutdown_ms : PROBE_SHUTDOWN_MS;
}

static int
make_order(struct order *r, const struct spawn_fds *given)
{
	const struct circumstances *as = r->app->def->as;

	r->o.fixed.kind = (uint8_t)r->kind;
	r->o.name = r->app->name;
	r->o.cgroup = *r->d->cgroup_dir ? r->app->name : "";
	r->o.directory = as->directory ? as->directory : "";
	r->o.root = as->root ? as->root : "";
	r->o.runtime_directory = as->runtime_directory && r->kind == CHILD_MAIN ? as->runtime_directory : "";
	make_circumstances(r);
	make_label(r);
	make_stdio(r, given);
	if (make_identity(r) < 0 || make_argv(r) < 0 || make_env(r) < 0)
		return -1;
	r->o.groups = (const uint32_t *)(const void *)r->groups.data;
	r->o.limits = (const struct link_limit *)(const void *)r->limits.data;
	r->o.argv = (const char *const *)(const void *)r->argv.data;
	r->o.envp = (const char *const *)(const void *)r->envp.data;
	if (r->owned.failed || r->argv.failed || r->envp.failed || r->groups.failed || r->limits.failed)
		return fail(r, SPAWN_STEP_MEMORY, ENOMEM);
	r->o.fixed.argc = (uint32_t)(r->argv.len / sizeof(char *)) - 1;
	r->o.fixed.envc = (uint32_t)(r->envp.len / sizeof(char *)) - 1;
	return 0;
}

/* --- Run's descriptors ------------------------------------------------------ */

static struct kept *
find_kept(struct children *c, const char *app)
{
	struct kept *k = (struct kept *)(void *)c->kept.data;
	size_t i;

	for (i = 0; i < c->kept.len / sizeof(*k); i++) {
		if (strcmp(k[i].app, app) == 0)
			return &k[i];
	}
	return NULL;
}

static void
close_fds(struct spawn_fds *f)
{
	int i;

	for (i = 0; i < 3; i++) {
		if (f->fd[i] >= 0)
			close(f->fd[i]);
		f->fd[i] = -1;
	}
}

static void
drop_kept(struct children *c, struct kept *k)
{
	struct kept *last = (struct kept *)(void *)(c->kept.data + c->kept.len) - 1;

	close_fds(&k->fds);
	*k = *last;
	c->kept.len -= sizeof(*k);
	if (c->kept.len == 0)
		buf_free(&c->kept);
}

void
child_keep_fds(struct daemon *d, const struct app *a, struct spawn_fds take)
{
	struct kept k = { .fds = take };

	snprintf(k.app, sizeof(k.app), "%s", a->name);
	buf_add(&d->shell->children->kept, &k, sizeof(k));
	if (d->shell->children->kept.failed)
		daemon_give_up("no memory for descriptors");
}

void
child_forget(struct daemon *d, const struct app *a)
{
	struct kept *k = find_kept(d->shell->children, a->name);

	if (k != NULL)
		drop_kept(d->shell->children, k);
}

static bool
has_ended(const struct app *a)
{
	return a->inc[CHILD_MAIN] == 0 && (a->state == APP_COMPLETED || a->state == APP_FAILED || a->state == APP_STOPPED);
}

void
child_drop_ended(struct daemon *d)
{
	struct children *c = d->shell->children;
	size_t i = c->kept.len / sizeof(struct kept);
	struct kept *k;
	struct app *a;

	while (i-- > 0) {
		k = (struct kept *)(void *)c->kept.data + i;
		a = engine_find(d->engine, k->app);
		if (a == NULL || (a->has_run && has_ended(a)))
			drop_kept(c, k);
	}
}

/* --- spawning --------------------------------------------------------------- */

static void
names_known(void *arg, bool timed_out)
{
	struct waiting *w = arg;
	struct daemon *d = w->d;
	struct children *c = d->shell->children;
	enum child_kind kind;
	struct app *a = engine_find_inc(d->engine, w->inc, &kind);

	(void)timed_out;
	daemon_at(d);
	c->asked = w->inc;
	if (a != NULL && w->inc < c->ordered)
		c->asked = engine_order_anew(d->engine, w->inc);
	else if (a != NULL)
		child_spawn(d, a, kind, w->inc, NULL);
	free(w);
	daemon_settle(d);
	c->asked = 0;
}

/* Names that are not known are asked for, and the spawn waits for them.  false: they were, and are not to be had. */
static bool
wait_for_names(struct order *r)
{
	struct waiting *w;

	if (r->d->shell->children->asked == r->inc)
		return false;
	w = malloc(sizeof(*w));
	if (w == NULL)
		return false;
	*w = (struct waiting){ .d = r->d, .inc = r->inc };
	if (names_ask_for(r->d->names, r->app->def->as, names_known, w))
		return true;
	free(w);
	return false;
}

static void
send_order(struct order *r)
{
	log_write(LOG_SPAWN, LOG_LEVEL_DEBUG, "%s: incarnation %" PRIu64 ": %s", r->app->name, r->inc, r->o.argv[0]);
	if (r->kind == CHILD_MAIN)
		tree_prepare(r->d, r->app);
	r->d->shell->children->ordered = r->inc;
	if (keeper_order_spawn(r->d->link, r->inc, &r->o, r->fds, r->fd_count) < 0)
		daemon_spawn_failed(r->d, r->inc, spawn_step_name(SPAWN_STEP_MEMORY), E2BIG);
}

void
child_spawn(struct daemon *d, struct app *a, enum child_kind kind, uint64_t inc, const struct spawn_fds *fds)
{
	struct order r = { .d = d, .app = a, .kind = kind, .inc = inc };
	struct kept *k = kind == CHILD_MAIN ? find_kept(d->shell->children, a->name) : NULL;
	bool lookup;

	if (make_order(&r, fds ? fds : k ? &k->fds : NULL) == 0) {
		send_order(&r);
		if (k != NULL && a->def->restart == RESTART_TEMPORARY)
			drop_kept(d->shell->children, k);	/* nobody starts it again */
	} else {
		lookup = r.step == spawn_step_name(SPAWN_STEP_LOOKUP);
		if (!lookup || !wait_for_names(&r))
			daemon_spawn_failed(d, inc, r.step, r.error);
	}
	order_free(&r);
}

struct children *
children_new(void)
{
	return calloc(1, sizeof(struct children));
}

void
children_free(struct children *c)
{
	if (c == NULL)
		return;
	while (c->kept.len > 0)
		drop_kept(c, (struct kept *)(void *)c->kept.data);
	buf_free(&c->kept);
	free(c);
}
