/* SPDX-License-Identifier: MIT */
#include "wire/link.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum tail { TAIL_NONE, TAIL_TEXT, TAIL_SPAWN };
enum { FROM_KEEPER, FROM_ENGINE };

enum { GROUPS_MAX = 65536, LIMITS_MAX = 16, SPAWN_TEXTS = 6 };	/* name to runtime_directory */

static const struct shape {
	uint16_t fixed_len;
	uint8_t tail, from;
	bool about_inc;			/* header.inc names an incarnation; else it is 0 */
} shapes[LINK_TYPE_END] = {
	[LINK_HELLO]		= { sizeof(struct link_hello), TAIL_TEXT, FROM_KEEPER, false },
	[LINK_CHILD]		= { sizeof(struct link_child), TAIL_TEXT, FROM_KEEPER, true },
	[LINK_TABLE_END]	= { 0, TAIL_NONE, FROM_KEEPER, false },
	[LINK_SPAWNED]		= { sizeof(struct link_spawned), TAIL_NONE, FROM_KEEPER, true },
	[LINK_SPAWN_FAILED]	= { sizeof(struct link_spawn_failed), TAIL_NONE, FROM_KEEPER, true },
	[LINK_EXITED]		= { sizeof(struct link_exited), TAIL_NONE, FROM_KEEPER, true },
	[LINK_GOT_SIGNAL]	= { sizeof(struct link_number), TAIL_NONE, FROM_KEEPER, false },
	[LINK_PING]		= { 0, TAIL_NONE, FROM_KEEPER, false },
	[LINK_REEXEC_FAILED]	= { 0, TAIL_TEXT, FROM_KEEPER, false },
	[LINK_REEXEC_GO]	= { 0, TAIL_TEXT, FROM_KEEPER, false },
	[LINK_READY]		= { 0, TAIL_NONE, FROM_ENGINE, false },
	[LINK_SPAWN]		= { sizeof(struct link_spawn), TAIL_SPAWN, FROM_ENGINE, true },
	[LINK_SIGNAL]		= { sizeof(struct link_signal), TAIL_NONE, FROM_ENGINE, true },
	[LINK_ACK]		= { 0, TAIL_NONE, FROM_ENGINE, true },
	[LINK_ACK_AGAIN]	= { 0, TAIL_NONE, FROM_ENGINE, true },
	[LINK_RELABEL]		= { sizeof(struct link_label), TAIL_NONE, FROM_ENGINE, true },
	[LINK_ADOPT]		= { sizeof(struct link_number), TAIL_NONE, FROM_ENGINE, true },
	[LINK_READY_SEEN]	= { 0, TAIL_NONE, FROM_ENGINE, true },
	[LINK_STATE]		= { 0, TAIL_NONE, FROM_ENGINE, false },
	[LINK_STATUS]		= { 0, TAIL_TEXT, FROM_ENGINE, false },
	[LINK_STABLE]		= { 0, TAIL_NONE, FROM_ENGINE, false },
	[LINK_STOPPING]		= { 0, TAIL_NONE, FROM_ENGINE, false },
	[LINK_EXIT]		= { sizeof(struct link_number), TAIL_NONE, FROM_ENGINE, false },
	[LINK_PONG]		= { 0, TAIL_NONE, FROM_ENGINE, false },
	[LINK_REEXEC]		= { 0, TAIL_NONE, FROM_ENGINE, false },
	[LINK_LOG_LEVELS]	= { sizeof(struct link_log_levels), TAIL_NONE, FROM_ENGINE, false },
};

static_assert(sizeof(struct link_header) % 8 == 0, "a body behind its header stays aligned");
static_assert(sizeof(struct link_spawn) % 8 == 0 && sizeof(struct link_limit) % 8 == 0, "limits stay aligned");

const char *
link_type_name(unsigned type)
{
	static const char *const names[] = {
		[LINK_NONE] = "none",
#define X(id, name) [LINK_##id] = name,
		LINK_TYPES(X)
#undef X
	};

	return type < LINK_TYPE_END ? names[type] : "unknown";
}

const char *
spawn_step_name(uint32_t step)
{
	static const char *const names[] = {
#define X(id, name) name,
		SPAWN_STEPS(X)
#undef X
	};

	return step < SPAWN_STEP_COUNT ? names[step] : "unknown";
}

/* Is it exactly one text, with its NUL as the last byte? */
static bool
is_text(const char *s, size_t len)
{
	return len > 0 && memchr(s, '\0', len) == s + len - 1;
}

/* Is it exactly that many texts, the last byte being the last one's NUL? */
static bool
are_texts(const char *s, size_t len, uint64_t count)
{
	const char *at = s, *end = s + len, *nul;
	uint64_t seen = 0;

	while (at < end) {
		nul = memchr(at, '\0', (size_t)(end - at));
		if (nul == NULL || ++seen > count)
			return false;
		at = nul + 1;
	}
	return seen == count;
}

/* An odd number of groups is followed by four bytes of nothing, so that the limits are aligned. */
static size_t
groups_size(uint32_t count)
{
	return ((size_t)count + (count & 1)) * sizeof(uint32_t);
}

static int
check_spawn(const void *body, size_t len)
{
	const struct link_spawn *s = body;
	size_t arrays;
	int i;

	for (i = 0; i < 3; i++)
		if (s->stdio[i] > STDIO_PASSED || (i == 0 && s->stdio[i] == STDIO_FILE))
			return -1;
	if (s->group_count > GROUPS_MAX || s->limit_count > LIMITS_MAX || s->argc == 0)
		return -1;
	if ((s->flags & SPAWN_READY_FD) && s->ready_fd < 0)
		return -1;
	arrays = sizeof(*s) + groups_size(s->group_count) + s->limit_count * sizeof(struct link_limit);
	if (arrays > len)
		return -1;
	if (!are_texts((const char *)body + arrays, len - arrays, (uint64_t)SPAWN_TEXTS + s->argc + s->envc))
		return -1;
	return ((const char *)body)[arrays] != '\0' ? 0 : -1;	/* every child has a name */
}

