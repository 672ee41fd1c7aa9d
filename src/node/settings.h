/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/arena.h"
#include "core/problem.h"
#include "node/allow.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * node.conf: how this node is reached, whom it knows and what they may do here.  One reading is one value, which never
 * changes: a reload makes another.
 */
enum { NODE_PORT = 4370 };

struct peer_settings {
	const char *name, *address;
	int port;
	struct allow allow;		/* the default with what this peer's own says instead */
};

struct node_settings {
	struct arena *arena;
	const char *file;
	const char *cookie_file;
	const char *listen;
	int port;			/* 0: any that is free, for tests */
	const char *remote_user;	/* NULL: our own */
	int64_t heartbeat_ms;
	const char *ca_file, *cert_file, *key_file, *crl_file;
	struct mailbox_settings {
		uint64_t size;
		int messages;
		int64_t age_ms;
		const char *directory;	/* NULL: the default */
	} mailbox;
	struct allow allow;
	struct peer_settings *peers;
	uint32_t peer_count;
};

/* NULL: ps says what is wrong, all of it. */
struct node_settings *node_settings_read(const char *file, struct problems *ps);
void node_settings_free(struct node_settings *s);	/* NULL is fine */
const struct peer_settings *node_settings_peer(const struct node_settings *s, const char *name);	/* NULL: not named there */
/* This user's own node.conf, else that of the system, into a buffer of PATH_MAX. */
void node_settings_default_path(char *out);
