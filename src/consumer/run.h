/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "consumer/settings.h"

/* Takes what producers send until SIGTERM or SIGINT.  -1: it could not begin. */
int consumer_run(struct consumer_settings *s, struct err *err);
