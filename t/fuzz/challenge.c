/* SPDX-License-Identifier: MIT */
#include "wire/challenge.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Written again, what was read is read as the same. */
static void
check_challenge(const struct challenge *c)
{
	struct challenge again = { 0 };
	struct buf b = { 0 };
	struct err err;

	challenge_write_challenge(&b, c);
	if (challenge_check_node(c->acceptor) < 0 || challenge_read_challenge(b.data, b.len, &again, &err) < 0 ||
	    strcmp(again.acceptor, c->acceptor) != 0 || strcmp(again.acceptor_nonce, c->acceptor_nonce) != 0)
		abort();
	buf_free(&b);
}

static void
check_response(const struct challenge *c, const char *mac)
{
	char expected[CHALLENGE_HEX_SIZE], again_mac[CHALLENGE_HEX_SIZE];
	struct challenge again = { 0 };
	struct buf b = { 0 };
	struct err err;

	challenge_write_response(&b, c, mac);
	if (challenge_read_response(b.data, b.len, &again, again_mac, &err) < 0 || strcmp(again_mac, mac) != 0 ||
	    strcmp(again.connector, c->connector) != 0 || again.epoch != c->epoch)
		abort();
	challenge_mac(c, CHALLENGE_CONNECTOR, "0123456789abcdef", 16, expected);
	if (challenge_mac_equals(mac, expected))
		abort();
	buf_free(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct challenge c = { .protocol = "appctl-monitor" };
	char mac[CHALLENGE_HEX_SIZE];
	struct err err;

	if (challenge_read_challenge(text, size, &c, &err) == 0)
		check_challenge(&c);
	if (challenge_read_response(text, size, &c, mac, &err) == 0)
		check_response(&c, mac);
	if (challenge_read_welcome(text, size, mac, &err) == 0 && strlen(mac) != CHALLENGE_HEX_SIZE - 1)
		abort();
	return 0;
}
