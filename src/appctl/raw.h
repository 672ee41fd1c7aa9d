/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

/*
 * The terminal of standard input, handed to a program elsewhere: every key goes there.  It is put back as it was
 * however this program ends, short of SIGKILL.
 */
bool raw_begin(void);		/* false: standard input is no terminal */
void raw_end(void);		/* again and again is fine */
void raw_again(void);		/* after a raw_end(), if it had begun */
/* Of the terminal of standard input, output or error; 0 and 0: there is none. */
void window_size(int *rows, int *columns);
