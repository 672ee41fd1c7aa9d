/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * sim [-r RUNS] [-s FIRST_SEED] [-n STEPS] [-x] [-t]
 * sim [-x] -p RUN
 *
 * Runs the real engine in a simulated world, one seed a run.  A run that breaks a promise is printed with its seed,
 * and in its shortest form with all that happens in it; -p repeats that form.  -t: with all that happens in each.
 * -x checks a promise that nobody gave: for something to shrink.
 */
enum { FAILURES_MAX = 10 };

static struct {
	unsigned long runs;
	uint64_t seed;
	unsigned steps;
	bool trace, lie;
	const char *play;
} option = { .runs = 1000, .seed = 1, .steps = 150 };

static bool
run(uint64_t seed, struct world *w, struct tape *tape)
{
	world_begin(w, (struct dice){ .state = seed, .tape = tape }, option.trace);
	w->lie = option.lie;
	while (w->steps < option.steps && !w->exited && !w->failure[0])
		world_step(w);
	if (!w->failure[0])
		world_settle(w);
	world_end(w);
	return w->failure[0] == '\0';
}

static void
show_shortest(uint64_t seed)
{
	struct run shortest = { .lie = option.lie };
	unsigned steps;
	struct world w;

	run(seed, &w, &shortest.tape);
	printf("# seed %llu: %s\n", (unsigned long long)seed, w.failure);
	shortest.tape.played = true;
	shortest.steps = steps = w.steps;
	run_shrink(&shortest, w.failure);
	printf("# the shortest form has %u steps of %u, to repeat with: sim%s -p ", shortest.steps, steps, option.lie ? " -x" : "");
	run_print(&shortest);
	putchar('\n');
	run_play(&shortest, true, &w);
	printf("# it breaks: %s\n", w.failure);
	free(shortest.tape.v);
}

static int
play(void)
{
	struct run r = { .lie = option.lie };
	struct world w;

	if (run_read(&r, option.play) < 0) {
		fprintf(stderr, "sim: -p takes STEPS:NUMBER,NUMBER,... as it was printed\n");
		return 2;
	}
	run_play(&r, true, &w);
	printf("# it breaks: %s\n", w.failure[0] ? w.failure : "nothing");
	free(r.tape.v);
	return w.failure[0] != '\0';
}

static int
run_all(void)
{
	unsigned long failed = 0, steps = 0, deaths = 0, i;
	bool show = isatty(STDERR_FILENO);
	struct world w;

	for (i = 0; i < option.runs && failed < FAILURES_MAX; i++) {
		if (!run(option.seed + i, &w, NULL)) {
			failed++;
			show_shortest(option.seed + i);
		}
		steps += w.steps;
		deaths += w.deaths;
		if (show && i % 1000 == 0)
			fprintf(stderr, "\rsim: %lu of %lu runs", i, option.runs);
	}
	if (show)
		fprintf(stderr, "\r\033[K");
	printf("1..1\n%sok 1 - %lu runs, %lu steps, %lu deaths of the engine: %s\n", failed ? "not " : "", i, steps, deaths,
	       failed ? "promises are broken" : "no promise is broken");
	return failed > 0;
}

int
main(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "r:s:n:p:xt")) != -1) {
		switch (c) {
		case 'r':
			option.runs = strtoul(optarg, NULL, 10);
			break;
		case 's':
			option.seed = strtoull(optarg, NULL, 10);
			break;
		case 'n':
			option.steps = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'p':
			option.play = optarg;
			break;
		case 'x':
			option.lie = true;
			break;
		case 't':
			option.trace = true;
			break;
		default:
			return 2;
		}
	}
	return option.play != NULL ? play() : run_all();
}
