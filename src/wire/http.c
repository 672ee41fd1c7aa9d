/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "wire/http.h"

#include <nettle/base64.h>
#include <nettle/sha1.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

enum { ACCEPT_SIZE = 29 };

struct text {
	const char *data;
	size_t len;
};

struct head {
	struct text start;		/* the first line */
	struct { struct text name, value; } fields[HTTP_FIELDS_MAX];
	size_t field_count;
};

ssize_t
http_head_len(const char *data, size_t len)
{
	size_t seen = len < HTTP_HEAD_MAX ? len : HTTP_HEAD_MAX;
	const char *end = memmem(data, seen, "\r\n\r\n", 4);
	size_t head_len = end != NULL ? (size_t)(end + 4 - data) : seen;

	/* Behind a head there may be frames. */
	if (memchr(data, '\0', head_len) != NULL)
		return -1;
	if (end != NULL)
		return (ssize_t)head_len;
	return len >= HTTP_HEAD_MAX ? -1 : 0;
}

static bool
is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool
text_is(struct text t, const char *s)
{
	return t.len == strlen(s) && memcmp(t.data, s, t.len) == 0;
}

static bool
text_is_nocase(struct text t, const char *s)
{
	return t.len == strlen(s) && strncasecmp(t.data, s, t.len) == 0;
}

static struct text
trim(struct text t)
{
	while (t.len > 0 && (t.data[0] == ' ' || t.data[0] == '\t')) {
		t.data++;
		t.len--;
	}
	while (t.len > 0 && (t.data[t.len - 1] == ' ' || t.data[t.len - 1] == '\t'))
		t.len--;
	return t;
}

static bool
all_printable(struct text t)
{
	size_t i;

	for (i = 0; i < t.len; i++)
		if ((t.data[i] < ' ' && t.data[i] != '\t') || t.data[i] > '~')
			return false;
	return true;
}

static const struct text *
find(const struct head *h, const char *name)
{
	size_t i;

	for (i = 0; i < h->field_count; i++)
		if (text_is_nocase(h->fields[i].name, name))
			return &h->fields[i].value;
	return NULL;
}

static int
add_field(struct head *h, struct text line, struct err *err)
{
	struct text name = { line.data, 0 }, value;
	size_t i;

	while (name.len < line.len && is_token_char(line.data[name.len]))
		name.len++;
	if (name.len == 0 || name.len == line.len || line.data[name.len] != ':')
		return err_set(err, 0, "a line of the head is no field");
	if (h->field_count == HTTP_FIELDS_MAX)
		return err_set(err, 0, "more than %d fields", HTTP_FIELDS_MAX);
	value = trim((struct text){ name.data + name.len + 1, line.len - name.len - 1 });
	for (i = 0; i < h->field_count; i++)
		if (h->fields[i].name.len == name.len && strncasecmp(h->fields[i].name.data, name.data, name.len) == 0)
			return err_set(err, 0, "field %.*s twice", (int)name.len, name.data);
	h->fields[h->field_count].name = name;
	h->fields[h->field_count++].value = value;
	return 0;
}

static int
read_head(struct head *h, const char *data, size_t len, struct err *err)
{
	const char *end = data + len, *eol;
	struct text line;

	*h = (struct head){ 0 };
	for (; data < end; data = eol + 2) {
		eol = memmem(data, (size_t)(end - data), "\r\n", 2);
		if (eol == NULL)
			return err_set(err, 0, "the head has no end");
		line = (struct text){ data, (size_t)(eol - data) };
		if (!all_printable(line))
			return err_set(err, 0, "bytes that no head has");
		if (h->start.data == NULL)
			h->start = line;
		else if (line.len == 0)
			break;
		else if (add_field(h, line, err) < 0)
			return -1;
	}
	if (data + 2 != end)
		return err_set(err, 0, "the head has no end");
	if (find(h, "Content-Length") != NULL || find(h, "Transfer-Encoding") != NULL)
		return err_set(err, 0, "a body");
	return 0;
}

/* Is `word` one of a comma-separated list?  Case counts where `exact`. */
static bool
lists(const struct text *value, const char *word, bool exact)
{
	struct text rest, item;
	const char *comma;

	if (value == NULL)
		return false;
	for (rest = *value;; rest = (struct text){ comma + 1, rest.len - (size_t)(comma + 1 - rest.data) }) {
		comma = memchr(rest.data, ',', rest.len);
		item = trim((struct text){ rest.data, comma ? (size_t)(comma - rest.data) : rest.len });
		if (exact ? text_is(item, word) : text_is_nocase(item, word))
			return true;
		if (comma == NULL)
			return false;
	}
}

/* HOST or HOST:PORT, HOST a name or an address. */
static bool
host_is_good(const struct text *host)
{
	size_t i = 0, n;
	unsigned port = 0;

	if (host == NULL)
		return false;
	if (host->len > 0 && host->data[0] == '[') {
		for (i = 1; i < host->len && (memchr("0123456789abcdefABCDEF:.", host->data[i], 24) != NULL); i++)
			;
		if (i < 3 || i == host->len || host->data[i++] != ']')
			return false;
	} else {
		for (; i < host->len && host->data[i] != ':'; i++)
			if (!is_token_char(host->data[i]))
				return false;
		if (i == 0)
			return false;
	}
	if (i == host->len)
		return true;
	if (host->data[i++] != ':')
		return false;
	for (n = i; i < host->len && host->data[i] >= '0' && host->data[i] <= '9' && i - n < 5; i++)
		port = port * 10 + (unsigned)(host->data[i] - '0');
	return i > n && i == host->len && port > 0 && port < 65536;
}

