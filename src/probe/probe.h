/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"

#include <stdint.h>

/*
 * appctl-probe: is it ready yet?  Asks again and again until the answer is yes.
 * It runs beside the application, as its user, and is simply killed when nobody
 * wants to know any more.
 */
struct probe {
	const char *host, *port, *path, *url;
	char *const *command;		/* NULL-terminated; NULL: none */
	int64_t interval_ms;		/* between two attempts */
	int64_t timeout_ms;		/* of all attempts together; 0: no limit */
};

enum { ATTEMPT_MAX_MS = 3000 };		/* one attempt is never longer */

/* One attempt, of at most limit_ms: 0 ready; -1 not ready, err says why. */
typedef int probe_attempt(const struct probe *p, int64_t limit_ms, struct err *err);
probe_attempt attempt_exec, attempt_tcp, attempt_unix, attempt_http;
