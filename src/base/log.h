/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * The log front: one line on descriptor 2 per message, "<level> module: text".
 * Levels are set per module at run time.  Never blocks: a line that the
 * descriptor does not take at once is dropped and counted.
 */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
#define LOG_LEVEL_NAMES { "error", "warning", "info", "debug" }

/* One list for the enum, the names on the wire and the ones in log_levels. */
#define LOG_MODULES(X) \
	X(KEEPER, "keeper") X(ENGINE, "engine") X(SPAWN, "spawn") X(CONFIG, "config") X(CONTROL, "control") \
	X(EVENTS, "events") X(NOTIFY, "notify") X(STATE, "state") X(TREE, "tree") X(MONITOR, "monitor") X(NODE, "node")
enum log_module {
#define X(id, name) LOG_##id,
	LOG_MODULES(X)
#undef X
	LOG_MODULE_COUNT
};

/* What stands before each line, e.g. "appctld"; borrowed. */
void log_init(const char *program);
bool log_enabled(enum log_module module, enum log_level level);
/* Control characters become question marks; newlines too unless fmt has one. */
void log_write(enum log_module module, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Sets the level of one module, or of all with LOG_MODULE_COUNT. */
void log_set_level(enum log_module module, enum log_level level);
enum log_level log_get_level(enum log_module module);
/* -1 where the name is unknown. */
int log_level_by_name(const char *name);
int log_module_by_name(const char *name);
const char *log_level_name(enum log_level level);
const char *log_module_name(enum log_module module);