int
link_check(const struct link_header *h, const void *body, bool from_engine)
{
	const struct shape *shape;

	if (h->version != LINK_VERSION || h->type == LINK_NONE || h->type >= LINK_TYPE_END)
		return -1;
	shape = &shapes[h->type];
	if ((shape->from == FROM_ENGINE) != from_engine || (h->inc != 0) != shape->about_inc)
		return -1;
	if ((h->flags & ~LINK_F_MEMFD) != 0 || h->body_len > LINK_BODY_MAX || h->body_len < shape->fixed_len)
		return -1;
	if (shape->tail == TAIL_NONE)
		return h->body_len == shape->fixed_len ? 0 : -1;
	if (shape->tail == TAIL_TEXT)
		return is_text((const char *)body + shape->fixed_len, h->body_len - shape->fixed_len) ? 0 : -1;
	return check_spawn(body, h->body_len);
}

const char *
link_text(const struct link_header *h, const void *body)
{
	return (const char *)body + shapes[h->type].fixed_len;
}

size_t
link_fd_count(const struct link_header *h, const void *body)
{
	const struct link_spawn *s = body;

	switch (h->type) {
	case LINK_STATE:
		return 1;
	case LINK_CHILD:
		return ((const struct link_child *)body)->has_ready_fd != 0;
	case LINK_SPAWNED:
		return ((const struct link_spawned *)body)->has_ready_fd != 0;
	case LINK_SPAWN:
		return (size_t)(s->stdio[0] == STDIO_PASSED) + (s->stdio[1] == STDIO_PASSED) +
		       (s->stdio[2] == STDIO_PASSED);
	default:
		return 0;
	}
}

static void
put_header(struct buf *out, enum link_type type, uint64_t inc, size_t body_len)
{
	struct link_header h = {
		.version = LINK_VERSION, .type = (uint8_t)type, .body_len = (uint32_t)body_len, .inc = inc,
	};
	static const char nothing[8];

	if (body_len > LINK_BODY_MAX)
		out->failed = true;
	buf_add(out, nothing, link_aligned(out->len) - out->len);
	buf_add(out, &h, sizeof(h));
}

void
link_put(struct buf *out, enum link_type type, uint64_t inc, const void *fixed, size_t fixed_len, const char *text)
{
	size_t text_len = text != NULL ? strlen(text) + 1 : 0;

	put_header(out, type, inc, fixed_len + text_len);
	buf_add(out, fixed, fixed_len);
	buf_add(out, text, text_len);
}

static size_t
texts_size(const char *const *v, uint32_t *count)
{
	size_t len = 0;

	for (*count = 0; v[*count] != NULL; ++*count)
		len += strlen(v[*count]) + 1;
	return len;
}

static void
put_texts(struct buf *out, const char *const *v, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		buf_add(out, v[i], strlen(v[i]) + 1);
}

void
link_put_spawn(struct buf *out, uint64_t inc, const struct spawn_order *o)
{
	const char *const texts[SPAWN_TEXTS + 1] = { o->name, o->cgroup, o->directory, o->root, o->log_path, o->runtime_directory, NULL };
	const uint32_t nothing = 0;
	struct link_spawn s = o->fixed;
	uint32_t count;
	size_t len;

	len = sizeof(s) + groups_size(s.group_count) + s.limit_count * sizeof(*o->limits);
	len += texts_size(texts, &count) + texts_size(o->argv, &s.argc) + texts_size(o->envp, &s.envc);
	put_header(out, LINK_SPAWN, inc, len);
	buf_add(out, &s, sizeof(s));
	buf_add(out, o->groups, s.group_count * sizeof(*o->groups));
	if (s.group_count & 1)
		buf_add(out, &nothing, sizeof(nothing));
	buf_add(out, o->limits, s.limit_count * sizeof(*o->limits));
	put_texts(out, texts, count);
	put_texts(out, o->argv, s.argc);
	put_texts(out, o->envp, s.envc);
}

static const char *
next_text(const char **at)
{
	const char *text = *at;

	*at += strlen(text) + 1;
	return text;
}

static const char *const *
get_texts(const char **at, uint32_t count, const char **v)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		v[i] = next_text(at);
	v[count] = NULL;
	return v;
}

int
link_get_spawn(const void *body, size_t len, struct spawn_order *o, const char ***vector)
{
	const char *at = body;

	(void)len;
	o->fixed = *(const struct link_spawn *)body;
	*vector = calloc((size_t)o->fixed.argc + o->fixed.envc + 2, sizeof(**vector));
	if (*vector == NULL)
		return -1;
	at += sizeof(o->fixed);
	o->groups = (const uint32_t *)(const void *)at;
	at += groups_size(o->fixed.group_count);
	o->limits = (const struct link_limit *)(const void *)at;
	at += o->fixed.limit_count * sizeof(*o->limits);
	o->name = next_text(&at);
	o->cgroup = next_text(&at);
	o->directory = next_text(&at);
	o->root = next_text(&at);
	o->log_path = next_text(&at);
	o->runtime_directory = next_text(&at);
	o->argv = get_texts(&at, o->fixed.argc, *vector);
	o->envp = get_texts(&at, o->fixed.envc, *vector + o->fixed.argc + 1);
	return 0;
}
