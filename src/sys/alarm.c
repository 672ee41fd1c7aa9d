/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "sys/alarm.h"

#include "base/log.h"

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { TEXT_MAX = 400 };

static int notify_fd = -1;

void
alarm_open(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;

	if (len == 0 || len >= sizeof(sa.sun_path) || (*path != '/' && *path != '@'))
		return;
	memcpy(sa.sun_path, path, len);
	if (*path == '@')
		sa.sun_path[0] = '\0';
	notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (notify_fd < 0)
		return;
	if (connect(notify_fd, (struct sockaddr *)&sa, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == 0)
		return;
	log_write(LOG_MONITOR, LOG_LEVEL_WARNING, "NOTIFY_SOCKET=%s: %m", path);
	alarm_close();
}

void
alarm_close(void)
{
	if (notify_fd >= 0)
		close(notify_fd);
	notify_fd = -1;
}

static void
notify(const char *text)
{
	if (notify_fd >= 0 && send(notify_fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		log_write(LOG_MONITOR, LOG_LEVEL_DEBUG, "appctld does not take a notification: %m");
}

/* appctld closes what comes with a BARRIER=1 once it has dealt with all before it. */
void
alarm_settle(int timeout_ms)
{
	char text[] = "BARRIER=1", control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { text, sizeof(text) - 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	struct pollfd wait = { 0 };
	int ends[2];

	if (notify_fd < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &ends[1], sizeof(int));
	wait.fd = sendmsg(notify_fd, &m, MSG_NOSIGNAL) < 0 ? -1 : ends[0];
	close(ends[1]);
	if (wait.fd >= 0)
		poll(&wait, 1, timeout_ms);
	close(ends[0]);
}

void
alarm_ready(void)
{
	notify("READY=1");
}

void
alarm_stopping(void)
{
	notify("STOPPING=1");
}

/* The text of one line. */
static void
one_line(char *text, size_t size, const char *fmt, va_list ap)
{
	char *p;

	vsnprintf(text, size, fmt, ap);
	for (p = text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
}

void
alarm_status(const char *fmt, ...)
{
	char line[TEXT_MAX + 20] = "STATUS=";
	size_t len = strlen(line);
	va_list ap;

	va_start(ap, fmt);
	one_line(line + len, sizeof(line) - len, fmt, ap);
	va_end(ap);
	notify(line);
}

void
alarm_raise(const char *fmt, ...)
{
	char text[TEXT_MAX], line[TEXT_MAX + 20];
	va_list ap;

	va_start(ap, fmt);
	one_line(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_write(LOG_MONITOR, LOG_LEVEL_WARNING, "%s", text);
	snprintf(line, sizeof(line), "X_APPCTL_ALARM=%s", text);
	notify(line);
}

void
alarm_node_up(const char *node, const char *address)
{
	char line[TEXT_MAX];

	snprintf(line, sizeof(line), "X_APPCTL_NODE_UP=%s %s", node, address);
	notify(line);
}

void
alarm_node_down(const char *node, const char *fmt, ...)
{
	char line[2 * TEXT_MAX];
	size_t len = (size_t)snprintf(line, TEXT_MAX, "X_APPCTL_NODE_DOWN=%.256s ", node);
	va_list ap;

	va_start(ap, fmt);
	one_line(line + len, sizeof(line) - len, fmt, ap);
	va_end(ap);
	notify(line);
}
