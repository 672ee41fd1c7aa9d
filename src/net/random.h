/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

/* Bytes that nobody can foretell, from the kernel; in small pieces out of a store of them.  Cannot fail. */
void random_bytes(void *out, size_t len);
