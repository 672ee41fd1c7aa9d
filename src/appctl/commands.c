/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"

#include "base/log.h"
#include "core/event.h"

extern const struct cmd cmd_await, cmd_check, cmd_cookie, cmd_deps, cmd_diff, cmd_events, cmd_explain, cmd_graph, cmd_kill, cmd_loglevel,
	cmd_logs, cmd_mode, cmd_monitor, cmd_nodes, cmd_plan, cmd_rdeps, cmd_receive, cmd_reexec, cmd_reload, cmd_reload_app, cmd_restart, cmd_run, cmd_show, cmd_shutdown,
	cmd_self, cmd_send, cmd_spawn, cmd_start, cmd_status, cmd_stop, cmd_task, cmd_wait;

const struct cmd *const commands[] = {
	&cmd_status, &cmd_mode, &cmd_await, &cmd_start, &cmd_stop, &cmd_restart, &cmd_reload_app, &cmd_reload, &cmd_check,
	&cmd_plan, &cmd_diff, &cmd_explain, &cmd_deps, &cmd_rdeps, &cmd_graph, &cmd_events, &cmd_logs, &cmd_loglevel,
	&cmd_show, &cmd_kill, &cmd_wait, &cmd_run, &cmd_nodes, &cmd_cookie, &cmd_spawn, &cmd_task, &cmd_send, &cmd_receive, &cmd_self, &cmd_monitor, &cmd_reexec, &cmd_shutdown, NULL,
};

const char *const signal_names[] = {
	"TERM", "INT", "HUP", "QUIT", "KILL", "USR1", "USR2", "STOP", "CONT", "WINCH", "ABRT", NULL,
};
const char *const level_names[] = { "error", "warning", "info", "debug", NULL };
const char *const module_names[] = {
#define X(id, name) name,
	LOG_MODULES(X)
#undef X
	NULL,
};
const char *const category_names[] = {
#define X(id, name) name,
	EVENT_CATEGORIES(X)
#undef X
	NULL,
};
