/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "monitor/batch.h"

/*
 * A sample as OTLP's JSON: begin, what each batch gives, end.  Pure.
 */
void otlp_text_begin(struct buf *out, const char *node);
void otlp_text_add(struct buf *out, const struct batch *b);
void otlp_text_end(struct buf *out);
