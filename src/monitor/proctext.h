/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Texts of /proc as values: only the fields that the monitor needs.  Each text is what one read gave.  Whatever it
 * holds, nothing beyond len is read; false: it is not what the kernel writes (a text that was cut off counts as such
 * only where a needed field is missing), and *out is unspecified.  Pure.
 */

/* /proc/PID/stat */
struct proc_stat {
	int32_t pid, parent, session;
	char state;
	char name[16];			/* what is longer (workers of the kernel) is cut off */
	uint64_t faults;		/* minor and major */
	uint64_t ticks;			/* user and system */
	uint32_t threads;
	uint64_t started;		/* ticks since boot */
	uint64_t resident;		/* pages; kernels may count roughly, statm is exact */
};
bool proc_stat_read(const char *text, size_t len, struct proc_stat *out);

/* /proc/PID/statm: resident pages. */
bool proc_statm_read(const char *text, size_t len, uint64_t *resident);

/* /proc/PID/io: bytes from and to storage. */
bool proc_io_read(const char *text, size_t len, uint64_t *bytes_read, uint64_t *bytes_written);

/*
 * /proc/PID/cgroup.  The directory in the unified hierarchy which appctld made for itself: "appctl-" and eight
 * hexadecimal digits, at the lowest place.  leaf has room for PROC_LEAF_SIZE bytes.
 */
enum { PROC_LEAF_SIZE = 16 };
bool proc_cgroup_leaf(const char *text, size_t len, char *leaf);
/* The directory below leaf: an application's name, into name, which has room for size bytes. */
bool proc_cgroup_application(const char *text, size_t len, const char *leaf, char *name, size_t size);

/* /proc/stat; times in ticks, of all processors together. */
struct proc_cpu {
	uint64_t user, system, idle, iowait, steal;
	unsigned cpus;
	int64_t running, blocked;	/* -1: not said */
};
bool proc_cpu_read(const char *text, size_t len, struct proc_cpu *out);

/* /proc/meminfo, in bytes */
struct proc_memory {
	uint64_t total, available, swap_total, swap_free;
};
bool proc_memory_read(const char *text, size_t len, struct proc_memory *out);

/* /proc/loadavg */
struct proc_load {
	double load[3];
	uint32_t threads;
};
bool proc_load_read(const char *text, size_t len, struct proc_load *out);

/* /proc/pressure/NAME: microseconds in all; full is 0 where there is no such line. */
bool proc_pressure_read(const char *text, size_t len, uint64_t *some, uint64_t *full);

/* /proc/diskstats: bytes of all disks; not of their partitions, nor of what stands on other disks or on memory. */
bool proc_disks_read(const char *text, size_t len, uint64_t *bytes_read, uint64_t *bytes_written);

/* /proc/net/dev: bytes of all interfaces that lead out of the machine, as far as their names tell. */
bool proc_net_read(const char *text, size_t len, uint64_t *received, uint64_t *sent);

/* /proc/uptime, in seconds */
bool proc_uptime_read(const char *text, size_t len, double *seconds);
