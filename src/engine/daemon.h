/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "core/engine.h"
#include "wire/link.h"

#include <sys/types.h>

/*
 * appctl-engine: the shell around the pure engine.  Each part below is a file of
 * this folder and knows the others only through this header.
 *
 * One rule for all of them: tell the engine something (daemon_at() first), then
 * call daemon_settle(), which saves what changed, commits it, and only then carries out the effects.
 */
struct loop;		/* loop/loop.h: libev */
struct keeper_link;	/* link.c: the seqpacket to the keeper, queueing what it does not take at once */
struct state_file;	/* state.c: the memfd, its records, their compaction */
struct publisher;	/* publish.c: the event ring, events.sock and all subscriptions */
struct control;		/* control.c: control.sock, Varlink framing and connections */
struct names;		/* names.c: users and groups as a helper process found them */
struct shell;		/* shell.h: what only the parts of the shell need of each other */

struct daemon {
	struct loop *loop;
	struct engine *engine;
	struct keeper_link *link;
	struct state_file *state;
	struct publisher *publisher;
	struct control *control;
	struct names *names;
	struct shell *shell;
	struct link_hello hello;	/* what the keeper said at the start */
	const char *config_path;	/* of the main file */
	const char *runtime_dir;
	const char *runtime_env;	/* "APPCTL_RUNTIME_DIR=…", shared by all that is started; NULL: not known */
	const char *node;
	const char *cgroup_dir;		/* "" where there is none */
	int64_t config_read_us;		/* when the configuration in force was read */
};

/* Reads both clocks and tells the engine. */
void daemon_at(struct daemon *d);
/* Saves, commits, carries out all effects, arms the next deadline. */
void daemon_settle(struct daemon *d);

/* load.c: files -> model, names looked up.  NULL: ps says why.  Never waits. */
struct model *daemon_read_config(struct daemon *d, struct problems *ps);
/*
 * A reload as a request: `done` is called once, at once or when the names have been looked up (at most
 * NAMES_TIMEOUT_MS later); problems is empty on success.  only_new: take just the applications that were not there before.
 */
typedef void reload_done(void *arg, const struct problems *ps);
void daemon_reload(struct daemon *d, bool only_new, reload_done *done, void *arg);

/*
 * reexec.c: appctld is to be replaced in its process.  The call that waits under token is answered by control_answer():
 * OUTCOME_DONE when the new program is good, and this engine ends then.  -1: not now, err says why.
 */
int daemon_reexec(struct daemon *d, uint64_t token, struct err *err);
const char *daemon_reexec_text(const struct daemon *d);	/* while it is answered: the new version, or why not */

/* names.c: by name or number.  false: not known (yet). */
struct name_user {
	uid_t uid;
	gid_t gid;
	const char *home, *shell, *name;
	const gid_t *groups;
	size_t group_count;
};
bool names_user(const struct names *n, const char *user, struct name_user *out);
bool names_group(const struct names *n, const char *group, gid_t *out);

/* link.c: the levels of this process's log are the keeper's too from now on. */
void daemon_share_log_levels(struct daemon *d);

/* access.c: who may do what.  The peer's credentials are those at connect. */
struct peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
	gid_t *groups;			/* supplementary, owned */
	size_t group_count;
};
int peer_of(int fd, struct peer *out, struct err *err);		/* by SO_PEERCRED and SO_PEERGROUPS */
void peer_free(struct peer *p);
/* The level that peer has over that application; NULL: over the node as a whole. */
enum access_level access_of(const struct daemon *d, const struct peer *peer, const char *app);
/*
 * May peer run commands as that user without being an admin?  user NULL: as anybody; the one to take then.  NULL: no.
 */
const char *access_run_as(const struct daemon *d, const struct peer *peer, const char *user);

/* publish.c */
struct subscription_filter {
	uint32_t categories;		/* bits 1 << enum event_category; 0: all */
	bool has_since, snapshot;
	uint64_t since;
	uint64_t instance;		/* that since belongs to; 0: not said */
};
enum framing { FRAMING_LINES, FRAMING_VARLINK };	/* FRAMING_VARLINK: each event as a reply of Subscribe */
struct publisher *publisher_new(struct daemon *d, int listen_fd);
void publisher_free(struct publisher *p);
/* An event that is committed: kept in the ring and sent to those who asked for it. */
void publisher_add(struct publisher *p, const struct event *ev, const char *line, size_t len);
/* A subscription over a connection that is open already (take_fd is the publisher's from now on). */
void publisher_adopt(struct publisher *p, int take_fd, const struct subscription_filter *f, enum framing framing);
/* {"categories":[…],"since":…,"instance":…,"snapshot":…} as both sockets take it.  -1: err says what is wrong. */
int subscription_parse(const char *json, size_t len, struct subscription_filter *out, struct err *err);

/* control.c */
struct control *control_new(struct daemon *d, int listen_fd);
void control_free(struct control *c);
/* EFFECT_ANSWER: the method call that waits under token can be answered. */
void control_answer(struct control *c, uint64_t token, enum outcome outcome);

/* child.c: a definition as an order to the keeper. */
struct spawn_fds {
	int fd[3];			/* for a transient application; -1: none */
};
/* Sends it; a failure (names, environment files, memory) is told to the engine as engine_spawn_failed(). */
void child_spawn(struct daemon *d, struct app *a, enum child_kind kind, uint64_t inc, const struct spawn_fds *fds);
/* Descriptors that came with Run wait here until a's EFFECT_SPAWN; taken over. */
void child_keep_fds(struct daemon *d, const struct app *a, struct spawn_fds take);

/* state.c: what recovery needs of a transient application. */
void state_put_transient(struct state_file *s, const char *name, const char *definition_json);
