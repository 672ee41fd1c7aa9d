/* SPDX-License-Identifier: MIT */
/*
 * wsbench: WebSocket ingest limit with wslay over loopback TCP between two processes.
 *   wsbench MODE SIZE COUNT
 * MODE: tcp    plain send/recv of the same number of bytes (frame header included)
 *       frame  client: pre-built masked frames; server: wslay_frame_recv (unmasking only)
 *       event  client: pre-built masked frames; server: wslay_event_recv (whole messages, UTF-8 check of text)
 *       full   client: wslay_event_queue_msg/send (masking with a fresh key per frame); server as event
 * cc -O2 -o wsbench wsbench.c -lwslay
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wslay/wslay.h>

static int fd;
static uint64_t msgs, bytes, inlen, inpos;
static uint8_t *inbuf;
static uint32_t rng = 2463534242u;

static double mono(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
static ssize_t fill(uint8_t *b, size_t n)               /* read through a 256 KiB buffer */
{
	if (inpos == inlen) {
		ssize_t r = recv(fd, inbuf, 1 << 18, 0);
		if (r <= 0)
			return r < 0 ? -1 : 0;
		inlen = (uint64_t)r;
		inpos = 0;
	}
	if (n > inlen - inpos)
		n = inlen - inpos;
	memcpy(b, inbuf + inpos, n);
	inpos += n;
	return (ssize_t)n;
}
static ssize_t e_recv(wslay_event_context_ptr x, uint8_t *b, size_t n, int fl, void *u)
{
	ssize_t r = fill(b, n);
	(void)fl; (void)u;
	if (r == 0) {
		wslay_event_set_error(x, WSLAY_ERR_CALLBACK_FAILURE);
		return -1;
	}
	return r;
}
static ssize_t e_send(wslay_event_context_ptr x, const uint8_t *b, size_t n, int fl, void *u)
{
	ssize_t r = send(fd, b, n, MSG_NOSIGNAL);
	(void)fl; (void)u;
	if (r < 0)
		wslay_event_set_error(x, WSLAY_ERR_CALLBACK_FAILURE);
	return r;
}
static int e_mask(wslay_event_context_ptr x, uint8_t *b, size_t n, void *u)
{
	(void)x; (void)u;
	while (n--) {
		rng ^= rng << 13; rng ^= rng >> 17; rng ^= rng << 5;
		*b++ = (uint8_t)rng;
	}
	return 0;
}
static void e_msg(wslay_event_context_ptr x, const struct wslay_event_on_msg_recv_arg *a, void *u)
{
	(void)x; (void)u;
	msgs++;
	bytes += a->msg_length;
}
static ssize_t f_recv(uint8_t *b, size_t n, int fl, void *u)
{
	(void)fl; (void)u;
	return fill(b, n);
}
int main(int c, char **v)
{
	if (c < 4)
		return 2;
	const char *mode = v[1];
	size_t size = strtoul(v[2], 0, 10);
	long count = atol(v[3]);
	int l = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t al = sizeof a;
	if (bind(l, (void *)&a, sizeof a) || listen(l, 1) || getsockname(l, (void *)&a, &al))
		return perror("listen"), 1;
	size_t hl = size < 126 ? 6 : size < 65536 ? 8 : 14, fl = hl + size;
	pid_t p = fork();
	if (!p) {                                             /* client */
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(fd, (void *)&a, sizeof a))
			_exit(1);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		uint8_t *m = malloc(size);
		for (size_t i = 0; i < size; i++)
			m[i] = (uint8_t)('a' + i % 26);
		if (!strcmp(mode, "full")) {
			struct wslay_event_callbacks cb = { .send_callback = e_send, .genmask_callback = e_mask, .recv_callback = e_recv };
			wslay_event_context_ptr x;
			wslay_event_context_client_init(&x, &cb, NULL);
			struct wslay_event_msg msg = { WSLAY_TEXT_FRAME, m, size };
			for (long i = 0; i < count; i++)
				if (wslay_event_queue_msg(x, &msg) || wslay_event_send(x))
					_exit(1);
		} else {
			size_t per = (1 << 16) / fl ? (1 << 16) / fl : 1;
			uint8_t *b = malloc(per * fl);
			for (size_t k = 0; k < per; k++) {
				uint8_t *q = b + k * fl, key[4] = { 1, 2, 3, (uint8_t)k };
				q[0] = 0x81;
				if (size < 126)
					q[1] = (uint8_t)(0x80 | size);
				else
					q[1] = 0x80 | 126, q[2] = (uint8_t)(size >> 8), q[3] = (uint8_t)size;
				memcpy(q + hl - 4, key, 4);
				for (size_t i = 0; i < size; i++)
					q[hl + i] = m[i] ^ key[i & 3];
			}
			for (long left = count; left;) {
				size_t k = (size_t)left < per ? (size_t)left : per, o = 0;
				while (o < k * fl) {
					ssize_t r = send(fd, b + o, k * fl - o, MSG_NOSIGNAL);
					if (r < 0)
						_exit(1);
					o += (size_t)r;
				}
				left -= (long)k;
			}
		}
		close(fd);
		_exit(0);
	}
	fd = accept(l, NULL, NULL);
	inbuf = malloc(1 << 18);
	double t = mono();
	if (!strcmp(mode, "tcp")) {
		for (ssize_t r; (r = recv(fd, inbuf, 1 << 18, 0)) > 0;)
			bytes += (uint64_t)r;
		msgs = bytes / fl;
	} else if (!strcmp(mode, "frame")) {
		struct wslay_frame_callbacks cb = { .recv_callback = f_recv };
		wslay_frame_context_ptr x;
		struct wslay_frame_iocb io;
		uint64_t in = 0;
		wslay_frame_context_init(&x, &cb, NULL);
		for (;;) {
			ssize_t r = wslay_frame_recv(x, &io);
			if (r < 0)
				break;
			in += io.data_length;
			bytes += io.data_length;
			if (in == io.payload_length)
				msgs++, in = 0;
			if ((long)msgs == count)
				break;
		}
	} else {
		struct wslay_event_callbacks cb = { .recv_callback = e_recv, .send_callback = e_send, .on_msg_recv_callback = e_msg };
		wslay_event_context_ptr x;
		wslay_event_context_server_init(&x, &cb, NULL);
		while ((long)msgs < count && !wslay_event_recv(x))
			;
	}
	t = mono() - t;
	int st;
	struct rusage me, ch;
	waitpid(p, &st, 0);
	getrusage(RUSAGE_SELF, &me);
	getrusage(RUSAGE_CHILDREN, &ch);
#define CPU(r) ((double)((r).ru_utime.tv_sec + (r).ru_stime.tv_sec) + (double)((r).ru_utime.tv_usec + (r).ru_stime.tv_usec) / 1e6)
	printf("{\"mode\":\"%s\",\"size\":%zu,\"msgs\":%lu,\"secs\":%.3f,\"msgs_per_s\":%.0f,\"mb_per_s\":%.0f,"
		"\"server_cpu_us_per_msg\":%.2f,\"client_cpu_us_per_msg\":%.2f}\n", mode, size, msgs, t, (double)msgs / t,
		(double)msgs * (double)size / t / 1e6, CPU(me) * 1e6 / (double)msgs, CPU(ch) * 1e6 / (double)msgs);
	return (long)msgs != count;
}
