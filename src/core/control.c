/* SPDX-License-Identifier: MIT */
#include "core/control.h"

#include <string.h>

static const struct control_method methods[] = {
#define X(name, function, level, signature) { name, ACCESS_##level, signature },
	CONTROL_METHODS(X)
#undef X
};

const struct control_method *
control_method(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(methods[i].name, name) == 0)
			return &methods[i];
	return NULL;
}

bool
control_is_of_one(const struct control_method *m)
{
	return m->level == ACCESS_OPERATE && strncmp(m->signature, "name:", 5) == 0;
}

const char *
access_level_name(enum access_level l)
{
	static const char *const names[] = {
		[ACCESS_NONE] = "none", [ACCESS_READ] = "read", [ACCESS_OPERATE] = "operate", [ACCESS_ADMIN] = "admin",
	};

	return names[l];
}
