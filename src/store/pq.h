/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A connection to PostgreSQL of which no call waits longer than its limit, whatever the server does, and every one ends once stop_fd is
 * readable.  After a failure of the connection itself (state "") it is closed.
 */
struct pq {
	PGconn *c;
	int stop_fd;
	char state[6];			/* SQLSTATE of the last error; "": it did not come from the server */
	bool constraint;		/* the last error named a constraint */
};

enum { PQ_CONNECT_MS = 15000, PQ_QUERY_MS = 60000 };

int pq_connect(struct pq *q, const char *conninfo, struct err *err);
void pq_close(struct pq *q);
/* One or more statements; *out (may be NULL) becomes the last result with rows, to be cleared by the caller. */
int pq_query(struct pq *q, const char *sql, PGresult **out, struct err *err);

/*
 * Statements with COPY … FROM STDIN among them: begin, then for each COPY in turn copy() until it is 1, put()s and copy_end(), at last end().
 * After -1 of any of them it is over.
 */
int pq_begin(struct pq *q, const char *sql, struct err *err);
int pq_copy(struct pq *q, struct err *err);		/* goes on to the next COPY */
int pq_put(struct pq *q, const char *data, size_t len, struct err *err);
int pq_copy_end(struct pq *q, struct err *err);
int pq_end(struct pq *q, struct err *err);

/* The error lies in what a row holds, or a function of the operator's own raised it for that: not in the database. */
bool pq_is_data_error(const struct pq *q);
/* The statement makes no sense there; one that is not permitted is none of these. */
bool pq_is_wrong(const struct pq *q);
