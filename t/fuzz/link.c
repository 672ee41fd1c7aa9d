/* SPDX-License-Identifier: MIT */
#include "wire/link.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads everything that a checked message lends, so that a sanitizer sees what lies beyond it. */
static void
read_all(const struct link_header *h, const void *body)
{
	struct spawn_order o;
	const char **vector;
	size_t i, sum = 0;

	if (h->type == LINK_HELLO || h->type == LINK_CHILD || h->type == LINK_STATUS)
		sum += strlen(link_text(h, body));
	if (h->type == LINK_SPAWN && link_get_spawn(body, h->body_len, &o, &vector) == 0) {
		sum += strlen(o.name) + strlen(o.cgroup) + strlen(o.directory) + strlen(o.root) + strlen(o.log_path) + strlen(o.runtime_directory);
		for (i = 0; o.argv[i] != NULL; i++)
			sum += strlen(o.argv[i]);
		for (i = 0; o.envp[i] != NULL; i++)
			sum += strlen(o.envp[i]);
		for (i = 0; i < o.fixed.group_count; i++)
			sum += o.groups[i];
		for (i = 0; i < o.fixed.limit_count; i++)
			sum += o.limits[i].soft;
		free(vector);
	}
	sum += link_fd_count(h, body);
	if (sum == SIZE_MAX)
		abort();
}

/* A header of any bytes and a body of its length, in both directions. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct link_header h;
	void *body;

	if (size < sizeof(h))
		return 0;
	memcpy(&h, data, sizeof(h));
	size -= sizeof(h);
	h.body_len = (uint32_t)size;		/* sys/link_io refuses any other */
	body = malloc(size + 1);
	if (body == NULL)
		return 0;
	memcpy(body, data + sizeof(h), size);
	if (link_check(&h, body, true) == 0 || link_check(&h, body, false) == 0)
		read_all(&h, body);
	free(body);
	return 0;
}
