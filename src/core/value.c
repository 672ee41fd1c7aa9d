/* SPDX-License-Identifier: MIT */
#include "core/value.h"

#include "base/suggest.h"
#include "core/quantity.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECONDS_MAX = 1000000000 };		/* about 31 years: beyond it, a slip */

/* --- what readers share --- */

void
reader_fail(struct reader *r, const struct item *it, const char *hint, const char *fmt, ...)
{
	struct buf path = { 0 }, text = { 0 };
	va_list ap;
	unsigned i;

	for (i = 0; i < r->depth; i++)
		buf_printf(&path, "%s%s", i ? "." : "", r->path[i]);
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	problem_add(r->ps, it->at, buf_cstr(&path), hint, "%s", buf_cstr(&text));
	if (path.failed || text.failed)
		problems_no_memory(r->ps);
	buf_free(&path);
	buf_free(&text);
}

void
reader_fail_near(struct reader *r, const struct item *it, const char *near, const char *what, const char *word)
{
	struct buf hint = { 0 };

	if (near != NULL)
		buf_printf(&hint, "did you mean %s?", near);
	if (word != NULL)
		reader_fail(r, it, near ? buf_cstr(&hint) : NULL, "%s \"%.80s\"", what, word);
	else
		reader_fail(r, it, near ? buf_cstr(&hint) : NULL, "%s", what);
	buf_free(&hint);
}

void
reader_wrong_type(struct reader *r, const struct item *it, const char *wanted)
{
	reader_fail(r, it, NULL, "must be %s, not %s %s", wanted,
		    it->type == ITEM_ARRAY || it->type == ITEM_INT ? "an" : "a", item_type_name(it->type));
}

bool
reader_elements(struct reader *r, const struct item *it, const struct item **first)
{
	*first = NULL;
	if (it->type != ITEM_ARRAY && it->type != ITEM_LIST) {
		reader_wrong_type(r, it, "an array");
		return false;
	}
	*first = it->first;
	return true;
}

const char *
reader_text(struct reader *r, const struct item *it)
{
	if (it->type != ITEM_STRING) {
		reader_wrong_type(r, it, "a string");
		return NULL;
	}
	if (*it->s == '\0') {
		reader_fail(r, it, NULL, "must not be empty");
		return NULL;
	}
	return intern_string(r->in, it->s);
}

static void
note_name(struct reader *r, const struct item *it, const char *name, bool is_group)
{
	uint32_t i, cap = r->name_cap ? r->name_cap * 2 : 8;
	struct buf path = { 0 };
	struct name_use *v;

	for (i = 0; i < r->name_count; i++)
		if (r->names[i].name == name && r->names[i].is_group == is_group)
			return;
	if (r->name_count == r->name_cap) {
		v = realloc(r->names, cap * sizeof(*v));
		if (v == NULL) {
			r->in->failed = true;
			return;
		}
		r->names = v;
		r->name_cap = cap;
	}
	for (i = 0; i < r->depth; i++)
		buf_printf(&path, "%s%s", i ? "." : "", r->path[i]);
	r->names[r->name_count++] = (struct name_use){ name, is_group, intern_string(r->in, buf_cstr(&path)),
		{ intern_string(r->in, it->at.file), it->at.line } };
	r->in->failed |= path.failed;
	buf_free(&path);
}

const char *
reader_user(struct reader *r, const struct item *it, bool is_group)
{
	char number[24];
	const char *name;

	if (it->type == ITEM_INT && it->i >= 0 && it->i < UINT32_MAX) {
		snprintf(number, sizeof(number), "%lld", (long long)it->i);
		name = intern_string(r->in, number);
	} else if (it->type == ITEM_INT) {
		reader_fail(r, it, NULL, "is no %s's number", is_group ? "group" : "user");
		return NULL;
	} else {
		name = reader_text(r, it);
	}
	if (name != NULL)
		note_name(r, it, name, is_group);
	return name;
}

struct strings
reader_keep(struct reader *r, struct buf *pointers)
{
	struct strings s = { 0 };
	const char *end = NULL;

	s.n = (uint32_t)(pointers->len / sizeof(end));
	buf_add(pointers, &end, sizeof(end));
	if (pointers->failed)
		r->in->failed = true;
	else if (s.n > 0)
		s.v = (const char **)(uintptr_t)intern_bytes(r->in, pointers->data, pointers->len);
	if (s.v == NULL)
		s.n = 0;
	buf_free(pointers);
	return s;
}

void
reader_push(struct buf *pointers, const char *s)
{
	buf_add(pointers, &s, sizeof(s));
}

