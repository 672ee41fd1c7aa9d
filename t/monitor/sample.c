/* SPDX-License-Identifier: MIT */
/*
 * A sampler that does what a test tells it: options are NAME=VALUE, orders come as lines; each answer is
 * batches, one a line, and a line with a point.
 *	take | started NAME PID | ended NAME | incident NAME | counts | spin N
 */
#include "config.h"

#include "producer/sampler.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double
number(const char *s)
{
	return strtod(s, NULL);
}

static void
set_option(struct sampler_options *o, char *text)
{
	static const char *vips[16];
	char *value = strchr(text, '=');

	if (value == NULL)
		exit(2);
	*value++ = '\0';
	if (strcmp(text, "vip") == 0) {
		vips[o->vip_count++ % 16] = value;
		o->vips = vips;
	}
	o->top = strcmp(text, "top") == 0 ? (unsigned)number(value) : o->top;
	o->cpu_min = strcmp(text, "cpu_min") == 0 ? number(value) : o->cpu_min;
	o->memory_min = strcmp(text, "memory_min") == 0 ? (int64_t)number(value) : o->memory_min;
	o->growth_min = strcmp(text, "growth_min") == 0 ? (int64_t)number(value) : o->growth_min;
	o->io_min = strcmp(text, "io_min") == 0 ? (int64_t)number(value) : o->io_min;
	o->processes_max = strcmp(text, "processes_max") == 0 ? (unsigned)number(value) : o->processes_max;
	o->sample_size = strcmp(text, "sample_size") == 0 ? (unsigned)number(value) : o->sample_size;
	o->memory_limit = strcmp(text, "memory_limit") == 0 ? (int64_t)number(value) : o->memory_limit;
	o->descriptors_limit = strcmp(text, "descriptors_limit") == 0 ? (unsigned)number(value) : o->descriptors_limit;
	o->threads_limit = strcmp(text, "threads_limit") == 0 ? (unsigned)number(value) : o->threads_limit;
	o->processes_limit = strcmp(text, "processes_limit") == 0 ? (unsigned)number(value) : o->processes_limit;
	o->cgroup = strcmp(text, "cgroup") == 0 ? value : o->cgroup;
	o->proc = strcmp(text, "proc") == 0 ? value : o->proc;
}

static double
used_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What samples cost, each, in microseconds of the processor. */
static void
spin(struct sampler *s, struct outbox *out, int n)
{
	struct err err;
	double began = 0;
	int i;

	for (i = -1; i < n; i++) {		/* the first one opens */
		if (i == 0)
			began = used_seconds();
		outbox_open(out, 1, 0);
		sampler_take(s, out, &err);
	}
	printf("{\"samples\":%d,\"us\":%.2f}\n", n, (used_seconds() - began) * 1e6 / n);
	outbox_open(out, 1, 0);
}

static int
obey(struct sampler *s, struct outbox *out, char *line, struct err *err)
{
	char *order = strtok(line, " \n"), *name = strtok(NULL, " \n"), *pid = strtok(NULL, " \n");
	struct sampler_incident incident = { "00", 7, name, "exit" };
	struct sampler_counts counts;

	if (order == NULL)
		return 0;
	if (strcmp(order, "take") == 0)
		return sampler_take(s, out, err);
	if (strcmp(order, "incident") == 0)
		return sampler_incident(s, &incident, out, err);
	if (strcmp(order, "started") == 0)
		sampler_application_started(s, name, atoi(pid));
	if (strcmp(order, "ended") == 0)
		sampler_application_ended(s, name);
	if (strcmp(order, "spin") == 0)
		spin(s, out, atoi(name));
	if (strcmp(order, "counts") == 0) {
		counts = sampler_counts(s);
		printf("{\"processes\":%u,\"known\":%u,\"descriptors\":%u}\n", counts.processes, counts.known, counts.descriptors);
	}
	return 0;
}

int
main(int argc, char **argv)
{
	struct sampler_options options = {
		.top = 10, .cpu_min = 0.01, .memory_min = 16 << 20, .growth_min = 64 << 10, .io_min = 64 << 10,
		.processes_max = 10000, .sample_size = 50,
	};
	struct outbox out = { .node = "here", .epoch = 1 };
	const struct spool_batch *b;
	struct sampler *s;
	struct err err = { 0 };
	size_t i, count;
	char line[256];

	for (; argc > 1; argc--, argv++)
		set_option(&options, argv[1]);
	s = sampler_new(&options, &err);
	if (s == NULL) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	while (fgets(line, sizeof(line), stdin) != NULL) {
		outbox_open(&out, 1, 0);
		if (obey(s, &out, line, &err) < 0)
			printf("{\"error\":\"%s\"}\n", err.msg);
		b = outbox_batches(&out, &count);
		for (i = 0; i < count; i++)
			printf("%.*s\n", (int)b[i].len, b[i].text);
		printf(".\n");
		fflush(stdout);
	}
	sampler_free(s);
	outbox_fini(&out);
	return 0;
}
