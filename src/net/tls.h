/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "net/ws.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * TLS 1.3 and nothing older, always with an ephemeral key exchange: with certificates both ways, or with a pre-shared key
 * that stands for the protocol's secret.  No tickets, no early data: each session begins anew.
 */
struct tls_keys;			/* what all sessions of one end share */
struct tls;				/* a session over a descriptor that stays the caller's */

enum { TLS_EXPORTER_LEN = 32, TLS_RECORD_MAX = 16384 };

/* Reads the files that the settings name.  NULL: err says which is not good. */
struct tls_keys *tls_keys_new(const struct ws_settings *s, bool server, struct err *err);
void tls_keys_free(struct tls_keys *k);		/* sessions go on; NULL is fine */

/* Between nodes the key is one for the pair and the direction (challenge_pair_psk()), or the certificate names its node. */

/* host: the name that the other end's certificate has to have; NULL on a server, and between nodes.  host outlives it.  NULL: err. */
struct tls *tls_new(struct tls_keys *k, int fd, const char *host, struct err *err);
void tls_free(struct tls *t);			/* NULL is fine */

/* 1: done; 0: *what (LOOP_READ, LOOP_WRITE) has to come first; -1: err. */
int tls_handshake(struct tls *t, int *what, struct err *err);
/* Between nodes: what the handshake has shown is the node of that name.  -1: err. */
int tls_check_node(const struct tls *t, const char *node, struct err *err);
/* Bytes; 0: none now; -1: err, also at an end of the connection that the peer did not announce. */
ssize_t tls_read(struct tls *t, void *out, size_t len, struct err *err);
ssize_t tls_write(struct tls *t, const void *data, size_t len, struct err *err);
/* Bytes that were read and that no watch tells of. */
bool tls_pending(const struct tls *t);
/* Says that nothing more comes; as far as that goes at once. */
void tls_bye(struct tls *t);
/* What both ends of this session alone know (RFC 8446, 7.5). */
int tls_exporter(struct tls *t, const char *protocol, uint8_t out[TLS_EXPORTER_LEN], struct err *err);
