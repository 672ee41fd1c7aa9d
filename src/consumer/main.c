/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/log.h"
#include "consumer/run.h"
#include "consumer/settings.h"
#include "store/pg_init.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

enum { DONE = 0, FAILED = 1, USAGE = 2 };

static const char help_text[] =
	"Usage: appctl-consumer\n"
	"       appctl-consumer --init-db CONNINFO [--writer ROLE] [--reader ROLE]\n"
	"\n"
	"  --init-db CONNINFO  make roles and tables in that PostgreSQL database, as its owner or a superuser;\n"
	"                      may be done again at any time\n"
	"  --writer ROLE       who writes and owns the tables (appctl_writer)\n"
	"  --reader ROLE       who reads them (appctl_reader)\n"
	"  --help, --version\n"
	"\n"
	"A database in three commands:\n"
	"  sudo -u postgres createdb appctl\n"
	"  sudo -u postgres appctl-consumer --init-db dbname=appctl\n"
	"  sudo -u postgres psql -c \"ALTER ROLE appctl_writer PASSWORD '...'\" appctl\n"
	"and then CONSUMER_DATABASE=\"host=localhost dbname=appctl user=appctl_writer passfile=...\".\n"
	"\n"
	"Without options it takes what producers send, as these variables of its environment say:\n";

enum { OPTION_INIT_DB = 256, OPTION_WRITER, OPTION_READER, OPTION_HELP, OPTION_VERSION };
static const struct option options[] = {
	{ "init-db", required_argument, NULL, OPTION_INIT_DB },
	{ "writer", required_argument, NULL, OPTION_WRITER },
	{ "reader", required_argument, NULL, OPTION_READER },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ 0 },
};

struct asked {
	const char *init_db;
	struct pg_roles roles;
};

static int
usage(const char *what)
{
	fprintf(stderr, "appctl-consumer: %s; appctl-consumer --help says what there is\n", what);
	return USAGE;
}

static int
help(void)
{
	struct buf text = { 0 };

	settings_help(CONSUMER_PREFIX, consumer_settings_table, consumer_settings_count, &text);
	fputs(help_text, stdout);
	fputs(buf_cstr(&text), stdout);
	buf_free(&text);
	return DONE;
}

/* -1: go on; else the exit status. */
static int
read_options(int argc, char **argv, struct asked *a)
{
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case OPTION_INIT_DB:
			a->init_db = optarg;
			break;
		case OPTION_WRITER:
			a->roles.writer = optarg;
			break;
		case OPTION_READER:
			a->roles.reader = optarg;
			break;
		case OPTION_HELP:
			return help();
		case OPTION_VERSION:
			printf("appctl-consumer %s\n", PACKAGE_VERSION);
			return DONE;
		default:
			return USAGE;
		}
	}
	return optind < argc ? usage("no arguments are expected") : -1;
}

static int
init_db(const struct asked *a)
{
	struct err err;

	if (pg_init_db(a->init_db, &a->roles, &err) < 0) {
		fprintf(stderr, "appctl-consumer: %s\n", err.msg);
		return FAILED;
	}
	printf("roles and tables are there\n");
	return DONE;
}

static int
take(void)
{
	struct consumer_settings s = { 0 };
	struct buf problems = { 0 };
	struct err err = { 0 };
	int status = DONE;

	log_init("appctl-consumer");
	if (consumer_settings_read(&s, environ, &problems) < 0) {
		fprintf(stderr, "%s", buf_cstr(&problems));
		status = USAGE;
	} else if (!s.enable) {
		status = usage("CONSUMER_ENABLE is not true");
	} else if (consumer_run(&s, &err) < 0) {
		fprintf(stderr, "appctl-consumer: %s\n", err.msg);
		status = FAILED;
	}
	buf_free(&problems);
	return status;
}

int
main(int argc, char **argv)
{
	struct asked a = { 0 };
	int status = read_options(argc, argv, &a);

	if (status >= 0)
		return status;
	if (a.init_db != NULL)
		return init_db(&a);
	return take();
}
