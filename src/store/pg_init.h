/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"

#include <stddef.h>

/*
 * Prepares a PostgreSQL database, as its owner or a superuser: a role that writes and owns the tables, one that reads
 * whatever the first will ever make, and all tables (in the first schema of the search path).  May be done again at any time:
 * what is there stays.  Roles can log in; passwords, peer maps and pg_hba.conf are the administrator's.
 */
struct pg_roles {
	const char *writer, *reader;		/* NULL: appctl_writer, appctl_reader */
};

/* Waits for the database.  -1: nothing was changed and err says why. */
int pg_init_db(const char *conninfo, const struct pg_roles *roles, struct err *err);

/* Files that libpq reads for that conninfo, besides what lies in /etc: up to max, to be freed; returns how many. */
size_t pg_files(const char *conninfo, char **out, size_t max);

/* What PostgreSQL reported, on one line: as people want to read it. */
void pg_error(struct err *err, const char *message);
