/* SPDX-License-Identifier: MIT */
#include "core/value.h"

#include "core/names.h"
#include "core/quantity.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- environment --- */

static bool
same_variable(const char *a, const char *b)
{
	size_t len = strcspn(a, "=");

	return strncmp(a, b, len + 1) == 0;
}

static void
add_variable(struct reader *r, const struct item *it, const char *text, struct buf *pointers)
{
	const char *const *v = (const char *const *)(const void *)pointers->data;
	size_t i;

	if (*text == '=' || strchr(text, '=') == NULL) {
		reader_fail(r, it, NULL, "must be NAME=value");
		return;
	}
	for (i = 0; i < pointers->len / sizeof(*v); i++)
		if (same_variable(v[i], text)) {
			reader_fail(r, it, NULL, "%.*s is set twice", (int)strcspn(text, "="), text);
			return;
		}
	text = intern_string(r->in, text);
	if (text != NULL)
		reader_push(pointers, text);
}

static void
add_member_variable(struct reader *r, const struct item *it, struct buf *pointers)
{
	struct buf text = { 0 };
	const char *variable;

	if (it->type == ITEM_STRING)
		buf_printf(&text, "%s=%s", it->name, it->s);
	else if (it->type == ITEM_INT)
		buf_printf(&text, "%s=%lld", it->name, (long long)it->i);
	else
		reader_wrong_type(r, it, "a string");
	variable = buf_cstr(&text);
	if (text.failed)
		r->in->failed = true;
	else if (*variable != '\0')
		add_variable(r, it, variable, pointers);
	buf_free(&text);
}

static void
read_env(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	struct buf pointers = { 0 };
	const struct item *e;

	if (it->type != ITEM_GROUP && it->type != ITEM_ARRAY && it->type != ITEM_LIST) {
		reader_wrong_type(r, it, "a group, or an array of \"NAME=value\"");
		return;
	}
	for (e = it->first; e != NULL; e = e->next) {
		if (it->type == ITEM_GROUP)
			add_member_variable(r, e, &pointers);
		else if (e->type == ITEM_STRING)
			add_variable(r, e, e->s, &pointers);
		else
			reader_wrong_type(r, e, "an array of strings");
	}
	*FIELD(struct strings, base, k) = reader_keep(r, &pointers);
}

static bool
print_env(const struct key *k, const void *base, struct buf *out)
{
	const struct strings *s = CONST_FIELD(struct strings, base, k);
	char name[256];
	uint32_t i;

	if (s->n == 0)
		return false;
	buf_addc(out, '{');
	for (i = 0; i < s->n; i++) {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(s->v[i], "="), s->v[i]);
		if (i > 0)
			buf_addc(out, ',');
		buf_add_json(out, name);
		buf_addc(out, ':');
		buf_add_json(out, strchr(s->v[i], '=') + 1);
	}
	buf_addc(out, '}');
	return true;
}

const struct kind kind_env = { read_env, print_env };

/* --- circumstances --- */

static void
read_umask(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	long n = it->type == ITEM_INT && it->i >= 0 && it->i <= 0777 ? (long)it->i : -1;
	char *end;

	if (it->type == ITEM_STRING && isdigit((unsigned char)*it->s)) {
		n = strtol(it->s, &end, 8);
		if (*end != '\0')
			n = -1;
	}
	if (n < 0 || n > 0777)
		reader_fail(r, it, "such as \"022\"", "must be an octal string up to \"777\"");
	else
		*FIELD(int, base, k) = (int)n;
}

static bool
print_umask(const struct key *k, const void *base, struct buf *out)
{
	int n = *CONST_FIELD(int, base, k);

	if (n < 0)
		return false;
	buf_printf(out, "\"%03o\"", (unsigned)n);
	return true;
}

const struct kind kind_umask = { read_umask, print_umask };

enum { IO_REALTIME = 1, IO_BEST_EFFORT, IO_IDLE, IO_SHIFT = 13 };

