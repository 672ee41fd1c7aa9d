/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "net/socket.h"

#include "net/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void
make_nonce(char out[CHALLENGE_HEX_SIZE])
{
	uint8_t bytes[CHALLENGE_NONCE_LEN];

	random_bytes(bytes, sizeof(bytes));
	challenge_hex(bytes, out);
}

static int
no_memory(struct ws *w)
{
	return err_set(&w->why, ENOMEM, "%s", w->address);
}

static int
bind_to_tls(struct ws *w)
{
	uint8_t exporter[TLS_EXPORTER_LEN];

	if (w->tls == NULL)
		return 0;
	if (tls_exporter(w->tls, w->settings->protocol, exporter, &w->why) < 0)
		return -1;
	challenge_hex(exporter, w->challenge->exporter);
	return 0;
}

int
auth_begin(struct ws *w)
{
	const struct ws_settings *s = w->settings;
	uint8_t random[16];

	w->challenge = calloc(1, sizeof(*w->challenge));
	w->frames = frames_new(w->server, CHALLENGE_TEXT_MAX);
	if (w->challenge == NULL || w->frames == NULL)
		return no_memory(w);
	w->challenge->protocol = s->protocol;
	w->challenge->connector_role = s->of_nodes ? "connector" : NULL;
	w->challenge->acceptor_role = s->of_nodes ? "acceptor" : NULL;
	w->state = WS_UPGRADE;
	if (bind_to_tls(w) < 0)
		return -1;
	if (w->server)
		return 0;
	random_bytes(random, sizeof(random));
	http_make_key(random, w->http_key);
	http_write_request(&w->out, s->host, (unsigned)strtoul(s->port, NULL, 10), s->protocol, w->http_key);
	return w->out.failed ? no_memory(w) : 0;
}

/* Appends what a challenge_write_…() has written, as a frame. */
static int
put_message(struct ws *w, struct buf *text)
{
	int e = text->failed ? -1 : frames_put_text(w->frames, &w->out, text->data, text->len);

	buf_free(text);
	return e < 0 ? no_memory(w) : 0;
}

static int
accept_upgrade(struct ws *w, size_t head_len)
{
	struct challenge *c = w->challenge;
	struct buf text = { 0 };
	struct err err = { 0 };
	int status;

	status = http_read_request(w->in.data, head_len, w->settings->protocol, w->http_key, &err);
	/* We speak first: whatever is there already was meant for somebody else. */
	if (status == 0 && w->in.len > head_len) {
		err_set(&err, 0, "more than a head");
		status = 400;
	}
	if (status != 0) {
		w->failed = true;
		http_write_refusal(&w->out, status);
		return err_set(&w->why, 0, "no WebSocket: %s", err.msg);
	}
	http_write_response(&w->out, w->settings->protocol, w->http_key);
	strcpy(c->acceptor, w->settings->node);
	make_nonce(c->acceptor_nonce);
	challenge_write_challenge(&text, c);
	return put_message(w, &text);
}

int
auth_head(struct ws *w, const char *data, size_t len)
{
	struct err err = { 0 };
	ssize_t head_len;

	buf_add(&w->in, data, len);
	if (w->in.failed)
		return no_memory(w);
	head_len = http_head_len(w->in.data, w->in.len);
	if (head_len == 0)
		return 0;
	if (head_len < 0) {
		w->failed = true;
		if (w->server)
			http_write_refusal(&w->out, 400);
		return err_set(&w->why, 0, "no WebSocket: bytes that are no head, or too many");
	}
	if (w->server) {
		if (accept_upgrade(w, (size_t)head_len) < 0)
			return -1;
	} else if (http_read_response(w->in.data, (size_t)head_len, w->settings->protocol, w->http_key, &err) < 0) {
		return err_set(&w->why, 0, "no WebSocket: %s", err.msg);
	}
	buf_consume(&w->in, (size_t)head_len);
	w->state = WS_CHALLENGE;
	return 0;
}

