/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * What the monitor collects: its tables and their columns, once, for the producer that
 * fills them, the frames on the wire, the databases that keep them and doc/monitor-wire.md.
 * Each stored table has two columns before these: node (text) and ts (time of the sample).
 * A column is null where it could not be learned.  Sizes are bytes, speeds are per second,
 * `cpu` counts whole processors (1.5: one and a half), a share lies between 0 and 1.
 */
enum column_type {
	COLUMN_INT,			/* 64 bits, signed */
	COLUMN_REAL,
	COLUMN_TEXT,			/* UTF-8 without NUL */
	COLUMN_BOOL,
	COLUMN_TIME,			/* on the wire as events have it: "2026-11-21T05:00:00.123456Z" */
};

/* The machine. */
#define NODE_COLUMNS(X) \
	X(cpus, INT) X(cpu_user, REAL) X(cpu_system, REAL) X(cpu_iowait, REAL) X(cpu_steal, REAL) \
	X(load1, REAL) X(load5, REAL) X(load15, REAL) \
	X(mem_total, INT) X(mem_available, INT) X(swap_total, INT) X(swap_free, INT) \
	X(psi_cpu_some, REAL) X(psi_memory_some, REAL) X(psi_memory_full, REAL) X(psi_io_some, REAL) X(psi_io_full, REAL) \
	X(disk_read, REAL) X(disk_written, REAL) X(net_received, REAL) X(net_sent, REAL) \
	X(processes, INT) X(threads, INT) X(running, INT) X(blocked, INT) X(uptime, REAL)

/* One process.  pid and started (clock ticks since boot) name it; reasons: why it is in the sample, "cpu memory". */
#define PROCESS_COLUMNS(X) \
	X(pid, INT) X(started, INT) X(parent, INT) X(application, TEXT) X(name, TEXT) X(command, TEXT) X(uid, INT) \
	X(state, TEXT) X(cpu, REAL) X(memory, INT) X(memory_growth, REAL) X(io_read, REAL) X(io_written, REAL) \
	X(threads, INT) X(descriptors, INT) X(waits_in, TEXT) X(reasons, TEXT)
#define PRC_COLUMNS(X) PROCESS_COLUMNS(X)

/* An application: sums over its processes; application is null for those that belong to none. */
#define APP_TOP_COLUMNS(X) \
	X(application, TEXT) X(processes, INT) X(threads, INT) X(cpu, REAL) X(memory, INT) X(io_read, REAL) X(io_written, REAL)

/* What processes execute (kind "executes": name of the program) and wait in (kind "waits": kernel function). */
#define FUN_TOP_COLUMNS(X) X(kind, TEXT) X(name, TEXT) X(processes, INT) X(share, REAL)

/* What an operator's own hook says of the node. */
#define NODE_STATUS_COLUMNS(X) X(status, TEXT)

/* A lifecycle event of appctld, as appctl-events(7) has it; json is its whole line. */
#define EVENT_COLUMNS(X) \
	X(instance, TEXT) X(number, INT) X(at, TIME) X(event, TEXT) X(application, TEXT) X(pid, INT) X(reason, TEXT) X(json, TEXT)

/* The processes around an application at the moment it failed or was killed for want of memory. */
#define INCIDENT_COLUMNS(X) X(instance, TEXT) X(number, INT) X(failed, TEXT) X(reason, TEXT) PROCESS_COLUMNS(X)

/* Something beyond what was configured: kind "memory", "descriptors", "threads" (of a process), "processes" (of the node). */
#define SUSPECT_COLUMNS(X) \
	X(kind, TEXT) X(value, INT) X(allowed, INT) X(pid, INT) X(started, INT) X(application, TEXT) X(name, TEXT)

/* Batches that will never come: first_seq to last_seq of epoch, and why ("spool_full", "spool_age", "spool_damaged", "unknown"). */
#define GAP_COLUMNS(X) X(epoch, INT) X(first_seq, INT) X(last_seq, INT) X(batches, INT) X(reason, TEXT)

#define MONITOR_TABLES(X) \
	X(NODE, node) X(PRC, prc) X(APP_TOP, app_top) X(FUN_TOP, fun_top) X(NODE_STATUS, node_status) X(EVENT, event) \
	X(INCIDENT, incident) X(SUSPECT, suspect) X(GAP, gap)
enum monitor_table {
#define X(id, name) TABLE_##id,
	MONITOR_TABLES(X)
#undef X
	TABLE_COUNT
};

struct column {
	const char *name;
	enum column_type type;
};

struct table {
	const char *name;
	const struct column *columns;	/* in the order of the wire */
	size_t column_count;
};

const struct table *monitor_table(enum monitor_table t);
/* NULL: there is none of that name.  name need not end with NUL. */
const struct table *monitor_table_by_name(const char *name, size_t len);

/*
 * A custom metric has a table of its own, CUSTOM_PREFIX and its name, whose columns are those
 * that come: numbers are COLUMN_REAL, the rest as it is.  A name of a metric or of its column is a
 * lower-case letter and then letters, digits or '_', at most CUSTOM_NAME_MAX bytes; and none that a database has for something
 * else: a partition (_20261125), an index (_node_ts), columns of its own (xmin).
 */
#define CUSTOM_PREFIX "custom_"
#define CUSTOM_NAME_RULE "a-z, then a-z, 0-9 and _, at most 40; not one that ends with _ and eight digits, has _node_ts in it, or is a database's own"
enum { CUSTOM_NAME_MAX = 40, CUSTOM_COLUMNS_MAX = 64 };
bool custom_name_ok(const char *name, size_t len);
