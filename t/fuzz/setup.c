/* SPDX-License-Identifier: MIT */
#include "setup/apply.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *environment[] = {
	"CONSUMER_ENABLE=true", "CONSUMER_LISTEN_PORT=8888", "CONSUMER_X=a\"b\\\n${c} };", "PRODUCER_ENABLE=1", "PRODUCER_IP=::1", NULL,
};

/* What was said, to be freed by the caller; 0 or -1 as apply_environment(). */
static int
apply(const char *text, size_t len, struct buf *result, struct buf *said)
{
	const struct wishes w = { .environment = (char *const *)(const void *)environment, .said = said };
	struct problems ps = { 0 };
	struct edit e;
	int r = edit_begin(&e, "f", text, len, &ps);

	if (r == 0)
		r = apply_environment(&e, &w);
	if ((r < 0) != problems_any(&ps))
		abort();
	if (r == 0) {
		buf_add(result, e.text.data, e.text.len);
		if (strcmp(apply_setting(&e, SIDE_CONSUMER, "X"), strchr(environment[2], '=') + 1) != 0 ||
		    strcmp(apply_setting(&e, SIDE_PRODUCER, "IP"), "::1") != 0)
			abort();
	}
	edit_end(&e);
	problems_free(&ps);
	return r;
}

/* What is refused says why; what is changed reads back as it was meant, and a second time nothing is to be changed. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf once = { 0 }, twice = { 0 }, said = { 0 };

	if (apply((const char *)data, size, &once, &said) == 0) {
		buf_clear(&said);
		if (apply(once.data, once.len, &twice, &said) < 0 || said.len > 0 || once.len != twice.len ||
		    memcmp(once.data, twice.data, once.len) != 0)
			abort();
	}
	buf_free(&once);
	buf_free(&twice);
	buf_free(&said);
	return 0;
}
