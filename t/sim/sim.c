/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * sim [-r RUNS] [-s FIRST_SEED] [-n STEPS] [-t]
 *
 * Runs the real engine in a simulated world, one seed a run.  A run that breaks a promise prints its
 * seed and how many steps are enough to show it; -r 1 -s SEED -n STEPS -t replays it with all that happened.
 */
static bool
run(uint64_t seed, unsigned steps, bool trace, struct world *w)
{
	world_begin(w, seed, trace);
	while (w->steps < steps && !w->exited && !w->failure[0])
		world_step(w);
	if (!w->failure[0])
		world_settle(w);
	world_end(w);
	return w->failure[0] == '\0';
}

/* The fewest steps that still fail: what happens is the same up to there. */
static unsigned
shrink(uint64_t seed, unsigned steps)
{
	struct world w;
	unsigned n, best = steps;

	for (n = steps; n > 0; n--) {
		if (!run(seed, n, false, &w))
			best = n;
	}
	return best;
}

int
main(int argc, char **argv)
{
	uint64_t seed = 1, at;
	unsigned long runs = 1000, failed = 0, steps_done = 0, deaths = 0;
	unsigned steps = 150;
	bool trace = false;
	struct world w;
	int c;

	while ((c = getopt(argc, argv, "r:s:n:t")) != -1) {
		switch (c) {
		case 'r':
			runs = strtoul(optarg, NULL, 10);
			break;
		case 's':
			seed = strtoull(optarg, NULL, 10);
			break;
		case 'n':
			steps = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 't':
			trace = true;
			break;
		default:
			return 2;
		}
	}
	for (at = seed; at < seed + runs && failed < 10; at++) {
		if (!run(at, steps, trace, &w)) {
			failed++;
			printf("# seed %llu, %u steps: %s\n", (unsigned long long)at, shrink(at, w.steps), w.failure);
		}
		steps_done += w.steps;
		deaths += w.deaths;
	}
	printf("1..1\n%sok 1 - %lu runs, %lu steps, %lu deaths of the engine: no promise is broken\n", failed ? "not " : "", runs,
	       steps_done, deaths);
	return failed > 0;
}
