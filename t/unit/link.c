/* SPDX-License-Identifier: MIT */
#include "wire/link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char *const argv_of_web[] = { "/usr/sbin/nginx", "-g", "daemon off;", NULL };
static const char *const envp_of_web[] = { "PATH=/bin", "EMPTY=", "", NULL };
static const uint32_t three_groups[] = { 4, 27, 1000 };
static const struct link_limit one_limit[] = { { .resource = 7, .soft = 1024, .hard = UINT64_MAX } };

static struct spawn_order
order_for_web(void)
{
	return (struct spawn_order){
		.fixed = { .flags = SPAWN_HAS_GROUPS | SPAWN_SESSION, .stdio = { STDIO_NULL, STDIO_FILE, STDIO_PASSED },
			   .label = { .stop_signal = 3, .shutdown_ms = 5000 }, .group_count = 3, .limit_count = 1 },
		.groups = three_groups, .limits = one_limit,
		.name = "web", .cgroup = "web", .directory = "/srv", .root = "", .log_path = "/var/log/web.log",
		.runtime_directory = "web",
		.argv = argv_of_web, .envp = envp_of_web,
	};
}

static const struct link_header *
header_of(const struct buf *b)
{
	return (const struct link_header *)(const void *)b->data;
}

static void *
body_of(const struct buf *b)
{
	return b->data + sizeof(struct link_header);
}

/* Checks a copy that has no byte more than it should, so that a sanitizer sees a read past its end. */
static int
check_copy(struct link_header h, const void *body, size_t len, bool from_engine)
{
	void *copy = malloc(len > 0 ? len : 1);
	int answer;

	memcpy(copy, body, len);
	h.body_len = (uint32_t)len;
	answer = link_check(&h, copy, from_engine);
	free(copy);
	return answer;
}

static void
a_spawn_order_comes_out_as_it_went_in(void **state)
{
	const struct spawn_order in = order_for_web();
	struct spawn_order out;
	struct buf b = { 0 };
	const char **vector;

	(void)state;
	link_put_spawn(&b, 42, &in);
	assert_false(b.failed);
	assert_int_equal(b.len, sizeof(struct link_header) + header_of(&b)->body_len);
	assert_int_equal(header_of(&b)->inc, 42);
	assert_int_equal(link_check(header_of(&b), body_of(&b), true), 0);
	assert_int_equal(link_fd_count(header_of(&b), body_of(&b)), 1);
	assert_int_equal(link_get_spawn(body_of(&b), header_of(&b)->body_len, &out, &vector), 0);
	assert_int_equal(out.fixed.argc, 3);
	assert_int_equal(out.fixed.envc, 3);
	assert_memory_equal(out.groups, three_groups, sizeof(three_groups));
	assert_memory_equal(out.limits, one_limit, sizeof(one_limit));
	assert_string_equal(out.name, "web");
	assert_string_equal(out.cgroup, "web");
	assert_string_equal(out.directory, "/srv");
	assert_string_equal(out.root, "");
	assert_string_equal(out.log_path, "/var/log/web.log");
	assert_string_equal(out.runtime_directory, "web");
	assert_string_equal(out.argv[2], "daemon off;");
	assert_null(out.argv[3]);
	assert_string_equal(out.envp[0], "PATH=/bin");
	assert_string_equal(out.envp[2], "");
	assert_null(out.envp[3]);
	free(vector);
	buf_free(&b);
}

static void
a_spawn_order_cut_anywhere_is_refused(void **state)
{
	const struct spawn_order in = order_for_web();
	struct buf b = { 0 };
	size_t len;

	(void)state;
	link_put_spawn(&b, 1, &in);
	for (len = 0; len < header_of(&b)->body_len; len++)
		assert_int_equal(check_copy(*header_of(&b), body_of(&b), len, true), -1);
	buf_addc(&b, '\0');
	assert_int_equal(check_copy(*header_of(&b), body_of(&b), len + 1, true), -1);
	buf_free(&b);
}