/* Sixteen bytes in base64. */
static bool
key_is_good(const struct text *key)
{
	struct base64_decode_ctx ctx;
	uint8_t out[BASE64_DECODE_LENGTH(HTTP_KEY_SIZE - 1)];
	size_t len = sizeof(out);

	if (key == NULL || key->len != HTTP_KEY_SIZE - 1)
		return false;
	base64_decode_init(&ctx);
	return base64_decode_update(&ctx, &len, out, key->len, key->data) && base64_decode_final(&ctx) && len == 16;
}

int
http_read_request(const char *data, size_t len, const char *protocol, char key[HTTP_KEY_SIZE], struct err *err)
{
	struct head h;

	if (read_head(&h, data, len, err) < 0)
		return 400;
	if (!text_is(h.start, "GET / HTTP/1.1"))
		return err_set(err, 0, "not \"GET / HTTP/1.1\""), 400;
	if (!host_is_good(find(&h, "Host")))
		return err_set(err, 0, "no Host that could be one"), 400;
	if (find(&h, "Origin") != NULL)
		return err_set(err, 0, "an Origin: a page in a browser"), 403;
	if (!lists(find(&h, "Upgrade"), "websocket", false) || !lists(find(&h, "Connection"), "Upgrade", false))
		return err_set(err, 0, "asks for no WebSocket"), 426;
	if (!lists(find(&h, "Sec-WebSocket-Version"), "13", true))
		return err_set(err, 0, "another version of WebSocket than 13"), 426;
	if (!key_is_good(find(&h, "Sec-WebSocket-Key")))
		return err_set(err, 0, "no Sec-WebSocket-Key of 16 bytes"), 400;
	if (!lists(find(&h, "Sec-WebSocket-Protocol"), protocol, true))
		return err_set(err, 0, "another protocol than %s", protocol), 400;
	memcpy(key, find(&h, "Sec-WebSocket-Key")->data, HTTP_KEY_SIZE - 1);
	key[HTTP_KEY_SIZE - 1] = '\0';
	return 0;
}

static void
encode(char *out, size_t len, const uint8_t *data)
{
	out[BASE64_ENCODE_RAW_LENGTH(len)] = '\0';
	base64_encode_raw(out, len, data);
}

static void
make_accept(const char *key, char out[ACCEPT_SIZE])
{
	uint8_t digest[SHA1_DIGEST_SIZE];
	struct sha1_ctx ctx;

	sha1_init(&ctx);
	sha1_update(&ctx, strlen(key), (const uint8_t *)key);
	sha1_update(&ctx, strlen(ACCEPT_GUID), (const uint8_t *)ACCEPT_GUID);
	sha1_digest(&ctx, sizeof(digest), digest);
	encode(out, sizeof(digest), digest);
}

void
http_make_key(const uint8_t random[16], char key[HTTP_KEY_SIZE])
{
	encode(key, 16, random);
}

int
http_read_response(const char *data, size_t len, const char *protocol, const char *key, struct err *err)
{
	const struct text *accept, *chosen;
	char expected[ACCEPT_SIZE];
	struct head h;

	if (read_head(&h, data, len, err) < 0)
		return -1;
	if (h.start.len < 13 || memcmp(h.start.data, "HTTP/1.1 101 ", 13) != 0)
		return err_set(err, 0, "it answered \"%.*s\"", (int)(h.start.len < 80 ? h.start.len : 80), h.start.data);
	if (!lists(find(&h, "Upgrade"), "websocket", false) || !lists(find(&h, "Connection"), "Upgrade", false))
		return err_set(err, 0, "it does not change to WebSocket");
	make_accept(key, expected);
	accept = find(&h, "Sec-WebSocket-Accept");
	if (accept == NULL || !text_is(*accept, expected))
		return err_set(err, 0, "its Sec-WebSocket-Accept is not that of our key");
	chosen = find(&h, "Sec-WebSocket-Protocol");
	if (chosen == NULL || !text_is(*chosen, protocol))
		return err_set(err, 0, "it does not speak %s", protocol);
	if (find(&h, "Sec-WebSocket-Extensions") != NULL)
		return err_set(err, 0, "it uses an extension that was not asked for");
	return 0;
}

void
http_write_request(struct buf *out, const char *host, unsigned port, const char *protocol, const char *key)
{
	bool v6 = strchr(host, ':') != NULL;

	buf_printf(out, "GET / HTTP/1.1\r\nHost: %s%.*s%s:%u\r\n", v6 ? "[" : "", (int)strcspn(host, "%"), host, v6 ? "]" : "", port);
	buf_printf(out, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n", key);
	buf_printf(out, "Sec-WebSocket-Protocol: %s\r\n\r\n", protocol);
}

void
http_write_response(struct buf *out, const char *protocol, const char *key)
{
	char accept[ACCEPT_SIZE];

	make_accept(key, accept);
	buf_adds(out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
	buf_printf(out, "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n", accept, protocol);
}

void
http_write_refusal(struct buf *out, int status)
{
	const char *text = status == 403 ? "Forbidden" : status == 426 ? "Upgrade Required" : "Bad Request";

	buf_printf(out, "HTTP/1.1 %d %s\r\n", status, text);
	if (status == 426)
		buf_adds(out, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
	buf_adds(out, "Connection: close\r\nContent-Length: 0\r\n\r\n");
}
