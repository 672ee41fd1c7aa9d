/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The engine's state as it lies in the memfd that the keeper lends: a header,
 * then records, each with length, type, version and checksum.  Records count only
 * up to header.committed, which is written last: whatever an engine was doing
 * when it died, the next one sees all of a step or nothing of it.
 *
 * Pure: the caller brings the memory.  engine/state.c maps the memfd.
 */
enum { STATE_VERSION = 1 };
#define STATE_MAGIC 0x6c74637070610a1bULL

struct state_header {
	uint64_t magic;
	uint32_t version;
	uint32_t boot_crc;		/* of the kernel's boot id: a state of another boot is refused */
	uint64_t instance;
	uint64_t committed;		/* bytes from the start of the file that count */
};

enum state_type {
	STATE_CONFIG = 1,		/* one configuration file: path, application, text; see state_put_config */
	STATE_CONFIG_END,		/* the files since the last such record replace all before */
	STATE_ENGINE,			/* struct engine_saved */
	STATE_APP,			/* struct app_saved: replaces an earlier one of that name */
	STATE_APP_GONE,			/* its name */
	STATE_TRANSIENT,		/* name, definition as JSON: by Run */
	STATE_EVENT,			/* seq, category, app name; then its line as published */
};

struct state_record {
	uint32_t len;			/* of the payload */
	uint16_t type, version;
	uint32_t crc;			/* of type, version, len and payload */
	uint32_t pad;
	/* payload, padded to 8 bytes */
};

/* A record read back, lent. */
struct state_item {
	enum state_type type;
	const void *payload;
	uint32_t len;
};

/* Bytes that a record with a payload of len takes. */
size_t state_record_size(uint32_t len);
/* Writes one at `to`, which has state_record_size(len) bytes. */
void state_record_write(void *to, enum state_type type, const void *payload, uint32_t len);
/* The same, payload in two parts. */
void state_record_write2(void *to, enum state_type type, const void *a, uint32_t a_len, const void *b, uint32_t b_len);

/* Is this a state of this version, boot and instance, of at least the committed length?  0 or -1. */
int state_header_check(const void *data, size_t len, uint32_t boot_crc, uint64_t instance);
/*
 * The record at *at (from sizeof(struct state_header)); moves *at behind it.
 * 1: there it is; 0: that was all; -1: damaged.
 */
int state_next(const void *data, size_t committed, size_t *at, struct state_item *out);
