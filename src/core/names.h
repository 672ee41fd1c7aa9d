/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Names that Linux gives to numbers, as configurations write them. */
int capability_by_name(const char *name);	/* "NET_BIND_SERVICE", "cap_chown": its number; -1: none */
const char *capability_name(int number);	/* in capitals, without CAP_; NULL: beyond the last */
int limit_by_name(const char *name);		/* "nofile": RLIMIT_NOFILE; -1: none */
const char *limit_name(int resource);		/* NULL: none */
const char *capability_suggest(const char *name);
const char *limit_suggest(const char *name);
