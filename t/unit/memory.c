/* SPDX-License-Identifier: MIT */
#include "texts.h"

#include "conf/json.h"
#include "wire/ring.h"

/*
 * Every allocation fails once: it is said, nothing crashes and (under a
 * sanitizer) nothing is lost.  The linker puts these before libc's, for what is linked in here.
 */
static long until_failure = -1;		/* -1: never */

static bool
fails(void)
{
	return until_failure >= 0 && until_failure-- == 0;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);

void *
__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

char *
__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

/* An arena, too, has no room whenever it is asked and not only where a block of it is full. */
void *__real_arena_alloc(struct arena *a, size_t len);
char *__real_arena_strndup(struct arena *a, const char *s, size_t len);
char *__real_arena_strdup(struct arena *a, const char *s);
void *__wrap_arena_alloc(struct arena *a, size_t len);
char *__wrap_arena_strndup(struct arena *a, const char *s, size_t len);
char *__wrap_arena_strdup(struct arena *a, const char *s);

void *
__wrap_arena_alloc(struct arena *a, size_t len)
{
	return fails() ? NULL : __real_arena_alloc(a, len);
}

char *
__wrap_arena_strndup(struct arena *a, const char *s, size_t len)
{
	return fails() ? NULL : __real_arena_strndup(a, s, len);
}

char *
__wrap_arena_strdup(struct arena *a, const char *s)
{
	return fails() ? NULL : __real_arena_strdup(a, s);
}

static const char good_main[] =
	"node = \"n\"; default_mode = \"m\"; log_levels = ( { level = \"debug\"; modules = [\"engine\"]; } );\n"
	"access = ( { user = \"u\"; level = \"read\"; applications = [\"a\"]; } ); protected = [\"e\"];\n"
	"applications: { a: { command = [\"x\", \"y\"]; applications = ( \"b\", { name = \"c\"; on_exit = \"stop\"; } ); user = \"u\"; group = \"g\";\n"
	"  environment: { A = \"1\"; }; limits: { core = 0; }; ready: { type = \"tcp\"; port = 1; }; backoff: { min = 1; }; groups = [\"h\"]; };\n"
	"  b: { command = \"z\"; log: { type = \"file\"; path = \"/l\"; }; environment = [\"A=2\"]; }; c: { }; d: { start_before = [\"a\"]; };\n"
	"  e: { command = \"e\"; environment: { CHANGED = \"1\"; X = 2; }; }; };\n"
	"roles: { r = [\"a\", \"b\"]; }; modes: { m = [\"r\"]; };\n";
static const char good_drop_in[] =
	"applications: { a: { start_after = [\"d\"]; }; };\n"
	"modify: { applications = ( { add: { d: { nice = 1; }; f: { }; }; }, { a = ( { add: { applications = [\"d\"]; environment = [\"B=2\"]; }; }, { del = [\"nice\"]; } ); } );\n"
	" roles: { r = ( \"join\", { del = [\"b\"]; } ); s = ( { add = [\"b\"]; } ); }; modes: { m = ( { add = [\"s\"]; } ); }; protected = ( { add = [\"c\"]; } ); };\n";
static const char bad_main[] =
	"node = 5; applications: { a: { command = [\"x\"]; applications = [\"b\"]; restrat = 1; }; b: { applications = [\"a\"]; };\n"
	" c: { applications = [\"nobody\"]; limits: { core = \"x\"; }; }; }; roles: { r = [\"q\"]; };\n";

/* What came of it: the model, or what is wrong. */
static char *
outcome(struct model *m, const struct problems *ps)
{
	struct buf out = { 0 };
	uint32_t i;

	assert_int_equal(m == NULL, problems_any(ps));
	if (m != NULL)
		model_print_json(m, &out);
	for (i = 0; m != NULL && i < m->app_count; i++)
		buf_printf(&out, " %llx", (unsigned long long)m->apps[i].run_hash);
	problems_print(ps, &out);
	return buf_take(&out);
}

/* good: what is wrong with it is that there is no memory, and nothing else. */
static void
sweep(const struct fragment *texts, size_t n, bool good)
{
	struct problems ps = { 0 };
	char *usual, *result;
	struct conf_set set;
	struct model *m;
	bool done = false;
	long at;

	assert_int_equal(conf_parse(texts, n, &set, &ps), 0);
	m = model_build(set.v, set.n, &ps);
	usual = outcome(m, &ps);
	for (at = 0; !done; at++) {
		model_unref(m);
		problems_free(&ps);
		until_failure = at;
		m = model_build(set.v, set.n, &ps);
		done = until_failure >= 0;	/* it was not needed */
		until_failure = -1;
		result = outcome(m, &ps);
		if (m != NULL && strcmp(result, usual) != 0)	/* half a model is none */
			fail_msg("allocation %ld: %s", at, result);
		if (m == NULL && (good || ps.no_memory))
			assert_string_equal(result, "no memory\n");
		free(result);
	}
	assert_true(at > 20);
	model_unref(m);
	problems_free(&ps);
	free(usual);
	conf_set_free(&set);
}

static void
a_good_configuration_is_refused_when_memory_runs_out(void **state)
{
	const struct fragment texts[] = {
		{ .path = "m.conf", .text = good_main, .text_len = sizeof(good_main) - 1 },
		{ .path = "conf.d/f.conf", .app = "f", .text = good_drop_in, .text_len = sizeof(good_drop_in) - 1 },
	};

	(void)state;
	sweep(texts, 2, true);
}

static void
a_bad_one_is_refused_in_any_case(void **state)
{
	const struct fragment text = { .path = "m.conf", .text = bad_main, .text_len = sizeof(bad_main) - 1 };

	(void)state;
	sweep(&text, 1, false);
}

static void
json_without_memory_is_not_wrong(void **state)
{
	static const char text[] = "{\"since\": 1234567890123456, \"instance\": \"0123456789\\u00e9\\nabcdef\", \"categories\": [\"a\", \"b\"]}";
	json_t *usual = json_read(text, sizeof(text) - 1, NULL, NULL), *value;
	bool no_memory, done = false;
	long at;

	(void)state;
	assert_non_null(usual);
	for (at = 0; !done; at++) {
		until_failure = at;
		value = json_read(text, sizeof(text) - 1, &no_memory, NULL);
		done = until_failure >= 0;
		until_failure = -1;
		assert_int_equal(value == NULL, no_memory);
		assert_true(no_memory || json_equal(value, usual));
		json_decref(value);
	}
	assert_true(at > 10);
	assert_null(json_read("{", 1, &no_memory, NULL));
	assert_false(no_memory);
	json_decref(usual);
}

/* From the second event on; what the first needs is there before. */
static void
a_history_that_cannot_grow_loses_its_oldest(void **state)
{
	struct ring r = { .first_seq = 1 };
	char line[200] = "";
	uint64_t seq, lost;

	(void)state;
	assert_int_equal(ring_reserve(&r), 0);
	until_failure = 0;
	for (seq = 1; seq <= 300; seq++) {
		lost = r.first_seq;
		ring_add(&r, seq, 1, line, sizeof(line));
		assert_int_equal(ring_next_seq(&r), seq + 1);
		assert_true(r.count > 0 && r.first_seq <= lost + 1);
		if (until_failure < 0)
			until_failure = seq % 3;
	}
	until_failure = -1;
	ring_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_configuration_is_refused_when_memory_runs_out),
		cmocka_unit_test(a_bad_one_is_refused_in_any_case),
		cmocka_unit_test(json_without_memory_is_not_wrong),
		cmocka_unit_test(a_history_that_cannot_grow_loses_its_oldest),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
