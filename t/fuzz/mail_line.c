/* SPDX-License-Identifier: MIT */
#include "t/unit/mail_oracle.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read is what jansson reads. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool taken;

	if (mail_line_differs((const char *)data, size, &taken) != NULL)
		abort();
	return 0;
}
