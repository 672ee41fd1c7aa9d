/* SPDX-License-Identifier: MIT */
#include "core/guest.h"

#include "core/schema.h"

const char *
guest_refused(const struct item *definition, const struct app_def *d)
{
	const struct item *it;
	const struct key *k;

	for (it = definition->first; it != NULL; it = it->next) {
		k = schema_find(it->name);
		if (k == NULL || !(key_flags(k) & KEY_GUEST))
			return it->name;
	}
	if (d->log == LOG_TO_FILE)
		return "log";
	return d->type == APP_FORKING ? "type" : NULL;
}