struct strings
reader_strings(struct reader *r, const struct item *it)
{
	struct buf pointers = { 0 };
	const char *s;

	if (!reader_elements(r, it, &it))
		return (struct strings){ 0 };
	for (; it != NULL; it = it->next) {
		s = reader_text(r, it);
		if (s != NULL)
			reader_push(&pointers, s);
	}
	return reader_keep(r, &pointers);
}

/* --- text --- */

static void
read_string(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	*FIELD(const char *, base, k) = reader_text(r, it);
}

static bool
print_string(const struct key *k, const void *base, struct buf *out)
{
	const char *s = *CONST_FIELD(char *, base, k);

	if (s == NULL)
		return false;
	buf_add_json(out, s);
	return true;
}

static void
read_path(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	const char *s = reader_text(r, it);

	if (s != NULL && *s != '/')
		reader_fail(r, it, NULL, "must be an absolute path");
	*FIELD(const char *, base, k) = s;
}

/* One name, as of applications: nothing of appctld's own begins or looks like it. */
static void
read_dir_name(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	const char *s = reader_text(r, it);

	if (s != NULL && !name_is_valid(s))
		reader_fail(r, it, "letters, digits, - and _, a letter first, at most 63", "must be a name, without a path");
	*FIELD(const char *, base, k) = s;
}

static void
read_url(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	const char *s = reader_text(r, it);

	if (s != NULL && strncmp(s, "http://", 7) != 0 && strncmp(s, "https://", 8) != 0)
		reader_fail(r, it, NULL, "must begin with http:// or https://");
	*FIELD(const char *, base, k) = s;
}

const struct kind kind_string = { read_string, print_string };
const struct kind kind_path = { read_path, print_string };
const struct kind kind_dir_name = { read_dir_name, print_string };
const struct kind kind_url = { read_url, print_string };

static void
read_user(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	*FIELD(const char *, base, k) = reader_user(r, it, false);
}

static void
read_group_name(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	*FIELD(const char *, base, k) = reader_user(r, it, true);
}

const struct kind kind_user = { read_user, print_string };
const struct kind kind_group = { read_group_name, print_string };

static void
read_strings(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	*FIELD(struct strings, base, k) = reader_strings(r, it);
}

static bool
print_string_list(const struct key *k, const void *base, struct buf *out)
{
	const struct strings *s = CONST_FIELD(struct strings, base, k);

	if (s->n == 0)
		return false;
	strings_print_json(s, out);
	return true;
}

const struct kind kind_strings = { read_strings, print_string_list };

static void
read_files(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	struct strings *s = FIELD(struct strings, base, k);
	uint32_t i;

	*s = reader_strings(r, it);
	for (i = 0; i < s->n; i++)
		if (s->v[i][s->v[i][0] == '-'] != '/')
			reader_fail(r, it, "a - before it says that it may be missing", "must be absolute paths");
}

const struct kind kind_files = { read_files, print_string_list };

struct strings
reader_users(struct reader *r, const struct item *it, bool are_groups)
{
	struct buf pointers = { 0 };
	const char *s;

	if (!reader_elements(r, it, &it))
		return (struct strings){ 0 };
	for (; it != NULL; it = it->next) {
		s = reader_user(r, it, are_groups);
		if (s != NULL)
			reader_push(&pointers, s);
	}
	return reader_keep(r, &pointers);
}

static void
read_groups(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	*FIELD(struct strings, base, k) = reader_users(r, it, true);
}

const struct kind kind_groups = { read_groups, print_string_list };

/* --- commands --- */

static void
read_command(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	struct command *c = FIELD(struct command, base, k);
	struct buf pointers = { 0 };
	const struct item *arg;

	if (it->type == ITEM_STRING) {
		reader_push(&pointers, intern_string(r->in, "/bin/sh"));
		reader_push(&pointers, intern_string(r->in, "-c"));
		reader_push(&pointers, reader_text(r, it));
		c->argv = reader_keep(r, &pointers);
		c->shell = true;
		return;
	}
	if (it->type != ITEM_ARRAY && it->type != ITEM_LIST) {
		reader_wrong_type(r, it, "an array of strings, or a string for /bin/sh");
		return;
	}
	if (it->first == NULL) {
		reader_fail(r, it, "leave it out for an application without a process", "must not be empty");
		return;
	}
	for (arg = it->first; arg != NULL; arg = arg->next) {
		if (arg->type != ITEM_STRING)
			reader_wrong_type(r, arg, "an array of strings");
		else if (arg == it->first && *arg->s == '\0')
			reader_fail(r, arg, NULL, "program must not be empty");
		else
			reader_push(&pointers, intern_string(r->in, arg->s));
	}
	c->argv = reader_keep(r, &pointers);
}

