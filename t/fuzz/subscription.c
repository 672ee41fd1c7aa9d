/* SPDX-License-Identifier: MIT */
#include "engine/daemon.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a subscriber may ask for. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct subscription_filter f;
	struct err err;

	subscription_parse((const char *)data, size, &f, &err);
	return 0;
}