static void
read_ionice(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	const char *s = it->type == ITEM_STRING ? it->s : "";
	int *out = FIELD(int, base, k);
	const char *level = strchr(s, ':');

	if (strcmp(s, "idle") == 0)
		*out = IO_IDLE << IO_SHIFT;
	else if (strcmp(s, "best-effort") == 0 || strcmp(s, "realtime") == 0)
		*out = (*s == 'b' ? IO_BEST_EFFORT : IO_REALTIME) << IO_SHIFT | 4;
	else if ((strncmp(s, "best-effort:", 12) == 0 || strncmp(s, "realtime:", 9) == 0) &&
		 level[1] >= '0' && level[1] <= '7' && level[2] == '\0')
		*out = (*s == 'b' ? IO_BEST_EFFORT : IO_REALTIME) << IO_SHIFT | (level[1] - '0');
	else
		reader_fail(r, it, NULL, "must be \"idle\", \"best-effort:N\" or \"realtime:N\", N from 0 to 7");
}

static bool
print_ionice(const struct key *k, const void *base, struct buf *out)
{
	int n = *CONST_FIELD(int, base, k);

	if (n < 0)
		return false;
	if (n >> IO_SHIFT == IO_IDLE)
		buf_adds(out, "\"idle\"");
	else
		buf_printf(out, "\"%s:%d\"", n >> IO_SHIFT == IO_REALTIME ? "realtime" : "best-effort", n & 7);
	return true;
}

const struct kind kind_ionice = { read_ionice, print_ionice };

enum { CPU_MAX = 1024 };

static void
set_cpus(uint64_t *set, long from, long to)
{
	for (; from <= to; from++)
		set[from / 64] |= (uint64_t)1 << from % 64;
}

/* "0-3,5" */
static bool
parse_cpus(const char *s, uint64_t *set)
{
	long from, to;
	char *end;

	for (;; s = end + 1) {
		if (!isdigit((unsigned char)*s))
			return false;
		from = to = strtol(s, &end, 10);
		if (*end == '-' && isdigit((unsigned char)end[1]))
			to = strtol(end + 1, &end, 10);
		if (to < from || to >= CPU_MAX)
			return false;
		set_cpus(set, from, to);
		if (*end == '\0')
			return true;
		if (*end != ',')
			return false;
	}
}

static void
read_affinity(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	uint64_t *set = FIELD(uint64_t, base, k);
	const struct item *e;

	if (it->type == ITEM_STRING) {
		if (!parse_cpus(it->s, set))
			reader_fail(r, it, "such as [0, 1] or \"0-3,5\"", "is no set of processors");
		return;
	}
	if (!reader_elements(r, it, &e))
		return;
	if (e == NULL)
		reader_fail(r, it, NULL, "must not be empty");
	for (; e != NULL; e = e->next) {
		if (e->type != ITEM_INT || e->i < 0 || e->i >= CPU_MAX)
			reader_fail(r, e, NULL, "must be processors from 0 to %d", CPU_MAX - 1);
		else
			set_cpus(set, (long)e->i, (long)e->i);
	}
}

/* The numbers of all bits that are set, in brackets; name: what to print instead of a number. */
static bool
print_bits(const uint64_t *set, int n, const char *(*name)(int), struct buf *out)
{
	const char *between = "";
	int i;

	buf_addc(out, '[');
	for (i = 0; i < n; i++) {
		if (!(set[i / 64] >> i % 64 & 1))
			continue;
		if (name != NULL)
			buf_printf(out, "%s\"%s\"", between, name(i));
		else
			buf_printf(out, "%s%d", between, i);
		between = ",";
	}
	buf_addc(out, ']');
	return true;
}

static bool
print_affinity(const struct key *k, const void *base, struct buf *out)
{
	const uint64_t *set = CONST_FIELD(uint64_t, base, k);
	int i;

	for (i = 0; i < CPU_MAX / 64 && set[i] == 0; i++)
		;
	return i < CPU_MAX / 64 && print_bits(set, CPU_MAX, NULL, out);
}

const struct kind kind_affinity = { read_affinity, print_affinity };

