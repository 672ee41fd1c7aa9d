/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "appctld/keeper.h"

#include "base/log.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * READY=1 goes out when the engine says that everything is up, at the latest 30 s after the first engine was
 * ready: one application that cannot come up must not make a service manager take down all the others.
 *
 * WATCHDOG=1 goes out at half the time asked for, and only when the engine has answered a PING.
 */
static int
parse_address(struct notify_up *u, const char *text)
{
	size_t len = strlen(text);

	if ((text[0] != '/' && text[0] != '@') || len < 2 || len >= sizeof(u->to.sun_path))
		return -1;
	u->to.sun_family = AF_UNIX;
	memcpy(u->to.sun_path, text, len + 1);
	u->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (text[0] == '/'));
	if (text[0] == '@')
		u->to.sun_path[0] = '\0';
	return 0;
}

static int64_t
watchdog_half_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	long long value;

	if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid()))
		return 0;
	value = strtoll(usec, NULL, 10);
	return value > 0 ? (value / 2000 > 0 ? value / 2000 : 1) : 0;
}

void
notify_up_open(struct keeper *k)
{
	const char *address = getenv("NOTIFY_SOCKET");

	k->up = (struct notify_up){ .fd = -1 };
	if (address != NULL && parse_address(&k->up, address) < 0)
		log_write(LOG_KEEPER, LOG_LEVEL_WARNING, "NOTIFY_SOCKET=%s is no socket that appctld can use", address);
	else if (address != NULL)
		k->up.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (k->up.fd >= 0)
		k->up.watchdog_ms = watchdog_half_ms();
	if (k->up.watchdog_ms > 0)
		arm(k, DUE_WATCHDOG, k->up.watchdog_ms);
	notify_up_leave(k, false);	/* not for the engine nor for applications */
}

void
notify_up_leave(const struct keeper *k, bool leave)
{
	char address[sizeof(k->up.to.sun_path) + 1] = { 0 }, usec[32];

	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	if (!leave || k->up.fd < 0)
		return;
	memcpy(address, k->up.to.sun_path, k->up.to_len - offsetof(struct sockaddr_un, sun_path));
	if (address[0] == '\0')
		address[0] = '@';
	setenv("NOTIFY_SOCKET", address, 1);
	snprintf(usec, sizeof(usec), "%lld", (long long)k->up.watchdog_ms * 2000);
	if (k->up.watchdog_ms > 0)
		setenv("WATCHDOG_USEC", usec, 1);
}

void
notify_up_send(struct keeper *k, const char *text)
{
	const struct notify_up *u = &k->up;

	if (u->fd >= 0 && sendto(u->fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&u->to, u->to_len) < 0)
		log_write(LOG_KEEPER, LOG_LEVEL_DEBUG, "service manager: %s", strerror(errno));
}

void
notify_up_status(struct keeper *k, const char *text)
{
	char line[512];

	snprintf(line, sizeof(line), "STATUS=%.*s", (int)strcspn(text, "\n"), text);
	notify_up_send(k, line);
}

void
notify_up_ready(struct keeper *k)
{
	disarm(k, DUE_UP_READY);
	if (!k->up.said_ready)
		notify_up_send(k, "READY=1");
	k->up.said_ready = true;
}

void
notify_up_watchdog(struct keeper *k)
{
	arm(k, DUE_WATCHDOG, k->up.watchdog_ms);
	k->engine.ping_for_watchdog = k->engine.ready;
	tell_ping(k);
}
