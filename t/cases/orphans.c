/* SPDX-License-Identifier: MIT */
/*
 * Makes COUNT orphans, each of which ends at once, and measures how long each was a zombie: from the moment it noted
 * just before its end until its number is free.  Prints the worst of all, in microseconds: "COUNT P50 P999 MAX".
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { OPEN_MAX_COUNT = 64 };		/* this many may wait for being reaped */

struct orphan {
	volatile pid_t pid;		/* 0: not known yet */
	volatile int64_t ended_us;
};

static int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void
make_orphan(struct orphan *o)
{
	pid_t parent = fork();

	if (parent < 0) {
		perror("fork");
		exit(1);
	}
	if (parent > 0) {
		waitpid(parent, NULL, 0);
		return;
	}
	if (fork() == 0) {
		o->pid = getpid();
		while (getppid() != 1)		/* first become init's */
			;
		o->ended_us = now_us();
	}
	_exit(0);
}

/* True once it has been reaped; its age then lies in *age_us. */
static int
is_reaped(const struct orphan *o, int64_t *age_us)
{
	if (o->pid == 0 || o->ended_us == 0 || kill(o->pid, 0) == 0 || errno != ESRCH)
		return 0;
	*age_us = now_us() - o->ended_us;
	return 1;
}

static int
by_age(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 0, made = 0, done = 0;
	struct orphan *open = mmap(NULL, OPEN_MAX_COUNT * sizeof(*open), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int64_t *age = calloc(count > 0 ? (size_t)count : 1, sizeof(*age));
	int used[OPEN_MAX_COUNT] = { 0 }, room, i;

	if (count <= 0 || open == MAP_FAILED || age == NULL)
		return 2;
	while (done < count) {
		for (i = 0, room = -1; i < OPEN_MAX_COUNT; i++) {
			if (used[i] && is_reaped(&open[i], &age[done])) {
				used[i] = 0;
				done++;
			}
			if (!used[i])
				room = i;
		}
		if (room < 0 || made == count)
			continue;
		open[room] = (struct orphan){ 0, 0 };
		used[room] = 1;
		made++;
		make_orphan(&open[room]);
	}
	qsort(age, (size_t)count, sizeof(*age), by_age);
	printf("%ld %lld %lld %lld\n", count, (long long)age[count / 2], (long long)age[count - 1 - count / 1000], (long long)age[count - 1]);
	free(age);
	return 0;
}
