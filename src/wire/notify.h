/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A datagram as sd_notify(3) sends it: "NAME=value" lines.  Lines that are not
 * known, or whose value makes no sense, are passed over as systemd does; a datagram
 * that is no text is refused whole.  Pure.
 */
enum { NOTIFY_MAX = 4096, NOTIFY_STATUS_MAX = 80, NOTIFY_ALARM_MAX = 512, NOTIFY_NODE_MAX = 256 };

struct notify {
	bool ready, stopping, reloading, has_status;
	char status[NOTIFY_STATUS_MAX];	/* cut at a character's edge where it is longer */
	char alarm[NOTIFY_ALARM_MAX];	/* X_APPCTL_ALARM=, cut likewise; "": none */
	bool node_up;			/* X_APPCTL_NODE_UP=NODE ADDRESS; else _DOWN=NODE REASON */
	char node[NOTIFY_NODE_MAX];	/* "": neither; a longer name is none */
	char about_node[NOTIFY_NODE_MAX];	/* the address, or the reason; cut likewise */
	int64_t main_pid;		/* 0: not said */
	int64_t extend_us;		/* 0: not said */
	int error;			/* ERRNO=; 0: not said */
};

/* 0; -1: no such datagram. */
int notify_parse(const char *data, size_t len, struct notify *out);
