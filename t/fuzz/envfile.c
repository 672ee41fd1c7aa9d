/* SPDX-License-Identifier: MIT */
#include "wire/envfile.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
read_both(void *arg, const char *name, const char *value)
{
	*(size_t *)arg += strlen(name) + strlen(value);
	return 0;
}

static void
ignore(void *arg, unsigned line)
{
	(void)arg;
	(void)line;
}

/* What comes out is never more than what went in. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	size_t seen = 0;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	envfile_parse(text, size, read_both, ignore, &seen);
	if (seen > size)
		abort();
	free(text);
	return 0;
}
