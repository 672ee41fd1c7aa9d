/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "monitor/proctext.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
processes(const char *text, size_t len)
{
	char leaf[PROC_LEAF_SIZE], name[64];
	struct proc_stat st;
	uint64_t a, b;

	memset(&st, 0x55, sizeof(st));
	if (proc_stat_read(text, len, &st))
		check(strnlen(st.name, sizeof(st.name)) < sizeof(st.name) && st.pid >= -INT32_MAX);
	proc_statm_read(text, len, &a);
	proc_io_read(text, len, &a, &b);
	if (proc_cgroup_leaf(text, len, leaf)) {
		check(strlen(leaf) == PROC_LEAF_SIZE - 1 && memmem(text, len, leaf, strlen(leaf)) != NULL);
		if (proc_cgroup_application(text, len, leaf, name, sizeof(name)))
			check(strnlen(name, sizeof(name)) < sizeof(name));
	}
}

static void
machine(const char *text, size_t len)
{
	struct proc_memory memory;
	struct proc_load load;
	struct proc_cpu cpu;
	uint64_t a, b;
	double seconds;

	if (proc_cpu_read(text, len, &cpu))
		check(cpu.cpus <= len);
	proc_memory_read(text, len, &memory);
	if (proc_load_read(text, len, &load))
		check(isfinite(load.load[0]) && load.load[0] >= 0);
	proc_pressure_read(text, len, &a, &b);
	proc_disks_read(text, len, &a, &b);
	proc_net_read(text, len, &a, &b);
	if (proc_uptime_read(text, len, &seconds))
		check(isfinite(seconds));
}

/* Every parser gets every text: nothing beyond it is read, and what it says is text is one. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	processes(text, size);
	machine(text, size);
	return 0;
}
