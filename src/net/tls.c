/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "net/tls.h"

#include "net/random.h"
#include "net/secret.h"
#include "wire/challenge.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* psk_dhe_ke and certificates both agree on a key by (elliptic) Diffie-Hellman. */
#define PRIORITY_COMMON "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:%SERVER_PRECEDENCE"
#define PRIORITY_PSK PRIORITY_COMMON ":+ECDHE-PSK:+DHE-PSK"
#define PRIORITY_X509 PRIORITY_COMMON ":+ECDHE-RSA:+ECDHE-ECDSA:+DHE-RSA"

enum {
	PSK_LEN = 32,
	HANDSHAKE_MAX = 32 * 1024,	/* bytes of one message of it: a chain of certificates */
	IDENTITY_SIZE = 2 * CHALLENGE_NODE_MAX + 40,
};

struct tls_keys {
	unsigned users;				/* its maker and its sessions */
	bool server;
	bool uses_psk;
	const struct ws_settings *settings;
	char identity[IDENTITY_SIZE];		/* that goes with the key, of one that connects; of a server's only where it is no node */
	uint8_t psk[PSK_LEN];
	gnutls_certificate_credentials_t x509;
	gnutls_psk_server_credentials_t psk_server;
	gnutls_psk_client_credentials_t psk_client;
	gnutls_priority_t priority;
};

struct tls {
	gnutls_session_t session;
	struct tls_keys *keys;
	gnutls_typed_vdata_st expected[2];	/* of the other end's certificate */
	char node[CHALLENGE_NODE_MAX + 1];	/* that the pre-shared key of a pair belongs to */
};

static int
fail(struct err *err, int code, const char *what)
{
	return err_set(err, 0, "%s: %s", what, gnutls_strerror(code));
}

/* "PROTOCOL CONNECTOR ACCEPTOR": who wants to connect to us; false: it says something else. */
static bool
read_identity(const struct ws_settings *s, const char *identity, char node[CHALLENGE_NODE_MAX + 1])
{
	size_t protocol_len = strlen(s->protocol);
	const char *name = identity + protocol_len + 1, *end;

	if (strncmp(identity, s->protocol, protocol_len) != 0 || identity[protocol_len] != ' ')
		return false;
	end = strchr(name, ' ');
	if (end == NULL || end - name > CHALLENGE_NODE_MAX || strcmp(end + 1, s->node) != 0)
		return false;
	memcpy(node, name, (size_t)(end - name));
	node[end - name] = '\0';
	return true;
}

/* An identity that is not good gets a key that nobody has: then all goes as with a wrong secret, and tells nothing. */
static void
pair_key(struct tls *t, const char *identity, uint8_t key[PSK_LEN])
{
	const struct ws_settings *s = t->keys->settings;

	if (read_identity(s, identity, t->node))
		challenge_pair_psk(s->protocol, s->secret, s->secret_len, t->node, s->node, key);
	else
		random_bytes(key, PSK_LEN);
}

static int
psk_for(gnutls_session_t session, const char *identity, gnutls_datum_t *key)
{
	struct tls *t = gnutls_session_get_ptr(session);

	if (!t->keys->settings->of_nodes && strcmp(identity, t->keys->identity) != 0)
		return -1;
	key->data = gnutls_malloc(PSK_LEN);
	if (key->data == NULL)
		return -1;
	key->size = PSK_LEN;
	if (t->keys->settings->of_nodes)
		pair_key(t, identity, key->data);
	else
		memcpy(key->data, t->keys->psk, PSK_LEN);
	return 0;
}

static void
make_psk(struct tls_keys *k)
{
	const struct ws_settings *s = k->settings;

	if (s->of_nodes && !k->server) {
		snprintf(k->identity, sizeof(k->identity), "%s %s %s", s->protocol, s->node, s->peer);
		challenge_pair_psk(s->protocol, s->secret, s->secret_len, s->node, s->peer, k->psk);
	} else {
		snprintf(k->identity, sizeof(k->identity), "%s", s->protocol);
		challenge_psk(s->protocol, s->secret, s->secret_len, k->psk);
	}
}

