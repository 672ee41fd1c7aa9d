/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "loop/loop.h"
#include "net/ws.h"
#include "producer/hold.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Takes what is held to the consumer (doc/monitor-wire.md): connects, again and again with growing and random pauses; goes on
 * behind what the consumer says it has; sends no more ahead of acknowledgements than the window allows.
 */
struct ship;

/* ws: how to connect; epoch in it is set at each connection.  All is borrowed.  NULL: no memory. */
struct ship *ship_new(struct loop *l, struct hold *h, const struct ws_settings *ws, int64_t unreachable_after_ms);
void ship_free(struct ship *s);				/* NULL is fine */
/* There is more to take. */
void ship_more(struct ship *s);
/* The consumer has said where to go on: it is there. */
bool ship_is_up(const struct ship *s);
