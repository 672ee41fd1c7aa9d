/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/engine.h"

/*
 * Why an application is as it is: a chain of causes from its state down to the
 * fact that holds it, each the cause of the one before.  Reads the engine and
 * tells it nothing.
 */
struct cause {
	const char *fact;		/* one sentence */
	const char *name;		/* the application, role or mode it is about; NULL: none */
	struct origin at;		/* where that was written; file NULL: nowhere */
};

struct causes {				/* zero-initialise; causes_free() */
	struct cause *v;
	uint32_t n, cap;
	struct arena *arena;
};

/* now_ms: of the clock that the engine is told.  -1: no memory. */
int explain(const struct engine *e, const struct app *a, int64_t now_ms, struct causes *out);
void causes_free(struct causes *c);

/* The first link of the chain as a clause without its subject: "waits for db, which is starting". */
void explain_why(const struct engine *e, const struct app *a, int64_t now_ms, struct buf *out);
/* The step, what it was about and the error: "exec /bin/x: No such file or directory".  Needs a->fail_step. */
void explain_spawn_failure(const struct app *a, struct buf *out);
/* A wait status: "exit 1", "signal KILL (core dumped)". */
void explain_exit(int status, struct buf *out);
