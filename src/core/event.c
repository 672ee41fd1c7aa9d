/* SPDX-License-Identifier: MIT */
#include "core/event.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "core/date.h"
#include "core/model.h"

void
print_time(struct buf *out, int64_t real_us)
{
	int64_t s = real_us / 1000000, us = real_us % 1000000, days, year;
	unsigned month, day, in_day;

	if (us < 0) {
		us += 1000000;
		s--;
	}
	days = (s >= 0 ? s : s - 86399) / 86400;
	in_day = (unsigned)(s - days * 86400);
	civil_from_days(days, &year, &month, &day);
	buf_printf(out, "%04" PRId64 "-%02u-%02uT%02u:%02u:%02u.%06" PRId64 "Z", year, month, day, in_day / 3600,
		   in_day / 60 % 60, in_day % 60, us);
}

static void
print_status(struct buf *out, int status)
{
	if (WIFEXITED(status))
		buf_printf(out, ",\"status\":%d", WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		buf_printf(out, ",\"signal\":\"%s\",\"core\":%s", signal_name(WTERMSIG(status)),
			   WCOREDUMP(status) ? "true" : "false");
}

static void
print_member(struct buf *out, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_printf(out, ",\"%s\":", name);
	buf_add_json(out, value);
}

static bool
is_about_a_mode(enum event_category c)
{
	return c == EVENT_NEW_MODE || c == EVENT_MODE_STABLE || c == EVENT_MODE_FAILED;
}

void
event_print(const struct event *ev, const char *node, struct buf *out)
{
	buf_printf(out, "{\"seq\":%" PRIu64 ",\"ts\":\"", ev->seq);
	print_time(out, ev->real_us);
	buf_adds(out, "\",\"node\":");
	buf_add_json(out, node);
	buf_printf(out, ",\"event\":\"%s\"", event_category_name(ev->category));
	print_member(out, "app", ev->app);
	if (is_about_a_mode(ev->category)) {
		buf_adds(out, ",\"mode\":");
		if (ev->mode != NULL)
			buf_add_json(out, ev->mode);
		else
			buf_adds(out, "null");
		print_member(out, "previous", ev->previous);
	}
	if (ev->pid > 0)
		buf_printf(out, ",\"pid\":%d", (int)ev->pid);
	if (ev->has_status)
		print_status(out, ev->status);
	if (ev->reason != REASON_NONE)
		buf_printf(out, ",\"reason\":\"%s\"", reason_name(ev->reason));
	if (ev->reason == REASON_OOM)
		buf_adds(out, ",\"oom\":true");
	print_member(out, "step", ev->step);
	if (ev->error != 0)
		print_member(out, "error", strerror(ev->error));
	if (ev->detail != NULL)
		buf_printf(out, ",%s", ev->detail);
	buf_adds(out, "}\n");
}

static const char *const categories[] = {
#define X(id, name) name,
	EVENT_CATEGORIES(X)
#undef X
};

const char *
event_category_name(enum event_category c)
{
	return categories[c];
}

int
event_category_by_name(const char *name)
{
	int i;

	for (i = 0; i < EVENT_CATEGORY_COUNT; i++)
		if (strcmp(name, categories[i]) == 0)
			return i;
	return -1;
}

const char *
reason_name(enum reason r)
{
	static const char *const names[] = {
#define X(id, name) name,
		REASONS(X)
#undef X
	};

	return names[r];
}
