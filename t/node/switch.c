/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * switch INTERFACE...: what comes in on one interface goes out on the others, but for what is told on standard input, a line each:
 *
 *	cut I J on|off		nothing goes from interface I to J (counted from 0), or again
 *	loss PERCENT		so many of all frames get lost, by chance
 *	seed N			of that chance
 *
 * and answered by "ok".  For tests of links that break in every way, where the kernel has no emulator of networks.
 */
enum { PORTS_MAX = 8, FRAME_MAX = 70000 };

static int ports[PORTS_MAX];
static int port_count;
static int cut[PORTS_MAX][PORTS_MAX];
static int loss;

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

/* Frames come and go with their offloads still to be done, as the kernel has them between two ends of a pair. */
static int
open_port(const char *name)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(name) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || at.sll_ifindex == 0 || setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		die(name);
	return fd;
}

static void
forward(int from)
{
	static char frame[FRAME_MAX];
	ssize_t len;
	int to;

	while ((len = recv(ports[from], frame, sizeof(frame), 0)) > 0) {
		for (to = 0; to < port_count; to++)
			if (to != from && !cut[from][to] && rand() % 100 >= loss)
				(void)!send(ports[to], frame, (size_t)len, 0);
	}
}

static int
obey(const char *line)
{
	char word[8];
	int i, j, n;

	if (sscanf(line, "cut %d %d %7s", &i, &j, word) == 3 && i >= 0 && j >= 0 && i < port_count && j < port_count)
		cut[i][j] = strcmp(word, "on") == 0;
	else if (sscanf(line, "loss %d", &n) == 1)
		loss = n;
	else if (sscanf(line, "seed %d", &n) == 1)
		srand((unsigned)n);
	else
		return -1;
	return 0;
}

/* Orders come one at a time: each waits for its answer. */
static void
take_order(void)
{
	char line[128];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);

	if (n <= 0)
		exit(0);
	line[n] = '\0';
	puts(obey(line) == 0 ? "ok" : "what?");
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct pollfd fds[PORTS_MAX + 1];
	int i;

	for (port_count = 0; port_count < argc - 1 && port_count < PORTS_MAX; port_count++)
		ports[port_count] = open_port(argv[port_count + 1]);
	fds[0] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
	for (i = 0; i < port_count; i++)
		fds[i + 1] = (struct pollfd){ .fd = ports[i], .events = POLLIN };
	puts("ok");
	fflush(stdout);
	while (poll(fds, (nfds_t)port_count + 1, -1) >= 0 || errno == EINTR) {
		if (fds[0].revents)
			take_order();
		for (i = 0; i < port_count; i++)
			if (fds[i + 1].revents)
				forward(i);
	}
	die("poll");
}
