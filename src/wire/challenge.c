/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "wire/challenge.h"

#include <inttypes.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void
challenge_hex(const uint8_t bytes[CHALLENGE_NONCE_LEN], char out[CHALLENGE_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < CHALLENGE_NONCE_LEN; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * CHALLENGE_NONCE_LEN] = '\0';
}

static bool
is_name_char(char c)
{
	return c > ' ' && c <= '~' && c != '"' && c != '\\';
}

int
challenge_check_node(const char *node)
{
	size_t len = 0;

	while (is_name_char(node[len]))
		len++;
	return len > 0 && node[len] == '\0' && len <= CHALLENGE_NODE_MAX ? 0 : -1;
}

static void
hmac(const void *key, size_t key_len, const void *data, size_t len, uint8_t out[SHA256_DIGEST_SIZE])
{
	struct hmac_sha256_ctx ctx;

	hmac_sha256_set_key(&ctx, key_len, key);
	hmac_sha256_update(&ctx, len, data);
	hmac_sha256_digest(&ctx, SHA256_DIGEST_SIZE, out);
	explicit_bzero(&ctx, sizeof(ctx));
}

/* RFC 5869 for 32 bytes: one block each to extract and to expand. */
static void
hkdf(const char *protocol, const char *secret, size_t secret_len, const char *info, uint8_t key[32])
{
	uint8_t extracted[SHA256_DIGEST_SIZE];
	char salt[64], block[2 * CHALLENGE_NODE_MAX + 8];
	size_t len = strlen(info);

	snprintf(salt, sizeof(salt), "%s psk", protocol);
	hmac(salt, strlen(salt), secret, secret_len, extracted);
	memcpy(block, info, len);
	block[len] = 1;
	hmac(extracted, sizeof(extracted), block, len + 1, key);
	explicit_bzero(extracted, sizeof(extracted));
}

void
challenge_psk(const char *protocol, const char *secret, size_t secret_len, uint8_t key[32])
{
	hkdf(protocol, secret, secret_len, "", key);
}

void
challenge_pair_psk(const char *protocol, const char *secret, size_t secret_len, const char *connector, const char *acceptor,
		   uint8_t key[32])
{
	char info[2 * CHALLENGE_NODE_MAX + 3];

	snprintf(info, sizeof(info), "%s\n%s\n", connector, acceptor);
	hkdf(protocol, secret, secret_len, info, key);
}

static const char *
role_name(const struct challenge *c, enum challenge_role role)
{
	if (role == CHALLENGE_CONNECTOR)
		return c->connector_role ? c->connector_role : "producer";
	return c->acceptor_role ? c->acceptor_role : "consumer";
}

void
challenge_mac(const struct challenge *c, enum challenge_role role, const char *secret, size_t secret_len,
	      char mac[CHALLENGE_HEX_SIZE])
{
	char text[CHALLENGE_TEXT_MAX];
	uint8_t bytes[SHA256_DIGEST_SIZE];
	int len;

	len = snprintf(text, sizeof(text), "%s %d\n%s\n%s\n%s\n%" PRIu64 "\n%s\n%s\n%s\n", c->protocol, CHALLENGE_VERSION,
		       role_name(c, role), c->acceptor, c->connector, c->epoch,
		       c->acceptor_nonce, c->connector_nonce, c->exporter);
	hmac(secret, secret_len, text, (size_t)len, bytes);
	challenge_hex(bytes, mac);
}

int
challenge_mac_equals(const char a[CHALLENGE_HEX_SIZE], const char b[CHALLENGE_HEX_SIZE])
{
	return memeql_sec(a, b, CHALLENGE_HEX_SIZE);
}

void
challenge_write_challenge(struct buf *out, const struct challenge *c)
{
	buf_printf(out, "{\"type\":\"challenge\",\"version\":%d,\"node\":\"%s\",\"nonce\":\"%s\"}", CHALLENGE_VERSION, c->acceptor,
		   c->acceptor_nonce);
}

void
challenge_write_response(struct buf *out, const struct challenge *c, const char *mac)
{
	buf_printf(out, "{\"type\":\"response\",\"node\":\"%s\",\"epoch\":%" PRIu64 ",\"nonce\":\"%s\",\"mac\":\"%s\"}", c->connector,
		   c->epoch, c->connector_nonce, mac);
}

void
challenge_write_welcome(struct buf *out, const char *mac)
{
	buf_printf(out, "{\"type\":\"welcome\",\"mac\":\"%s\"}", mac);
}

/* A member that is expected: a text or a number. */
struct member {
	const char *name;
	char *text;			/* where it goes */
	size_t size;
	uint64_t *number;
	bool seen;
};

struct cursor {
	const char *at, *end;
};

static void
skip_blanks(struct cursor *c)
{
	while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
		c->at++;
}

