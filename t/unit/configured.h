/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/engine.h"

/*
 * An engine of a configuration that a test writes as text, and the world
 * around it as far as a test of what reads the engine needs one.
 */
enum { CONFIGURED_NOW_MS = 1000000 };

struct model *model_of(const char *text);		/* fails the test where the text is refused */
/* Booted in that mode, at CONFIGURED_NOW_MS; nothing has been carried out yet. */
struct engine *engine_of(const char *text, const char *mode);
/* Carries out all effects at once: what is spawned is there, what is signalled ends by it. */
void carry_out(struct engine *e);
/* Drops what is to be carried out. */
void drop_effects(struct engine *e);
struct app *app_of(const struct engine *e, const char *name);
