/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"
#include "appctl/logfile.h"
#include "appctl/output.h"

#include <errno.h>
#include <libgen.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPT_FOLLOW, OPT_LINES, DEFAULT_LINES = 10 };

static const struct opt logs_opts[] = {
	{ "follow", 'f', NULL, COMPLETE_NOTHING, "go on printing what is added" },
	{ "lines", 'n', "LINES", COMPLETE_NOTHING, "how many of the last lines (default: 10)" },
	{ NULL, 0, NULL, COMPLETE_NOTHING, NULL },
};

/* The file's path; free() it.  NULL: said. */
static char *
find_log(struct cmdline *l)
{
	const char *name = l->operands[0], *path;
	json_t *reply = ask(l, "Status", need_json(json_pack("{s:[s]}", "names", name)));
	char *copy = NULL;

	if (reply == NULL)
		return NULL;
	path = text_at(json_array_get(json_object_get(reply, "applications"), 0), "log");
	if (*path)
		copy = strdup(path);
	else
		l->status = fail_here(l, APPCTL_FAILED,
				      "%s has no log file: its log is not of the type \"file\" (appctl show %s)", name, name);
	json_decref(reply);
	return copy;
}

static int
say_errno(struct cmdline *l, const char *path)
{
	int code = errno;

	return fail_here(l, code == EACCES || code == EPERM ? APPCTL_NOT_PERMITTED : APPCTL_FAILED, "%s: %s", path,
			 code == EINVAL ? "it is no regular file" : strerror(code));
}

/* Another file stands at the path now, or a new one after none. */
static bool
is_replaced(int fd, const char *path)
{
	struct stat now, ours;

	if (stat(path, &now) < 0)
		return false;
	return fd < 0 || fstat(fd, &ours) < 0 || now.st_ino != ours.st_ino || now.st_dev != ours.st_dev;
}

/* Prints what is new in the file at path, which may have been cut or moved away meanwhile. */
static int
catch_up(int *fd, const char *path, off_t *at)
{
	struct stat st;
	int r = 0;

	if (*fd >= 0) {
		if (fstat(*fd, &st) == 0 && st.st_size < *at)
			*at = 0;
		r = logfile_copy(*fd, at);
	}
	if (r == 0 && is_replaced(*fd, path)) {
		if (*fd >= 0)
			close(*fd);
		*fd = logfile_open(path);
		*at = 0;
		if (*fd >= 0)
			r = logfile_copy(*fd, at);
	}
	return r < 0 || fflush(stdout) != 0 ? -1 : 0;
}

/* Woken by what happens in the file's directory, so that a rotated file is seen as well. */
static int
follow(struct cmdline *l, int *fd, const char *path, off_t at)
{
	char *copy = strdup(path), events[4096];
	int watch = inotify_init1(IN_CLOEXEC);
	ssize_t n;

	if (watch < 0 || copy == NULL ||
	    inotify_add_watch(watch, dirname(copy), IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE) < 0) {
		free(copy);
		return say_errno(l, path);
	}
	free(copy);
	do {
		if (catch_up(fd, path, &at) < 0)
			return ferror(stdout) ? APPCTL_FAILED : say_errno(l, path);
		if (!wait_unless_closed(watch, -1))
			return APPCTL_FAILED;
		n = read(watch, events, sizeof(events));
	} while (n > 0 || errno == EINTR);
	return say_errno(l, path);
}

static int
print_log(struct cmdline *l, const char *path, unsigned long lines)
{
	int fd = logfile_open(path), status = 0;
	off_t at = 0;

	if (fd < 0 && !(errno == ENOENT && has(l, &logs_opts[OPT_FOLLOW])))
		return say_errno(l, path);
	if (fd >= 0 && (at = logfile_last_lines(fd, lines)) < 0)
		status = say_errno(l, path);
	else if (has(l, &logs_opts[OPT_FOLLOW]))
		status = follow(l, &fd, path, at);
	else if (logfile_copy(fd, &at) < 0)
		status = ferror(stdout) ? APPCTL_FAILED : say_errno(l, path);
	if (fd >= 0)
		close(fd);
	return status;
}

/* One document with the lines that are there. */
static int
print_log_json(struct cmdline *l, const char *path, unsigned long lines)
{
	json_t *list = json_array();
	int fd = logfile_open(path);
	off_t at = fd < 0 ? -1 : logfile_last_lines(fd, lines);
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	FILE *f;

	if (at < 0 || lseek(fd, at, SEEK_SET) < 0 || (f = fdopen(fd, "r")) == NULL) {
		json_decref(list);
		return say_errno(l, path);
	}
	while ((n = getline(&line, &room, f)) > 0) {
		n -= line[n - 1] == '\n';
		line[n] = '\0';
		append_json(list, json_utf8_or_escaped(line));
	}
	free(line);
	fclose(f);
	print_json(need_json(json_pack("{s:s, s:s, s:o}", "name", l->operands[0], "log", path, "lines", list)));
	return 0;
}

static int
run_logs(struct cmdline *l)
{
	const char *text = value_of(l, &logs_opts[OPT_LINES]);
	unsigned long lines = DEFAULT_LINES;
	char *path, *end = NULL;
	int status;

	if (text != NULL) {
		lines = strtoul(text, &end, 10);
		if (end == text || *end != '\0' || *text == '-')
			return usage_error(l, "--lines: \"%s\" is no number", text);
	}
	if (l->json && has(l, &logs_opts[OPT_FOLLOW]))
		return usage_error(l, "--follow has no end and cannot be one JSON document");
	path = find_log(l);
	if (path == NULL)
		return l->status;
	status = l->json ? print_log_json(l, path, lines) : print_log(l, path, lines);
	free(path);
	return status;
}

const struct cmd cmd_logs = {
	.name = "logs", .operands = "APP", .summary = "print the end of an application's log file",
	.about = "The file is read by appctl itself, so the right to read it is yours or not.  A file that was moved away or cut "
		 "is followed into the new one.",
	.opts = logs_opts, .min = 1, .max = 1, .first = COMPLETE_APPS, .others = COMPLETE_NOTHING, .run = run_logs, .there = THERE_AS_A_WHOLE,
};
