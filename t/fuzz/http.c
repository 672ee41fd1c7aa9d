/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "wire/http.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Both readers, on the head that was found and on everything; what is taken is answered with what the other one takes. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	ssize_t len = http_head_len(text, size);
	char key[HTTP_KEY_SIZE];
	struct buf answer = { 0 };
	struct err err = { 0 };

	if (len > HTTP_HEAD_MAX || len > (ssize_t)size)
		abort();
	http_read_response(text, size, "appctl-monitor", "dGhlIHNhbXBsZSBub25jZQ==", &err);
	if (http_read_request(text, size, "appctl-monitor", key, &err) == 0 && len != (ssize_t)size)
		abort();
	if (len <= 0 || http_read_request(text, (size_t)len, "appctl-monitor", key, &err) != 0)
		return 0;
	if (memmem(text, (size_t)len, "\r\nOrigin:", 9) != NULL)
		abort();
	http_write_response(&answer, "appctl-monitor", key);
	if (http_read_response(answer.data, answer.len, "appctl-monitor", key, &err) < 0)
		abort();
	buf_free(&answer);
	return 0;
}
