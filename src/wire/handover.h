/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a keeper leaves to the keeper that replaces it in the same process
 * (appctl reexec): a header with version, length and checksum of the whole, then
 * records with a length each: the keeper itself, its children, the orphans it reaped lately.  Descriptors are
 * numbers: they cross the exec as they are.  Whatever differs from what was written, be it one bit, is refused whole.
 *
 * Pure: bytes <-> structs, native byte order.  appctld/reexec.c writes them into a sealed memfd, appctld/take_over.c reads.
 */
enum { HANDOVER_VERSION = 1 };
#define HANDOVER_MAGIC 0x6c7463706f72646eULL

struct handover_header {
	uint64_t magic;
	uint32_t version;
	uint32_t crc;			/* of all that follows, len included */
	uint64_t len;			/* of the whole, this header included */
};

struct handover_keeper {
	uint64_t instance, last_inc;
	int64_t started_real_us;
	uint64_t nofile_soft, nofile_hard;	/* RLIMIT_NOFILE as applications get it */
	uint64_t signals;		/* that no engine has heard: 1 << number */
	int64_t up_ready_at_ms;		/* CLOCK_MONOTONIC; 0: no such deadline */
	int64_t watchdog_ms;		/* of a service manager above; 0: none */
	uint32_t replaced;		/* how often before */
	uint32_t engine_starts;
	int32_t dir_fd, lock_fd, control_fd, events_fd, notify_fd, knock_fd, state_fd;
	int32_t cgroup_fd, up_fd;	/* -1: none */
	uint32_t up_len;		/* of up_address */
	uint8_t up_address[112];	/* struct sockaddr_un */
	uint8_t up_said_ready, shutdown_asked, ever_ready, pad[5];
};

struct handover_texts {
	const char *runtime_dir, *cgroup_path, *cgroup_leaf;
	const char *version;		/* of the program that leaves */
};

struct handover_kid {
	uint64_t inc;
	int64_t shutdown_ms;
	int32_t pid, status;
	uint32_t last_signal_step;
	int32_t ready_fd;		/* -1: none */
	uint16_t flags;			/* KID_… of appctld/table.h */
	uint8_t kind, stop_signal;
	uint32_t pad;
};

struct handover_orphan {
	int32_t pid, status;
};

enum handover_type { HANDOVER_KEEPER = 1, HANDOVER_KID, HANDOVER_ORPHAN, HANDOVER_TYPE_END };

/* One after the other at the end of out: begin, the keeper, the others, end. */
void handover_begin(struct buf *out);
void handover_put_keeper(struct buf *out, const struct handover_keeper *k, const struct handover_texts *t);
void handover_put_kid(struct buf *out, const struct handover_kid *k, const char *name, const char *cgroup);
void handover_put_orphan(struct buf *out, const struct handover_orphan *o);
void handover_end(struct buf *out);

/* A record read back, lent. */
struct handover_item {
	enum handover_type type;
	struct handover_keeper keeper;
	struct handover_texts texts;
	struct handover_kid kid;
	struct handover_orphan orphan;
	const char *name, *cgroup;	/* of the kid; cgroup "": none */
};

enum handover_found { HANDOVER_GOOD, HANDOVER_OTHER_VERSION, HANDOVER_DAMAGED };
/* Is it whole, of this version, and every record of it well formed, the keeper first and once? */
enum handover_found handover_check(const void *data, size_t len, uint32_t *version);
/*
 * The record at *at (from sizeof(struct handover_header)); moves *at behind it.
 * 1: there it is; 0: that was all; -1: damaged.
 */
int handover_next(const void *data, size_t len, size_t *at, struct handover_item *out);
