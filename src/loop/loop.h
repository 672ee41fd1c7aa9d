/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

/*
 * The event loop: descriptors to watch and one-shot timers at absolute times.
 * An idle loop sleeps until something happens: it has no tick of its own.
 * Callbacks may free any watch or timer, their own included.
 */
struct loop;
struct watch;
struct timer;

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

struct loop *loop_new(void);				/* NULL: no memory or no descriptor left */
void loop_free(struct loop *l);				/* after all that was made in it; NULL is fine */
void loop_run(struct loop *l);				/* until loop_stop() */
void loop_stop(struct loop *l);

/* Calls fn while fd is readable or writable, as far as `what` asks; 0 asks for nothing.  fd stays the caller's. */
typedef void watch_fn(void *arg, int what);
struct watch *watch_new(struct loop *l, int fd, int what, watch_fn *fn, void *arg);	/* fd -1: see watch_move().  NULL: no memory */
void watch_set(struct watch *w, int what);
/* fd is another one now, perhaps under the same number: a library closed and opened it by itself.  -1: there is none now. */
void watch_move(struct watch *w, int fd);
void watch_free(struct watch *w);			/* before fd is closed; NULL is fine */

/* Calls fn once when that time of CLOCK_MONOTONIC has come; 0: not at all. */
typedef void timer_fn(void *arg);
struct timer *timer_new(struct loop *l, timer_fn *fn, void *arg);			/* NULL: no memory */
void timer_at(struct timer *t, int64_t mono_ms);
void timer_free(struct timer *t);			/* NULL is fine */

int64_t clock_mono_ms(void);				/* CLOCK_MONOTONIC */
int64_t clock_real_us(void);				/* CLOCK_REALTIME, since 1970 */
