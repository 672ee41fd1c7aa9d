/* SPDX-License-Identifier: MIT */
#include "wire/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="		/* as in RFC 6455, 1.3 */
#define START "GET / HTTP/1.1\r\n"
#define HOST "Host: consumer.example:8888\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define WEBSOCKET "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n"
#define PROTOCOL "Sec-WebSocket-Protocol: appctl-monitor\r\n"
#define END "\r\n"
#define GOOD START HOST UPGRADE WEBSOCKET PROTOCOL

static int
status_of(const char *head)
{
	char key[HTTP_KEY_SIZE];
	struct err err = { 0 };

	return http_read_request(head, strlen(head), "appctl-monitor", key, &err);
}

static void
our_own_request_is_taken_and_answered(void **state)
{
	struct buf request = { 0 }, answer = { 0 };
	const uint8_t random[16] = "0123456789abcdef";
	char key[HTTP_KEY_SIZE], got[HTTP_KEY_SIZE];
	struct err err = { 0 };

	(void)state;
	http_make_key(random, key);
	http_write_request(&request, "::1", 8888, "appctl-monitor", key);
	assert_non_null(strstr(buf_cstr(&request), "\r\nHost: [::1]:8888\r\n"));
	assert_int_equal(http_head_len(request.data, request.len), request.len);
	assert_int_equal(http_read_request(request.data, request.len, "appctl-monitor", got, &err), 0);
	assert_string_equal(got, key);
	http_write_response(&answer, "appctl-monitor", got);
	assert_int_equal(http_read_response(answer.data, answer.len, "appctl-monitor", key, &err), 0);
	assert_int_equal(http_read_response(answer.data, answer.len, "appctl-node", key, &err), -1);
	assert_int_equal(http_read_response(answer.data, answer.len, "appctl-monitor", KEY, &err), -1);
	buf_free(&request);
	buf_free(&answer);
}

