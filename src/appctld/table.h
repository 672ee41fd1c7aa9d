/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The keeper's children, one slot each, found by incarnation and by pid.  Every
 * spawn copies nothing of it, but it is kept small all the same: memory is taken by table_add() alone, and everything
 * that is still to be told of a child is a flag in its slot.
 */
enum {
	KID_EXITED	= 1 << 0,	/* reaped: status; the slot waits for its acknowledgement */
	KID_TREE_LEFT	= 1 << 1,	/* with EXITED: descendants were there */
	KID_OOM		= 1 << 2,
	KID_FAILED	= 1 << 3,	/* never ran: step, status is an errno; goes when that was told */
	KID_TELL_CHILD	= 1 << 4,	/* the engine has to be told */
	KID_TELL_SPAWNED = 1 << 5,
	KID_TELL_EXITED	= 1 << 6,
	KID_TELL_FAILED	= 1 << 7,
	KID_TELL_REFUSED = 1 << 8,
	KID_AWAITS_ACK	= 1 << 9,	/* told as exited, and the answer should come soon */
	KID_GIVEN_UP	= 1 << 10,	/* not even SIGKILL ended it */
};
enum { KID_TELL = KID_TELL_CHILD | KID_TELL_SPAWNED | KID_TELL_EXITED | KID_TELL_FAILED | KID_TELL_REFUSED };
enum { KID_NONE = UINT32_MAX };

struct kid {
	uint64_t inc;			/* 0: a free slot */
	int64_t shutdown_ms;
	char *name;			/* then, behind its NUL, that of its cgroup */
	int32_t pid;			/* 0: none yet */
	int32_t status;
	uint32_t last_signal_step;
	int32_t ready_fd;		/* -1: none */
	uint32_t next;			/* a chain of its slot's owner: free ones, those just reaped */
	uint16_t flags;
	uint8_t kind, stop_signal;
	uint8_t step;			/* with FAILED: enum spawn_step */
	uint8_t cgroup_at;		/* where in name that of the cgroup begins */
};

struct table {
	struct kid *kids;
	uint32_t cap, used;		/* slots; those from used on were never taken */
	uint32_t count;			/* of taken ones */
	uint32_t free;			/* chain of free ones below used */
	uint32_t *by_inc, *by_pid;	/* open addressing: slot + 1, 0: empty; index_mask + 1 each */
	uint32_t index_mask;
};

/* A slot for inc, which the table has not; may move all others.  NULL: no memory, or names longer than 250. */
struct kid *table_add(struct table *t, uint64_t inc, const char *name, const char *cgroup);
void table_set_pid(struct table *t, struct kid *k, pid_t pid);	/* 0: it has none */
/* It was reaped: it keeps its pid as a number, but is not found by it any more. */
void table_set_exited(struct table *t, struct kid *k, int status);
void table_remove(struct table *t, struct kid *k);		/* closes nothing */
struct kid *table_by_inc(const struct table *t, uint64_t inc);	/* NULL: not there */
struct kid *table_by_pid(const struct table *t, pid_t pid);
/* Each taken slot in turn, from NULL to NULL; the present one may be removed meanwhile. */
struct kid *table_next(const struct table *t, const struct kid *k);
void table_fini(struct table *t);
const char *kid_name(const struct kid *k);
const char *kid_cgroup(const struct kid *k);			/* "": none */
