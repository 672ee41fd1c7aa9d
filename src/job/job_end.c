/* SPDX-License-Identifier: MIT */
#include "job/job.h"

#include "core/model.h"

#include <stdio.h>
#include <sys/random.h>

void
job_make_name(char *name, size_t size, const char *prefix)
{
	static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
	unsigned char random[8] = { 0 };
	char text[sizeof(random) + 1];
	size_t i;

	(void)!getrandom(random, sizeof(random), 0);
	for (i = 0; i < sizeof(random); i++)
		text[i] = letters[random[i] % 32];
	text[i] = '\0';
	snprintf(name, size, "%s-%s", prefix, text);
}

json_t *
job_end_json(const struct job_end *end)
{
	char text[64];

	if (!end->seen)
		return json_pack("{s:s}", "text", "its end was not seen");
	if (end->code < 0) {
		snprintf(text, sizeof(text), "signal %s", end->signal);
		return json_pack("{s:s, s:s, s:s}", "text", text, "signal", end->signal, "reason", end->reason);
	}
	snprintf(text, sizeof(text), "exit %d", end->code);
	return json_pack("{s:s, s:i, s:s}", "text", text, "code", end->code, "reason", end->reason);
}

int
job_end_status(const struct job_end *end)
{
	if (!end->seen)
		return -1;
	return end->code >= 0 ? end->code : 128 + signal_by_name(end->signal);
}