static int
fail(struct ws *w, const char *what, const struct err *err)
{
	w->failed = true;
	return err_set(&w->why, 0, "%s: %s", what, err->msg);
}

static void
now_open(struct ws *w, const char *peer, uint64_t epoch)
{
	strcpy(w->peer, peer);
	w->peer_epoch = epoch;
	explicit_bzero(w->challenge, sizeof(*w->challenge));
	free(w->challenge);
	w->challenge = NULL;
	w->state = WS_OPEN;
}

static bool
has_to_show_name(const struct ws *w)
{
	const struct ws_settings *s = w->settings;

	return s->of_nodes || (w->server && s->verify_node && w->tls != NULL && s->ca_file != NULL);
}

/* The name in the challenge is the one that TLS has shown: between nodes, and where certificates are to name them. */
static int
check_name(struct ws *w, const char *what, const char *name)
{
	struct err err = { 0 };

	if (!has_to_show_name(w))
		return 0;
	if (!w->server && strcmp(name, w->settings->peer) != 0)
		err_set(&err, 0, "this is node %.80s and not %.80s", name, w->settings->peer);
	else if (tls_check_node(w->tls, name, &err) == 0)
		return 0;
	w->refusal = "the certificate is not one of this node";
	return fail(w, what, &err);
}

static int
answer_challenge(struct ws *w, const char *data, size_t len)
{
	const struct ws_settings *s = w->settings;
	struct challenge *c = w->challenge;
	char mac[CHALLENGE_HEX_SIZE];
	struct buf text = { 0 };
	struct err err = { 0 };

	if (challenge_read_challenge(data, len, c, &err) < 0)
		return fail(w, "challenge", &err);
	if (check_name(w, "challenge", c->acceptor) < 0)
		return -1;
	strcpy(c->connector, s->node);
	c->epoch = s->epoch;
	make_nonce(c->connector_nonce);
	challenge_mac(c, CHALLENGE_CONNECTOR, s->secret, s->secret_len, mac);
	challenge_write_response(&text, c, mac);
	w->state = WS_WELCOME;
	return put_message(w, &text);
}

static int
check_mac(struct ws *w, enum challenge_role role, const char *mac)
{
	char expected[CHALLENGE_HEX_SIZE];
	int equal;

	challenge_mac(w->challenge, role, w->settings->secret, w->settings->secret_len, expected);
	equal = challenge_mac_equals(mac, expected);
	explicit_bzero(expected, sizeof(expected));
	if (equal)
		return 0;
	w->failed = true;
	return err_set(&w->why, 0, "it does not know the secret");
}

static int
judge_response(struct ws *w, const char *data, size_t len)
{
	struct challenge *c = w->challenge;
	char mac[CHALLENGE_HEX_SIZE];
	struct buf text = { 0 };
	struct err err = { 0 };

	if (challenge_read_response(data, len, c, mac, &err) < 0)
		return fail(w, "response", &err);
	if (check_name(w, "response", c->connector) < 0)
		return -1;
	if (check_mac(w, CHALLENGE_CONNECTOR, mac) < 0)
		return -1;
	challenge_mac(c, CHALLENGE_ACCEPTOR, w->settings->secret, w->settings->secret_len, mac);
	challenge_write_welcome(&text, mac);
	if (put_message(w, &text) < 0)
		return -1;
	now_open(w, c->connector, c->epoch);
	return 0;
}

static int
judge_welcome(struct ws *w, const char *data, size_t len)
{
	char mac[CHALLENGE_HEX_SIZE];
	struct err err = { 0 };

	if (challenge_read_welcome(data, len, mac, &err) < 0)
		return fail(w, "welcome", &err);
	if (check_mac(w, CHALLENGE_ACCEPTOR, mac) < 0)
		return -1;
	now_open(w, w->challenge->acceptor, 0);
	return 0;
}

int
auth_message(struct ws *w, const char *text, size_t len)
{
	if (w->state == WS_WELCOME)
		return judge_welcome(w, text, len);
	return w->server ? judge_response(w, text, len) : answer_challenge(w, text, len);
}
