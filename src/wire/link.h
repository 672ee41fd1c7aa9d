/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The link between keeper and engine: a SOCK_SEQPACKET pair, both ends on one machine (native byte order).  A
 * message is a fixed header, then a body whose layout the type names.  Both sides check every length: a message that
 * does not fit its type is refused whole, and the side that gets one ends the link.
 *
 * A packet holds one message or several, each beginning at a multiple of 8: what is said at one time costs the
 * other side one wake-up.  A message that comes with descriptors is alone in its packet.
 *
 * A message that would be longer than LINK_MAX goes as a memfd: the packet is
 * the header alone with LINK_F_MEMFD, the descriptor holds the body.
 *
 * Pure: bytes <-> structs.  sys/link_io.h sends and receives.
 */
enum { LINK_VERSION = 2, LINK_MAX = 64 * 1024, LINK_BODY_MAX = 16 * 1024 * 1024, LINK_FDS_MAX = 8 };

/* The descriptors that an engine finds open when it starts. */
enum { ENGINE_FD_LINK = 3, ENGINE_FD_CONTROL, ENGINE_FD_EVENTS, ENGINE_FD_NOTIFY, ENGINE_FD_STATE, ENGINE_FD_END };

#define LINK_TYPES(X) \
	/* keeper -> engine */ \
	X(HELLO, "hello")		/* struct link_hello, then the node's cgroup directory: text */ \
	X(CHILD, "child")		/* struct link_child + name: one that is alive or not acknowledged */ \
	X(TABLE_END, "table_end")	/* all children have been told: go on */ \
	X(SPAWNED, "spawned")		/* struct link_spawned; a READY_FD read end comes with it */ \
	X(SPAWN_FAILED, "spawn_failed")	/* struct link_spawn_failed */ \
	X(EXITED, "exited")		/* struct link_exited */ \
	X(GOT_SIGNAL, "got_signal")	/* struct link_number: appctld itself got this signal */ \
	X(PING, "ping")			/* answer with PONG: someone doubts that the engine is alive */ \
	X(REEXEC_FAILED, "reexec_failed") /* text: why the program that is installed does not take over */ \
	X(REEXEC_GO, "reexec_go")	/* text, its version: it will take over as soon as this engine has ended */ \
	/* engine -> keeper */ \
	X(READY, "ready")		/* the engine accepts what it has been told and works */ \
	X(SPAWN, "spawn")		/* struct link_spawn + arrays + strings; see link_spawn_* */ \
	X(SIGNAL, "signal")		/* struct link_signal */ \
	X(ACK, "ack")			/* the exit of header.inc has been noted: forget it, its cgroup too */ \
	X(ACK_AGAIN, "ack_again")	/* the same, but its cgroup will be used again */ \
	X(RELABEL, "relabel")		/* struct link_label: how to end header.inc, should the keeper have to */ \
	X(ADOPT, "adopt")		/* struct link_number: this pid is now the main process of header.inc */ \
	X(READY_SEEN, "ready_seen")	/* header.inc's readiness is noted: close its read end */ \
	X(STATE, "state")		/* a new state memfd comes with it: lend that one from now on */ \
	X(STATUS, "status")		/* text for a service manager above: STATUS= */ \
	X(STABLE, "stable")		/* everything is up: READY=1 to a service manager above */ \
	X(STOPPING, "stopping")		/* a shutdown has begun: STOPPING=1 */ \
	X(EXIT, "exit")			/* struct link_number: all has stopped, end with this status */ \
	X(PONG, "pong") \
	X(REEXEC, "reexec")		/* try the program that is now installed, and be replaced by it */ \
	X(LOG_LEVELS, "log_levels")	/* struct link_log_levels: how much is logged */
enum link_type {
	LINK_NONE,
#define X(id, name) LINK_##id,
	LINK_TYPES(X)
#undef X
	LINK_TYPE_END
};

enum { LINK_F_MEMFD = 1 };

struct link_header {
	uint8_t version, type;		/* LINK_VERSION, enum link_type */
	uint16_t flags;
	uint32_t body_len;
	uint64_t inc;			/* the incarnation it is about; 0: none */
};

struct link_hello {
	uint64_t instance;		/* of this appctld: changes when it starts anew */
	uint64_t last_inc;		/* the highest incarnation ever ordered of this keeper */
	int64_t started_real_us;
	uint32_t engine_starts;		/* 1: the first engine of this keeper */
	uint8_t tracking;		/* enum tracking */
	uint8_t is_pid1;
	uint8_t shutdown_asked;		/* a signal asked for it while there was no engine */
	uint8_t pad;
	uint32_t replaced;		/* how often appctld was replaced in its process (reexec) */
	uint32_t pad2;
	/* then the cgroup directory that applications' cgroups are made in, "" where there is none */
};

/* How the descendants of an application are known. */
enum tracking { TRACKING_SUBREAPER, TRACKING_CGROUP };

struct link_child {
	int32_t pid;
	int32_t status;			/* with exited: as of waitpid(2) */
	uint8_t exited, tree_left, oom, has_ready_fd;	/* has_ready_fd: the read end comes with it */
	uint32_t last_signal_step;
	uint8_t kind, pad[3];
	/* then the application's name */
};

struct link_spawned {
	int32_t pid;
	uint32_t has_ready_fd;
};

struct link_spawn_failed {
	int32_t error;			/* errno */
	uint32_t step;			/* enum spawn_step */
};

struct link_exited {
	int32_t pid, status;
	uint8_t tree_left, oom, pad[6];
};

