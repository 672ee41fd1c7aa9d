/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/item.h"
#include "core/problem.h"

#include <limits.h>
#include <sys/types.h>

/*
 * The model: a configuration that was merged, checked and found good.  It never
 * changes; a reload makes another.  Names have become indices into apps[],
 * times milliseconds, signals numbers.  Everything lives in the model's arena.
 */
enum { NAME_MAX_LEN = 63 };			/* of applications, roles and modes, and of a node without its host */
enum { NODE_MAX_LEN = 255 };			/* of a node, name@host */
enum { APP_NONE = UINT32_MAX };

#define DURATION_INFINITE INT64_MAX

struct strings {
	const char **v;
	uint32_t n;
};

enum app_type { APP_PROCESS, APP_ONESHOT, APP_FORKING };
enum restart_type { RESTART_PERMANENT, RESTART_TRANSIENT, RESTART_TEMPORARY };
enum on_exit { ON_EXIT_IGNORE, ON_EXIT_RESTART, ON_EXIT_STOP };
enum give_up { GIVE_UP_NONE, GIVE_UP_MODE, GIVE_UP_SHUTDOWN };
enum ready_type { READY_NONE, READY_NOTIFY, READY_FD, READY_EXEC, READY_TCP, READY_UNIX, READY_HTTP };
enum log_type { LOG_TO_INHERIT, LOG_TO_FILE, LOG_TO_NULL };

/* One entry of applications, optional_applications, start_before or start_after. */
struct ref {
	uint32_t app;		/* index into apps[]; APP_NONE: an optional application that is not there */
	enum on_exit on_exit;
	const char *name;
	struct origin at;
};

struct refs {
	struct ref *v;
	uint32_t n;
};

/* command = ["a", "b"] or, through /bin/sh -c, command = "a b". */
struct command {
	struct strings argv;	/* n == 0: none; complete for exec, "/bin/sh" "-c" included */
	bool shell;
};

struct ready {
	enum ready_type type;
	int64_t timeout_ms;	/* DURATION_INFINITE: wait for ever */
	int64_t interval_ms;	/* between two attempts of exec, tcp, unix, http */
	int fd;			/* READY_FD */
	struct command command;	/* READY_EXEC */
	const char *host, *path, *url;
	uint16_t port;
};

/* Delay before the n-th restart in a row; see restart.h. */
struct backoff {
	int64_t min_ms, max_ms, reset_after_ms;
	double factor, jitter;	/* jitter: the share of the delay that is random, 0 to 1 */
	bool immediate_first;	/* the first restart comes at once (no backoff group was written) */
};

struct limit {
	int resource;		/* RLIMIT_… */
	uint64_t soft, hard;	/* UINT64_MAX: unlimited */
};

/* As whom and where an application runs.  Equal ones are shared between applications. */
struct circumstances {
	const char *user, *group;		/* names or numbers as written; NULL: the daemon's */
	struct strings groups;
	int umask;				/* -1: the daemon's */
	const char *directory, *root;
	const char *runtime_directory;		/* a name below appctld's own; NULL: none */
	struct strings environment;		/* "NAME=value" */
	struct strings environment_files;	/* a leading "-": may be missing */
	bool clear_environment;
	bool no_new_privileges;
	bool controlling_terminal;		/* standard input becomes it, where that is a terminal */
	bool has_nice, has_oom_score_adj, has_capabilities;
	int nice, oom_score_adj;
	int ionice;				/* class << 13 | level as ioprio_set(2) takes it; -1: the daemon's */
	uint64_t cpu_affinity[16];		/* 1024 processors; all zero: the daemon's */
	uint64_t capabilities;			/* with has_capabilities: all it may ever have */
	struct limit *limits;
	uint32_t limit_count;
};

struct app_def {
	const char *name, *description;	/* description may be NULL */
	struct origin at;
	struct command command;		/* argv.n == 0: load-only */
	enum app_type type;
	const char *pidfile;
	struct refs applications, optional_applications, start_before, start_after;
	enum restart_type restart;
	const struct backoff *backoff;
	int intensity;			/* -1: never gives up */
	int64_t period_ms;
	enum give_up on_give_up;
	const char *give_up_mode;
	bool essential;
	bool announces_nodes;		/* it may say that nodes are up or down */
	int64_t shutdown_ms;		/* 0: brutal_kill; DURATION_INFINITE: infinity */
	int stop_signal;
	struct command stop_command;
	int reload_signal;		/* 0: none */
	struct command reload_command;
	const struct ready *ready;
	const struct circumstances *as;
	enum log_type log;
	const char *log_path;
	bool disabled;			/* enabled = false: only an operator starts it */
	bool is_protected;		/* named there, or needed by one that is */
	bool named_protected;
	bool in_role;			/* false: a background application, always wanted */
	uint64_t run_hash;		/* of all keys that a running process would have to be restarted for */
};

