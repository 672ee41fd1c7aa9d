/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/*
 * How two ends show each other that they know the same secret: the three messages of
 * doc/monitor-wire.md and the MACs in them.  It is all that is read of a peer before it has shown that, so the
 * reader knows flat JSON objects of short texts and numbers and refuses the rest.  Pure.
 */
enum {
	CHALLENGE_NONCE_LEN = 32,
	CHALLENGE_HEX_SIZE = 65,	/* 32 bytes in hexadecimal and a NUL */
	CHALLENGE_NODE_MAX = 255,	/* bytes of a node's name: printable ASCII without blank, '"' and '\' */
	CHALLENGE_TEXT_MAX = 1024,	/* of one message */
	CHALLENGE_VERSION = 1,
};

/* What both ends know at the end. */
struct challenge {
	const char *protocol;		/* "appctl-monitor" */
	const char *connector_role, *acceptor_role;	/* how the MACs call the two; NULL: "producer", "consumer" */
	char acceptor[CHALLENGE_NODE_MAX + 1], connector[CHALLENGE_NODE_MAX + 1];	/* names of the nodes: consumer, producer */
	uint64_t epoch;
	char acceptor_nonce[CHALLENGE_HEX_SIZE], connector_nonce[CHALLENGE_HEX_SIZE];
	char exporter[CHALLENGE_HEX_SIZE];	/* of the TLS session; "": plain TCP */
};

enum challenge_role { CHALLENGE_CONNECTOR, CHALLENGE_ACCEPTOR };

/* 32 bytes as 64 lower-case digits. */
void challenge_hex(const uint8_t bytes[CHALLENGE_NONCE_LEN], char out[CHALLENGE_HEX_SIZE]);
/* 0 where it can be a node's name in a challenge. */
int challenge_check_node(const char *node);

/* The pre-shared key for TLS: HKDF-SHA256 of the secret, under the protocol's name. */
void challenge_psk(const char *protocol, const char *secret, size_t secret_len, uint8_t key[32]);

/* The same for one pair of nodes and one direction: what A needs to connect to B helps nobody to connect to A. */
void challenge_pair_psk(const char *protocol, const char *secret, size_t secret_len, const char *connector, const char *acceptor,
			uint8_t key[32]);

/* What a role has to say to show that it knows the secret. */
void challenge_mac(const struct challenge *c, enum challenge_role role, const char *secret, size_t secret_len,
		   char mac[CHALLENGE_HEX_SIZE]);
/* In constant time. */
int challenge_mac_equals(const char a[CHALLENGE_HEX_SIZE], const char b[CHALLENGE_HEX_SIZE]);

void challenge_write_challenge(struct buf *out, const struct challenge *c);				/* acceptor, nonce */
void challenge_write_response(struct buf *out, const struct challenge *c, const char *mac);		/* connector, epoch, nonce */
void challenge_write_welcome(struct buf *out, const char *mac);

/* These read what those wrote, into the same fields.  -1: it is something else; err says what is wrong and never quotes. */
int challenge_read_challenge(const char *text, size_t len, struct challenge *c, struct err *err);
int challenge_read_response(const char *text, size_t len, struct challenge *c, char mac[CHALLENGE_HEX_SIZE], struct err *err);
int challenge_read_welcome(const char *text, size_t len, char mac[CHALLENGE_HEX_SIZE], struct err *err);