static int
load_psk(struct tls_keys *k, struct err *err)
{
	const gnutls_datum_t key = { k->psk, PSK_LEN };
	int e;

	make_psk(k);
	if (k->server) {
		e = gnutls_psk_allocate_server_credentials(&k->psk_server);
		if (e >= 0)
			gnutls_psk_set_server_credentials_function(k->psk_server, psk_for);
	} else {
		e = gnutls_psk_allocate_client_credentials(&k->psk_client);
		if (e >= 0)
			e = gnutls_psk_set_client_credentials(k->psk_client, k->identity, &key, GNUTLS_PSK_KEY_RAW);
	}
	return e < 0 ? fail(err, e, "pre-shared key") : 0;
}

/* The key is read as a secret is. */
static int
load_own(struct tls_keys *k, const struct ws_settings *s, struct err *err)
{
	gnutls_datum_t cert, key = { 0 };
	size_t len = 0;
	int e;

	key.data = (void *)secret_read_file(s->key_file, &len, err);
	if (key.data == NULL)
		return -1;
	key.size = (unsigned)len;
	e = gnutls_load_file(s->cert_file, &cert);
	if (e >= 0) {
		e = gnutls_certificate_set_x509_key_mem(k->x509, &cert, &key, GNUTLS_X509_FMT_PEM);
		gnutls_free(cert.data);
	}
	explicit_bzero(key.data, len);
	free(key.data);
	return e < 0 ? err_set(err, 0, "certificate %s with key %s: %s", s->cert_file, s->key_file, gnutls_strerror(e)) : 0;
}

static int
load_x509(struct tls_keys *k, const struct ws_settings *s, struct err *err)
{
	int e = gnutls_certificate_allocate_credentials(&k->x509);

	if (e < 0)
		return fail(err, e, "certificates");
	e = gnutls_certificate_set_x509_trust_file(k->x509, s->ca_file, GNUTLS_X509_FMT_PEM);
	if (e <= 0)
		return err_set(err, 0, "certificates of authorities in %s: %s", s->ca_file, e < 0 ? gnutls_strerror(e) : "there are none");
	if (s->crl_file != NULL) {
		e = gnutls_certificate_set_x509_crl_file(k->x509, s->crl_file, GNUTLS_X509_FMT_PEM);
		if (e < 0)
			return err_set(err, 0, "list of revoked certificates %s: %s", s->crl_file, gnutls_strerror(e));
	}
	return load_own(k, s, err);
}

struct tls_keys *
tls_keys_new(const struct ws_settings *s, bool server, struct err *err)
{
	bool any = s->ca_file || s->cert_file || s->key_file || s->crl_file;
	struct tls_keys *k;
	int e;

	if (any && !(s->ca_file && s->cert_file && s->key_file)) {
		err_set(err, 0, "TLS with certificates needs all of: authorities, certificate, key");
		return NULL;
	}
	k = calloc(1, sizeof(*k));
	if (k == NULL) {
		err_set(err, ENOMEM, "TLS");
		return NULL;
	}
	k->users = 1;
	k->server = server;
	k->uses_psk = !any;
	k->settings = s;
	e = gnutls_priority_init(&k->priority, any ? PRIORITY_X509 : PRIORITY_PSK, NULL);
	if (e < 0) {
		fail(err, e, "TLS 1.3");
		tls_keys_free(k);
		return NULL;
	}
	if ((any ? load_x509(k, s, err) : load_psk(k, err)) < 0) {
		tls_keys_free(k);
		return NULL;
	}
	return k;
}

void
tls_keys_free(struct tls_keys *k)
{
	if (k == NULL || --k->users > 0)
		return;
	if (k->x509 != NULL)
		gnutls_certificate_free_credentials(k->x509);
	if (k->psk_server != NULL)
		gnutls_psk_free_server_credentials(k->psk_server);
	if (k->psk_client != NULL)
		gnutls_psk_free_client_credentials(k->psk_client);
	if (k->priority != NULL)
		gnutls_priority_deinit(k->priority);
	explicit_bzero(k->psk, sizeof(k->psk));
	free(k);
}

