/* SPDX-License-Identifier: MIT */
#include "wire/challenge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SECRET "0123456789abcdef0123"
#define AB "abababababababababababababababababababababababababababababababab"
#define CD "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
#define EF "efefefefefefefefefefefefefefefefefefefefefefefefefefefefefefefef"

static struct challenge
sample(void)
{
	struct challenge c = { .protocol = "appctl-monitor", .acceptor = "central", .connector = "alice",
			       .epoch = 1764068000123456, .acceptor_nonce = AB, .connector_nonce = CD };

	return c;
}

static void
assert_mac(const struct challenge *c, enum challenge_role role, const char *expected)
{
	char mac[CHALLENGE_HEX_SIZE];

	challenge_mac(c, role, SECRET, strlen(SECRET), mac);
	assert_string_equal(mac, expected);
}

/* Computed by Python's hmac and hashlib from the text in doc/monitor-wire.md. */
static void
macs_are_those_of_the_document(void **state)
{
	struct challenge c = sample();

	(void)state;
	assert_mac(&c, CHALLENGE_CONNECTOR, "d86b9088e2a9c40eb33017cbf5d4d30cf8d502ccc72a549544b747b45ca3b047");
	assert_mac(&c, CHALLENGE_ACCEPTOR, "9159b4ad6a59f3e89324e130052eb8a2722c999633f081e57368041ee226f781");
	strcpy(c.exporter, EF);
	assert_mac(&c, CHALLENGE_CONNECTOR, "7e04db662c842487883eefd7e149185f86ca2d1838225ef5b537307677b4f661");
	assert_mac(&c, CHALLENGE_ACCEPTOR, "bc157dcf97eed9c1508fcaafe73bbe5f76f5c918192028b26314b2f509ab0913");
}

static void
the_pre_shared_key_is_that_of_the_document(void **state)
{
	uint8_t key[32];
	char hex[CHALLENGE_HEX_SIZE];

	(void)state;
	challenge_psk("appctl-monitor", SECRET, strlen(SECRET), key);
	challenge_hex(key, hex);
	assert_string_equal(hex, "089057f917dbff2b0dd59e51a9006fd64a40d68961ce9d48aae26ae8d1d12e8c");
}

static void
each_pair_and_direction_of_nodes_has_its_own(void **state)
{
	uint8_t key[32];
	char there[CHALLENGE_HEX_SIZE], back[CHALLENGE_HEX_SIZE];

	(void)state;
	challenge_pair_psk("appctl-node", SECRET, strlen(SECRET), "alice", "bob", key);
	challenge_hex(key, there);
	assert_string_equal(there, "c0d7c4ff596061f72c719bf22f6f8b8d0aedd0988483b05f417f5277bcdd1aa4");
	challenge_pair_psk("appctl-node", SECRET, strlen(SECRET), "bob", "alice", key);
	challenge_hex(key, back);
	assert_string_not_equal(there, back);
}

static void
roles_have_other_names_between_nodes(void **state)
{
	char base[CHALLENGE_HEX_SIZE], other[CHALLENGE_HEX_SIZE];
	struct challenge c = sample();

	(void)state;
	challenge_mac(&c, CHALLENGE_CONNECTOR, SECRET, strlen(SECRET), base);
	c.connector_role = "connector";
	c.acceptor_role = "acceptor";
	challenge_mac(&c, CHALLENGE_CONNECTOR, SECRET, strlen(SECRET), other);
	assert_string_not_equal(base, other);
	challenge_mac(&c, CHALLENGE_ACCEPTOR, SECRET, strlen(SECRET), base);
	assert_string_not_equal(base, other);
}

static void
every_part_is_under_the_mac(void **state)
{
	char base[CHALLENGE_HEX_SIZE], other[CHALLENGE_HEX_SIZE];
	struct challenge c = sample(), changed[7];
	size_t i;

	(void)state;
	challenge_mac(&c, CHALLENGE_CONNECTOR, SECRET, strlen(SECRET), base);
	for (i = 0; i < 7; i++)
		changed[i] = c;
	changed[0].protocol = "appctl-node";
	strcpy(changed[1].acceptor, "centra1");
	strcpy(changed[2].connector, "bob");
	changed[3].epoch++;
	changed[4].acceptor_nonce[63] = '0';
	changed[5].connector_nonce[0] = '0';
	strcpy(changed[6].exporter, EF);
	for (i = 0; i < 7; i++) {
		challenge_mac(&changed[i], CHALLENGE_CONNECTOR, SECRET, strlen(SECRET), other);
		assert_false(challenge_mac_equals(base, other));
	}
	challenge_mac(&c, CHALLENGE_ACCEPTOR, SECRET, strlen(SECRET), other);
	assert_false(challenge_mac_equals(base, other));
	challenge_mac(&c, CHALLENGE_CONNECTOR, SECRET "4", strlen(SECRET) + 1, other);
	assert_false(challenge_mac_equals(base, other));
	challenge_mac(&c, CHALLENGE_CONNECTOR, SECRET, strlen(SECRET), other);
	assert_true(challenge_mac_equals(base, other));
}

