/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * An error: a code and a sentence that says what was tried, on what, and what
 * to do.  Fixed size, so that it can be filled when there is no memory left.
 * A function that can fail takes a `struct err *` last and returns -1 or NULL.
 */
struct err {
	int code;		/* an errno value; 0: no error */
	char msg[512];
};

/* Sets code and message, ": strerror(code)" added where code is not 0.  Returns -1. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the message on its way up.  Returns -1. */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
