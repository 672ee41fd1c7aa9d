/* SPDX-License-Identifier: MIT */
#include "wire/state.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A state of any bytes: no record reaches beyond what there is, whatever it says of itself. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *name, *definition;
	struct state_item item;
	struct state_config c;
	size_t at = sizeof(struct state_header);
	volatile char last;

	if (size < at)
		return 0;
	state_header_check(data, size, 0, 0);
	while (state_next(data, size, &at, &item) == 1) {
		if (item.len > 0)
			last = ((const char *)item.payload)[item.len - 1];
		state_get_config(item.payload, item.len, &c);
		state_get_transient(item.payload, item.len, &name, &definition);
	}
	(void)last;
	return 0;
}
