/* SPDX-License-Identifier: MIT */
#pragma once

#include "job/calls.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * What a program with an event loop has appctld run for it: transient applications, each started once (method
 * Run), followed to its end by appctld's events, signalled and stopped by its name.  The engine may be started
 * anew at any moment: nothing is started twice, and no end is missed.
 *
 * A job's callbacks come from the loop.  After ended() or failed() the job is gone; job_forget() lets go of
 * one before that, and it runs on.
 */
struct jobs;
struct job;

struct job_end {
	bool seen;			/* false: it is over, and nobody saw how */
	int code;			/* exit status; -1: a signal ended it */
	char signal[16];		/* its name without SIG; "": none */
	char reason[24];		/* normal, crashed, operator, dependency, oom…: appctl-events(7) */
};

struct job_handler {
	/* Its process is there.  Once, and before ended(). */
	void (*started)(void *arg, struct job *j, pid_t pid);
	/* Nothing of it is left, and it is not started again. */
	void (*ended)(void *arg, struct job *j, const struct job_end *end);
	/* There never was a process, or (e->name is APPCTL_OUTCOME_UNKNOWN) nobody can say. */
	void (*failed)(void *arg, struct job *j, const struct appctl_error *e);
};

/* Subscribes when the first job comes.  runtime_dir: borrowed.  NULL: no memory. */
struct jobs *jobs_new(struct loop *l, const char *runtime_dir);
void jobs_free(struct jobs *js);	/* its jobs too, which run on; not from a callback.  NULL is fine */
struct calls *jobs_calls(struct jobs *js);

/* PREFIX-xxxxxxxx, with random letters and digits: nobody else has that name. */
void job_make_name(char *name, size_t size, const char *prefix);

/*
 * Starts that definition under that name.  take_fds: its three standard descriptors, closed here in any case; NULL: all
 * /dev/null.  NULL: no memory, and nothing was taken but the descriptors and the definition.
 */
struct job *job_run(struct jobs *js, const char *name, json_t *take_definition, const int *take_fds,
	const struct job_handler *h, void *arg);
/* Follows one that runs, or has just ended, by its name: after a restart of this program. */
struct job *job_find(struct jobs *js, const char *name, const struct job_handler *h, void *arg);

const char *job_name(const struct job *j);
pid_t job_pid(const struct job *j);	/* 0: not started yet, or it has ended */
/* To its main process, by name without SIG, in the order of these calls; before it has started: when it has.  Of a flood most are dropped. */
void job_kill(struct job *j, const char *signal);
/* As appctl stop: by its stop signal, then, after its time limit, SIGKILL to all that is left of it. */
void job_stop(struct job *j);
void job_forget(struct job *j);		/* no callback comes any more; NULL is fine */

/* {"code":…} or {"signal":…}, "reason", "text"; {"text":…} where it was not seen.  NULL: no memory. */
json_t *job_end_json(const struct job_end *end);
/* As a shell has it: the code, or 128 and the signal's number; -1: not seen. */
int job_end_status(const struct job_end *end);