static void
the_key_is_answered_as_the_rfc_does(void **state)
{
	struct buf answer = { 0 };

	(void)state;
	http_write_response(&answer, "appctl-monitor", KEY);
	assert_non_null(strstr(buf_cstr(&answer), "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
	buf_free(&answer);
}

static void
what_other_libraries_send_is_taken(void **state)
{
	(void)state;
	assert_int_equal(status_of(GOOD END), 0);
	assert_int_equal(status_of(START "host:[::1]\r\nUPGRADE:WebSocket\r\nconnection: keep-alive, upgrade\r\n" WEBSOCKET
				   "Sec-WebSocket-Protocol: other ,\tappctl-monitor\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
				   "User-Agent: x\r\n" END), 0);
}

static void
what_two_readers_could_understand_differently_is_refused(void **state)
{
	static const char *const heads[] = {
		"", "\r\n", START END, GOOD, "\r\n" GOOD END,
		GOOD "Content-Length: 0\r\n" END,
		GOOD "content-length: 5\r\n" END,
		GOOD "Transfer-Encoding: chunked\r\n" END,
		GOOD HOST END,
		GOOD "X-Any: 1\r\nx-any: 2\r\n" END,
		GOOD "X-Folded: 1\r\n 2\r\n" END,
		GOOD "No colon\r\n" END,
		GOOD "Blank : 1\r\n" END,
		GOOD ": 1\r\n" END,
		GOOD "X-Bare: 1\n2\r\n" END,
		GOOD "X-Bare: 1\r2\r\n" END,
		GOOD "X-Control: \001\r\n" END,
		GOOD "X-High: \xff\r\n" END,
		GOOD END "GET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.0\r\n" HOST UPGRADE WEBSOCKET PROTOCOL END,
		"GET  / HTTP/1.1\r\n" HOST UPGRADE WEBSOCKET PROTOCOL END,
		"GET /other HTTP/1.1\r\n" HOST UPGRADE WEBSOCKET PROTOCOL END,
		"GET http://consumer.example/ HTTP/1.1\r\n" HOST UPGRADE WEBSOCKET PROTOCOL END,
		"POST / HTTP/1.1\r\n" HOST UPGRADE WEBSOCKET PROTOCOL END,
		START UPGRADE WEBSOCKET PROTOCOL END,
		START "Host:\r\n" UPGRADE WEBSOCKET PROTOCOL END,
		START "Host: a b\r\n" UPGRADE WEBSOCKET PROTOCOL END,
		START "Host: a:0\r\n" UPGRADE WEBSOCKET PROTOCOL END,
		START "Host: a:65536\r\n" UPGRADE WEBSOCKET PROTOCOL END,
		START "Host: a:\r\n" UPGRADE WEBSOCKET PROTOCOL END,
		START "Host: [::1\r\n" UPGRADE WEBSOCKET PROTOCOL END,
		START "Host: user@a\r\n" UPGRADE WEBSOCKET PROTOCOL END,
		START HOST UPGRADE "Sec-WebSocket-Version: 13\r\n" PROTOCOL END,
		START HOST UPGRADE "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n" PROTOCOL END,
		START HOST UPGRADE "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ************************\r\n" PROTOCOL END,
		START HOST UPGRADE WEBSOCKET END,
		START HOST UPGRADE WEBSOCKET "Sec-WebSocket-Protocol: appctl-monitor2\r\n" END,
		START HOST UPGRADE WEBSOCKET "Sec-WebSocket-Protocol: APPCTL-MONITOR\r\n" END,
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		if (status_of(heads[i]) != 400)
			fail_msg("not refused with 400: %s", heads[i]);
}

static void
browsers_and_other_upgrades_have_their_own_answer(void **state)
{
	(void)state;
	assert_int_equal(status_of(GOOD "Origin: https://evil.example\r\n" END), 403);
	assert_int_equal(status_of(GOOD "Origin: null\r\n" END), 403);
	assert_int_equal(status_of(START HOST END), 426);
	assert_int_equal(status_of(START HOST "Upgrade: h2c\r\nConnection: Upgrade\r\n" WEBSOCKET PROTOCOL END), 426);
	assert_int_equal(status_of(START HOST "Upgrade: websocket\r\nConnection: close\r\n" WEBSOCKET PROTOCOL END), 426);
	assert_int_equal(status_of(START HOST UPGRADE "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: " KEY "\r\n" PROTOCOL END), 426);
}

static void
a_head_has_limits(void **state)
{
	char head[HTTP_HEAD_MAX + 64];
	struct buf many = { 0 };
	int i;

	(void)state;
	memset(head, 'a', sizeof(head));
	assert_int_equal(http_head_len(head, HTTP_HEAD_MAX - 1), 0);
	assert_int_equal(http_head_len(head, HTTP_HEAD_MAX), -1);
	memcpy(head + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
	assert_int_equal(http_head_len(head, sizeof(head)), HTTP_HEAD_MAX);
	assert_int_equal(http_head_len("GET\0", 4), -1);
	assert_int_equal(http_head_len("", 0), 0);
	assert_int_equal(http_head_len("HTTP/1.1 101 S\r\n\r\n\x81\x7e\0\x80", 22), 18);	/* a frame behind it */
	assert_int_equal(http_head_len("GET / HTTP/1.1\r\n\r", 17), 0);
	buf_adds(&many, GOOD);
	for (i = 0; i < HTTP_FIELDS_MAX; i++)
		buf_printf(&many, "X-%d: 1\r\n", i);
	buf_adds(&many, END);
	assert_int_equal(status_of(buf_cstr(&many)), 400);
	buf_free(&many);
}

static int
answer(const char *head)
{
	struct err err = { 0 };

	return http_read_response(head, strlen(head), "appctl-monitor", KEY, &err);
}

static void
an_answer_that_is_no_websocket_is_refused(void **state)
{
#define SWITCH "HTTP/1.1 101 Switching Protocols\r\n"
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
	static const char *const heads[] = {
		"HTTP/1.1 200 OK\r\n" UPGRADE ACCEPT PROTOCOL END,
		"HTTP/1.0 101 Switching Protocols\r\n" UPGRADE ACCEPT PROTOCOL END,
		SWITCH ACCEPT PROTOCOL END,
		SWITCH UPGRADE PROTOCOL END,
		SWITCH UPGRADE ACCEPT END,
		SWITCH UPGRADE "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" PROTOCOL END,
		SWITCH UPGRADE ACCEPT "Sec-WebSocket-Protocol: appctl-monitor, other\r\n" END,
		SWITCH UPGRADE ACCEPT PROTOCOL "Sec-WebSocket-Extensions: permessage-deflate\r\n" END,
		SWITCH UPGRADE ACCEPT PROTOCOL "Content-Length: 3\r\n" END,
		SWITCH UPGRADE ACCEPT ACCEPT PROTOCOL END,
	};
	size_t i;

	(void)state;
	assert_int_equal(answer(SWITCH UPGRADE ACCEPT PROTOCOL "Server: x\r\n" END), 0);
	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		if (answer(heads[i]) != -1)
			fail_msg("taken: %s", heads[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_own_request_is_taken_and_answered),
		cmocka_unit_test(the_key_is_answered_as_the_rfc_does),
		cmocka_unit_test(what_other_libraries_send_is_taken),
		cmocka_unit_test(what_two_readers_could_understand_differently_is_refused),
		cmocka_unit_test(browsers_and_other_upgrades_have_their_own_answer),
		cmocka_unit_test(a_head_has_limits),
		cmocka_unit_test(an_answer_that_is_no_websocket_is_refused),
	};

	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