static bool
is_address(const char *host)
{
	struct in6_addr any;

	return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

/* A producer's certificate has no name to compare with; the challenge says who it is. */
static int
set_x509(struct tls *t, const char *host)
{
	int e = gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, t->keys->x509);
	bool server = t->keys->server, has_host = !server && host != NULL;

	if (e < 0)
		return e;
	t->expected[0] = (gnutls_typed_vdata_st){ .type = GNUTLS_DT_KEY_PURPOSE_OID,
						  .data = (void *)(server ? GNUTLS_KP_TLS_WWW_CLIENT : GNUTLS_KP_TLS_WWW_SERVER) };
	t->expected[1] = (gnutls_typed_vdata_st){ .type = GNUTLS_DT_DNS_HOSTNAME, .data = (void *)host };
	gnutls_session_set_verify_cert2(t->session, t->expected, has_host ? 2 : 1, 0);
	if (server)
		gnutls_certificate_server_set_request(t->session, GNUTLS_CERT_REQUIRE);
	else if (has_host && !is_address(host))
		e = gnutls_server_name_set(t->session, GNUTLS_NAME_DNS, host, strlen(host));
	return e;
}

static int
set_up(struct tls *t, int fd, const char *host)
{
	const struct tls_keys *k = t->keys;
	int e;

	gnutls_session_set_ptr(t->session, t);
	gnutls_transport_set_int(t->session, fd);
	gnutls_handshake_set_max_packet_length(t->session, HANDSHAKE_MAX);
	gnutls_handshake_set_timeout(t->session, GNUTLS_INDEFINITE_TIMEOUT);	/* the caller has one */
	e = gnutls_priority_set(t->session, k->priority);
	if (e < 0)
		return e;
	if (!k->uses_psk)
		return set_x509(t, host);
	return k->server ? gnutls_credentials_set(t->session, GNUTLS_CRD_PSK, k->psk_server)
			 : gnutls_credentials_set(t->session, GNUTLS_CRD_PSK, k->psk_client);
}

struct tls *
tls_new(struct tls_keys *k, int fd, const char *host, struct err *err)
{
	struct tls *t = calloc(1, sizeof(*t));
	int e;

	if (t == NULL) {
		err_set(err, ENOMEM, "TLS");
		return NULL;
	}
	t->keys = k;
	k->users++;
	e = gnutls_init(&t->session, (k->server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS);
	if (e >= 0)
		e = set_up(t, fd, host);
	if (e >= 0)
		return t;
	fail(err, e, "TLS");
	tls_free(t);
	return NULL;
}

void
tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	if (t->session != NULL)
		gnutls_deinit(t->session);
	tls_keys_free(t->keys);
	free(t);
}

/* Why a certificate was not good, as gnutls puts it. */
static void
explain_certificate(struct tls *t, struct err *err)
{
	unsigned status = gnutls_session_get_verify_cert_status(t->session);
	gnutls_datum_t text;

	if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) < 0)
		return;
	err_set(err, 0, "TLS: %s", text.data);
	gnutls_free(text.data);
}

static bool
is_passing(int e)
{
	return e == GNUTLS_E_AGAIN || e == GNUTLS_E_INTERRUPTED || e == GNUTLS_E_WARNING_ALERT_RECEIVED;
}

static int
explain(struct tls *t, int e, struct err *err)
{
	if (e == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR) {
		err_set(err, 0, "TLS: the certificate is not good");
		explain_certificate(t, err);
	} else if (e == GNUTLS_E_FATAL_ALERT_RECEIVED) {
		err_set(err, 0, "TLS: the other end says: %s", gnutls_alert_get_name(gnutls_alert_get(t->session)));
	} else if (e == GNUTLS_E_PREMATURE_TERMINATION || e == GNUTLS_E_PULL_ERROR || e == GNUTLS_E_PUSH_ERROR) {
		err_set(err, ECONNRESET, "TLS: cut off");
	} else {
		fail(err, e, "TLS");
	}
	return -1;
}

