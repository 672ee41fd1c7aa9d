/* SPDX-License-Identifier: MIT */
#include "wire/handover.h"

#include "base/crc32.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Any bytes behind a header that fits them: checked whole, and no record reaches beyond what there is. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct handover_header h = { .magic = HANDOVER_MAGIC, .version = HANDOVER_VERSION };
	struct handover_item item;
	size_t at = sizeof(h);
	uint32_t version;
	char *copy;
	int more;

	handover_check(data, size, &version);
	if (size < sizeof(h) || (copy = malloc(size)) == NULL)
		return 0;
	memcpy(copy, data, size);
	h.len = size;
	memcpy(copy, &h, sizeof(h));
	h.crc = crc32_of(0, copy + offsetof(struct handover_header, len), size - offsetof(struct handover_header, len));
	memcpy(copy, &h, sizeof(h));
	handover_check(copy, size, &version);
	while ((more = handover_next(copy, size, &at, &item)) == 1)
		if (item.type == HANDOVER_KID && strlen(item.name) + strlen(item.cgroup) > size)
			abort();
	free(copy);
	return 0;
}
