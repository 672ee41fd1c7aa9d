/* SPDX-License-Identifier: MIT */
#include "store/pg_init.h"

#include "base/buf.h"
#include "store/schema.h"

#include <errno.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

void
pg_error(struct err *err, const char *message)
{
	char *s;

	err_set(err, 0, "PostgreSQL: %s", message);
	for (s = err->msg; *s != '\0'; s++)
		if (*s == '\n' || *s == '\t')
			*s = ' ';
	while (s > err->msg && s[-1] == ' ')
		*--s = '\0';
	err->code = EIO;
}

static int
fail(PGconn *c, const PGresult *r, struct err *err)
{
	const char *primary = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;

	pg_error(err, primary ? primary : PQerrorMessage(c));
	return -1;
}

static int
execute(PGconn *c, struct buf *sql, struct err *err)
{
	PGresult *r;
	int result = 0;

	r = PQexec(c, buf_cstr(sql));
	if (sql->failed)
		result = err_set(err, ENOMEM, "statements for the database");
	else if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
		result = fail(c, r, err);
	PQclear(r);
	buf_clear(sql);
	return result;
}

struct quoted {
	char *writer, *reader, *writer_literal, *reader_literal, *schema;
};

/* A role is made where there is none; whoever makes it must be able to act as it. */
static void
role_sql(struct buf *sql, const char *name, const char *literal)
{
	buf_printf(sql, "DO $do$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = %s) THEN CREATE ROLE %s LOGIN; END IF; END $do$;\n",
		   literal, name);
}

static void
rights_sql(struct buf *sql, const struct quoted *q)
{
	buf_printf(sql, "DO $do$ BEGIN IF NOT pg_has_role(current_user, %s, 'MEMBER') THEN GRANT %s TO CURRENT_USER; END IF; END $do$;\n",
		   q->writer_literal, q->writer);
	buf_printf(sql, "GRANT USAGE, CREATE ON SCHEMA %s TO %s;\n", q->schema, q->writer);
	buf_printf(sql, "GRANT USAGE ON SCHEMA %s TO %s;\n", q->schema, q->reader);
	buf_printf(sql, "SET LOCAL ROLE %s;\n", q->writer);
	buf_printf(sql, "ALTER DEFAULT PRIVILEGES IN SCHEMA %s GRANT SELECT ON TABLES TO %s;\n", q->schema, q->reader);
}

static void
grants_sql(struct buf *sql, const char *reader)
{
	size_t i;

	buf_printf(sql, "GRANT SELECT ON %s", schema_batch.name);
	for (i = 0; i < SCHEMA_TABLE_COUNT; i++)
		buf_printf(sql, ", %s", schema_table(i)->name);
	buf_printf(sql, " TO %s;\n", reader);
}

static void
quoted_free(struct quoted *q)
{
	PQfreemem(q->writer);
	PQfreemem(q->reader);
	PQfreemem(q->writer_literal);
	PQfreemem(q->reader_literal);
	PQfreemem(q->schema);
}

static int
quote(PGconn *c, const struct pg_roles *roles, struct quoted *q, struct err *err)
{
	const char *writer = roles->writer ? roles->writer : "appctl_writer";
	const char *reader = roles->reader ? roles->reader : "appctl_reader";
	PGresult *r = PQexec(c, "SELECT current_schema()");

	if (PQresultStatus(r) != PGRES_TUPLES_OK || PQgetisnull(r, 0, 0)) {
		fail(c, r, err);
		PQclear(r);
		return -1;
	}
	q->schema = PQescapeIdentifier(c, PQgetvalue(r, 0, 0), strlen(PQgetvalue(r, 0, 0)));
	PQclear(r);
	q->writer = PQescapeIdentifier(c, writer, strlen(writer));
	q->reader = PQescapeIdentifier(c, reader, strlen(reader));
	q->writer_literal = PQescapeLiteral(c, writer, strlen(writer));
	q->reader_literal = PQescapeLiteral(c, reader, strlen(reader));
	if (q->schema == NULL || q->writer == NULL || q->reader == NULL || q->writer_literal == NULL || q->reader_literal == NULL)
		return fail(c, NULL, err);
	return 0;
}

static int
prepare(PGconn *c, const struct quoted *q, struct err *err)
{
	struct buf sql = { 0 };
	int result;

	buf_adds(&sql, "SET client_min_messages = warning;\nBEGIN;\n");
	role_sql(&sql, q->writer, q->writer_literal);
	role_sql(&sql, q->reader, q->reader_literal);
	rights_sql(&sql, q);
	schema_sql(&sql, DIALECT_POSTGRES);
	grants_sql(&sql, q->reader);
	buf_adds(&sql, "COMMIT;\n");
	result = execute(c, &sql, err);
	buf_free(&sql);
	return result;
}

int
pg_init_db(const char *conninfo, const struct pg_roles *roles, struct err *err)
{
	PGconn *c = PQconnectdb(conninfo);
	struct quoted q = { 0 };
	int result = -1;

	if (PQstatus(c) != CONNECTION_OK)
		fail(c, NULL, err);
	else if (quote(c, roles, &q, err) == 0)
		result = prepare(c, &q, err);
	quoted_free(&q);
	PQfinish(c);
	return result;
}

static void
add_file(const char *path, char **out, size_t max, size_t *n)
{
	char *copy = path && *path == '/' && *n < max ? strdup(path) : NULL;

	if (copy != NULL)
		out[(*n)++] = copy;
}

size_t
pg_files(const char *conninfo, char **out, size_t max)
{
	static const char *const keys[] = { "passfile", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir" };
	static const char *const variables[] = { "PGPASSFILE", "PGSERVICEFILE", "PGSSLCERT", "PGSSLKEY", "PGSSLROOTCERT", "PGSSLCRL" };
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL), *o;
	size_t i, n = 0;

	for (o = options; o != NULL && o->keyword != NULL; o++)
		for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			if (strcmp(o->keyword, keys[i]) == 0)
				add_file(o->val, out, max, &n);
	PQconninfoFree(options);
	for (i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		add_file(getenv(variables[i]), out, max, &n);
	return n;
}