static bool
print_command(const struct key *k, const void *base, struct buf *out)
{
	const struct command *c = CONST_FIELD(struct command, base, k);

	if (c->argv.n == 0)
		return false;
	if (c->shell)
		buf_add_json(out, c->argv.v[2]);
	else
		strings_print_json(&c->argv, out);
	return true;
}

const struct kind kind_command = { read_command, print_command };

/* --- numbers --- */

static void
read_bool(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	if (it->type != ITEM_BOOL)
		reader_wrong_type(r, it, "true or false");
	else
		*FIELD(bool, base, k) = it->b;
}

static bool
print_bool(const struct key *k, const void *base, struct buf *out)
{
	buf_adds(out, *CONST_FIELD(bool, base, k) ? "true" : "false");
	return true;
}

const struct kind kind_bool = { read_bool, print_bool };

static void
read_int(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	if (it->type != ITEM_INT) {
		reader_wrong_type(r, it, "an integer");
		return;
	}
	if (it->i < k->lo || it->i > k->hi) {
		reader_fail(r, it, NULL, "must be from %lld to %lld", (long long)k->lo, (long long)k->hi);
		return;
	}
	*FIELD(int, base, k) = (int)it->i;
	if (k->flag)
		*((bool *)base + k->flag) = true;
}

static bool
print_int(const struct key *k, const void *base, struct buf *out)
{
	int n = *CONST_FIELD(int, base, k);

	if (k->flag ? !*((const bool *)base + k->flag) : n < k->lo)
		return false;
	buf_printf(out, "%d", n);
	return true;
}

const struct kind kind_int = { read_int, print_int };

static void
read_number(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	double n = it->type == ITEM_INT ? (double)it->i : it->type == ITEM_FLOAT ? it->f : NAN;

	if (it->type != ITEM_INT && it->type != ITEM_FLOAT)
		reader_wrong_type(r, it, "a number");
	else if (!(n >= (double)k->lo && n <= (double)k->hi))
		reader_fail(r, it, NULL, "must be from %lld to %lld", (long long)k->lo, (long long)k->hi);
	else
		*FIELD(double, base, k) = n;
}

static bool
print_number(const struct key *k, const void *base, struct buf *out)
{
	buf_printf(out, "%.10g", *CONST_FIELD(double, base, k));
	return true;
}

const struct kind kind_number = { read_number, print_number };

/* --- times --- */

bool
reader_duration(struct reader *r, const struct item *it, bool infinite, int64_t *ms)
{
	double s = 0;

	if (it->type == ITEM_STRING && infinite && strcmp(it->s, "infinity") == 0) {
		*ms = DURATION_INFINITE;
		return true;
	}
	if (it->type == ITEM_INT) {
		s = (double)it->i;
	} else if (it->type == ITEM_FLOAT) {
		s = it->f;
	} else if (it->type != ITEM_STRING) {
		reader_wrong_type(r, it, "a time in seconds");
		return false;
	} else if (!quantity_seconds(it->s, &s)) {
		reader_fail(r, it, infinite ? "such as 90, 0.5, \"90s\", \"100ms\", \"5m\", \"1h\", \"infinity\"" :
			    "such as 90, 0.5, \"90s\", \"100ms\", \"5m\", \"1h\"", "is no time");
		return false;
	}
	if (!(s >= 0 && s <= SECONDS_MAX)) {
		reader_fail(r, it, NULL, "must be from 0 to %d seconds", SECONDS_MAX);
		return false;
	}
	*ms = quantity_ms(s);
	return true;
}

void
print_duration(struct buf *out, int64_t ms)
{
	if (ms == DURATION_INFINITE)
		buf_adds(out, "\"infinity\"");
	else
		buf_printf(out, "%.10g", (double)ms / 1000);
}

/* k->lo: the least it may be, in ms; k->hi: may be infinite. */
static void
read_duration(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	int64_t ms;

	if (!reader_duration(r, it, k->hi != 0, &ms))
		return;
	if (ms < k->lo)
		reader_fail(r, it, NULL, "must be more than 0");
	else
		*FIELD(int64_t, base, k) = ms;
}

static bool
print_time_key(const struct key *k, const void *base, struct buf *out)
{
	print_duration(out, *CONST_FIELD(int64_t, base, k));
	return true;
}

const struct kind kind_duration = { read_duration, print_time_key };

static void
read_shutdown(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	if (it->type == ITEM_STRING && strcmp(it->s, "brutal_kill") == 0)
		*FIELD(int64_t, base, k) = 0;
	else if (it->type == ITEM_STRING && isalpha((unsigned char)*it->s) && strcmp(it->s, "infinity") != 0)
		reader_fail(r, it, "a time, \"brutal_kill\" or \"infinity\"", "is no time");
	else
		reader_duration(r, it, true, FIELD(int64_t, base, k));
}