/* One of each type but SPAWN, well formed. */
static void
put_one(struct buf *b, enum link_type type)
{
	static const struct link_hello hello = { .instance = 1 };
	static const struct link_child child = { .pid = 1, .has_ready_fd = 1 };
	static const char zeros[64];
	static const size_t lens[LINK_TYPE_END] = {
		[LINK_SPAWNED] = sizeof(struct link_spawned), [LINK_SPAWN_FAILED] = sizeof(struct link_spawn_failed),
		[LINK_EXITED] = sizeof(struct link_exited), [LINK_GOT_SIGNAL] = sizeof(struct link_number),
		[LINK_SIGNAL] = sizeof(struct link_signal), [LINK_RELABEL] = sizeof(struct link_label),
		[LINK_ADOPT] = sizeof(struct link_number), [LINK_EXIT] = sizeof(struct link_number),
		[LINK_LOG_LEVELS] = sizeof(struct link_log_levels),
	};
	bool about = type == LINK_SPAWNED || type == LINK_SPAWN_FAILED || type == LINK_EXITED || type == LINK_ACK_AGAIN ||
		     type == LINK_SIGNAL || type == LINK_ACK || type == LINK_RELABEL || type == LINK_ADOPT ||
		     type == LINK_READY_SEEN;

	if (type == LINK_HELLO)
		link_put(b, type, 0, &hello, sizeof(hello), "/sys/fs/cgroup/appctl-01234567");
	else if (type == LINK_CHILD)
		link_put(b, type, 7, &child, sizeof(child), "db");
	else if (type == LINK_STATUS || type == LINK_REEXEC_FAILED || type == LINK_REEXEC_GO)
		link_put(b, type, 0, NULL, 0, "2 of 3 running");
	else
		link_put(b, type, about ? 7 : 0, zeros, lens[type], NULL);
}

static void
every_type_passes_whole_in_its_own_direction_only(void **state)
{
	struct buf b = { 0 };
	unsigned type;
	size_t len;
	bool down;

	(void)state;
	for (type = LINK_NONE + 1; type < LINK_TYPE_END; type++) {
		if (type == LINK_SPAWN)
			continue;
		put_one(&b, type);
		down = type < LINK_READY;
		assert_int_equal(link_check(header_of(&b), body_of(&b), !down), 0);
		assert_int_equal(link_check(header_of(&b), body_of(&b), down), -1);
		for (len = 0; len < header_of(&b)->body_len; len++)
			assert_int_equal(check_copy(*header_of(&b), body_of(&b), len, !down), -1);
		buf_addc(&b, 'x');
		assert_int_equal(check_copy(*header_of(&b), body_of(&b), len + 1, !down), -1);
		buf_clear(&b);
	}
	buf_free(&b);
}

static void
texts_lie_behind_the_fixed_part(void **state)
{
	struct buf b = { 0 };

	(void)state;
	put_one(&b, LINK_HELLO);
	assert_string_equal(link_text(header_of(&b), body_of(&b)), "/sys/fs/cgroup/appctl-01234567");
	buf_clear(&b);
	put_one(&b, LINK_STATUS);
	assert_string_equal(link_text(header_of(&b), body_of(&b)), "2 of 3 running");
	buf_clear(&b);
	put_one(&b, LINK_CHILD);
	assert_string_equal(link_text(header_of(&b), body_of(&b)), "db");
	assert_int_equal(link_fd_count(header_of(&b), body_of(&b)), 1);
	buf_free(&b);
}

static void
a_header_that_says_nonsense_is_refused(void **state)
{
	struct link_header good = { .version = LINK_VERSION, .type = LINK_PONG };
	struct link_header h;

	(void)state;
	assert_int_equal(link_check(&good, "", true), 0);
	h = good, h.version++;
	assert_int_equal(link_check(&h, "", true), -1);
	h = good, h.type = LINK_NONE;
	assert_int_equal(link_check(&h, "", true), -1);
	h = good, h.type = LINK_TYPE_END;
	assert_int_equal(link_check(&h, "", true), -1);
	h = good, h.flags = 2;
	assert_int_equal(link_check(&h, "", true), -1);
	h = good, h.inc = 9;
	assert_int_equal(link_check(&h, "", true), -1);
	h = good, h.type = LINK_STATUS, h.body_len = LINK_BODY_MAX + 1;
	assert_int_equal(link_check(&h, "", true), -1);
	h = good, h.type = LINK_ACK;
	assert_int_equal(link_check(&h, "", true), -1);
}

