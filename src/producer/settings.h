/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "monitor/settings.h"
#include "producer/sampler.h"

#include <stdbool.h>
#include <stdint.h>

/* What a producer is told by its environment: PRODUCER_ variables, see producer_settings_table. */
struct producer_settings {
	bool enable;
	const char *node;
	const char *ip;			/* NULL: no WebSocket */
	int64_t port;
	struct settings_tls tls;
	const char *secret_file;
	int64_t interval_ms;
	const char *spool;
	int64_t spool_size, spool_age_ms;
	int64_t unreachable_after_ms;

	int64_t top, processes_max, sample_size;
	double cpu_min;
	int64_t memory_min, growth_min, io_min;
	const char *vips;
	int64_t memory_limit, descriptors_limit, threads_limit, processes_limit;

	bool events;
	const char *runtime_dir;

	struct setting_named metrics;
	const char *status_command;
	int64_t command_interval_ms, command_timeout_ms;

	const char *otlp_url, *otlp_headers_file;

	/* made of these */
	char host_name[256];
	char port_text[8];
	const char *vip_names[64];
	size_t vip_count;
	char *vips_text;
};

#define PRODUCER_PREFIX "PRODUCER"
extern const struct setting producer_settings_table[];
extern const size_t producer_settings_count;

/* What the table alone cannot see of those that are set.  -1: problems has a line for each mistake. */
int producer_settings_check(const struct producer_settings *s, struct buf *problems);
/* Reads them.  -1: as above.  *s must be zeroed; producer_settings_fini() in any case. */
int producer_settings_read(struct producer_settings *s, char *const *environment, struct buf *problems);
void producer_settings_fini(struct producer_settings *s);
struct sampler_options producer_sampler_options(const struct producer_settings *s);
