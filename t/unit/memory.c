/* SPDX-License-Identifier: MIT */
#include "texts.h"

/*
 * Every allocation of a build fails once: it is said, nothing crashes and (under a
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

static const char good_main[] =
	"node = \"n\"; default_mode = \"m\"; log_levels = ( { level = \"debug\"; modules = [\"engine\"]; } );\n"
	"access = ( { user = \"u\"; level = \"read\"; applications = [\"a\"]; } ); protected = [\"e\"];\n"
	"applications: { a: { command = [\"x\", \"y\"]; applications = ( \"b\", { name = \"c\"; on_exit = \"stop\"; } ); user = \"u\"; group = \"g\";\n"
	"  environment: { A = \"1\"; }; limits: { core = 0; }; ready: { type = \"tcp\"; port = 1; }; backoff: { min = 1; }; groups = [\"h\"]; };\n"
	"  b: { command = \"z\"; log: { type = \"file\"; path = \"/l\"; }; environment = [\"A=2\"]; }; c: { }; d: { start_before = [\"a\"]; }; e: { }; };\n"
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

	assert_int_equal(m == NULL, problems_any(ps));
	if (m != NULL)
		model_print_json(m, &out);
	problems_print(ps, &out);
	return buf_take(&out);
}

static void
sweep(const struct fragment *texts, size_t n)
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
	sweep(texts, 2);
}

static void
a_bad_one_is_refused_in_any_case(void **state)
{
	const struct fragment text = { .path = "m.conf", .text = bad_main, .text_len = sizeof(bad_main) - 1 };

	(void)state;
	sweep(&text, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_configuration_is_refused_when_memory_runs_out),
		cmocka_unit_test(a_bad_one_is_refused_in_any_case),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