static void
read_capabilities(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	struct circumstances *as = base;
	int n;

	(void)k;
	as->has_capabilities = true;
	if (!reader_elements(r, it, &it))
		return;
	for (; it != NULL; it = it->next) {
		n = it->type == ITEM_STRING ? capability_by_name(it->s) : -1;
		if (it->type != ITEM_STRING)
			reader_wrong_type(r, it, "an array of strings");
		else if (n < 0)
			reader_fail_near(r, it, capability_suggest(it->s), "unknown capability", it->s);
		else
			as->capabilities |= (uint64_t)1 << n;
	}
}

static bool
print_capabilities(const struct key *k, const void *base, struct buf *out)
{
	const struct circumstances *as = base;

	(void)k;
	return as->has_capabilities && print_bits(&as->capabilities, 64, capability_name, out);
}

const struct kind kind_capabilities = { read_capabilities, print_capabilities };

/* 1024, "4G", "unlimited" */
static bool
parse_size(const struct item *it, uint64_t *out)
{
	if (it->type == ITEM_INT) {
		*out = (uint64_t)it->i;
		return it->i >= 0;
	}
	return it->type == ITEM_STRING && quantity_size(it->s, out);
}

static void
bad_size(struct reader *r, const struct item *it)
{
	reader_fail(r, it, "such as 1024, \"64M\", \"unlimited\", [1024, \"4K\"]", "is no limit");
}

static void
read_limit(struct reader *r, const struct item *it, struct limit *l)
{
	const struct item *soft = it, *hard = it;

	l->resource = limit_by_name(it->name);
	if (l->resource < 0) {
		reader_fail_near(r, it, limit_suggest(it->name), "unknown limit", NULL);
		return;
	}
	if (it->type == ITEM_ARRAY || it->type == ITEM_LIST) {
		soft = it->first;
		hard = soft ? soft->next : NULL;
		if (hard == NULL || hard->next != NULL) {
			reader_fail(r, it, NULL, "must be one value or two, soft and hard");
			return;
		}
	}
	if (!parse_size(soft, &l->soft) || !parse_size(hard, &l->hard))
		bad_size(r, it);
	else if (l->soft > l->hard)
		reader_fail(r, it, NULL, "soft limit is above the hard limit");
}

static int
by_resource(const void *a, const void *b)
{
	return ((const struct limit *)a)->resource - ((const struct limit *)b)->resource;
}

static void
read_limits(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	struct circumstances *as = base;
	struct limit all[32];
	uint32_t n = 0;

	(void)k;
	if (it->type != ITEM_GROUP) {
		reader_wrong_type(r, it, "a group");
		return;
	}
	memset(all, 0, sizeof(all));
	for (it = it->first; it != NULL; it = it->next) {
		r->path[r->depth++] = it->name;
		if (n < 32)
			read_limit(r, it, &all[n++]);
		r->depth--;
	}
	qsort(all, n, sizeof(*all), by_resource);
	if (n > 0)
		as->limits = (struct limit *)(uintptr_t)intern_bytes(r->in, all, n * sizeof(*all));
	as->limit_count = as->limits ? n : 0;
}

static void
print_size(struct buf *out, uint64_t n)
{
	if (n == UINT64_MAX)
		buf_adds(out, "\"unlimited\"");
	else
		buf_printf(out, "%llu", (unsigned long long)n);
}

static bool
print_limits(const struct key *k, const void *base, struct buf *out)
{
	const struct circumstances *as = base;
	const struct limit *l;

	(void)k;
	if (as->limit_count == 0)
		return false;
	buf_addc(out, '{');
	for (l = as->limits; l < as->limits + as->limit_count; l++) {
		buf_printf(out, "%s\"%s\":%s", l > as->limits ? "," : "", limit_name(l->resource), l->soft != l->hard ? "[" : "");
		print_size(out, l->soft);
		if (l->soft != l->hard) {
			buf_addc(out, ',');
			print_size(out, l->hard);
			buf_addc(out, ']');
		}
	}
	buf_addc(out, '}');
	return true;
}

const struct kind kind_limits = { read_limits, print_limits };
