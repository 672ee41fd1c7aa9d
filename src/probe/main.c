/* SPDX-License-Identifier: MIT */
#include "probe/probe.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct probe_type {
	const char *name;
	probe_attempt *attempt;
	size_t needs;			/* the member of struct probe that it cannot do without */
	const char *option;
} types[] = {
	{ "exec", attempt_exec, offsetof(struct probe, command), "a command after --" },
	{ "tcp", attempt_tcp, offsetof(struct probe, port), "--port" },
	{ "unix", attempt_unix, offsetof(struct probe, path), "--path" },
	{ "http", attempt_http, offsetof(struct probe, url), "--url" },
};

static const struct option options[] = {
	{ "host", required_argument, NULL, 'h' },
	{ "port", required_argument, NULL, 'p' },
	{ "path", required_argument, NULL, 'f' },
	{ "url", required_argument, NULL, 'u' },
	{ "interval", required_argument, NULL, 'i' },
	{ "timeout", required_argument, NULL, 't' },
	{ 0 },
};

static int
usage(const char *what, const char *value)
{
	fprintf(stderr, "appctl-probe: %s%s\n"
			"Usage: appctl-probe tcp [--host HOST] --port PORT | unix --path PATH | http --url URL | exec\n"
			"                    [--interval MS] [--timeout MS] [-- COMMAND...]\n",
		what, value);
	return 1;
}

/* A number of milliseconds up to a day; -1: it is none. */
static int64_t
milliseconds(const char *s)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(s, &end, 10);
	return errno != 0 || end == s || *end != '\0' || v < 0 || v > 86400000 ? -1 : v;
}

static const struct probe_type *
type_by_name(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	}
	return NULL;
}

/* Reads argv behind the type.  0, or 1 after saying what is wrong. */
static int
read_options(int argc, char **argv, struct probe *p)
{
	int64_t *ms;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		switch (c) {
		case 'h':
			p->host = optarg;
			break;
		case 'p':
			p->port = optarg;
			break;
		case 'f':
			p->path = optarg;
			break;
		case 'u':
			p->url = optarg;
			break;
		case 'i':
		case 't':
			ms = c == 'i' ? &p->interval_ms : &p->timeout_ms;
			*ms = milliseconds(optarg);
			if (*ms < 0)
				return usage("not a number of milliseconds: ", optarg);
			break;
		default:
			return usage("unknown option, or one without its value: ", argv[optind - 1]);
		}
	}
	if (optind < argc)
		p->command = argv + optind;
	return 0;
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
sleep_ms(int64_t ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static int64_t
smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Attempts until one succeeds or the time is over; the last reason is worth a line then. */
static int
probe_run(const struct probe *p, probe_attempt *attempt)
{
	int64_t deadline_ms = p->timeout_ms > 0 ? now_ms() + p->timeout_ms : INT64_MAX;
	struct err err = { 0 }, last = { 0 };
	int64_t left_ms;

	while ((left_ms = deadline_ms - now_ms()) > 0) {
		if (attempt(p, smaller(left_ms, ATTEMPT_MAX_MS), &err) == 0)
			return 0;
		/* An attempt that was cut short by the end of all says less than the one before. */
		if (last.msg[0] == '\0' || now_ms() < deadline_ms)
			last = err;
		sleep_ms(smaller(p->interval_ms, deadline_ms - now_ms() > 0 ? deadline_ms - now_ms() : 0));
	}
	fprintf(stderr, "appctl-probe: not ready within %lld ms: %s\n", (long long)p->timeout_ms, last.msg);
	return 1;
}

int
main(int argc, char **argv)
{
	struct probe p = { .host = "127.0.0.1", .interval_ms = 100 };
	const struct probe_type *type;
	const void *needed;

	if (argc < 2)
		return usage("what shall be tried?", "");
	type = type_by_name(argv[1]);
	if (type == NULL)
		return usage("no such type: ", argv[1]);
	if (read_options(argc - 1, argv + 1, &p) != 0)
		return 1;
	memcpy(&needed, (const char *)&p + type->needs, sizeof(needed));
	if (needed == NULL)
		return usage("missing: ", type->option);
	return probe_run(&p, type->attempt);
}
