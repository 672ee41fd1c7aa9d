/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "producer/metric.h"

static struct loop *loop;

static void
stop(void *arg, struct metric *m)
{
	(void)arg;
	(void)m;
	loop_stop(loop);
}

/* Runs a shell text to its end; what came of it, "!" before an error.  The caller frees it. */
static char *
result_of(const char *name, const char *text, unsigned timeout_ms, size_t output_max)
{
	const char *argv[] = { "sh", "-c", text, NULL };
	const struct metric_settings s = { name, argv, timeout_ms, output_max };
	struct outbox out = { .node = "n", .epoch = 1 };
	struct buf result = { 0 };
	const struct spool_batch *b;
	struct metric *m;
	struct err err;
	size_t count;

	m = metric_new(loop, &s, stop, NULL, &err);
	assert_non_null(m);
	outbox_open(&out, 1, 0);
	assert_int_equal(metric_start(m, &err), 0);
	assert_int_equal(metric_start(m, &err), -1);		/* one at a time */
	loop_run(loop);
	if (metric_write(m, &out, &err) < 0)
		buf_printf(&result, "!%s", err.msg);
	b = outbox_batches(&out, &count);
	if (count > 0)
		buf_add(&result, b->text, b->len);
	metric_free(m);
	outbox_fini(&out);
	return buf_take(&result);
}

#define gives(name, text, expected) \
	do { \
		char *r_ = result_of(name, text, 0, 0); \
		assert_string_equal(r_, expected); \
		free(r_); \
	} while (0)

#define fails(name, text, timeout_ms, max, part) \
	do { \
		char *r_ = result_of(name, text, timeout_ms, max); \
		assert_int_equal(r_[0], '!'); \
		if (strstr(r_, part) == NULL) \
			fail_msg("\"%s\" is not in \"%s\"", part, r_); \
		free(r_); \
	} while (0)

#define HEAD(type, columns) \
	"{\"type\":\"" type "\",\"node\":\"n\",\"epoch\":1,\"seq\":1,\"ts\":\"1970-01-01T00:00:00.000000Z\",\"columns\":[" columns "],\"rows\":"

static void
a_text_is_the_nodes_status(void **state)
{
	(void)state;
	gives(NULL, "echo; echo ' all is \"well\" '; echo", HEAD("node_status", "\"status\"") "[[\"\\u000a all is \\\"well\\\"\"]]}");
	gives(NULL, "printf '\\377'", HEAD("node_status", "\"status\"") "[[\"\\ufffd\"]]}");
	fails(NULL, "echo no; exit 3", 0, 0, "status: the command ended with 3");
}

static void
objects_are_rows(void **state)
{
	(void)state;
	gives("q", "echo '{\"length\": 3, \"age\": 0.5}'", HEAD("custom_q", "\"length\",\"age\"") "[[3,0.5]]}");
	gives("q", "echo '[{\"a\": true, \"b\": null}, {\"c\": \"x\", \"a\": -1}]'",
	      HEAD("custom_q", "\"a\",\"b\",\"c\"") "[[true,null,null],[-1,null,\"x\"]]}");
	gives("q", "echo '[]'", "");
}

static void
what_is_no_metric_is_refused(void **state)
{
	(void)state;
	fails("q", "echo '{\"a\": 1'", 0, 0, "q: output of the command: line ");
	fails("q", "", 0, 0, "output of the command");
	fails("q", "echo 7", 0, 0, "expected near '7'");
	fails("q", "echo '[{\"a\": 1}, 2]'", 0, 0, "row 2: an object is expected");
	fails("q", "echo '{\"a\": [1]}'", 0, 0, "\"a\": a number, a text");
	fails("q", "echo '{\"A\": 1}'", 0, 0, "\"A\" is no name");
	fails("q", "echo '{\"a\": 1, \"a\": 2}'", 0, 0, "duplicate");
	fails("q", "echo '{}'", 0, 0, "no values");
	fails("q", "i=0; echo '[{'; while [ $i -lt 65 ]; do echo \"\\\"a$i\\\": 1,\"; i=$((i + 1)); done; echo '\"z\": 1}]'", 0, 0, "more than 64");
	fails("q", "kill -9 $$", 0, 0, "ended by signal 9");
	fails("q", "echo '[{\"a\": 1}'; i=0; while [ $i -lt 10000 ]; do echo ',{}'; i=$((i + 1)); done; echo ']'", 0, 0, "too many rows");
}

static void
a_command_has_its_time_and_its_bytes(void **state)
{
	(void)state;
	fails("q", "sleep 100", 50, 0, "took longer than 50 ms");
	fails("q", "trap '' TERM; sleep 100 & wait", 50, 0, "took longer than 50 ms");
	fails("q", "yes", 0, 1000, "printed more than 1000 bytes");
}

/* A pipe whose writing end is only with what the command started tells when that is gone. */
static void
nothing_of_it_is_left(void **state)
{
	char name[] = "/tmp/metric-XXXXXX", text[200];
	FILE *pid_file;
	int fd = mkstemp(name), pid = 0;
	char *r;

	(void)state;
	assert_true(fd >= 0);
	snprintf(text, sizeof(text), "sleep 1000 & echo $! >%s; echo '{\"a\":1}'", name);
	r = result_of("q", text, 0, 0);		/* it does not wait for the one in the background */
	assert_non_null(strstr(r, "[[1]]"));
	free(r);
	pid_file = fopen(name, "r");
	assert_int_equal(fscanf(pid_file, "%d", &pid), 1);
	fclose(pid_file);
	close(fd);
	unlink(name);
	while (kill(pid, 0) == 0) {		/* killed, but a zombie until somebody has reaped it */
		snprintf(text, sizeof(text), "/proc/%d/stat", pid);
		pid_file = fopen(text, "r");
		if (pid_file == NULL)
			break;
		assert_non_null(fgets(text, sizeof(text), pid_file));
		fclose(pid_file);
		if (strstr(text, ") Z") != NULL)
			break;
	}
}

static void
a_command_that_is_not_there_is_said(void **state)
{
	const char *argv[] = { "there-is-no-such-command", NULL };
	const struct metric_settings s = { .name = "q", .argv = argv }, bad = { .name = "Q", .argv = argv };
	struct metric *m;
	struct err err;

	(void)state;
	assert_null(metric_new(loop, &bad, stop, NULL, &err));
	m = metric_new(loop, &s, stop, NULL, &err);
	assert_int_equal(metric_start(m, &err), -1);
	assert_non_null(strstr(err.msg, "there-is-no-such-command"));
	metric_free(m);
}

static void
one_that_runs_can_be_given_back(void **state)
{
	const char *argv[] = { "sleep", "1000", NULL };
	const struct metric_settings s = { .name = "q", .argv = argv };
	struct metric *m;
	struct err err;

	(void)state;
	m = metric_new(loop, &s, stop, NULL, &err);
	assert_int_equal(metric_start(m, &err), 0);
	metric_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_is_the_nodes_status),
		cmocka_unit_test(objects_are_rows),
		cmocka_unit_test(what_is_no_metric_is_refused),
		cmocka_unit_test(a_command_has_its_time_and_its_bytes),
		cmocka_unit_test(nothing_of_it_is_left),
		cmocka_unit_test(a_command_that_is_not_there_is_said),
		cmocka_unit_test(one_that_runs_can_be_given_back),
	};
	int failed;

	loop = loop_new();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	loop_free(loop);
	return failed;
}
