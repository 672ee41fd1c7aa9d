/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "lib/appctl.h"

#include <stdarg.h>

/*
 * What the files of libappctl share.  Functions that take a struct appctl_error fill it and return -1.
 */

/* Sets status and message; clears what stood there. */
int error_set(struct appctl_error *e, enum appctl_status status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* From errno: EACCES and EPERM are APPCTL_NOT_PERMITTED, anything else APPCTL_UNREACHABLE. */
int error_errno(struct appctl_error *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int error_memory(struct appctl_error *e);
/* From a Varlink error reply. */
int error_varlink(struct appctl_error *e, const char *name, json_t *parameters);
/* Says whose it is; node NULL: this one's, nothing is added. */
int error_of_node(struct appctl_error *e, const char *node);

/* "; $APPCTL_RUNTIME_DIR is not set, …": where else a directory was looked for, for messages.  free() it; may be NULL. */
char *address_tried(const char *runtime_dir);

int64_t now_ms(void);		/* CLOCK_MONOTONIC */
