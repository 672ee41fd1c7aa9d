/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"

#include <netdb.h>
#include <stdint.h>
#include <sys/socket.h>

/* TCP sockets, all non-blocking and close-on-exec; descriptors are the caller's.  -1: err says why. */
enum { TCP_ADDRESS_SIZE = 64 };		/* "[2001:db8::1]:4711" */

/* The first of the addresses that lets itself be listened on. */
int tcp_listen(const struct addrinfo *list, struct err *err);
unsigned tcp_port(int fd);					/* the local one */
/* -1, and errno: EAGAIN: nobody is there. */
int tcp_accept(int fd, struct sockaddr_storage *peer);
/* Begins to connect; tcp_connect_result() tells once fd is writable. */
int tcp_connect(const struct addrinfo *to, struct err *err);
int tcp_connect_result(int fd);					/* 0, or an errno value */

void tcp_address(const struct sockaddr *sa, char out[TCP_ADDRESS_SIZE]);
/* What one peer has one of: an IPv4 address, or the first half of one of IPv6.  Never 0. */
uint64_t tcp_address_key(const struct sockaddr *sa);
