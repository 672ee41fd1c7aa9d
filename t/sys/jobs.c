/* SPDX-License-Identifier: MIT */
#include "job/job.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * jobs RUNTIME_DIR: does what the lines of its standard input say and prints what comes of it.
 *
 *	run NAME JSON		JSON: the definition; standard output and error go where ours go
 *	find NAME | kill NAME SIGNAL | stop NAME | forget NAME
 *
 *	started NAME PID | ended NAME TEXT (REASON) | failed NAME MESSAGE
 */
enum { JOBS_MAX = 4096 };

static struct loop *loop;
static struct jobs *jobs;
static struct job *all[JOBS_MAX];
static char input[1 << 20];
static size_t input_len;

static void
drop(struct job *j)
{
	int i;

	for (i = 0; i < JOBS_MAX; i++)
		if (all[i] == j)
			all[i] = NULL;
}

static void
started(void *arg, struct job *j, pid_t pid)
{
	(void)arg;
	printf("started %s %d\n", job_name(j), (int)pid);
}

static void
ended(void *arg, struct job *j, const struct job_end *end)
{
	json_t *doc = job_end_json(end);

	(void)arg;
	printf("ended %s %s (%s) %d\n", job_name(j), json_string_value(json_object_get(doc, "text")), end->reason, job_end_status(end));
	json_decref(doc);
	drop(j);
}

static void
failed(void *arg, struct job *j, const struct appctl_error *e)
{
	(void)arg;
	printf("failed %s %s\n", job_name(j), e->message);
	drop(j);
}

static const struct job_handler handler = { started, ended, failed };

static void
add(struct job *j, const char *name)
{
	int i;

	for (i = 0; all[i] != NULL; i++)
		;
	all[i] = j;
	if (j == NULL)
		printf("refused %s\n", name);
}

static void
run(const char *name, const char *text)
{
	int fds[3] = { open("/dev/null", O_RDONLY | O_CLOEXEC), fcntl(1, F_DUPFD_CLOEXEC, 3), fcntl(2, F_DUPFD_CLOEXEC, 3) };

	add(job_run(jobs, name, json_loads(text, 0, NULL), fds, &handler, NULL), name);
}

static struct job *
named(const char *name)
{
	int i;

	for (i = 0; i < JOBS_MAX; i++)
		if (all[i] != NULL && strcmp(job_name(all[i]), name) == 0)
			return all[i];
	printf("unknown %s\n", name);
	return NULL;
}

static void
obey(char *line)
{
	char *verb = strtok(line, " "), *name = strtok(NULL, " "), *rest = strtok(NULL, "");
	struct job *j = strcmp(verb, "run") != 0 && strcmp(verb, "find") != 0 ? named(name) : NULL;

	if (strcmp(verb, "run") == 0)
		run(name, rest);
	else if (strcmp(verb, "find") == 0)
		add(job_find(jobs, name, &handler, NULL), name);
	else if (j != NULL && strcmp(verb, "kill") == 0)
		job_kill(j, rest);
	else if (j != NULL && strcmp(verb, "stop") == 0)
		job_stop(j);
	else if (j != NULL) {
		drop(j);
		job_forget(j);
	}
}

static void
readable(void *arg, int what)
{
	ssize_t n = read(0, input + input_len, sizeof(input) - input_len - 1);
	char *end;

	(void)arg;
	(void)what;
	if (n <= 0) {
		loop_stop(loop);
		return;
	}
	input_len += (size_t)n;
	while ((end = memchr(input, '\n', input_len)) != NULL) {
		*end = '\0';
		obey(input);
		input_len -= (size_t)(end + 1 - input);
		memmove(input, end + 1, input_len);
	}
}

int
main(int argc, char **argv)
{
	struct watch *w;

	setvbuf(stdout, NULL, _IOLBF, 0);
	loop = loop_new();
	jobs = argc == 2 && loop != NULL ? jobs_new(loop, argv[1]) : NULL;
	w = jobs != NULL ? watch_new(loop, 0, LOOP_READ, readable, NULL) : NULL;
	if (w == NULL)
		return 1;
	loop_run(loop);
	watch_free(w);
	jobs_free(jobs);
	loop_free(loop);
	return 0;
}
