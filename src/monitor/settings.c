/* SPDX-License-Identifier: MIT */
#include "monitor/settings.h"

#include "base/suggest.h"
#include "core/quantity.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 128, SECONDS_MAX = 1000000000 };

#define FIELD(type, base, s) ((type *)(void *)((char *)(base) + (s)->offset))

static void
print_time(struct buf *out, int64_t ms)
{
	static const struct { int64_t ms; const char *name; } units[] = {
		{ 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" }, { 1, "ms" },
	};
	size_t i = ms == 0 ? 3 : 0;

	while (ms % units[i].ms != 0)
		i++;
	buf_printf(out, "%lld%s", (long long)(ms / units[i].ms), units[i].name);
}

static void
print_size(struct buf *out, int64_t n)
{
	size_t i = 0;

	for (; n != 0 && n % 1024 == 0 && i < 4; i++)
		n /= 1024;
	buf_printf(out, "%lld%.1s", (long long)n, &"\0KMGT"[i]);
}

static void
print_number(struct buf *out, const struct setting *s, int64_t n)
{
	if (s->kind == SETTING_TIME)
		print_time(out, n);
	else if (s->kind == SETTING_SIZE)
		print_size(out, n);
	else
		buf_printf(out, "%lld", (long long)n);
}

/* What may be written there. */
static void
print_allowed(struct buf *out, const struct setting *s)
{
	switch (s->kind) {
	case SETTING_TEXT:
	case SETTING_NAMED:
		buf_adds(out, "text");
		return;
	case SETTING_PATH:
		buf_adds(out, "an absolute path");
		return;
	case SETTING_BOOL:
		buf_adds(out, "true or false");
		return;
	case SETTING_INT:
	case SETTING_REAL:
		buf_adds(out, s->kind == SETTING_INT ? "a whole number" : "a number");
		break;
	case SETTING_TIME:
		buf_adds(out, "a time such as 90, 0.5, 90s, 100ms, 5m, 1h");
		break;
	case SETTING_SIZE:
		buf_adds(out, "a size such as 1024, 64M, 1G");
		break;
	}
	buf_adds(out, ", from ");
	print_number(out, s, s->min);
	if (s->max == INT64_MAX) {
		buf_adds(out, " on");
		return;
	}
	buf_adds(out, " to ");
	print_number(out, s, s->max);
}

static bool
bool_of(const char *text, bool *b)
{
	static const char *const names[] = { "false", "no", "off", "0", "true", "yes", "on", "1" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(text, names[i]) == 0) {
			*b = i >= 4;
			return true;
		}
	return false;
}

static bool
int_of(const char *text, int64_t *n)
{
	char *end;

	if (!isdigit((unsigned char)*text) && !(*text == '-' && isdigit((unsigned char)text[1])))
		return false;
	errno = 0;
	*n = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0';
}

static bool
real_of(const char *text, double *d)
{
	char *end;

	if (!isdigit((unsigned char)*text) || strpbrk(text, "xXnNpP") != NULL)
		return false;
	*d = strtod(text, &end);
	return *end == '\0';
}

static bool
time_of(const char *text, int64_t *ms)
{
	double s;

	if (!quantity_seconds(text, &s) || s > SECONDS_MAX)
		return false;
	*ms = quantity_ms(s);
	return true;
}

static bool
size_of(const char *text, int64_t *n)
{
	uint64_t u;

	if (!quantity_size(text, &u))
		return false;
	*n = u > INT64_MAX ? INT64_MAX : (int64_t)u;
	return true;
}

/* false: it is not what the setting takes. */
static bool
read_value(const struct setting *s, const char *text, void *out)
{
	int64_t n;
	double d;
	bool good;

	switch (s->kind) {
	case SETTING_TEXT:
	case SETTING_PATH:
		*FIELD(const char *, out, s) = text;
		return s->kind == SETTING_TEXT || *text == '/';
	case SETTING_BOOL:
		return bool_of(text, FIELD(bool, out, s));
	case SETTING_REAL:
		good = real_of(text, &d) && d >= (double)s->min && d <= (double)s->max;
		if (good)
			*FIELD(double, out, s) = d;
		return good;
	case SETTING_INT:
	case SETTING_TIME:
	case SETTING_SIZE:
		good = s->kind == SETTING_INT ? int_of(text, &n) : s->kind == SETTING_TIME ? time_of(text, &n) : size_of(text, &n);
		good = good && n >= s->min && n <= s->max;
		if (good)
			*FIELD(int64_t, out, s) = n;
		return good;
	case SETTING_NAMED:
		break;
	}
	return false;
}

/* "NAME=value" with that prefix: its name behind it, *len long, *value behind the "=".  NULL: another variable. */
static const char *
variable(const char *text, const char *prefix, size_t *len, const char **value)
{
	size_t skip = strlen(prefix);

	if (strncmp(text, prefix, skip) != 0 || text[skip] != '_')
		return NULL;
	text += skip + 1;
	*len = strcspn(text, "=");
	if (text[*len] != '=')
		return NULL;
	*value = text + *len + 1;
	return text;
}

static bool
is_named(const struct setting *s, const char *name, size_t len)
{
	size_t own = strlen(s->name);

	if (s->kind == SETTING_NAMED)
		return len > own && strncmp(name, s->name, own) == 0;
	return len == own && strncmp(name, s->name, own) == 0;
}

static const struct setting *
find(const struct setting *table, size_t count, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (is_named(&table[i], name, len))
			return &table[i];
	return NULL;
}

static void
unknown(const char *prefix, const struct setting *table, size_t count, const char *name, size_t len, struct buf *problems)
{
	const char *names[NAMES_MAX], *near;
	char word[64];
	size_t i, n = 0;

	buf_printf(problems, "%s_%.*s: there is no such setting", prefix, (int)len, name);
	if (len < sizeof(word)) {
		memcpy(word, name, len);
		word[len] = '\0';
		for (i = 0; i < count && n < NAMES_MAX; i++)
			if (table[i].kind != SETTING_NAMED)
				names[n++] = table[i].name;
		near = suggest(word, names, n);
		if (near != NULL)
			buf_printf(problems, " (did you mean %s_%s?)", prefix, near);
	}
	buf_addc(problems, '\n');
}

static size_t
add_named(const char *prefix, const struct setting *s, const char *name, size_t len, const char *value, void *out,
	  struct buf *problems)
{
	struct setting_named *named = FIELD(struct setting_named, out, s);
	size_t own = len - strlen(s->name);
	struct setting_pair *p;

	if (named->count == SETTING_NAMED_MAX) {
		buf_printf(problems, "%s_%.*s: more than %d of that kind\n", prefix, (int)len, name, SETTING_NAMED_MAX);
		return 1;
	}
	if (own >= SETTING_NAME_MAX) {
		buf_printf(problems, "%s_%.80s…: the name is too long: it must be below %d bytes\n", prefix, name, SETTING_NAME_MAX);
		return 1;
	}
	p = &named->v[named->count++];
	memcpy(p->name, name + len - own, own);
	p->name[own] = '\0';
	p->value = value;
	return 0;
}

/* One variable of the environment; returns the number of mistakes. */
static size_t
take(const char *prefix, const struct setting *s, const char *name, size_t len, const char *value, void *out, struct buf *problems)
{
	if (*value == '\0')
		return 0;
	if (s->kind == SETTING_NAMED)
		return add_named(prefix, s, name, len, value, out, problems);
	if (read_value(s, value, out))
		return 0;
	buf_printf(problems, "%s_%s: \"%.80s\" cannot be used: it must be ", prefix, s->name, value);
	print_allowed(problems, s);
	buf_addc(problems, '\n');
	return 1;
}

size_t
settings_read(const char *prefix, const struct setting *table, size_t count, char *const *environment, void *out,
	      struct buf *problems)
{
	const struct setting *s;
	const char *name, *value;
	size_t i, len, mistakes = 0;

	for (i = 0; i < count; i++)
		if (table[i].initial != NULL)
			read_value(&table[i], table[i].initial, out);
	for (; *environment != NULL; environment++) {
		name = variable(*environment, prefix, &len, &value);
		if (name == NULL)
			continue;
		s = find(table, count, name, len);
		if (s != NULL) {
			mistakes += take(prefix, s, name, len, value, out, problems);
		} else {
			unknown(prefix, table, count, name, len, problems);
			mistakes++;
		}
	}
	return mistakes;
}

bool
settings_known(const char *prefix, const struct setting *table, size_t count, const char *text, struct buf *problems)
{
	const char *name, *value;
	size_t len;

	name = variable(text, prefix, &len, &value);
	if (name == NULL || find(table, count, name, len) != NULL)
		return true;
	unknown(prefix, table, count, name, len, problems);
	return false;
}

static void
print_indented(struct buf *out, const char *text)
{
	size_t len;

	for (; *text != '\0'; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		buf_printf(out, "      %.*s\n", (int)len, text);
	}
}

void
settings_help(const char *prefix, const struct setting *table, size_t count, struct buf *out)
{
	const struct setting *s;

	for (s = table; s < table + count; s++) {
		buf_printf(out, "  %s_%s%s", prefix, s->name, s->kind == SETTING_NAMED ? "NAME" : "");
		if (s->initial != NULL)
			buf_printf(out, "=%s", s->initial);
		if (s->kind != SETTING_TEXT && s->kind != SETTING_NAMED) {
			buf_adds(out, "  (");
			print_allowed(out, s);
			buf_addc(out, ')');
		}
		buf_addc(out, '\n');
		print_indented(out, s->help);
	}
}

int
settings_complain(struct buf *problems, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(problems, fmt, ap);
	va_end(ap);
	buf_addc(problems, '\n');
	return -1;
}

int
settings_check_tls(const char *prefix, const struct settings_tls *t, struct buf *problems)
{
	int r = 0;

	if ((t->ca_file == NULL) != (t->cert_file == NULL) || (t->cert_file == NULL) != (t->key_file == NULL))
		r = settings_complain(problems, "%s_CACERTFILE, %s_CERTFILE and %s_KEYFILE go together: set all or none",
				      prefix, prefix, prefix);
	if (t->crl_file != NULL && t->ca_file == NULL)
		r = settings_complain(problems, "%s_CRLFILE needs %s_CACERTFILE", prefix, prefix);
	if (t->ca_file != NULL && !t->use_tls)
		r = settings_complain(problems, "certificates need %s_USE_TLS=true", prefix);
	return r;
}
