/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/log.h"
#include "conf/load.h"
#include "engine/shell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * appctl reexec, seen from the engine: the keeper tries the program that is installed now and says
 * how that went.  When it is good, this engine answers whoever waits and gives way: all that it knows is committed.
 */

int
daemon_reexec(struct daemon *d, uint64_t token, struct err *err)
{
	struct buf *waiting = &d->shell->reexecs;
	bool first = waiting->len == 0;

	if (engine_shutting_down(d->engine))
		return err_set(err, 0, "appctld is shutting down");
	buf_add(waiting, &token, sizeof(token));
	if (waiting->failed) {
		buf_free(waiting);
		return err_set(err, 0, "no memory left");
	}
	if (first)
		keeper_say(d->link, LINK_REEXEC, 0, NULL, 0, NULL);
	return 0;
}

const char *
daemon_reexec_text(const struct daemon *d)
{
	return d->shell->reexec_text;
}

static void
answer_all(struct daemon *d, const char *text, enum outcome outcome)
{
	struct buf waiting = d->shell->reexecs;
	uint64_t token;

	d->shell->reexecs = (struct buf){ 0 };
	d->shell->reexec_text = text;
	while (waiting.len > 0) {
		memcpy(&token, waiting.data, sizeof(token));
		buf_consume(&waiting, sizeof(token));
		control_answer(d->control, token, outcome);
	}
	buf_free(&waiting);
	d->shell->reexec_text = NULL;
}

void
reexec_failed(struct daemon *d, const char *why)
{
	if (d->control != NULL)
		answer_all(d, why, OUTCOME_FAILED);
}

/* The last thing that it does. */
void
reexec_give_way(struct daemon *d, const char *version)
{
	log_write(LOG_ENGINE, LOG_LEVEL_DEBUG, "appctld %s comes: this engine ends", version);
	if (d->control != NULL) {
		publisher_flush(d->publisher);
		answer_all(d, version, OUTCOME_DONE);
		control_free(d->control);
	}
	exit(EXIT_SUCCESS);
}

/* --- On trial --------------------------------------------------------------------- */

int
reexec_trial(const char *instance, int state_fd)
{
	struct state_file *s = state_new(state_fd, strtoull(instance, NULL, 16));
	struct state_view v = { 0 };
	struct model *m = NULL;
	const char *why = "no memory";

	if (s != NULL)
		why = state_check(s, &v) != STATE_GOOD ? "the state is damaged or of another version" :
			(m = state_model(&v)) == NULL ? "the configuration in the state is not accepted any more" : NULL;
	model_unref(m);
	state_unmap(&v);
	state_free(s);
	if (why != NULL)
		fprintf(stderr, "the engine refuses: %s\n", why);
	else
		printf("appctl-trial " PACKAGE_VERSION "\n");
	return why == NULL && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
