/* SPDX-License-Identifier: MIT */
#include "wire/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The line of an event, of a length that depends on its number. */
static size_t
line_of(uint64_t seq, char *out)
{
	size_t pad = (size_t)(seq * 37 % 400);

	return (size_t)sprintf(out, "{\"seq\":%llu,\"pad\":\"%.*s\"}\n", (unsigned long long)seq, (int)pad,
			       "........................................................................................"
			       "........................................................................................"
			       "........................................................................................"
			       "........................................................................................"
			       "................................................");
}

static void
add_range(struct ring *r, uint64_t from, uint64_t to)
{
	char line[512];

	for (; from <= to; from++)
		ring_add(r, from, (unsigned)(from % 5), line, line_of(from, line));
}

/* Every kept line is whole, wherever the circle closes. */
static void
check_all(const struct ring *r)
{
	char line[512], seen[512];
	struct ring_piece p[2];
	uint64_t seq;
	size_t len;
	int n;

	for (seq = r->first_seq; seq < ring_next_seq(r); seq++) {
		len = line_of(seq, line);
		n = ring_pieces(r, ring_at(r, seq), ring_at(r, seq + 1), p);
		assert_in_range(n, 1, 2);
		memcpy(seen, p[0].data, p[0].len);
		if (n == 2)
			memcpy(seen + p[0].len, p[1].data, p[1].len);
		assert_int_equal(p[0].len + (n == 2 ? p[1].len : 0), len);
		assert_memory_equal(seen, line, len);
		assert_int_equal(ring_category(r, seq), seq % 5);
		assert_int_equal(ring_seq_at(r, ring_at(r, seq)), seq);
		assert_int_equal(ring_seq_at(r, ring_at(r, seq) + len - 1), seq);
	}
}

static void
few_events_are_all_kept(void **state)
{
	struct ring r = { .first_seq = 1 };

	(void)state;
	add_range(&r, 1, 700);
	assert_int_equal(r.first_seq, 1);
	assert_int_equal(r.count, 700);
	check_all(&r);
	ring_free(&r);
}

static void
the_oldest_go_when_it_is_full(void **state)
{
	struct ring r = { .first_seq = 1 };

	(void)state;
	add_range(&r, 1, 100000);
	assert_int_equal(ring_next_seq(&r), 100001);
	assert_true(r.count >= RING_EVENTS);
	assert_int_equal(r.cap, RING_BYTES);
	check_all(&r);
	ring_free(&r);
}

static void
long_lines_do_not_push_the_history_below_its_least(void **state)
{
	static char line[4000];
	struct ring r = { .first_seq = 1 };
	uint64_t seq;

	(void)state;
	memset(line, 'x', sizeof(line));
	for (seq = 1; seq <= 3000; seq++)
		ring_add(&r, seq, 0, line, sizeof(line));
	assert_true(r.count >= RING_EVENTS);
	assert_int_equal(ring_next_seq(&r), 3001);
	ring_free(&r);
}

static void
a_gap_in_the_numbers_forgets_what_was_before(void **state)
{
	struct ring r = { 0 };

	(void)state;
	add_range(&r, 1, 10);
	add_range(&r, 1000, 1010);
	assert_int_equal(r.first_seq, 1000);
	assert_int_equal(r.count, 11);
	check_all(&r);
	ring_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(few_events_are_all_kept),
		cmocka_unit_test(the_oldest_go_when_it_is_full),
		cmocka_unit_test(long_lines_do_not_push_the_history_below_its_least),
		cmocka_unit_test(a_gap_in_the_numbers_forgets_what_was_before),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
