/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "loop/loop.h"
#include "monitor/batch.h"

/*
 * Pushes gauges to another collector: OTLP over HTTP with JSON bodies (OpenTelemetry Protocol 1.x, /v1/metrics), beside
 * the loop.  Numbers of node are appctl.node.COLUMN, those of app_top and prc the same with the application (and name
 * and pid) as attributes.  One request is under way at a time; what cannot go out before the next sample is left out:
 * gauges say how things are, not how they were.
 */
struct otlp;

/* headers_file: NULL: none; else "Name: value" lines, read once.  node, url: borrowed.  NULL: err. */
struct otlp *otlp_new(struct loop *l, const char *url, const char *headers_file, const char *node, struct err *err);
void otlp_free(struct otlp *o);				/* NULL is fine */

/* A batch of a sample; of other tables nothing is taken. */
void otlp_add(struct otlp *o, const struct batch *b);
/* The sample is complete. */
void otlp_push(struct otlp *o);