static void
refused_when(struct buf *b, void *field, uint32_t value)
{
	uint32_t before;

	memcpy(&before, field, sizeof(before));
	memcpy(field, &value, sizeof(value));
	assert_int_equal(check_copy(*header_of(b), body_of(b), header_of(b)->body_len, true), -1);
	memcpy(field, &before, sizeof(before));
	assert_int_equal(link_check(header_of(b), body_of(b), true), 0);
}

static void
counts_that_do_not_fit_are_refused(void **state)
{
	static const uint32_t bad[] = { 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 1000 };
	const struct spawn_order in = order_for_web();
	struct buf b = { 0 };
	struct link_spawn *s;
	size_t i;

	(void)state;
	link_put_spawn(&b, 1, &in);
	s = body_of(&b);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		refused_when(&b, &s->group_count, bad[i]);
		refused_when(&b, &s->limit_count, bad[i]);
		refused_when(&b, &s->argc, bad[i]);
		refused_when(&b, &s->envc, bad[i]);
	}
	refused_when(&b, &s->argc, 0);
	s->stdio[0] = STDIO_FILE;
	assert_int_equal(link_check(header_of(&b), body_of(&b), true), -1);
	s->stdio[0] = STDIO_PASSED + 1;
	assert_int_equal(link_check(header_of(&b), body_of(&b), true), -1);
	buf_free(&b);
}

/* xorshift32: the same flips on every run. */
static uint32_t
next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

static void
whatever_passes_the_check_can_be_taken_apart(void **state)
{
	const struct spawn_order in = order_for_web();
	struct buf b = { 0 };
	struct spawn_order out;
	uint32_t x = 2463534242u;
	const char **vector;
	size_t flip, len;
	char *copy;
	int i;

	(void)state;
	link_put_spawn(&b, 1, &in);
	len = header_of(&b)->body_len;
	for (i = 0; i < 100000; i++) {
		copy = malloc(len);
		memcpy(copy, body_of(&b), len);
		for (flip = next_random(&x) % 4; flip < 4; flip++)
			copy[next_random(&x) % len] ^= (char)(1u << next_random(&x) % 8);
		if (link_check(header_of(&b), copy, true) == 0) {
			assert_int_equal(link_get_spawn(copy, len, &out, &vector), 0);
			assert_ptr_equal(out.envp[out.fixed.envc], NULL);
			free(vector);
		}
		free(copy);
	}
	buf_free(&b);
}

static void
every_type_and_step_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(link_type_name(LINK_HELLO), "hello");
	assert_string_equal(link_type_name(LINK_PONG), "pong");
	assert_string_equal(link_type_name(LINK_TYPE_END), "unknown");
	assert_string_equal(spawn_step_name(SPAWN_STEP_EXEC), "exec");
	assert_string_equal(spawn_step_name(SPAWN_STEP_ENVIRONMENT), "environment_files");
	assert_string_equal(spawn_step_name(SPAWN_STEP_COUNT), "unknown");
}

static void
a_body_over_the_limit_fails_the_buffer(void **state)
{
	struct buf b = { 0 };
	char *text = malloc(LINK_BODY_MAX + 2);

	(void)state;
	memset(text, 'x', LINK_BODY_MAX + 1);
	text[LINK_BODY_MAX + 1] = '\0';
	link_put(&b, LINK_STATUS, 0, NULL, 0, text);
	assert_true(b.failed);
	free(text);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_spawn_order_comes_out_as_it_went_in),
		cmocka_unit_test(a_spawn_order_cut_anywhere_is_refused),
		cmocka_unit_test(every_type_passes_whole_in_its_own_direction_only),
		cmocka_unit_test(texts_lie_behind_the_fixed_part),
		cmocka_unit_test(a_header_that_says_nonsense_is_refused),
		cmocka_unit_test(counts_that_do_not_fit_are_refused),
		cmocka_unit_test(whatever_passes_the_check_can_be_taken_apart),
		cmocka_unit_test(every_type_and_step_has_a_name),
		cmocka_unit_test(a_body_over_the_limit_fails_the_buffer),
	};

	return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