int
tls_handshake(struct tls *t, int *what, struct err *err)
{
	int e;

	do {
		e = gnutls_handshake(t->session);
	} while (e == GNUTLS_E_INTERRUPTED);
	if (e >= 0)
		return 1;
	if (is_passing(e)) {
		*what = gnutls_record_get_direction(t->session) ? LOOP_WRITE : LOOP_READ;
		return 0;
	}
	explain(t, e, err);
	gnutls_alert_send_appropriate(t->session, e);
	if (t->keys->uses_psk && err->code == 0)
		err_wrap(err, t->keys->settings->of_nodes ? "pre-shared key (do both ends have the same cookie, and is the other one called as it is here?)"
							  : "pre-shared key (do both ends have the same secret?)");
	return -1;
}

/* A text of a certificate, as it is there; false: it has no i-th. */
static bool
certificate_name(gnutls_x509_crt_t crt, unsigned i, char *out, size_t size)
{
	size_t len = size - 1;
	int e = i == 0 ? gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, out, &len)
		       : gnutls_x509_crt_get_subject_alt_name(crt, i - 1, out, &len, NULL);

	if (e == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE && i > 0)
		return false;
	/* One that is too long, of a kind that is no text, or with a NUL in it, is nobody's name. */
	if (i == 0 ? e < 0 : e != GNUTLS_SAN_DNSNAME && e != GNUTLS_SAN_RFC822NAME)
		len = 0;
	out[len] = '\0';
	if (i > 0 && strlen(out) != len)
		out[0] = '\0';
	return true;
}

static int
check_certificate_node(const struct tls *t, const char *node, struct err *err)
{
	const gnutls_datum_t *chain;
	char name[CHALLENGE_NODE_MAX + 2];
	gnutls_x509_crt_t crt;
	unsigned i, n;
	bool found = false;
	int e;

	chain = gnutls_certificate_get_peers(t->session, &n);
	if (chain == NULL || (e = gnutls_x509_crt_init(&crt)) < 0)
		return err_set(err, 0, "it has no certificate");
	e = gnutls_x509_crt_import(crt, &chain[0], GNUTLS_X509_FMT_DER);
	for (i = 0; e >= 0 && !found && certificate_name(crt, i, name, sizeof(name)); i++)
		found = strcmp(name, node) == 0;
	gnutls_x509_crt_deinit(crt);
	return found ? 0 : err_set(err, 0, "its certificate is not one of node %.80s", node);
}

int
tls_check_node(const struct tls *t, const char *node, struct err *err)
{
	if (!t->keys->uses_psk)
		return check_certificate_node(t, node, err);
	/* A server that has our key is who we dialled. */
	if (!t->keys->server || strcmp(t->node, node) == 0)
		return 0;
	return err_set(err, 0, "it has shown the key of another node than %.80s", node);
}

ssize_t
tls_read(struct tls *t, void *out, size_t len, struct err *err)
{
	ssize_t n;

	do {
		n = gnutls_record_recv(t->session, out, len);
	} while (n == GNUTLS_E_INTERRUPTED);
	if (n > 0)
		return n;
	if (n == 0)
		return err_set(err, 0, "it closed the connection");
	return is_passing((int)n) ? 0 : explain(t, (int)n, err);
}

ssize_t
tls_write(struct tls *t, const void *data, size_t len, struct err *err)
{
	ssize_t n;

	do {
		n = gnutls_record_send(t->session, data, len);
	} while (n == GNUTLS_E_INTERRUPTED);
	if (n >= 0)
		return n;
	return is_passing((int)n) ? 0 : explain(t, (int)n, err);
}

bool
tls_pending(const struct tls *t)
{
	return gnutls_record_check_pending(t->session) > 0;
}

void
tls_bye(struct tls *t)
{
	gnutls_bye(t->session, GNUTLS_SHUT_WR);
}

int
tls_exporter(struct tls *t, const char *protocol, uint8_t out[TLS_EXPORTER_LEN], struct err *err)
{
	char label[64];
	int e;

	snprintf(label, sizeof(label), "EXPORTER-%s", protocol);
	e = gnutls_prf_rfc5705(t->session, strlen(label), label, 0, NULL, TLS_EXPORTER_LEN, (char *)out);
	return e < 0 ? fail(err, e, "TLS exporter") : 0;
}
