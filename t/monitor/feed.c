/* SPDX-License-Identifier: MIT */
#include "store/store.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/*
 * A store on its own, for tests: feed CONNINFO|PATH [RETENTION_S].  Lines of input are batches, or "mark NODE EPOCH";
 * lines of output are "trouble NODE WHY", "marked SEQ", "stored NODE EPOCH SEQ ROWS REFUSED REPEATED", "health WHY" ("well").  It ends with its input, once all is stored.
 */
static struct store *store;
static size_t under_way;

static void
marked(void *arg, void *tag, uint64_t seq)
{
	(void)arg;
	(void)tag;
	under_way--;
	printf("marked %" PRIu64 "\n", seq);
}

static void
stored(void *arg, struct store_batch *b)
{
	(void)arg;
	under_way--;
	printf("stored %s %" PRIu64 " %" PRIu64 " %zu %" PRIu64 " %d\n", b->node, b->epoch, b->seq, b->rows.rows, b->refused, b->repeated);
}

static void
health(void *arg, const char *why)
{
	(void)arg;
	printf("health %s\n", why ? why : "well");
}

static void
trouble(void *arg, const char *node, const char *why)
{
	(void)arg;
	printf("trouble %s %s\n", node ? node : "-", why ? why : "over");
}

static int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int
take_line(const char *line, size_t len)
{
	static struct batch b;
	struct store_batch *sb;
	struct err err;
	char node[64];
	uint64_t epoch;

	if (sscanf(line, "mark %63s %" SCNu64, node, &epoch) == 2) {
		under_way++;
		return store_mark(store, node, epoch, &store);
	}
	if (batch_read(&b, line, len, &err) < 0) {
		printf("refused %s\n", err.msg);
		return 0;
	}
	sb = store_prepare(store, &b, now_us());
	if (sb == NULL)
		return -1;
	sb->previous = b.seq - 1;
	under_way++;
	store_put(store, sb);
	return 0;
}

/* The next line, waiting for it; 0: there is none. */
static bool
take_input(char **line, size_t *cap)
{
	ssize_t len = getline(line, cap, stdin);

	if (len <= 0)
		return false;
	if ((*line)[len - 1] == '\n')
		(*line)[--len] = '\0';
	if (take_line(*line, (size_t)len) < 0)
		exit(1);
	return true;
}

int
main(int argc, char **argv)
{
	static const struct store_handler handler = { marked, stored, trouble, health };
	struct store_settings s = { .retention_ms = argc > 2 ? atoll(argv[2]) * 1000 : 0 };
	struct pollfd p[2] = { { .fd = STDIN_FILENO, .events = POLLIN } };
	char *line = NULL;
	size_t cap = 0;
	struct err err;

	if (argc < 2)
		return 2;
	if (strchr(argv[1], '=') != NULL)
		s.database = argv[1];
	else
		s.sqlite = argv[1];
	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);
	store = store_new(&s, &handler, NULL, &err);
	if (store == NULL) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	p[1] = (struct pollfd){ .fd = store_fd(store), .events = POLLIN };
	while (p[0].fd >= 0 || under_way > 0) {
		if (poll(p, 2, -1) < 0)
			return 1;
		if (p[1].revents)
			store_step(store);
		if (p[0].fd >= 0 && p[0].revents && !take_input(&line, &cap))
			p[0].fd = -1;
	}
	store_free(store);
	free(line);
	return 0;
}
