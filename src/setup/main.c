/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/cleanup.h"
#include "conf/load.h"
#include "setup/apply.h"
#include "setup/check.h"
#include "setup/files.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DONE = 0, FAILED = 1, USAGE = 2 };

static const char help_text[] =
	"Usage: setup_consumer_producer [-c | -p] [-s] FILE\n"
	"\n"
	"Sets up the monitor in FILE, a drop-in of appctld's configuration that defines appctl-consumer and\n"
	"appctl-producer, from CONSUMER_... and PRODUCER_... variables of the environment: CONSUMER_ENABLE and\n"
	"PRODUCER_ENABLE say whether they are enabled, all others become the application's own environment.\n"
	"A secret is generated into the file consumer_secret beside FILE (or CONSUMER_SECRET_FILE) unless there is\n"
	"one.  What the programs would refuse is refused, and names that they do not know are left out; nothing is changed\n"
	"then.  Comments and layout stay, FILE.bak is FILE as it was, and where nothing is to be changed nothing is.\n"
	"\n"
	"  -c, --consumer  the consumer alone: it is enabled, the producer is disabled\n"
	"  -p, --producer  the producer alone\n"
	"  -s, --secret    take the secret from standard input, as it lies in the other host's file, not a new one\n"
	"  -h, --help\n"
	"  -V, --version\n"
	"\n"
	"Exit status: 0 done, or nothing to do; 1 it failed, FILE is as it was; 2 usage.\n";

