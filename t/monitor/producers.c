/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "bench/prc.h"
#include "core/event.h"
#include "net/secret.h"
#include "net/ws.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Producers for tests: producers PORT SECRET_FILE TLS COUNT BATCHES ROWS [FIRST_SEQ].  COUNT of them connect to 127.0.0.1, each sends BATCHES
 * batches of ROWS rows with the window of a real one, goes on where the consumer says once all
 * have been told, connects again when it is disconnected, and stays
 * until all have everything acknowledged.  A line for each that is done, "done NODE SENT ACKED MS" (since all were told where to go on), and
 * for each end of a connection before that, "closed NODE WHY".
 */
enum { WINDOW = 64, WINDOW_BYTES = 4 << 20, AGAIN_MS = 100 };

struct producer {
	struct ws *ws;
	struct ws_settings settings;
	struct timer *timer;
	char node[24];
	uint64_t sent, acked, last;
	bool resumed, done;
	size_t on_way[WINDOW];
	size_t bytes;
	bool came;
};

static struct loop *loop;
static struct secret secret;
static struct producer *all;
static unsigned long count, left, open_count, came_count, batches, rows;
static uint64_t first_seq = 1;
static int64_t began_ms;
static struct buf text, rest;

/* What comes behind the number is the same in all. */
static void
make_rest(void)
{
	prc_text(&rest, (long)rows, clock_real_us());
	buf_consume(&rest, (size_t)(strstr(buf_cstr(&rest), ",\"columns\":") - rest.data));
}

static void
make_batch(struct producer *p, uint64_t seq)
{
	buf_clear(&text);
	buf_printf(&text, "{\"type\":\"prc\",\"node\":\"%s\",\"epoch\":1,\"seq\":%" PRIu64 ",\"ts\":\"", p->node, seq);
	print_time(&text, clock_real_us());
	buf_addc(&text, '"');
	buf_add(&text, rest.data, rest.len);
}

static void
send_more(struct producer *p)
{
	while (p->resumed && p->sent < p->last && p->sent - p->acked < WINDOW && p->bytes < WINDOW_BYTES) {
		make_batch(p, p->sent + 1);
		if (text.failed || ws_send(p->ws, text.data, text.len) < 0)
			abort();
		p->sent++;
		p->on_way[p->sent % WINDOW] = text.len;
		p->bytes += text.len;
	}
}

static void
close_all(void)
{
	unsigned long i;

	for (i = 0; i < count; i++) {
		all[i].done = true;
		if (all[i].ws != NULL) {
			open_count++;
			ws_close(all[i].ws, 1000, "done");
		}
	}
}

static void
acknowledged(struct producer *p, uint64_t seq)
{
	if (seq > p->sent) {
		printf("closed %s an acknowledgement of what was not sent: %" PRIu64 "\n", p->node, seq);
		exit(1);
	}
	while (p->acked < seq && p->sent > 0)
		p->bytes -= p->on_way[++p->acked % WINDOW];
	if (p->acked < p->last || p->done)
		return;
	p->done = true;
	printf("done %s %" PRIu64 " %" PRIu64 " %lld\n", p->node, p->sent, p->acked, (long long)(clock_mono_ms() - began_ms));
	if (--left == 0)
		close_all();
}

/* The last one who comes is the sign for all to begin. */
static void
came(struct producer *p)
{
	unsigned long i;

	came_count += !p->came;
	p->came = true;
	if (came_count < count)
		return;
	if (began_ms != 0) {
		acknowledged(p, p->acked);
		return;
	}
	began_ms = clock_mono_ms();
	for (i = 0; i < count; i++) {
		acknowledged(&all[i], all[i].acked);
		if (!all[i].done && all[i].resumed)
			send_more(&all[i]);
	}
}

static void *
opened(void *arg, struct ws *w)
{
	(void)w;
	return arg;
}

static void
got_text(void *arg, struct ws *w, const char *data, size_t len)
{
	struct producer *p = arg;
	uint64_t seq;

	(void)w;
	(void)len;
	if (sscanf(data, "{\"type\":\"resume\",\"epoch\":1,\"seq\":%" SCNu64 "}", &seq) == 1) {
		p->resumed = true;
		p->acked = p->sent = seq < first_seq - 1 ? first_seq - 1 : seq;
		p->bytes = 0;
		came(p);
	} else if (sscanf(data, "{\"type\":\"ack\",\"epoch\":1,\"seq\":%" SCNu64 "}", &seq) == 1) {
		acknowledged(p, seq);
	} else {
		printf("closed %s what is that: %s\n", p->node, data);
		exit(1);
	}
	if (!p->done && began_ms != 0)
		send_more(p);
}

static void
closed(void *arg, struct ws *w, const char *why)
{
	struct producer *p = arg;

	(void)w;
	p->resumed = false;
	p->ws = NULL;
	if (left == 0) {
		if (--open_count == 0)
			loop_stop(loop);
		return;
	}
	printf("closed %s %s\n", p->node, why);
	timer_at(p->timer, clock_mono_ms() + AGAIN_MS);
}

static void
connect_it(void *arg)
{
	static const struct ws_handler handler = { .opened = opened, .text = got_text, .closed = closed };
	struct producer *p = arg;
	struct err err;

	p->ws = ws_connect(loop, &p->settings, &handler, p, &err);
	if (p->ws == NULL) {
		printf("closed %s %s\n", p->node, err.msg);
		timer_at(p->timer, clock_mono_ms() + AGAIN_MS);
	}
}

int
main(int argc, char **argv)
{
	struct producer *p;
	struct err err;
	unsigned long i;

	if (argc < 7 || secret_read(argv[2], &secret, &err) < 0)
		return 2;
	count = left = strtoul(argv[4], NULL, 10);
	batches = strtoul(argv[5], NULL, 10);
	rows = strtoul(argv[6], NULL, 10);
	if (argc > 7)
		first_seq = strtoull(argv[7], NULL, 10);
	setvbuf(stdout, NULL, _IOLBF, 0);
	make_rest();
	loop = loop_new();
	all = calloc(count, sizeof(*all));
	if (loop == NULL || all == NULL)
		return 1;
	for (i = 0; i < count; i++) {
		p = &all[i];
		snprintf(p->node, sizeof(p->node), "node%lu", i);
		p->last = first_seq - 1 + batches;
		p->settings = (struct ws_settings){ .protocol = "appctl-monitor", .node = p->node, .epoch = 1, .secret = secret.bytes,
			.secret_len = secret.len, .use_tls = argv[3][0] == '1', .host = "127.0.0.1", .port = argv[1] };
		p->timer = timer_new(loop, connect_it, p);
		connect_it(p);
	}
	loop_run(loop);
	for (i = 0; i < count; i++)
		timer_free(all[i].timer);
	free(all);
	buf_free(&text);
	buf_free(&rest);
	loop_free(loop);
	return 0;
}
