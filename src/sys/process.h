/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* What a parent does with its children; what a server does with itself. */

/*
 * The next child that ended or (stopped: true) was stopped; reaps what ended.  Never waits.  Its pid, and
 * status as of waitpid(2); 0: none now.
 */
pid_t process_reap(int *status, bool *stopped);
/* A child that was not reaped yet is safe to be named by its pid. */
int process_signal(pid_t pid, int signo);

/* As many descriptors as it may have: the usual limit is meant for programs that wait with select(2). */
void process_allow_many_descriptors(void);