struct link_number {
	int64_t number;
};

struct link_signal {
	int32_t signo;
	uint32_t step;			/* the keeper does each step of an incarnation once; 0: always */
	uint8_t whole_tree, pad[7];
};

/* Of each module in their order (base/log.h), behind them nothing. */
struct link_log_levels {
	uint8_t level[16];
};

/* How the keeper alone would end a child. */
struct link_label {
	int32_t stop_signal, pad;
	int64_t shutdown_ms;		/* INT64_MAX: no limit of its own */
};

/* What the child was doing when it could not go on: one list for both processes. */
#define SPAWN_STEPS(X) \
	X(NONE, "none") X(CLONE, "clone") X(CGROUP, "cgroup") X(SESSION, "session") X(LIMITS, "limits") \
	X(PRIORITY, "priority") X(AFFINITY, "cpu_affinity") X(OOM_SCORE, "oom_score_adj") X(ROOT, "root") \
	X(LOG, "log") X(DESCRIPTORS, "descriptors") X(GROUPS, "groups") X(GROUP, "group") X(USER, "user") \
	X(CAPABILITIES, "capabilities") X(NO_NEW_PRIVS, "no_new_privileges") X(DIRECTORY, "directory") X(EXEC, "exec") \
	X(REFUSED, "refused") X(MEMORY, "memory") X(LOOKUP, "lookup") X(ENVIRONMENT, "environment_files") \
	X(RUNTIME_DIRECTORY, "runtime_directory") X(TERMINAL, "controlling_terminal")
enum spawn_step {
#define X(id, name) SPAWN_STEP_##id,
	SPAWN_STEPS(X)
#undef X
	SPAWN_STEP_COUNT
};
const char *spawn_step_name(uint32_t step);	/* "unknown" where there is none */

/* Where a child's descriptors 0, 1, 2 come from. */
enum stdio_kind {
	STDIO_NULL,
	STDIO_INHERIT,			/* appctld's own */
	STDIO_FILE,			/* 1 and 2: appended to log_path */
	STDIO_PASSED,			/* a descriptor that comes with the message, in the order 0, 1, 2 */
};

enum {
	SPAWN_HAS_UID = 1 << 0, SPAWN_HAS_GID = 1 << 1, SPAWN_HAS_GROUPS = 1 << 2, SPAWN_HAS_UMASK = 1 << 3,
	SPAWN_HAS_NICE = 1 << 4, SPAWN_HAS_OOM = 1 << 5, SPAWN_HAS_IONICE = 1 << 6, SPAWN_HAS_AFFINITY = 1 << 7,
	SPAWN_HAS_CAPS = 1 << 8, SPAWN_NO_NEW_PRIVS = 1 << 9, SPAWN_READY_FD = 1 << 10,
	SPAWN_SESSION = 1 << 11,	/* a session of its own (main processes always) */
	SPAWN_TERMINAL = 1 << 12,	/* descriptor 0, where that is a terminal, becomes the controlling one */
};

struct link_spawn {
	uint32_t flags;			/* SPAWN_… */
	uint8_t kind;			/* enum child_kind */
	uint8_t stdio[3];		/* enum stdio_kind */
	struct link_label label;
	uint32_t uid, gid, umask;
	int32_t nice, oom_score_adj, ionice, ready_fd;
	uint32_t group_count, limit_count, argc, envc;
	uint64_t capabilities;
	uint64_t cpu_affinity[16];
	/*
	 * then: uint32_t groups[] (padded to 8 bytes), struct link_limit limits[], and NUL-terminated strings: the application's
	 * name, the cgroup below the node's directory ("" for none), directory, root, log_path, runtime_directory
	 * (each "" for none), argv, envp
	 */
};

struct link_limit {
	uint32_t resource, pad;
	uint64_t soft, hard;
};

/* A message taken apart, lent from the bytes it was read from. */
struct link_msg {
	struct link_header h;
	const void *body;		/* h.body_len bytes, aligned for its struct */
};

/*
 * Checks version, type, direction and that the body is as long as its type says and well
 * formed (strings terminated, counts within bounds).  body: 8-byte aligned.  0 or -1.
 */
int link_check(const struct link_header *h, const void *body, bool from_engine);
const char *link_type_name(unsigned type);
/* How many descriptors come with a checked message, the memfd of LINK_F_MEMFD not counted. */
size_t link_fd_count(const struct link_header *h, const void *body);

/* Where a message may begin, at len or behind it. */
static inline size_t
link_aligned(size_t len)
{
	return (len + 7) & ~(size_t)7;
}

/* Writes header and body at the end of out, behind other messages; text: appended with its NUL, NULL for none. */
void link_put(struct buf *out, enum link_type type, uint64_t inc, const void *fixed, size_t fixed_len, const char *text);
/* The text after the fixed part of a checked message. */
const char *link_text(const struct link_header *h, const void *body);

/* A spawn order, as both sides handle it. */
struct spawn_order {
	struct link_spawn fixed;
	const uint32_t *groups;
	const struct link_limit *limits;
	const char *name, *cgroup, *directory, *root, *log_path, *runtime_directory;
	const char *const *argv, *const *envp;		/* NULL-terminated */
};
void link_put_spawn(struct buf *out, uint64_t inc, const struct spawn_order *o);
/* Pointers into body; argv and envp into *vector, which the caller frees.  0; -1: no memory.  Only after link_check(). */
int link_get_spawn(const void *body, size_t len, struct spawn_order *o, const char ***vector);