static void
what_is_written_is_read(void **state)
{
	struct challenge c = sample(), got = { 0 };
	char mac[CHALLENGE_HEX_SIZE];
	struct buf b = { 0 };
	struct err err;

	(void)state;
	challenge_write_challenge(&b, &c);
	assert_string_equal(buf_cstr(&b), "{\"type\":\"challenge\",\"version\":1,\"node\":\"central\",\"nonce\":\"" AB "\"}");
	assert_int_equal(challenge_read_challenge(b.data, b.len, &got, &err), 0);
	assert_string_equal(got.acceptor, "central");
	assert_string_equal(got.acceptor_nonce, AB);
	buf_clear(&b);
	challenge_write_response(&b, &c, EF);
	assert_string_equal(buf_cstr(&b), "{\"type\":\"response\",\"node\":\"alice\",\"epoch\":1764068000123456,\"nonce\":\"" CD
			    "\",\"mac\":\"" EF "\"}");
	assert_int_equal(challenge_read_response(b.data, b.len, &got, mac, &err), 0);
	assert_string_equal(got.connector, "alice");
	assert_int_equal(got.epoch, 1764068000123456);
	assert_string_equal(got.connector_nonce, CD);
	assert_string_equal(mac, EF);
	buf_clear(&b);
	challenge_write_welcome(&b, AB);
	assert_int_equal(challenge_read_welcome(b.data, b.len, mac, &err), 0);
	assert_string_equal(mac, AB);
	buf_free(&b);
}

static int
read_welcome(const char *text)
{
	char mac[CHALLENGE_HEX_SIZE];
	struct err err;

	return challenge_read_welcome(text, strlen(text), mac, &err);
}

static void
other_orders_and_blanks_are_the_same(void **state)
{
	(void)state;
	assert_int_equal(read_welcome(" { \"mac\" : \"" AB "\" ,\r\n\t\"type\" : \"welcome\" } \n"), 0);
}

static void
anything_else_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "null", "[]", "{}", "{", "{\"type\":\"welcome\"}", "{\"mac\":\"" AB "\"}",
		"{\"type\":\"welcome\",\"mac\":\"" AB "\"",
		"{\"type\":\"welcome\",\"mac\":\"" AB "\"}{",
		"{\"type\":\"welcome\",\"mac\":\"" AB "\",}",
		"{\"type\":\"welcome\",\"mac\":\"" AB "\",\"mac\":\"" AB "\"}",
		"{\"type\":\"welcome\",\"mac\":\"" AB "\",\"more\":1}",
		"{\"type\":\"response\",\"mac\":\"" AB "\"}",
		"{\"type\":\"welcome\",\"mac\":\"" AB "0\"}",
		"{\"type\":\"welcome\",\"mac\":\"abab\"}",
		"{\"type\":\"welcome\",\"mac\":\"ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB\"}",
		"{\"type\":\"welcome\",\"mac\":1}",
		"{\"type\":\"welcome\",\"mac\":null}",
		"{\"type\":\"\\u0077elcome\",\"mac\":\"" AB "\"}",
		"{\"type\":{\"type\":\"welcome\"},\"mac\":\"" AB "\"}",
		"{'type':'welcome','mac':'" AB "'}",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(read_welcome(texts[i]), -1);
}

static int
read_response(const char *node, const char *epoch)
{
	struct challenge c = { 0 };
	char text[2048], mac[CHALLENGE_HEX_SIZE];
	struct err err;

	snprintf(text, sizeof(text), "{\"type\":\"response\",\"node\":%s,\"epoch\":%s,\"nonce\":\"" AB "\",\"mac\":\"" CD "\"}", node, epoch);
	return challenge_read_response(text, strlen(text), &c, mac, &err);
}

static void
names_and_numbers_have_limits(void **state)
{
	char longest[CHALLENGE_NODE_MAX + 4] = "\"";

	(void)state;
	assert_int_equal(read_response("\"alice\"", "18446744073709551615"), 0);
	assert_int_equal(read_response("\"alice\"", "18446744073709551616"), -1);
	assert_int_equal(read_response("\"alice\"", "-1"), -1);
	assert_int_equal(read_response("\"alice\"", "01"), -1);
	assert_int_equal(read_response("\"alice\"", "0"), 0);
	assert_int_equal(read_response("\"alice\"", "1.0"), -1);
	assert_int_equal(read_response("\"alice\"", "\"1\""), -1);
	assert_int_equal(read_response("\"\"", "1"), -1);
	assert_int_equal(read_response("\"a b\"", "1"), -1);
	assert_int_equal(read_response("\"a\\nb\"", "1"), -1);
	assert_int_equal(read_response("\"a\nb\"", "1"), -1);
	memset(longest + 1, 'n', CHALLENGE_NODE_MAX);
	strcpy(longest + 1 + CHALLENGE_NODE_MAX, "\"");
	assert_int_equal(read_response(longest, "1"), 0);
	memset(longest + 1, 'n', CHALLENGE_NODE_MAX + 1);
	strcpy(longest + 2 + CHALLENGE_NODE_MAX, "\"");
	assert_int_equal(read_response(longest, "1"), -1);
}

static void
another_version_is_named(void **state)
{
	const char *text = "{\"type\":\"challenge\",\"version\":2,\"node\":\"central\",\"nonce\":\"" AB "\"}";
	struct challenge c = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(challenge_read_challenge(text, strlen(text), &c, &err), -1);
	assert_non_null(strstr(err.msg, "version 2"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(macs_are_those_of_the_document),
		cmocka_unit_test(the_pre_shared_key_is_that_of_the_document),
		cmocka_unit_test(each_pair_and_direction_of_nodes_has_its_own),
		cmocka_unit_test(roles_have_other_names_between_nodes),
		cmocka_unit_test(every_part_is_under_the_mac),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(other_orders_and_blanks_are_the_same),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(names_and_numbers_have_limits),
		cmocka_unit_test(another_version_is_named),
	};

	return cmocka_run_group_tests_name("challenge", tests, NULL, NULL);
}
