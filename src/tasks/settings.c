/* SPDX-License-Identifier: MIT */
#include "tasks/settings.h"

#define ROW(name, kind, field, min, max, initial, help) \
	{ name, SETTING_##kind, offsetof(struct tasks_settings, field), min, max, initial, help }
#define DAY_MS (24 * 3600 * 1000LL)

const struct setting tasks_settings_table[] = {
	ROW("MAX", INT, max, 1, 100000, "500", "tasks that run at once; more are refused"),
	ROW("KEEP", INT, keep, 0, 100000, "100", "tasks that have ended and were not awaited; then the oldest is forgotten,"),
	ROW("KEEP_AGE", TIME, keep_ms, 1000, 3650 * DAY_MS, "1h", "and what ended so long ago"),
	ROW("OUTPUT_SIZE", SIZE, output_size, 0, INT64_MAX, "1M", "what is kept of each stream of a task that nobody stays with,"),
	ROW("MEMORY", SIZE, memory, 0, INT64_MAX, "64M", "and of all together; what is beyond is dropped, and said to be"),
	ROW("USER", TEXT, user, 0, 0, NULL, "whom tasks run as; must be among run_as of an access rule of appctld.\nDefault: the first of those"),
};
const size_t tasks_settings_count = sizeof(tasks_settings_table) / sizeof(tasks_settings_table[0]);
