/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/model.h"

/*
 * The methods of org.appctl.Control, for who answers them and for who lets some through: name, the end of the function's name,
 * the level that it needs (over the application of parameter `name` where it has one and the level is operate, else over the
 * node), and its parameters, word for word as the interface description has them.
 */
#define CONTROL_METHODS(X) \
	X("Status", status, READ, "names: ?[]string") \
	X("GetMode", get_mode, READ, "") \
	X("SetMode", set_mode, OPERATE, "mode: string, await: ?bool, timeout: ?float") \
	X("AwaitStableMode", await_stable_mode, READ, "timeout: ?float") \
	X("IsModeStable", is_mode_stable, READ, "") \
	X("ListModes", list_modes, READ, "") \
	X("Start", start, OPERATE, "name: string, await: ?bool, timeout: ?float") \
	X("Stop", stop, OPERATE, "name: string, with_dependents: ?bool, await: ?bool, timeout: ?float") \
	X("Restart", restart, OPERATE, "name: string, await: ?bool, timeout: ?float") \
	X("ReloadApplication", reload_application, OPERATE, "name: string") \
	X("Kill", kill, OPERATE, "name: string, signal: ?string") \
	X("AwaitApplication", await_application, READ, "name: string, timeout: ?float") \
	X("Wait", wait, READ, "name: string, timeout: ?float") \
	X("Reload", reload, ADMIN, "dry_run: ?bool") \
	X("CheckForNewApplications", check_for_new_applications, ADMIN, "") \
	X("Diff", diff, ADMIN, "") \
	X("Plan", plan, READ, "mode: ?string") \
	X("Explain", explain, READ, "name: string") \
	X("Dependencies", dependencies, READ, "name: string") \
	X("Dependents", dependents, READ, "name: string") \
	X("Graph", graph, READ, "") \
	X("FindApplication", find_application, READ, "pid: int") \
	X("Show", show, READ, "name: string, values: ?bool") \
	X("SetLogLevel", set_log_level, ADMIN, "level: ?string, modules: ?[]string") \
	X("Shutdown", shutdown, ADMIN, "hurry: ?bool") \
	X("Reexec", reexec, ADMIN, "") \
	X("Subscribe", subscribe, READ, "categories: ?[]string, since: ?int, instance: ?string, snapshot: ?bool") \
	X("Run", run, ADMIN, "definition: object, name: ?string")

struct control_method {
	const char *name;
	enum access_level level;
	const char *signature;
};

/* By its name without the interface; NULL: there is none. */
const struct control_method *control_method(const char *name);
/* Its level is asked for over the application of its parameter `name`. */
bool control_is_of_one(const struct control_method *m);

const char *access_level_name(enum access_level l);		/* "operate" */
