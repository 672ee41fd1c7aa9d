/* SPDX-License-Identifier: MIT */
/*
 * pubsub: raw limit of event fan-out over Unix stream sockets, and the same reader against redis.
 *
 *   pubsub raw   K MSGS BATCH          publisher process -> K connections, one reader process (epoll), 200-byte lines
 *   pubsub redis K MSGS BATCH SOCKET   the same reader subscribed K times to redis; BATCH = PUBLISH pipeline depth
 *   pubsub appctld K MSGS BATCH SOCKET the same reader subscribed K times to appctld, which has MSGS events to replay
 *   pubsub lat   K MSGS                one message per ms, latency publisher -> last of the K readers (one process)
 *   pubsub applat K MSGS DIR           the same of appctld: one change between its modes a and b per ms, latency from the
 *                                      time that the event says to the last of K subscribers to new_mode
 * Prints one JSON line: deliveries per second etc.
 * cc -O2 -o pubsub pubsub.c
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MSG 200
static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
static int dial(const char *p)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	strncpy(a.sun_path, p, sizeof a.sun_path - 1);
	if (connect(s, (void *)&a, sizeof a)) {
		perror("connect");
		exit(1);
	}
	return s;
}
static void wr(int fd, const void *b, size_t n)
{
	const char *p = b;
	while (n) {
		ssize_t r = write(fd, p, n);
		if (r < 0) {
			if (errno == EINTR)
				continue;
			perror("write");
			exit(1);
		}
		p += r;
		n -= (size_t)r;
	}
}
static int cmp(const void *a, const void *b)
{
	uint64_t x = *(uint64_t *)a, y = *(uint64_t *)b;
	return x < y ? -1 : x > y;
}
static void print_latencies(const char *mode, int k, uint64_t *v, uint64_t n)
{
	qsort(v, n, sizeof *v, cmp);
	printf("{\"mode\":\"%s\",\"k\":%d,\"msgs\":%d,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n", mode, k, (int)n,
		(double)v[n / 2] / 1e3, (double)v[n * 99 / 100] / 1e3, (double)v[n - 1] / 1e3);
	fflush(stdout);
}
/* reader: until each of k fds has given `bytes`; returns */
static void reader(int *fd, int k, uint64_t bytes, int lat, uint64_t *first)
{
	int ep = epoll_create1(0);
	uint64_t left = bytes * (uint64_t)k, nl = 0, *L = lat ? malloc(sizeof *L * (size_t)lat) : NULL, got = 0;
	char *b = malloc(1 << 18);
	for (int i = 0; i < k; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.fd = fd[i] };
		epoll_ctl(ep, EPOLL_CTL_ADD, fd[i], &e);
	}
	while (left) {
		struct epoll_event e[128];
		int n = epoll_wait(ep, e, 128, -1);
		for (int i = 0; i < n; i++) {
			ssize_t r = read(e[i].data.fd, b, 1 << 18);
			if (r <= 0) {
				fprintf(stderr, "reader: closed\n");
				exit(1);
			}
			if (!*first)
				*first = now();
			left -= (uint64_t)r < left ? (uint64_t)r : left;
			if (lat && ++got % (uint64_t)k == 0 && nl < (uint64_t)lat)
				L[nl++] = now() - strtoull(b + 6, NULL, 10);
		}
	}
	if (lat)
		print_latencies("lat", k, L, nl);
}
/* appctld: each of k subscribers asks for all events from the first one, until each has msgs of them */
static int replay(int k, long msgs, const char *path)
{
	uint64_t t0, bytes = 0, left = (uint64_t)k * (uint64_t)(msgs + 1);	/* and the greeting */
	int ep = epoll_create1(0);
	char *b = malloc(1 << 18);

	for (int i = 0; i < k; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.fd = dial(path) };
		epoll_ctl(ep, EPOLL_CTL_ADD, e.data.fd, &e);
		wr(e.data.fd, "{\"since\":0}\n", 12);
	}
	t0 = now();
	while (left > 0) {
		struct epoll_event e[128];
		int n = epoll_wait(ep, e, 128, 10000);
		if (n <= 0) {
			fprintf(stderr, "replay: %llu lines did not come\n", (unsigned long long)left);
			return 1;
		}
		for (int i = 0; i < n; i++) {
			ssize_t r = read(e[i].data.fd, b, 1 << 18);
			if (r <= 0) {
				fprintf(stderr, "replay: closed\n");
				return 1;
			}
			bytes += (uint64_t)r;
			for (char *p = b; left && (p = memchr(p, '\n', (size_t)(b + r - p))); p++)
				left--;
		}
	}
	double dt = (double)(now() - t0) / 1e9;
	printf("{\"mode\":\"appctld\",\"k\":%d,\"msgs\":%ld,\"secs\":%.3f,\"deliveries_per_s\":%.0f,\"bytes_per_event\":%.0f}\n",
		k, msgs, dt, (double)k * (double)msgs / dt, (double)bytes / k / (double)(msgs + 1));
	return 0;
}
/* ns since the event in that line: "ts":"2026-11-21T05:00:00.123456Z" */
static uint64_t age(const char *line)
{
	const char *at = strstr(line, "\"ts\":\"");
	struct timespec t;
	struct tm tm = { 0 };
	long us = 0;

	clock_gettime(CLOCK_REALTIME, &t);
	if (!at || sscanf(at + 6, "%d-%d-%dT%d:%d:%d.%6ldZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec,
			&us) != 7) {
		fprintf(stderr, "applat: no time in %s\n", line);
		exit(1);
	}
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return (uint64_t)(t.tv_sec - timegm(&tm)) * 1000000000u + (uint64_t)t.tv_nsec - (uint64_t)us * 1000;
}
/* The change of modes, one a millisecond, and nobody waits for an answer. */
static void change_modes(const char *dir, int msgs)
{
	struct timespec ms = { 0, 1000000 };
	char path[256], call[128];

	snprintf(path, sizeof path, "%s/control.sock", dir);
	int fd = dial(path);
	for (int i = 0; i < msgs; i++) {
		int n = snprintf(call, sizeof call, "{\"method\":\"org.appctl.Control.SetMode\",\"parameters\":{\"mode\":\"%c\"},"
			"\"oneway\":true}", "ba"[i % 2]);
		nanosleep(&ms, NULL);
		wr(fd, call, (size_t)n + 1);
	}
	/* An answer says that all of it was taken. */
	wr(fd, "{\"method\":\"org.varlink.service.GetInfo\"}", 41);
	(void)!read(fd, path, sizeof path);
	close(fd);
}
static int appctld_latency(int k, int msgs, const char *dir)
{
	static const char ask[] = "{\"categories\":[\"new_mode\"]}\n";
	uint64_t *took = malloc(sizeof *took * (size_t)msgs), left = (uint64_t)k * (uint64_t)msgs, n = 0;
	int ep = epoll_create1(0), st;
	char path[256], *b = malloc(1 << 18);

	snprintf(path, sizeof path, "%s/events.sock", dir);
	for (int i = 0; i < k; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.fd = dial(path) };
		epoll_ctl(ep, EPOLL_CTL_ADD, e.data.fd, &e);
		wr(e.data.fd, ask, sizeof ask - 1);
		if (read(e.data.fd, b, 1 << 18) <= 0)	/* the greeting */
			return 1;
	}
	pid_t p = fork();
	if (!p) {
		change_modes(dir, msgs);
		_exit(0);
	}
	while (left > 0) {
		struct epoll_event e[128];
		int m = epoll_wait(ep, e, 128, 10000);
		if (m <= 0) {
			fprintf(stderr, "applat: %llu lines did not come\n", (unsigned long long)left);
			return 1;
		}
		for (int i = 0; i < m; i++) {
			ssize_t r = read(e[i].data.fd, b, (1 << 18) - 1);
			if (r <= 0)
				return 1;
			b[r] = '\0';
			for (char *l = b; *l; l = strchr(l, '\n') + 1)
				if (--left % (uint64_t)k == 0)
					took[n++] = age(l);
		}
	}
	waitpid(p, &st, 0);
	print_latencies("applat", k, took, n);
	return st != 0;
}
static double cpu(int who)
{
	struct rusage r;
	getrusage(who, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}
int main(int c, char **v)
{
	if (c < 4)
		return 2;
	int k = atoi(v[2]), redis = !strcmp(v[1], "redis"), lat = !strcmp(v[1], "lat");
	long msgs = atol(v[3]), batch = c > 4 ? atol(v[4]) : 1;
	if (!strcmp(v[1], "appctld") && c > 5)
		return replay(k, msgs, v[5]);
	if (!strcmp(v[1], "applat") && c > 4)
		return appctld_latency(k, (int)msgs, v[4]);
	int *rf = calloc((size_t)k, sizeof *rf), *wf = calloc((size_t)k, sizeof *wf);
	char line[MSG + 1], pre[128];
	uint64_t first = 0;
	memset(line, 'x', MSG);
	memcpy(line, "{\"ev\":\"started\",\"app\":\"", 23);
	memcpy(line + MSG - 3, "\"}\n", 3);
	size_t per = MSG;
	int pub = -1;
	if (redis) {
		for (int i = 0; i < k; i++) {
			char b[256];
			rf[i] = dial(v[5]);
			wr(rf[i], "SUBSCRIBE ch\r\n", 14);
			if (read(rf[i], b, sizeof b) <= 0)
				return 1;
		}
		pub = dial(v[5]);
		per = (size_t)snprintf(pre, sizeof pre, "*3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$%d\r\n", MSG) + MSG + 2;
	} else
		for (int i = 0; i < k; i++) {
			int s[2];
			if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s))
				return 1;
			rf[i] = s[0];
			wf[i] = s[1];
		}
	uint64_t t0 = now();
	pid_t p = fork();
	if (!p) {
		reader(rf, k, (uint64_t)msgs * per, lat ? (int)msgs : 0, &first);
		_exit(0);
	}
	if (redis) {
		char one[512], rep[65536];
		int n = snprintf(one, sizeof one, "*3\r\n$7\r\nPUBLISH\r\n$2\r\nch\r\n$%d\r\n", MSG);
		memcpy(one + n, line, MSG);
		memcpy(one + n + MSG, "\r\n", 2);
		size_t ol = (size_t)n + MSG + 2;
		char *b = malloc(ol * (size_t)batch);
		for (long i = 0; i < batch; i++)
			memcpy(b + (size_t)i * ol, one, ol);
		for (long m = 0; m < msgs; m += batch) {
			wr(pub, b, ol * (size_t)batch);
			for (long nl = 0; nl < batch;) {
				ssize_t r = read(pub, rep, sizeof rep);
				if (r <= 0)
					return 1;
				for (ssize_t i = 0; i < r; i++)
					nl += rep[i] == '\n';
			}
		}
	} else if (lat) {
		for (long m = 0; m < msgs; m++) {
			struct timespec ts = { 0, 1000000 };
			nanosleep(&ts, NULL);
			int n = snprintf(line, sizeof line, "{\"ts\":%llu", (unsigned long long)now());
			line[n] = ',';
			for (int i = 0; i < k; i++)
				wr(wf[i], line, MSG);
		}
	} else {
		char *b = malloc(MSG * (size_t)batch);
		for (long i = 0; i < batch; i++)
			memcpy(b + i * MSG, line, MSG);
		for (long m = 0; m < msgs; m += batch)
			for (int i = 0; i < k; i++)
				wr(wf[i], b, MSG * (size_t)batch);
	}
	int st;
	waitpid(p, &st, 0);
	double dt = (double)(now() - t0) / 1e9;
	if (!lat)
		printf("{\"mode\":\"%s\",\"k\":%d,\"msgs\":%ld,\"batch\":%ld,\"secs\":%.3f,\"msgs_per_s\":%.0f,"
			"\"deliveries_per_s\":%.0f,\"pub_cpu\":%.3f,\"sub_cpu\":%.3f}\n", v[1], k, msgs, batch, dt, (double)msgs / dt,
			(double)msgs * k / dt, cpu(RUSAGE_SELF), cpu(RUSAGE_CHILDREN));
	return st != 0;
}
