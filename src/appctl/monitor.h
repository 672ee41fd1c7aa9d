/* SPDX-License-Identifier: MIT */
#pragma once

#include "appctl/monitor_rows.h"
#include "base/buf.h"
#include "lib/appctl.h"

/*
 * appctl-monitor, which `appctl monitor` becomes: the only one of the two that links databases.  It is told
 * WHAT, perhaps a pid, and long options, all checked by appctl but for what they mean.
 */
struct monitor {
	const char *what, *pid, *database, *node;
	double since, until;		/* seconds since 1970; 0: not given */
	bool json, follow;
	struct source *source;
};

/* Says it, with --json as a document too.  Returns status. */
int monitor_fail(const struct monitor *m, enum appctl_status status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The database did not answer. */
int monitor_lost(const struct monitor *m, const struct err *err);

/* Each is one screen: prints it and returns the exit status. */
typedef int monitor_view(const struct monitor *m);
monitor_view view_top, view_apps, view_nodes, view_events, view_history;

/* Names of the nodes that are asked for; NULL: said, *status is set. */
json_t *monitor_nodes(const struct monitor *m, int *status);

/* 1536 -> "1.5K". */
void add_size(struct buf *b, double bytes);
