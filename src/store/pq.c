/* SPDX-License-Identifier: MIT */
#include "store/pq.h"

#include "store/pg_init.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { PUT_MAX = 1 << 20 };

static int64_t
mono_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The connection is of no use any more. */
static int
lost(struct pq *q, const char *what, struct err *err)
{
	q->state[0] = '\0';
	pg_error(err, what);
	pq_close(q);
	return -1;
}

static int
wait_for(struct pq *q, short events, int64_t deadline_ms, struct err *err)
{
	struct pollfd p[2] = { { .fd = PQsocket(q->c), .events = events }, { .fd = q->stop_fd, .events = POLLIN } };
	int64_t left_ms = deadline_ms - mono_ms();
	int n;

	do
		n = poll(p, 2, left_ms > 0 ? (int)left_ms : 0);
	while (n < 0 && errno == EINTR);
	if (p[1].revents != 0)
		return lost(q, "it is to end", err);
	if (n == 0)
		return lost(q, "no answer in time", err);
	return 0;
}

int
pq_connect(struct pq *q, const char *conninfo, struct err *err)
{
	/* The server's own conninfo comes last and wins. */
	static const char *const names[] = { "fallback_application_name", "client_encoding", "keepalives_idle", "tcp_user_timeout", "dbname", NULL };
	const char *values[] = { "appctl-consumer", "UTF8", "30", "30000", conninfo, NULL };
	int64_t deadline_ms = mono_ms() + PQ_CONNECT_MS;
	PostgresPollingStatusType what = PGRES_POLLING_WRITING;

	pq_close(q);
	q->c = PQconnectStartParams(names, values, 1);
	if (q->c == NULL || PQstatus(q->c) == CONNECTION_BAD)
		return lost(q, q->c ? PQerrorMessage(q->c) : "no memory", err);
	while (what != PGRES_POLLING_OK) {
		if (wait_for(q, what == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_ms, err) < 0)
			return -1;
		what = PQconnectPoll(q->c);
		if (what == PGRES_POLLING_FAILED)
			return lost(q, PQerrorMessage(q->c), err);
	}
	if (PQsetnonblocking(q->c, 1) < 0)
		return lost(q, PQerrorMessage(q->c), err);
	return 0;
}

void
pq_close(struct pq *q)
{
	PQfinish(q->c);
	q->c = NULL;
}

/* Everything queued goes out; what comes in meanwhile is taken. */
static int
flush(struct pq *q, int64_t deadline_ms, struct err *err)
{
	int left;

	while ((left = PQflush(q->c)) == 1) {
		if (wait_for(q, POLLIN | POLLOUT, deadline_ms, err) < 0)
			return -1;
		if (!PQconsumeInput(q->c))
			return lost(q, PQerrorMessage(q->c), err);
	}
	return left < 0 ? lost(q, PQerrorMessage(q->c), err) : 0;
}

/* The next result; *out NULL: there are no more. */
static int
result(struct pq *q, PGresult **out, struct err *err)
{
	int64_t deadline_ms = mono_ms() + PQ_QUERY_MS;

	while (PQisBusy(q->c)) {
		if (wait_for(q, POLLIN, deadline_ms, err) < 0)
			return -1;
		if (!PQconsumeInput(q->c))
			return lost(q, PQerrorMessage(q->c), err);
	}
	*out = PQgetResult(q->c);
	return 0;
}

/* An error from the server: what it was, and all that follows it is read. */
static int
refused(struct pq *q, PGresult *r, struct err *err)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE), *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	PGresult *more = NULL;
	struct err ignored;

	if (state == NULL || PQstatus(q->c) != CONNECTION_OK) {
		text = PQerrorMessage(q->c);
		PQclear(r);
		return lost(q, text, err);
	}
	snprintf(q->state, sizeof(q->state), "%s", state);
	q->constraint = PQresultErrorField(r, PG_DIAG_CONSTRAINT_NAME) != NULL;
	pg_error(err, text ? text : state);
	PQclear(r);
	while (q->c != NULL && result(q, &more, &ignored) == 0 && more != NULL)
		PQclear(more);
	return -1;
}

