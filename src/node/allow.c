/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/allow.h"

#include <string.h>

static bool
contains(const struct strings *s, const char *name)
{
	uint32_t i;

	for (i = 0; i < s->n; i++)
		if (strcmp(s->v[i], name) == 0)
			return true;
	return false;
}

bool
allow_control(const struct allow *a, enum access_level level, const char *app)
{
	if (level > a->control)
		return false;
	if (a->applications.n == 0)
		return true;
	return app != NULL ? contains(&a->applications, app) : level == ACCESS_READ;
}

bool
allow_command(const struct allow_list *l, const char *argv0)
{
	return l->all || contains(&l->names, argv0);
}

bool
allow_send(const struct allow *a, const char *app)
{
	return a->send.all || contains(&a->send.names, app);
}
