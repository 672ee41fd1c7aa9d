/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/log.h"
#include "node/lines.h"
#include "node/service.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * A peer with the cookie that says what it likes: a message of records comes in over a link, on which this node has
 * channels of its own, and services that accept, refuse, wait, answer and end.
 */
static struct node node;
static unsigned open_channels;

struct use {
	unsigned streams_ended;
	size_t bytes;
};

static struct use *
use_new(void)
{
	open_channels++;
	return calloc(1, sizeof(struct use));
}

static void
use_free(struct use *u)
{
	open_channels--;
	free(u);
}

static void
accepted(void *arg, struct channel *c, const json_t *reply)
{
	(void)arg;
	if (!json_is_object(reply) || channel_room(c, 0) != CHANNEL_WINDOW)
		abort();
	channel_write(c, 1, "hello", 5);
}

static void
got_data(void *arg, struct channel *c, unsigned stream, const char *data, size_t len)
{
	struct use *u = arg;

	if (len == 0 || len > CHANNEL_WINDOW || stream >= CHANNEL_STREAMS || (u->streams_ended & 1u << stream))
		abort();
	u->bytes += len;
	if (u->bytes > 1000 && data[0] == 'c') {
		channel_close(c, NULL);
		use_free(u);
		return;
	}
	if (channel_room(c, stream) >= len)
		channel_write(c, stream, data, len);
	channel_took(c, stream, len);
}

static void
ended(void *arg, struct channel *c, unsigned stream)
{
	struct use *u = arg;

	if (u->streams_ended & 1u << stream)
		abort();
	u->streams_ended |= 1u << stream;
	channel_finish(c, stream);
}

static void
told(void *arg, struct channel *c, const json_t *message)
{
	(void)arg;
	channel_tell(c, json_deep_copy(message));
}

static void
room(void *arg, struct channel *c, unsigned stream)
{
	(void)arg;
	if (channel_room(c, stream) > CHANNEL_WINDOW)
		abort();
}

static void
closed(void *arg, struct channel *c, const json_t *how)
{
	(void)c;
	if (!json_is_object(how))
		abort();
	use_free(arg);
}

static const struct channel_handler handler = { accepted, got_data, ended, told, room, closed };

static void
opened(struct node *n, struct channel *c, const json_t *args)
{
	(void)n;
	if (json_object_get(args, "refuse") != NULL)
		channel_refuse(c, "refused", "as you like");
	else if (json_object_get(args, "wait") == NULL)
		channel_accept(c, NULL, &handler, use_new());
}

const struct service services[] = { { .name = "s", .opened = opened }, { .name = NULL } };

static void
never(void *arg)
{
	(void)arg;
	abort();
}

static void
set_up(struct lines *ls)
{
	static struct node_settings settings;

	log_set_level(LOG_MODULE_COUNT, LOG_LEVEL_ERROR);
	node.name = "alice";
	node.settings = &settings;
	if (node.loop == NULL)
		node.loop = loop_new();
	node.lines = ls;
	ls->node = &node;
	ls->soon = timer_new(node.loop, never, ls);
	TAILQ_INIT(&ls->dirty);
	TAILQ_INIT(&ls->gone);
	line_init(&ls->own[0], &node, true, &ls->own[1]);
	line_init(&ls->own[1], &node, false, &ls->own[0]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lines ls = { 0 };
	struct err err = { 0 };
	struct channel *c;
	int i;

	set_up(&ls);
	/* Two of our own, numbers 1 and 3, which the peer may answer. */
	for (i = 0; i < 2; i++)
		channel_open(&node, "alice", "s", NULL, &handler, use_new());
	if (line_take(&ls.own[0], (const char *)data, size, &err) < 0 && err.msg[0] == '\0')
		abort();
	line_fini(&ls.own[0], "the end");
	line_fini(&ls.own[1], "the end");
	channels_tell_gone(&node);
	while ((c = TAILQ_FIRST(&ls.gone)) != NULL)
		channel_free(c);
	if (open_channels != 0)
		abort();
	timer_free(ls.soon);
	return 0;
}
