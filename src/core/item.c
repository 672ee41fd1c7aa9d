/* SPDX-License-Identifier: MIT */
#include "core/item.h"

#include <string.h>

const char *
item_type_name(enum item_type type)
{
	static const char *const names[] = {
		[ITEM_GROUP] = "group", [ITEM_LIST] = "list", [ITEM_ARRAY] = "array", [ITEM_INT] = "integer",
		[ITEM_FLOAT] = "number", [ITEM_BOOL] = "boolean", [ITEM_STRING] = "string",
	};

	return names[type];
}

struct item *
item_member(const struct item *group, const char *name)
{
	struct item *it;

	if (group == NULL || group->type != ITEM_GROUP)
		return NULL;
	for (it = group->first; it != NULL; it = it->next)
		if (strcmp(it->name, name) == 0)
			return it;
	return NULL;
}