static const struct option options[] = {
	{ "consumer", no_argument, NULL, 'c' }, { "producer", no_argument, NULL, 'p' }, { "secret", no_argument, NULL, 's' },
	{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' }, { 0 },
};

struct job {
	struct wishes wishes;
	const char *file;
	bool read_secret;
	struct file old;
	struct edit edit;
	struct problems problems;
	struct buf said, secret;
};

static int
usage(const char *what)
{
	fprintf(stderr, "setup_consumer_producer: %s\nTry \"setup_consumer_producer --help\".\n", what);
	return USAGE;
}

/* -1: go on; else the exit status. */
static int
read_options(int argc, char **argv, struct job *j)
{
	int c;

	while ((c = getopt_long(argc, argv, "cpshV", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			j->wishes.only[SIDE_CONSUMER] = true;
			break;
		case 'p':
			j->wishes.only[SIDE_PRODUCER] = true;
			break;
		case 's':
			j->read_secret = true;
			break;
		case 'h':
			fputs(help_text, stdout);
			return DONE;
		case 'V':
			printf("setup_consumer_producer %s\n", PACKAGE_VERSION);
			return DONE;
		default:
			return USAGE;
		}
	}
	if (j->wishes.only[SIDE_CONSUMER] && j->wishes.only[SIDE_PRODUCER])
		return usage("-c and -p exclude each other: without both, both are set up");
	if (optind + 1 != argc)
		return usage("it needs one FILE");
	j->file = argv[optind];
	return -1;
}

static int
complain(const char *what)
{
	fprintf(stderr, "setup_consumer_producer: %s\n", what);
	return -1;
}

static int
complain_all(struct job *j)
{
	struct buf b = { 0 };

	problems_print(&j->problems, &b);
	fputs(buf_cstr(&b), stderr);
	buf_free(&b);
	return -1;
}

static int
take_secret(struct job *j)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t len = getline(&line, &cap, stdin);

	if (len > 0)
		buf_add(&j->secret, line, (size_t)len);
	if (line != NULL)
		explicit_bzero(line, cap);
	free(line);
	return len > 0 ? 0 : complain("there is no secret on standard input");
}

/* Where the secret is to lie: as is set for this side or the other one, else beside the file.  To be freed. */
static char *
secret_path(const struct job *j, enum side side)
{
	const char *set = apply_setting(&j->edit, side, "SECRET_FILE"), *slash = strrchr(j->old.path, '/');
	char *path;

	if (set == NULL || *set == '\0')
		set = apply_setting(&j->edit, side == SIDE_CONSUMER ? SIDE_PRODUCER : SIDE_CONSUMER, "SECRET_FILE");
	if (set != NULL && *set != '\0')
		return strdup(set);
	return asprintf(&path, "%.*s/consumer_secret", (int)(slash - j->old.path), j->old.path) < 0 ? NULL : path;
}

static int
make_secret(struct job *j, enum side side, const char *path)
{
	const char *user = geteuid() == 0 ? apply_user(&j->edit, side) : NULL;
	uid_t owner = geteuid();
	struct err err, nobody;
	bool known;
	int made;

	known = user == NULL || secret_owner(path, user, &owner, &nobody) == 0;
	made = secret_make(path, j->read_secret ? &j->secret : NULL, owner, &err);
	if (made < 0)
		return complain(err.msg);
	if (made == 0)
		return 0;
	buf_printf(&j->said, "%s: a secret for consumer and producer\n", path);
	if (!known)
		complain(nobody.msg);
	return 0;
}

/* What the programs would refuse is refused here, before anything is changed. */
static int
check_all(struct job *j)
{
	struct buf complaints = { 0 };
	enum side side;
	int r = 0;

	for (side = 0; side < SIDE_COUNT; side++)
		if (apply_concerns(&j->edit, &j->wishes, side) && check_values(&j->edit, side, j->wishes.environment, &complaints) < 0)
			r = -1;
	if (r < 0)
		fputs(buf_cstr(&complaints), stderr);
	buf_free(&complaints);
	return r;
}

/* Says where it lies, for each side that is dealt with; it is made last, when all else is known to be good. */
static int
set_secrets(struct job *j)
{
	autofree char *path = NULL;
	enum side side;

	for (side = 0; side < SIDE_COUNT; side++) {
		if (!apply_concerns(&j->edit, &j->wishes, side))
			continue;
		free(path);
		path = secret_path(j, side);
		if (path == NULL)
			return complain("no memory");
		if (apply_set(&j->edit, &j->wishes, side, "SECRET_FILE", path) < 0)
			return complain_all(j);
	}
	if (check_all(j) < 0)
		return -1;
	for (side = 0; side < SIDE_COUNT; side++)
		if (apply_concerns(&j->edit, &j->wishes, side) && make_secret(j, side, apply_setting(&j->edit, side, "SECRET_FILE")) < 0)
			return -1;
	return 0;
}

static int
write_down(struct job *j)
{
	const struct buf *text = &j->edit.text;
	autofree char *backup = NULL;
	struct err err;

	if (text->len == j->old.text.len && memcmp(text->data, j->old.text.data, text->len) == 0)
		return 0;
	if (file_keep(&j->old, &backup, &err) < 0 || file_replace(&j->old, text, &err) < 0)
		return complain(err.msg);
	buf_printf(&j->said, "%s: the file as it was\n", backup);
	return 0;
}

static int
set_up(struct job *j)
{
	struct err err;

	if (file_read(&j->old, j->file, CONF_FILE_MAX, &err) < 0)
		return complain(err.msg);
	buf_reserve(&j->old.text, 1);
	if (edit_begin(&j->edit, j->file, j->old.text.data ? j->old.text.data : "", j->old.text.len, &j->problems) < 0 ||
	    apply_environment(&j->edit, &j->wishes) < 0)
		return complain_all(j);
	if (set_secrets(j) < 0 || write_down(j) < 0)
		return -1;
	fputs(j->said.len > 0 ? buf_cstr(&j->said) : "nothing to change\n", stdout);
	return fflush(stdout) == 0 ? 0 : complain("standard output could not be written");
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A shell hands its variables over in any order: what is written shall not depend on it. */
static void
sort_environment(void)
{
	size_t n;

	for (n = 0; environ[n] != NULL; n++)
		;
	qsort(environ, n, sizeof(*environ), by_name);
}

/* Other software may have variables that begin like ours: they are left out, aloud. */
static char **
take_environment(const struct job *j)
{
	struct buf unknown = { 0 };
	char **known = check_names(environ, &j->wishes, &unknown);
	const char *line, *end;

	for (line = buf_cstr(&unknown); (end = strchr(line, '\n')) != NULL; line = end + 1)
		fprintf(stderr, "setup_consumer_producer: left out: %.*s\n", (int)(end - line), line);
	buf_free(&unknown);
	if (known == NULL)
		complain("no memory");
	return known;
}

int
main(int argc, char **argv)
{
	struct job j = { 0 };
	int status = read_options(argc, argv, &j);
	char **known;

	if (status >= 0)
		return status;
	sort_environment();
	j.wishes.said = &j.said;
	j.wishes.environment = known = take_environment(&j);
	status = known == NULL || (j.read_secret && take_secret(&j) < 0) || set_up(&j) < 0 ? FAILED : DONE;
	if (j.secret.data != NULL)
		explicit_bzero(j.secret.data, j.secret.len);
	edit_end(&j.edit);
	file_free(&j.old);
	problems_free(&j.problems);
	buf_free(&j.said);
	buf_free(&j.secret);
	free(known);
	return status;
}