int
pq_begin(struct pq *q, const char *sql, struct err *err)
{
	if (q->c == NULL)
		return err_set(err, ENOTCONN, "PostgreSQL");
	q->state[0] = '\0';
	if (!PQsendQuery(q->c, sql))
		return lost(q, PQerrorMessage(q->c), err);
	return flush(q, mono_ms() + PQ_QUERY_MS, err);
}

/* Results up to a COPY (1) or the end (0); rows go to *out. */
static int
go_on(struct pq *q, PGresult **out, struct err *err)
{
	PGresult *r;

	for (;;) {
		if (result(q, &r, err) < 0)
			return -1;
		if (r == NULL)
			return 0;
		switch (PQresultStatus(r)) {
		case PGRES_TUPLES_OK:
			if (out != NULL) {
				PQclear(*out);
				*out = r;
				continue;
			}
			break;
		case PGRES_COMMAND_OK:
			break;
		case PGRES_COPY_IN:
			PQclear(r);
			return 1;
		default:
			return refused(q, r, err);
		}
		PQclear(r);
	}
}

int
pq_query(struct pq *q, const char *sql, PGresult **out, struct err *err)
{
	int n;

	if (out != NULL)
		*out = NULL;
	n = pq_begin(q, sql, err) < 0 ? -1 : go_on(q, out, err);
	if (n != 0 && out != NULL) {
		PQclear(*out);
		*out = NULL;
	}
	return n == 1 ? lost(q, "a COPY that nobody expected", err) : n;
}

int
pq_copy(struct pq *q, struct err *err)
{
	int n = go_on(q, NULL, err);

	return n == 0 ? lost(q, "it does not ask for the rows", err) : n < 0 ? -1 : 0;
}

int
pq_put(struct pq *q, const char *data, size_t len, struct err *err)
{
	int64_t deadline_ms = mono_ms() + PQ_QUERY_MS;
	size_t n;

	for (; len > 0; data += n, len -= n) {
		n = len < PUT_MAX ? len : PUT_MAX;
		if (PQputCopyData(q->c, data, (int)n) != 1)
			return lost(q, PQerrorMessage(q->c), err);
		if (flush(q, deadline_ms, err) < 0)
			return -1;
	}
	return 0;
}

int
pq_copy_end(struct pq *q, struct err *err)
{
	if (PQputCopyEnd(q->c, NULL) != 1)
		return lost(q, PQerrorMessage(q->c), err);
	return flush(q, mono_ms() + PQ_QUERY_MS, err);
}

int
pq_end(struct pq *q, struct err *err)
{
	int n = go_on(q, NULL, err);

	return n == 1 ? lost(q, "a COPY that nobody expected", err) : n;
}

static bool
is_of(const char *state, const char *const *classes)
{
	while (*classes != NULL && strncmp(state, *classes, strlen(*classes)) != 0)
		classes++;
	return *classes != NULL;
}

/* A row for which there is no partition is a check violation without a constraint: the database lacks something then. */
static bool
lacks_partition(const struct pq *q)
{
	return strcmp(q->state, "23514") == 0 && !q->constraint;
}

bool
pq_is_data_error(const struct pq *q)
{
	/* Data, integrity, limits; what functions raise.  Classes from I on are nobody's but the operator's, beside XX. */
	static const char *const classes[] = { "22", "23", "54", "38", "39", "44", NULL };

	return !lacks_partition(q) && (is_of(q->state, classes) || (q->state[0] >= 'I' && strncmp(q->state, "XX", 2) != 0));
}

bool
pq_is_wrong(const struct pq *q)
{
	/* Wrong names and types, by what somebody added; but not what lacks a permission. */
	static const char *const classes[] = { "0A", "42", NULL };

	return is_of(q->state, classes) && strcmp(q->state, "42501") != 0;
}
