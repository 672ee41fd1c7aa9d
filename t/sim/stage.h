/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * What a world is made of lies on one stage: all that is allocated while it is open, so that the whole can be
 * taken as it is and put back, which is much quicker than to play it again.  The program is linked with --wrap for malloc
 * and its kin; with sanitizers it is not, and there is no stage.
 */
bool stage_open(void);				/* from now on, from nothing; false: there is none */
void stage_close(void);				/* what is allocated from now on comes from elsewhere */

struct picture {				/* zero-initialise */
	void *data;
	size_t len, cap;
};
void stage_take(struct picture *p);
void stage_put(const struct picture *p);
