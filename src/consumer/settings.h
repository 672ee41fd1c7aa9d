/* SPDX-License-Identifier: MIT */
#pragma once

#include "monitor/settings.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* What a consumer is told by its environment: CONSUMER_ variables, see consumer_settings_table. */
struct consumer_settings {
	bool enable;
	const char *node;
	const char *listen_ip;
	int64_t listen_port;
	struct settings_tls tls;
	bool verify_node;
	const char *secret_file;
	const char *database;
	const char *sqlite;
	int64_t retention_ms;
	const char *metrics_listen;
	int64_t memory;

	/* made of these */
	char host_name[256];
	char port_text[8];
	char sqlite_path[PATH_MAX];
};

#define CONSUMER_PREFIX "CONSUMER"
extern const struct setting consumer_settings_table[];
extern const size_t consumer_settings_count;

/* What the table alone cannot see of those that are set.  -1: problems has a line for each mistake. */
int consumer_settings_check(const struct consumer_settings *s, struct buf *problems);
/* Reads them.  -1: as above.  *s must be zeroed. */
int consumer_settings_read(struct consumer_settings *s, char *const *environment, struct buf *problems);
