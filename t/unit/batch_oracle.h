/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Reads text both as a batch and with jansson, and compares: what one takes as a batch the other must, with the
 * same values.  NULL: they agree; else where they do not.  *taken: it was a batch.
 */
const char *batch_differs(const char *text, size_t len, bool *taken);
