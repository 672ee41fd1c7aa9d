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
 * Pure: the caller brings the memory.  engine/state.c writes and reads the memfd.
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
	STATE_EVENT,			/* struct state_event, then its line as published */
	STATE_TYPE_END
};

struct state_event {
	uint64_t seq;
	uint32_t category, pad;		/* enum event_category */
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

/* A configuration file as a STATE_CONFIG payload at the end of out; app NULL: the main file. */
void state_put_config(struct buf *out, const char *path, const char *app, const char *text, size_t text_len);
/* The same read back, lent: app and text may be NULL. */
struct state_config {
	const char *path, *app, *text;	/* app NULL: the main file */
	size_t text_len;
};
int state_get_config(const void *payload, uint32_t len, struct state_config *out);	/* -1: damaged */

/* A transient application's payload: name and definition, both NUL-terminated. */
int state_get_transient(const void *payload, uint32_t len, const char **name, const char **definition);

/* Bytes that a record with a payload of len takes. */
size_t state_record_size(uint32_t len);
/* Writes one at the end of out, its payload in two parts. */
void state_put(struct buf *out, enum state_type type, const void *a, size_t a_len, const void *b, size_t b_len);

/* Is this a state of this version, boot and instance, and all there that is committed?  0 or -1. */
int state_header_check(const void *data, size_t len, uint32_t boot_crc, uint64_t instance);
/*
 * The record at *at (from sizeof(struct state_header)); moves *at behind it.
 * 1: there it is; 0: that was all; -1: damaged.
 */
int state_next(const void *data, size_t committed, size_t *at, struct state_item *out);
/* The same of records that were found whole before: their checksums, which cost more than all else, are not looked at. */
int state_next_known(const void *data, size_t committed, size_t *at, struct state_item *out);
