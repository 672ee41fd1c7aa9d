/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * An event: something that happened to an application, a mode or the daemon.
 * The engine makes them, event_print() turns one into its line of JSON.
 * Category, name on the wire and bit in a subscription come from one list.
 */
#define EVENT_CATEGORIES(X) \
	X(APP_STARTING, "app_starting") X(APP_RUNNING, "app_running") X(APP_STOPPING, "app_stopping") \
	X(APP_STOPPED, "app_stopped") X(APP_EXITED, "app_exited") X(APP_FAILED, "app_failed") \
	X(NEW_MODE, "new_mode") X(MODE_STABLE, "mode_stable") X(MODE_FAILED, "mode_failed") \
	X(CONFIG_RELOADED, "config_reloaded") X(CONFIG_REFUSED, "config_refused") X(NODE_UP, "node_up") X(NODE_DOWN, "node_down") \
	X(SHUTDOWN, "shutdown") X(APP_ALARM, "app_alarm")
enum event_category {
#define X(id, name) EVENT_##id,
	EVENT_CATEGORIES(X)
#undef X
	EVENT_CATEGORY_COUNT
};

/* Why something happened: the reason codes of events and of status. */
#define REASONS(X) \
	X(NONE, "none") \
	X(MODE, "mode")				/* the mode wants it so */ \
	X(OPERATOR, "operator")			/* a request wanted it so */ \
	X(RELOAD, "reload")			/* its definition changed or went */ \
	X(SHUTDOWN, "shutdown") \
	X(RESTART, "restart")			/* it ended and is started again */ \
	X(DEPENDENCY, "dependency")		/* an on_exit of an edge */ \
	X(NORMAL, "normal")			/* ended with 0 by itself */ \
	X(CRASHED, "crashed")			/* ended with another status or by a signal, unasked */ \
	X(KILLED, "killed")			/* did not end in time and was killed */ \
	X(OOM, "oom")				/* the kernel took it for want of memory */ \
	X(START_TIMEOUT, "start_timeout")	/* was not ready in time */ \
	X(NOT_READY, "not_ready")		/* its readiness check ended without success */ \
	X(SPAWN_FAILED, "spawn_failed")		/* could not be started: step and errno say why */ \
	X(GAVE_UP, "gave_up")			/* more restarts than intensity allows */ \
	X(ENDED, "ended")			/* its restart type does not start it again */ \
	X(ESSENTIAL, "essential")		/* an essential application ended for good */ \
	X(PIDFILE, "pidfile")			/* its pidfile names no process of its own */ \
	X(UNKILLABLE, "unkillable")		/* still there after SIGKILL */ \
	X(LOST, "lost")				/* its end was not seen */
enum reason {
#define X(id, name) REASON_##id,
	REASONS(X)
#undef X
	REASON_COUNT
};

struct event {
	uint64_t seq;
	int64_t real_us;		/* since 1970, UTC */
	enum event_category category;
	const char *app;		/* NULL: not about one application */
	pid_t pid;			/* 0: none */
	enum reason reason;
	bool has_status;		/* EVENT_APP_EXITED: a wait status as of waitpid(2) */
	int status;
	const char *step;		/* REASON_SPAWN_FAILED: what failed, and errno in error */
	int error;
	const char *mode;		/* EVENT_NEW_MODE and the like; NULL: no mode is set */
	const char *previous;		/* EVENT_NEW_MODE: the mode before; NULL: none */
	const char *detail;		/* JSON members to add, without braces: "\"apps\":[…]"; NULL: none */
};

/* Its line, newline included. */
void event_print(const struct event *ev, const char *node, struct buf *out);
const char *event_category_name(enum event_category c);
int event_category_by_name(const char *name);	/* -1: unknown */
const char *reason_name(enum reason r);
/* real_us as "2026-11-21T05:00:00.123456Z". */
void print_time(struct buf *out, int64_t real_us);
