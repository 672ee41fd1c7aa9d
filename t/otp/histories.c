/* SPDX-License-Identifier: MIT */
#include "core/restart.h"
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * histories SEED N: N random crash histories, a line each: "INTENSITY PERIOD T1 T2 …" in whole seconds.
 * histories < FILE: for each of them, which crash appctl gives up at, from 1; 0: none.
 */
static void
write_histories(uint64_t seed, unsigned long n)
{
	struct dice d = { .state = seed };
	uint32_t crashes, period, at;

	for (; n > 0; n--) {
		period = 1 + dice_roll(&d, 20);
		printf("%u %u", dice_roll(&d, 6), period);
		crashes = 1 + dice_roll(&d, 25);
		/* Gaps about the size at which intensity begins to matter, edges hit often. */
		for (at = dice_roll(&d, 5); crashes > 0; crashes--, at += dice_roll(&d, 3) ? dice_roll(&d, 3) : dice_roll(&d, period + 2))
			printf(" %u", at);
		putchar('\n');
	}
}

static unsigned
gives_up_at(uint32_t intensity, uint32_t period, const char *crashes)
{
	struct restart_log log = { 0 };
	unsigned n = 0;
	long at;
	char *end;

	for (at = strtol(crashes, &end, 10); end != crashes; at = strtol(crashes, &end, 10)) {
		crashes = end;
		n++;
		if (!restart_allowed(&log, intensity, period * INT64_C(1000), at * INT64_C(1000))) {
			restart_log_free(&log);
			return n;
		}
	}
	restart_log_free(&log);
	return 0;
}

int
main(int argc, char **argv)
{
	uint32_t intensity, period;
	char line[1024];
	int used;

	if (argc == 3) {
		write_histories(strtoull(argv[1], NULL, 10), strtoul(argv[2], NULL, 10));
		return 0;
	}
	while (fgets(line, sizeof(line), stdin) != NULL)
		if (sscanf(line, "%" SCNu32 " %" SCNu32 "%n", &intensity, &period, &used) == 2)
			printf("%u\n", gives_up_at(intensity, period, line + used));
	return 0;
}
