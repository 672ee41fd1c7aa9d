/* SPDX-License-Identifier: MIT */
#pragma once

#include "setup/apply.h"

/* Whether the programs will take what is set for them: by their own tables of settings. */

/*
 * The environment without what begins as a setting does and is none: complaints has a line for each.  An array to be freed, of borrowed
 * entries; NULL: no memory.
 */
char **check_names(char *const *environment, const struct wishes *w, struct buf *complaints);
/* What is set in the text for that side.  environment: where metrics are named.  -1: complaints says what would be refused. */
int check_values(const struct edit *e, enum side side, char *const *environment, struct buf *complaints);
