/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "net/tcp.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

static int
make_socket(const struct addrinfo *a)
{
	return socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
}

static void
set(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof(value));
}

static int
listen_on(const struct addrinfo *a, struct err *err)
{
	autoclose int fd = make_socket(a);
	char address[TCP_ADDRESS_SIZE];

	tcp_address(a->ai_addr, address);
	if (fd < 0)
		return err_set(err, errno, "socket for %s", address);
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (a->ai_family == AF_INET6)
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	if (bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0)
		return err_set(err, errno, "listen on %s", address);
	return take_fd(&fd);
}

int
tcp_listen(const struct addrinfo *list, struct err *err)
{
	const struct addrinfo *a;
	int fd = -1;

	for (a = list; a != NULL && fd < 0; a = a->ai_next)
		fd = listen_on(a, err);
	return fd;
}

unsigned
tcp_port(int fd)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return 0;
	return ntohs(sa.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&sa)->sin6_port : ((struct sockaddr_in *)&sa)->sin_port);
}

int
tcp_accept(int fd, struct sockaddr_storage *peer)
{
	socklen_t len = sizeof(*peer);
	int s;

	do {
		s = accept4(fd, (struct sockaddr *)peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	} while (s < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (s >= 0)
		set(s, IPPROTO_TCP, TCP_NODELAY, 1);
	return s;
}

int
tcp_connect(const struct addrinfo *to, struct err *err)
{
	autoclose int fd = make_socket(to);
	char address[TCP_ADDRESS_SIZE];

	tcp_address(to->ai_addr, address);
	if (fd < 0)
		return err_set(err, errno, "socket for %s", address);
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (connect(fd, to->ai_addr, to->ai_addrlen) < 0 && errno != EINPROGRESS)
		return err_set(err, errno, "connect to %s", address);
	return take_fd(&fd);
}

int
tcp_connect_result(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? errno : error;
}

static const struct in6_addr *
v6_of(const struct sockaddr *sa)
{
	return &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
}

void
tcp_address(const struct sockaddr *sa, char out[TCP_ADDRESS_SIZE])
{
	const struct sockaddr_in *v4 = (const void *)sa;
	const struct sockaddr_in6 *v6 = (const void *)sa;
	char host[INET6_ADDRSTRLEN] = "?";

	if (sa->sa_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		snprintf(out, TCP_ADDRESS_SIZE, "%s:%u", host, ntohs(v4->sin_port));
	} else if (IN6_IS_ADDR_V4MAPPED(v6_of(sa))) {
		inet_ntop(AF_INET, &v6_of(sa)->s6_addr[12], host, sizeof(host));
		snprintf(out, TCP_ADDRESS_SIZE, "%s:%u", host, ntohs(v6->sin6_port));
	} else {
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		snprintf(out, TCP_ADDRESS_SIZE, "[%s]:%u", host, ntohs(v6->sin6_port));
	}
}

uint64_t
tcp_address_key(const struct sockaddr *sa)
{
	const struct sockaddr_in *v4 = (const void *)sa;
	uint32_t address;
	uint64_t half;

	if (sa->sa_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(v6_of(sa))) {
		memcpy(&half, v6_of(sa)->s6_addr, sizeof(half));
		return half ? half : 1;
	}
	memcpy(&address, sa->sa_family == AF_INET ? (const void *)&v4->sin_addr : &v6_of(sa)->s6_addr[12], sizeof(address));
	return (uint64_t)address << 32 | 0xffff0001;	/* no half of an address that is routed looks like this */
}