static bool
print_shutdown(const struct key *k, const void *base, struct buf *out)
{
	int64_t ms = *CONST_FIELD(int64_t, base, k);

	if (ms == 0)
		buf_adds(out, "\"brutal_kill\"");
	else
		print_duration(out, ms);
	return true;
}

const struct kind kind_shutdown = { read_shutdown, print_shutdown };

/* --- signals and choices --- */

static void
read_signal(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	char number[24];
	int signo;

	if (it->type == ITEM_INT)
		snprintf(number, sizeof(number), "%lld", (long long)it->i);
	else if (it->type != ITEM_STRING) {
		reader_wrong_type(r, it, "a signal's name");
		return;
	}
	signo = signal_by_name(it->type == ITEM_INT ? number : it->s);
	if (signo < 0)
		reader_fail(r, it, "such as \"TERM\", \"SIGINT\", \"RTMIN+3\"", "is no signal");
	else
		*FIELD(int, base, k) = signo;
}

static bool
print_signal(const struct key *k, const void *base, struct buf *out)
{
	int signo = *CONST_FIELD(int, base, k);

	if (signo == 0)
		return false;
	buf_add_json(out, signal_name(signo));
	return true;
}

const struct kind kind_signal = { read_signal, print_signal };

static const char *
list_choices(const struct choice *c, struct buf *out)
{
	const char *between = "";

	for (; c->name != NULL; c++)
		if (c->value != CHOICE_UNSUPPORTED) {
			buf_printf(out, "%s%s", between, c->name);
			between = ", ";
		}
	return buf_cstr(out);
}

static void
read_choice(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	struct buf all = { 0 };
	const struct choice *c;

	if (it->type != ITEM_STRING) {
		reader_wrong_type(r, it, "a string");
		return;
	}
	for (c = k->choices; c->name != NULL && strcmp(c->name, it->s) != 0; c++)
		;
	if (c->name == NULL)
		reader_fail(r, it, list_choices(k->choices, &all), "\"%.40s\" is none of its values", it->s);
	else if (c->value == CHOICE_UNSUPPORTED)
		reader_fail(r, it, list_choices(k->choices, &all), "\"%s\" is not supported by this version", c->name);
	else
		*FIELD(int, base, k) = c->value;
	buf_free(&all);
}

static bool
print_choice(const struct key *k, const void *base, struct buf *out)
{
	int value = *CONST_FIELD(int, base, k);
	const struct choice *c;

	for (c = k->choices; c->name != NULL && c->value != value; c++)
		;
	buf_add_json(out, c->name ? c->name : "");
	return true;
}

_Static_assert(sizeof(enum app_type) == sizeof(int), "choices are kept as int");
const struct kind kind_choice = { read_choice, print_choice };

/* --- groups by a table --- */

const struct key *
key_by_name(const struct key *keys, const char *name)
{
	for (; keys->name != NULL; keys++)
		if (strcmp(keys->name, name) == 0)
			return keys;
	return NULL;
}

static void
unknown_key(struct reader *r, const struct key *keys, const struct item *it)
{
	const char *names[64];
	size_t n;

	for (n = 0; n < 64 && keys[n].name != NULL; n++)
		names[n] = keys[n].name;
	reader_fail_near(r, it, suggest(it->name, names, n), "unknown key", NULL);
}

uint64_t
read_group(struct reader *r, const struct key *keys, const struct item *first, const char *but, void *base[2])
{
	const struct item *it;
	const struct key *k;
	uint64_t given = 0;

	for (it = first; it != NULL; it = it->next) {
		if (but != NULL && strcmp(it->name, but) == 0)
			continue;
		r->path[r->depth++] = it->name;
		k = key_by_name(keys, it->name);
		if (k == NULL) {
			unknown_key(r, keys, it);
		} else if (k->flags & KEY_UNSUPPORTED) {
			reader_fail(r, it, NULL, "not supported by this version");
		} else {
			k->kind->read(r, k, it, base[k->in]);
			given |= (uint64_t)1 << (k - keys);
		}
		r->depth--;
	}
	return given;
}

void
print_group(const struct key *keys, const void *base, struct buf *out)
{
	const struct key *k;
	const char *between = "";
	size_t before;

	buf_addc(out, '{');
	for (k = keys; k->name != NULL; k++) {
		if (k->flags & KEY_UNSUPPORTED)
			continue;
		before = out->len;
		buf_printf(out, "%s\"%s\":", between, k->name);
		if (k->kind->print(k, base, out))
			between = ",";
		else
			out->len = before;
	}
	buf_addc(out, '}');
}
