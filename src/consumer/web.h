/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "loop/loop.h"

/* GET /metrics over HTTP, in the loop.  Bounded in connections and time. */
struct web;

typedef void web_print_fn(void *arg, struct buf *out);

/* address: "127.0.0.1:9464", "[::1]:0".  NULL: err says why. */
struct web *web_new(struct loop *l, const char *address, web_print_fn *print, void *arg, struct err *err);
unsigned web_port(const struct web *w);
void web_free(struct web *w);		/* NULL is fine */
