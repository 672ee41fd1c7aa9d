/* SPDX-License-Identifier: MIT */
#include "appctl/output.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void
no_memory(void)
{
	fputs("appctl: no memory\n", stderr);
	exit(1);
}

json_t *
need_json(json_t *v)
{
	if (v == NULL)
		no_memory();
	return v;
}

void
set_json(json_t *object, const char *key, json_t *take_value)
{
	if (json_object_set_new(object, key, take_value) < 0)
		no_memory();
}

void
append_json(json_t *array, json_t *take_value)
{
	if (json_array_append_new(array, take_value) < 0)
		no_memory();
}

const char *
buf_text(struct buf *b)
{
	const char *s = buf_cstr(b);

	if (b->failed)
		no_memory();
	return s;
}

void
print_json(json_t *take_doc)
{
	size_t layout = isatty(STDOUT_FILENO) ? JSON_INDENT(2) : JSON_COMPACT;

	/* 16 digits: a time since 1970 to the microsecond, and 0.1 as 0.1. */
	json_dumpf(take_doc, stdout, JSON_ENCODE_ANY | JSON_REAL_PRECISION(16) | layout);
	putchar('\n');
	json_decref(take_doc);
}

void
add_text(struct buf *b, const char *text)
{
	const unsigned char *s;

	for (s = (const unsigned char *)text; *s; s++) {
		if ((*s < 0x20 && *s != '\t') || *s == 0x7f)
			buf_printf(b, "\\x%02x", *s);
		else if (*s == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0)	/* C1: terminals obey them, too */
			buf_printf(b, "\\x%02x", *++s);
		else
			buf_addc(b, (char)*s);
	}
}

void
print_text(FILE *f, const char *text)
{
	struct buf b = { 0 };

	add_text(&b, text);
	fputs(buf_text(&b), f);
	buf_free(&b);
}

bool
wait_unless_closed(int fd, int timeout_ms)
{
	struct pollfd fds[2] = { { .fd = fd, .events = POLLIN }, { .fd = STDOUT_FILENO } };

	return poll(fds, 2, timeout_ms) <= 0 || !(fds[1].revents & (POLLERR | POLLHUP));
}

const char *
text_at(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

double
number_at(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

bool
true_at(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

void
add_list(struct buf *b, const json_t *strings)
{
	size_t i, n = json_array_size(strings);
	const char *s;

	for (i = 0; i < n; i++) {
		s = json_string_value(json_array_get(strings, i));
		buf_adds(b, i == 0 ? "" : i + 1 == n ? " and " : ", ");
		add_text(b, s ? s : "?");
	}
}

double
now_real(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void
add_duration(struct buf *b, double seconds)
{
	long s = seconds > 0 ? (long)seconds : 0;

	if (seconds > 0 && seconds < 10)
		buf_printf(b, "%.1f s", seconds);
	else if (s < 60)
		buf_printf(b, "%ld s", s);
	else if (s < 3600)
		buf_printf(b, "%ld min %ld s", s / 60, s % 60);
	else if (s < 86400)
		buf_printf(b, "%ld h %ld min", s / 3600, s % 3600 / 60);
	else
		buf_printf(b, "%ld d %ld h", s / 86400, s % 86400 / 3600);
}

void
add_time(struct buf *b, double when)
{
	time_t t = (time_t)when;
	struct tm tm;
	char text[64];

	if (localtime_r(&t, &tm) != NULL && strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) > 0)
		buf_adds(b, text);
}

bool
use_colors(void)
{
	static int answer = -1;
	const char *no, *term;

	if (answer < 0) {
		no = getenv("NO_COLOR");
		term = getenv("TERM");
		answer = isatty(STDOUT_FILENO) && (no == NULL || *no == '\0') && (term == NULL || strcmp(term, "dumb") != 0);
	}
	return answer;
}

static const struct {
	const char *state, *color;
} state_colors[] = {
	{ "running", "\033[32m" }, { "completed", "\033[32m" }, { "starting", "\033[33m" }, { "stopping", "\033[33m" },
	{ "waiting", "\033[33m" }, { "backoff", "\033[35m" }, { "failed", "\033[1;31m" }, { "changing", "\033[33m" },
	{ "stable", "\033[32m" },
};

const char *
state_color(const char *state)
{
	size_t i;

	if (!use_colors())
		return "";
	for (i = 0; i < sizeof(state_colors) / sizeof(state_colors[0]); i++)
		if (strcmp(state_colors[i].state, state) == 0)
			return state_colors[i].color;
	return "";
}

void
print_state(const char *state)
{
	const char *color = state_color(state);

	fputs(color, stdout);
	print_text(stdout, state);
	if (*color)
		fputs("\033[0m", stdout);
}

json_t *
json_utf8_or_escaped(const char *text)
{
	json_t *s = json_string(text);
	struct buf b = { 0 };

	if (s != NULL)
		return s;
	for (; *text; text++)
		if ((unsigned char)*text < 0x80)
			buf_addc(&b, *text);
		else
			buf_printf(&b, "\\x%02x", (unsigned char)*text);
	s = json_string(buf_text(&b));
	buf_free(&b);
	return s;
}
