/* SPDX-License-Identifier: MIT */
#include "texts.h"

#include "base/log.h"

#include <string.h>
#include <unistd.h>

static char line[1100];

static const char *
what_came(int fd)
{
	ssize_t n = read(fd, line, sizeof(line) - 1);

	line[n > 0 ? n : 0] = '\0';
	return line;
}

/* A peer's reason, a table's name: whoever sent it writes no line of ours and tells a terminal nothing. */
static void
texts_of_others(void **state)
{
	int p[2], saved = dup(STDERR_FILENO);

	(void)state;
	assert_int_equal(pipe(p), 0);
	dup2(p[1], STDERR_FILENO);
	log_init("me");
	log_write(LOG_MONITOR, LOG_LEVEL_ERROR, "it said %s", "a\nme: error: b\x1b[2J\xc2\x9b" "2J\x7f\tc\xc3\xa9\xc2\xa0");
	assert_non_null(strstr(what_came(p[0]), ": it said a?me: error: b?[2J??2J?\tc\xc3\xa9\xc2\xa0\n"));
	log_write(LOG_MONITOR, LOG_LEVEL_ERROR, "lines:\n%s", "a\nb\x1b");
	assert_non_null(strstr(what_came(p[0]), ": lines:\na\nb?\n"));
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(p[0]);
	close(p[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(texts_of_others) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