static bool
take(struct cursor *c, char ch)
{
	skip_blanks(c);
	if (c->at == c->end || *c->at != ch)
		return false;
	c->at++;
	return true;
}

/* A string of plain characters into out[size]; false: it is none, has an escape, or is too long. */
static bool
take_text(struct cursor *c, char *out, size_t size)
{
	size_t len = 0;

	if (!take(c, '"'))
		return false;
	for (; c->at < c->end && is_name_char(*c->at); c->at++) {
		if (len + 1 >= size)
			return false;
		out[len++] = *c->at;
	}
	out[len] = '\0';
	return len > 0 && take(c, '"');
}

static bool
take_number(struct cursor *c, uint64_t *out)
{
	const char *start;
	uint64_t n = 0, digit;

	skip_blanks(c);
	for (start = c->at; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
		digit = (uint64_t)(*c->at - '0');
		if (n > (UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*out = n;
	return c->at > start && (*start != '0' || c->at == start + 1);
}

static struct member *
find_member(struct member *members, size_t count, const char *name)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strcmp(members[i].name, name) == 0)
			return &members[i];
	return NULL;
}

static int
read_member(struct cursor *c, struct member *members, size_t count, struct err *err)
{
	char name[16];
	struct member *m;

	if (!take_text(c, name, sizeof(name)) || !take(c, ':'))
		return err_set(err, 0, "not an object as expected");
	m = find_member(members, count, name);
	if (m == NULL || m->seen)
		return err_set(err, 0, "an unknown member, or one twice");
	m->seen = true;
	if (!(m->number ? take_number(c, m->number) : take_text(c, m->text, m->size)))
		return err_set(err, 0, "an unusable \"%s\"", m->name);
	return 0;
}

/* Exactly these members, in any order. */
static int
read_object(const char *text, size_t len, struct member *members, size_t count, struct err *err)
{
	struct cursor c = { text, text + len };
	size_t i;

	if (len > CHALLENGE_TEXT_MAX)
		return err_set(err, 0, "longer than %d bytes", CHALLENGE_TEXT_MAX);
	if (!take(&c, '{'))
		return err_set(err, 0, "not an object as expected");
	do {
		if (read_member(&c, members, count, err) < 0)
			return -1;
	} while (take(&c, ','));
	if (!take(&c, '}'))
		return err_set(err, 0, "not an object as expected");
	skip_blanks(&c);
	if (c.at != c.end)
		return err_set(err, 0, "something behind the object");
	for (i = 0; i < count; i++)
		if (!members[i].seen)
			return err_set(err, 0, "no \"%s\"", members[i].name);
	return 0;
}

static bool
is_hex(const char *s)
{
	size_t len = strspn(s, "0123456789abcdef");

	return len == CHALLENGE_HEX_SIZE - 1 && s[len] == '\0';
}

static int
check(const char *type, const char *expected, const char *first, const char *second, struct err *err)
{
	if (strcmp(type, expected) != 0)
		return err_set(err, 0, "not a %s", expected);
	if (!is_hex(first) || !is_hex(second))
		return err_set(err, 0, "a nonce or MAC that is not 64 hexadecimal digits");
	return 0;
}

#define TEXT(name, array) { name, array, sizeof(array), NULL, false }
#define NUMBER(name, n) { name, NULL, 0, n, false }
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int
challenge_read_challenge(const char *text, size_t len, struct challenge *c, struct err *err)
{
	char type[16];
	uint64_t version;
	struct member members[] = { TEXT("type", type), NUMBER("version", &version), TEXT("node", c->acceptor),
				    TEXT("nonce", c->acceptor_nonce) };

	if (read_object(text, len, members, COUNT(members), err) < 0 ||
	    check(type, "challenge", c->acceptor_nonce, c->acceptor_nonce, err) < 0)
		return -1;
	if (version != CHALLENGE_VERSION)
		return err_set(err, 0, "version %" PRIu64 ", this end speaks %d", version, CHALLENGE_VERSION);
	return 0;
}

int
challenge_read_response(const char *text, size_t len, struct challenge *c, char mac[CHALLENGE_HEX_SIZE], struct err *err)
{
	char type[16];
	struct member members[] = { TEXT("type", type), TEXT("node", c->connector), NUMBER("epoch", &c->epoch),
				    TEXT("nonce", c->connector_nonce), { "mac", mac, CHALLENGE_HEX_SIZE, NULL, false } };

	if (read_object(text, len, members, COUNT(members), err) < 0)
		return -1;
	return check(type, "response", c->connector_nonce, mac, err);
}

int
challenge_read_welcome(const char *text, size_t len, char mac[CHALLENGE_HEX_SIZE], struct err *err)
{
	char type[16];
	struct member members[] = { TEXT("type", type), { "mac", mac, CHALLENGE_HEX_SIZE, NULL, false } };

	if (read_object(text, len, members, COUNT(members), err) < 0)
		return -1;
	return check(type, "welcome", mac, mac, err);
}
