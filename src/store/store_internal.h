/* SPDX-License-Identifier: MIT */
#pragma once

#include "store/backend.h"
#include "store/held.h"
#include "store/store.h"

#include <pthread.h>

/* Inside a store: store.c is its caller's side, store_work.c the thread that speaks to the database. */

/* News of a node for the caller. */
struct trouble {
	struct trouble *next;
	char node[256];
	struct err why;			/* msg empty: it is over */
};

struct store {
	const struct store_handler *h;
	void *arg;
	const struct backend_ops *ops;
	struct backend *backend;
	struct catalog *catalog;
	struct buf scratch;
	int64_t retention_ms;
	int news_fd, stop_fd;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t work;
	/* under lock */
	bool stop;
	bool known;			/* how the database is; why.msg empty: well */
	struct err why;
	struct store_list queue, done;
	struct mark *marks, *asked, *marked;	/* to ask for; being asked for; to be handed out */
	struct trouble *troubles, **troubles_end;
	size_t pending;
	int64_t newest_us;
	struct store_counts counts;
	/* the thread's */
	bool is_open, unsure;		/* unsure: some of the group may have been stored */
	struct store_list group;
	unsigned tries;			/* of the group, in a row */
	struct held *held;
	uint64_t stored[CATALOG_TABLES_MAX];	/* batches of each table */
	bool untended;
	int64_t again_ms, tend_at_ms;
	/* the caller's */
	bool told_any;
	char told[sizeof(((struct err *)0)->msg)];	/* what health() was told last */
};

void *store_work(void *store);			/* the thread */

/* The first day that is kept. */
int64_t store_oldest_day(const struct store *s, int64_t real_us);
struct mark *store_mark_new(const char *node, uint64_t epoch, void *tag);	/* NULL: no memory */
void store_marks_free(struct mark *list);
void store_marks_drop(struct mark **list);	/* those that nobody waits for any more */