struct role {
	const char *name;
	struct origin at;
	uint32_t *apps;			/* sorted by name */
	uint32_t n;
};

struct mode {
	const char *name;
	struct origin at;
	uint32_t *roles;		/* indices into roles[], sorted by name */
	uint32_t n;
};

enum access_level { ACCESS_NONE, ACCESS_READ, ACCESS_OPERATE, ACCESS_ADMIN };

struct access_rule {
	const char *user, *group;	/* one of them set */
	enum access_level level;
	struct strings applications;	/* n == 0: all */
	struct strings run_as;		/* users whose commands it may run as guests (guest.h); n == 0: none */
	struct origin at;
};

struct log_rule {
	int level;			/* enum log_level */
	struct strings modules;		/* n == 0: all */
};

/* A user or group that the configuration names, once each, and where first. */
struct name_use {
	const char *name;		/* name or number as written */
	bool is_group;
	const char *path;		/* "applications.web.user" */
	struct origin at;
};

struct model {
	struct arena *arena;
	struct app_def *apps;		/* in order of name */
	uint32_t app_count;
	struct role *roles;
	uint32_t role_count;
	struct mode *modes;
	uint32_t mode_count;
	const char *node;		/* NULL: the host's name */
	const char *default_mode;	/* NULL: all applications are wanted */
	int64_t shutdown_timeout_ms;	/* of a shutdown as a whole */
	struct access_rule *access;
	uint32_t access_count;
	struct log_rule *log_rules;
	uint32_t log_rule_count;
	struct name_use *names;		/* that somebody has to look up, in no order */
	uint32_t name_count;
	const char *dir;		/* of the main file, with its slash; "" */
	unsigned refs;			/* model_ref(), model_unref() */
};

/*
 * Merges fragments (the main file first, then drop-ins in their order) and
 * checks the whole.  NULL: refused, and ps says why, all of it.  The model
 * copies what it keeps: the fragments may go when this returns.
 */
struct model *model_build(const struct fragment *fragments, size_t n, struct problems *ps);
/* The same for one who can ask at once whether a user or group is known: one that is not is a problem like others. */
typedef bool name_is_known(void *arg, const char *name, bool is_group);
struct model *model_build_asking(const struct fragment *fragments, size_t n, name_is_known *ask, void *arg, struct problems *ps);
/*
 * A definition that came by request (Run) rather than from a file: a model of one application, temporary
 * unless it says otherwise.  What it refers to keeps its name and has no index.
 */
struct model *model_build_transient(const char *name, const struct item *definition, struct problems *ps);

struct model *model_ref(struct model *m);
void model_unref(struct model *m);		/* NULL is fine */

uint32_t model_find_app(const struct model *m, const char *name);	/* APP_NONE: not there */
const struct role *model_find_role(const struct model *m, const char *name);	/* NULL: not there */
const struct mode *model_find_mode(const struct model *m, const char *name);

/* The names that are nearest to a mistyped one, NULL where none is near. */
const char *model_suggest_app(const struct model *m, const char *name);
const char *model_suggest_mode(const struct model *m, const char *name);

void strings_print_json(const struct strings *s, struct buf *out);
/* One application's effective definition as a JSON object: what `appctl show` prints. */
void app_def_print_json(const struct app_def *d, struct buf *out);
/* The whole effective model as `check --json` prints it. */
void model_print_json(const struct model *m, struct buf *out);

/* A key of one application that differs between two definitions. */
struct key_change {
	const char *key;		/* static */
	char *before, *after;		/* JSON texts; NULL: not set */
	bool needs_restart;		/* the running process would have to be restarted for it */
};

struct key_changes {
	struct key_change *v;
	size_t n, cap;
};

/* Key by key, what differs.  -1: no memory. */
int app_def_diff(const struct app_def *before, const struct app_def *after, struct key_changes *out);
void key_changes_free(struct key_changes *c);

const char *app_type_name(enum app_type t);
const char *restart_type_name(enum restart_type t);
const char *ready_type_name(enum ready_type t);
/* "TERM", "SIGTERM", "15" -> 15; -1: no such signal. */
int signal_by_name(const char *name);
/* 15 -> "TERM"; numbers that have no name become "RTMIN+n" or the number; lent until the next call. */
const char *signal_name(int signo);
/* NAME or NAME@HOST; as of applications, but what hostnames have is welcome too: dots, and a digit first. */
bool node_name_is_valid(const char *name);
bool name_is_valid(const char *name);		/* [A-Za-z][-A-Za-z0-9_]*, at most NAME_MAX_LEN, not add or del */
