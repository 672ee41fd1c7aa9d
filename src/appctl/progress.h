/* SPDX-License-Identifier: MIT */
#pragma once

#include "appctl/cmd.h"

/*
 * Waits for the reply to the call that is under way on l->client.  On a terminal one line on stderr says what is
 * waited for, renewed by events: the application app, or, NULL, all that the mode waits for.
 * NULL: e says why there is no reply.
 */
json_t *progress_wait(struct cmdline *l, const char *app, struct appctl_error *e);
