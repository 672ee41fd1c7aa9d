/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "setup/check.h"

#include "consumer/settings.h"
#include "producer/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct program {
	const char *prefix;
	const struct setting *table;
	const size_t *count;
};

static const struct program programs[SIDE_COUNT] = {
	[SIDE_CONSUMER] = { CONSUMER_PREFIX, consumer_settings_table, &consumer_settings_count },
	[SIDE_PRODUCER] = { PRODUCER_PREFIX, producer_settings_table, &producer_settings_count },
};

/* What apply.c has its own words for. */
static bool
is_for_apply(const struct program *p, const char *entry)
{
	const char *name = entry + strlen(p->prefix) + 1;
	size_t len = strcspn(name, "=");

	return (len == 6 && memcmp(name, "SECRET", 6) == 0) ||
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") != len;
}

static bool
is_known(enum side side, const char *entry, struct buf *complaints)
{
	const struct program *p = &programs[side];

	if (strncmp(entry, p->prefix, strlen(p->prefix)) != 0 || entry[strlen(p->prefix)] != '_' || is_for_apply(p, entry))
		return true;
	return settings_known(p->prefix, p->table, *p->count, entry, complaints);
}

char **
check_names(char *const *environment, const struct wishes *w, struct buf *complaints)
{
	size_t n;
	enum side side;
	char **known;

	for (n = 0; environment[n] != NULL; n++)
		;
	known = calloc(n + 1, sizeof(*known));
	for (n = 0; known != NULL && *environment != NULL; environment++) {
		for (side = 0; side < SIDE_COUNT; side++)
			if (!(w->only[!side] && !w->only[side]) && !is_known(side, *environment, complaints))
				break;
		if (side == SIDE_COUNT)
			known[n++] = *environment;
	}
	return known;
}

/* "NAME=value" for each that is set in the text, and the metrics of this process's environment. */
static int
collect(const struct edit *e, enum side side, char *const *environment, struct buf *out)
{
	const struct program *p = &programs[side];
	const char *value;
	size_t i;

	for (i = 0; i < *p->count; i++) {
		value = p->table[i].kind == SETTING_NAMED ? NULL : apply_setting(e, side, p->table[i].name);
		if (value == NULL)
			continue;
		buf_printf(out, "%s_%s=%s", p->prefix, p->table[i].name, value);
		buf_addc(out, '\0');
	}
	for (; side == SIDE_PRODUCER && *environment != NULL; environment++)
		if (strncmp(*environment, "PRODUCER_METRIC_", 16) == 0)
			buf_add(out, *environment, strlen(*environment) + 1);
	return out->failed ? -1 : 0;
}

static char **
split(const struct buf *text)
{
	const char *at = text->data, *end = text->data + text->len;
	size_t n = 0;
	char **v;

	for (; at < end; at += strlen(at) + 1)
		n++;
	v = calloc(n + 1, sizeof(*v));
	for (n = 0, at = text->data; v != NULL && at < end; at += strlen(at) + 1)
		v[n++] = (char *)at;
	return v;
}

static int
check_environment(enum side side, char *const *environment, struct buf *complaints)
{
	struct consumer_settings consumer = { 0 };
	struct producer_settings producer = { 0 };
	const struct program *p = &programs[side];
	void *out = side == SIDE_CONSUMER ? (void *)&consumer : (void *)&producer;

	if (settings_read(p->prefix, p->table, *p->count, environment, out, complaints) > 0)
		return -1;
	return side == SIDE_CONSUMER ? consumer_settings_check(&consumer, complaints) : producer_settings_check(&producer, complaints);
}

int
check_values(const struct edit *e, enum side side, char *const *environment, struct buf *complaints)
{
	struct buf text = { 0 };
	char **set = NULL;
	int r = -1;

	if (collect(e, side, environment, &text) == 0)
		set = split(&text);
	if (set == NULL)
		buf_adds(complaints, "no memory\n");
	else
		r = check_environment(side, set, complaints);
	free(set);
	buf_free(&text);
	return r;
}
