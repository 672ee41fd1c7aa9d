/* SPDX-License-Identifier: MIT */
#include "wire/notify.h"

#include <string.h>

/* A whole positive decimal number up to max; 0: it is none. */
static int64_t
number_of(const char *s, size_t len, int64_t max)
{
	int64_t n = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9' || n > (max - (s[i] - '0')) / 10)
			return 0;
		n = n * 10 + (s[i] - '0');
	}
	return n;
}

/* Cuts before a character that would not fit whole; control characters become spaces. */
static bool
copy_text(char *out, size_t size, const char *s, size_t len)
{
	size_t i;

	if (len >= size) {
		len = size - 1;
		while (len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80)
			len--;
	}
	for (i = 0; i < len; i++)
		out[i] = (unsigned char)s[i] < ' ' || s[i] == 0x7f ? ' ' : s[i];
	out[len] = '\0';
	return true;
}

static bool
value_is(const char *value, size_t len, const char *text)
{
	return len == strlen(text) && memcmp(value, text, len) == 0;
}

/* "NODE TEXT". */
static void
set_node(struct notify *out, bool up, const char *value, size_t len)
{
	const char *space = memchr(value, ' ', len);
	size_t name_len = space ? (size_t)(space - value) : len;

	if (name_len >= sizeof(out->node))
		return;
	out->node_up = up;
	copy_text(out->node, sizeof(out->node), value, name_len);
	copy_text(out->about_node, sizeof(out->about_node), space ? space + 1 : "", space ? len - name_len - 1 : 0);
}

static void
set_value(struct notify *out, const char *name, size_t name_len, const char *value, size_t len)
{
	if (value_is(name, name_len, "READY"))
		out->ready = out->ready || value_is(value, len, "1");
	else if (value_is(name, name_len, "STOPPING"))
		out->stopping = out->stopping || value_is(value, len, "1");
	else if (value_is(name, name_len, "RELOADING"))
		out->reloading = out->reloading || value_is(value, len, "1");
	else if (value_is(name, name_len, "STATUS"))
		out->has_status = copy_text(out->status, sizeof(out->status), value, len);
	else if (value_is(name, name_len, "X_APPCTL_ALARM"))
		copy_text(out->alarm, sizeof(out->alarm), value, len);
	else if (value_is(name, name_len, "X_APPCTL_NODE_UP") || value_is(name, name_len, "X_APPCTL_NODE_DOWN"))
		set_node(out, name_len == strlen("X_APPCTL_NODE_UP"), value, len);
	else if (value_is(name, name_len, "MAINPID"))
		out->main_pid = number_of(value, len, INT32_MAX);
	else if (value_is(name, name_len, "EXTEND_TIMEOUT_USEC"))
		out->extend_us = number_of(value, len, INT64_MAX / 2);
	else if (value_is(name, name_len, "ERRNO"))
		out->error = (int)number_of(value, len, 4095);
}

int
notify_parse(const char *data, size_t len, struct notify *out)
{
	const char *line = data, *end, *eol, *eq;

	*out = (struct notify){ 0 };
	if (len > 0 && data[len - 1] == '\0')
		len--;
	if (len > NOTIFY_MAX || memchr(data, '\0', len) != NULL)
		return -1;
	for (end = data + len; line < end; line = eol + 1) {
		eol = memchr(line, '\n', (size_t)(end - line));
		if (eol == NULL)
			eol = end;
		eq = memchr(line, '=', (size_t)(eol - line));
		if (eq != NULL)
			set_value(out, line, (size_t)(eq - line), eq + 1, (size_t)(eol - eq - 1));
	}
	return 0;
}
