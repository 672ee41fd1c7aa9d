/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const level_names[] = LOG_LEVEL_NAMES;
static const char *const module_names[] = {
#define X(id, name) name,
	LOG_MODULES(X)
#undef X
};
static const char *program = "appctl";
static unsigned char levels[LOG_MODULE_COUNT];
static bool levels_set;
static unsigned dropped;

void
log_init(const char *name)
{
	program = name;
	log_set_level(LOG_MODULE_COUNT, LOG_LEVEL_INFO);
}

enum log_level
log_get_level(enum log_module module)
{
	return levels_set ? levels[module] : LOG_LEVEL_INFO;
}

bool
log_enabled(enum log_module module, enum log_level level)
{
	return level <= log_get_level(module);
}

void
log_set_level(enum log_module module, enum log_level level)
{
	if (!levels_set || module == LOG_MODULE_COUNT)
		memset(levels, levels_set || module == LOG_MODULE_COUNT ? (int)level : LOG_LEVEL_INFO, sizeof(levels));
	levels_set = true;
	if (module != LOG_MODULE_COUNT)
		levels[module] = (unsigned char)level;
}

/* A pipe that polls writable takes PIPE_BUF bytes whole, so a line up to that length does not block. */
static bool
write_line(const char *line, size_t len)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))
		return false;
	return write(STDERR_FILENO, line, len) == (ssize_t)len;
}

/* Texts of others are in it: none of them begins a line, or speaks to a terminal (C1 controls are two bytes of UTF-8). */
static void
make_plain(char *text, bool has_lines)
{
	unsigned char *s;

	for (s = (unsigned char *)text; *s != '\0'; s++) {
		if (*s == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0)
			*s++ = '?';
		else if ((*s >= 0x20 && *s != 0x7f) || *s == '\t' || (*s == '\n' && has_lines))
			continue;
		*s = '?';
	}
}

void
log_write(enum log_module module, enum log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	size_t len;

	if (!log_enabled(module, level))
		return;
	len = (size_t)snprintf(line, sizeof(line), "%s: %s %s: ", program, level_names[level], module_names[module]);
	if (dropped > 0)
		len += (size_t)snprintf(line + len, sizeof(line) - len, "(%u lines lost) ", dropped);
	va_start(ap, fmt);
	vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	va_end(ap);
	make_plain(line + len, strchr(fmt, '\n') != NULL);
	len = strlen(line);
	line[len++] = '\n';
	dropped = write_line(line, len) ? 0 : dropped + 1;
}

static int
index_of(const char *name, const char *const *names, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(name, names[i]) == 0)
			return (int)i;
	return -1;
}

int
log_level_by_name(const char *name)
{
	return index_of(name, level_names, sizeof(level_names) / sizeof(*level_names));
}

int
log_module_by_name(const char *name)
{
	return index_of(name, module_names, LOG_MODULE_COUNT);
}

const char *
log_level_name(enum log_level level)
{
	return level_names[level];
}

const char *
log_module_name(enum log_module module)
{
	return module_names[module];
}
