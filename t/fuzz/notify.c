/* SPDX-License-Identifier: MIT */
#include "wire/notify.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct notify n;

	if (notify_parse((const char *)data, size, &n) == 0 &&
	    (strlen(n.status) >= NOTIFY_STATUS_MAX || strlen(n.alarm) >= NOTIFY_ALARM_MAX ||
	     strlen(n.node) >= NOTIFY_NODE_MAX || strlen(n.about_node) >= NOTIFY_NODE_MAX))
		abort();
	return 0;
}
