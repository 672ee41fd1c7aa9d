/* SPDX-License-Identifier: MIT */
#include "engine/check.h"

#include <stdio.h>
#include <string.h>

/* check [--json] FILE: what `appctl-engine --check` does, without the rest of it. */
int
main(int argc, char **argv)
{
	bool json = argc > 1 && strcmp(argv[1], "--json") == 0;

	if (argc != (json ? 3 : 2)) {
		fprintf(stderr, "usage: check [--json] FILE\n");
		return 2;
	}
	return check_main(argv[argc - 1], json);
}
