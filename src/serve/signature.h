/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stdbool.h>

/*
 * A method's parameters, word for word as the interface description has them: "name: string, timeout: ?float".
 * Types are string, bool, int, float (all floats are durations: not negative), object, []string and
 * [string]string; ? is what may be left out, or null.  Pure.
 */
struct signature_fault {
	char parameter[64];
	char why[128];			/* goes on behind the parameter's name: "is missing" */
};

/* args NULL: none.  false: fault says which does not fit, and why. */
bool signature_fits(const char *signature, const json_t *args, struct signature_fault *fault);
