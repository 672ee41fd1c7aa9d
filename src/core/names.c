/* SPDX-License-Identifier: MIT */
#include "core/names.h"

#include "base/suggest.h"

#include <string.h>
#include <strings.h>
#include <sys/resource.h>

/* capabilities(7), by number. */
static const char *const capabilities[] = {
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
	"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
	"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
	"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
	"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
	"CHECKPOINT_RESTORE",
};
enum { CAPABILITY_COUNT = sizeof(capabilities) / sizeof(capabilities[0]) };

static const char *const limits[] = {
	[RLIMIT_CPU] = "cpu", [RLIMIT_FSIZE] = "fsize", [RLIMIT_DATA] = "data", [RLIMIT_STACK] = "stack",
	[RLIMIT_CORE] = "core", [RLIMIT_RSS] = "rss", [RLIMIT_NPROC] = "nproc", [RLIMIT_NOFILE] = "nofile",
	[RLIMIT_MEMLOCK] = "memlock", [RLIMIT_AS] = "as", [RLIMIT_LOCKS] = "locks",
	[RLIMIT_SIGPENDING] = "sigpending", [RLIMIT_MSGQUEUE] = "msgqueue", [RLIMIT_NICE] = "nice",
	[RLIMIT_RTPRIO] = "rtprio", [RLIMIT_RTTIME] = "rttime",
};
enum { LIMIT_COUNT = sizeof(limits) / sizeof(limits[0]) };

int
capability_by_name(const char *name)
{
	int i;

	if (strncasecmp(name, "CAP_", 4) == 0)
		name += 4;
	for (i = 0; i < CAPABILITY_COUNT; i++)
		if (strcasecmp(name, capabilities[i]) == 0)
			return i;
	return -1;
}

const char *
capability_name(int number)
{
	return number >= 0 && number < CAPABILITY_COUNT ? capabilities[number] : NULL;
}

int
limit_by_name(const char *name)
{
	int i;

	for (i = 0; i < LIMIT_COUNT; i++)
		if (strcmp(name, limits[i]) == 0)
			return i;
	return -1;
}

const char *
limit_name(int resource)
{
	return resource >= 0 && resource < LIMIT_COUNT ? limits[resource] : NULL;
}

const char *
capability_suggest(const char *name)
{
	return suggest(name, capabilities, CAPABILITY_COUNT);
}

const char *
limit_suggest(const char *name)
{
	return suggest(name, limits, LIMIT_COUNT);
}
