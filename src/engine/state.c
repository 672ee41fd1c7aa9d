/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/cleanup.h"
#include "base/crc32.h"
#include "base/log.h"
#include "base/strmap.h"
#include "engine/shell.h"
#include "sys/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The memfd is written by pwrite(2) and never mapped as a whole: a page that
 * cannot be had is an error here and not a SIGBUS, and what nobody reads costs this process no
 * memory.  Only the first page is mapped, for the store that makes a step count.
 */
enum { CHUNK = 64 * 1024, GARBAGE_MIN = 1024 * 1024, PENDING_MAX = 16 * 1024 * 1024 };
enum { GARBAGE_AT_THE_END = 64 * 1024 * 1024 };

struct state_file {
	int fd;				/* -1: there is none, the next compaction makes one */
	uint64_t instance;
	uint32_t boot_crc;
	struct state_header *header;	/* mapped; NULL: could not be */
	struct buf pending;		/* appended, not written */
	size_t committed;
	size_t files;			/* where the last complete set of configuration files begins, that nobody has to look for it */
	size_t files_pending;		/* the same of a set that is pending; 0: none is */
	size_t compact_at;		/* the size that calls for it */
	bool failed;			/* the file lacks something: what is pending, as long as that is kept */
	bool unbegun;			/* not even its header could be written */
	bool gap;			/* something pending was let go: the file has to be made anew */
};

static uint32_t
boot_crc(void)
{
	autoclose int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	char id[64];
	ssize_t len = fd < 0 ? 0 : read(fd, id, sizeof(id));

	return len > 0 ? crc32_of(0, id, (size_t)len) : 0;
}

struct state_file *
state_new(int take_fd, uint64_t instance)
{
	struct state_file *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->fd = take_fd;
	s->instance = instance;
	s->boot_crc = boot_crc();
	s->compact_at = GARBAGE_MIN;
	return s;
}

static void
unmap_header(struct state_file *s)
{
	if (s->header != NULL)
		munmap(s->header, sizeof(*s->header));
	s->header = NULL;
}

void
state_free(struct state_file *s)
{
	if (s == NULL)
		return;
	unmap_header(s);
	if (s->fd >= 0)
		close(s->fd);
	buf_free(&s->pending);
	free(s);
}

static struct state_header *
map_header(int fd)
{
	void *page = mmap(NULL, sizeof(struct state_header), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return page == MAP_FAILED ? NULL : page;
}

/* Every record is whole: nothing is believed of a file in which one is not.  On the way v->files is found. */
static bool
all_whole(struct state_view *v)
{
	size_t at = sizeof(struct state_header), begin = at;
	struct state_item item;
	int more;

	v->files = begin;
	while ((more = state_next(v->data, v->committed, &at, &item)) == 1) {
		if (item.type != STATE_CONFIG_END)
			continue;
		v->files = begin;
		begin = at;
	}
	return more == 0;
}

int
state_look(struct state_file *s, struct state_view *out)
{
	struct stat st;
	void *data;

	*out = (struct state_view){ .committed = s->committed, .files = s->files };
	errno = EINVAL;
	if (fstat(s->fd, &st) < 0 || st.st_size < (off_t)sizeof(struct state_header))
		return -1;
	out->mapped = (size_t)st.st_size;
	data = mmap(NULL, out->mapped, PROT_READ, MAP_SHARED, s->fd, 0);
	if (data == MAP_FAILED || s->committed > out->mapped)
		return -1;
	out->data = data;
	return 0;
}

enum state_found
state_check(struct state_file *s, struct state_view *out)
{
	struct stat st;

	if (fstat(s->fd, &st) == 0 && st.st_size == 0)
		return STATE_FRESH;
	if (state_look(s, out) < 0) {
		if (errno == ENOMEM)
			daemon_give_up("no memory to read the state");
		return STATE_DAMAGED;
	}
	if (state_header_check(out->data, out->mapped, s->boot_crc, s->instance) == 0) {
		out->committed = (size_t)((const struct state_header *)(const void *)out->data)->committed;
		if (all_whole(out))
			return STATE_GOOD;
	}
	state_unmap(out);
	return STATE_DAMAGED;
}

void
state_unmap(struct state_view *v)
{
	if (v->data != NULL)
		munmap((void *)(uintptr_t)v->data, v->mapped);
	*v = (struct state_view){ 0 };
}

/* Says it once: until the file is made anew, what happens is in memory only. */
static void
file_failed(struct state_file *s, const char *what)
{
	if (!s->failed)
		log_write(LOG_STATE, LOG_LEVEL_ERROR,
			  "%s the state file: %s; an engine that died now would not know what happened since",
			  what, strerror(errno));
	s->failed = true;
}

static int
write_header(const struct state_file *s, int fd, size_t committed)
{
	struct state_header h = {
		.magic = STATE_MAGIC, .version = STATE_VERSION,
		.boot_crc = s->boot_crc, .instance = s->instance, .committed = committed,
	};

	return memfd_write(fd, &h, sizeof(h), 0);
}

/* The file is empty but for its header, and that is mapped. */
static int
begin(struct state_file *s)
{
	if (s->unbegun && (ftruncate(s->fd, 0) < 0 || write_header(s, s->fd, s->committed) < 0))
		return -1;
	s->unbegun = false;
	if (s->header == NULL)
		s->header = map_header(s->fd);
	return s->header == NULL ? -1 : 0;
}

void
state_begin(struct state_file *s)
{
	unmap_header(s);
	s->committed = s->files = sizeof(struct state_header);
	s->unbegun = true;
	if (begin(s) < 0)
		file_failed(s, "cannot begin");
}

void
state_go_on(struct state_file *s, const struct state_view *v)
{
	s->committed = v->committed;
	s->files = v->files;
	if (begin(s) < 0)
		file_failed(s, "cannot map");
}

void
state_append(struct state_file *s, enum state_type type, const void *a, size_t a_len, const void *b, size_t b_len)
{
	state_put(&s->pending, type, a, a_len, b, b_len);
}

void
state_put_files(struct state_file *s, const struct fragment *v, size_t n)
{
	struct buf payload = { 0 };
	size_t i;

	s->files_pending = s->committed + s->pending.len;
	for (i = 0; i < n; i++) {
		buf_clear(&payload);
		state_put_config(&payload, v[i].path, v[i].app, v[i].text, v[i].text_len);
		state_append(s, STATE_CONFIG, payload.data, payload.len, NULL, 0);
		s->pending.failed |= payload.failed;
	}
	state_append(s, STATE_CONFIG_END, NULL, 0, NULL, 0);
	buf_free(&payload);
}

void
state_put_transient(struct state_file *s, const char *name, const char *definition_json)
{
	state_append(s, STATE_TRANSIENT, name, strlen(name) + 1, definition_json, strlen(definition_json) + 1);
}

/* Into the file; a kill on either side of the last store leaves a whole step. */
static int
write_pending(struct state_file *s)
{
	if (begin(s) < 0 || memfd_write(s->fd, s->pending.data, s->pending.len, s->committed) < 0)
		return -1;
	s->committed += s->pending.len;
	atomic_store_explicit((_Atomic uint64_t *)&s->header->committed, s->committed, memory_order_release);
	if (s->files_pending != 0)
		s->files = s->files_pending;
	s->files_pending = 0;
	return 0;
}

static void
is_whole(struct state_file *s)
{
	if (s->failed)
		log_write(LOG_STATE, LOG_LEVEL_WARNING, "the state file is whole again");
	s->failed = s->gap = false;
}

/* What cannot be written now is kept for the next time, within limits. */
static void
keep_pending(struct state_file *s)
{
	file_failed(s, "cannot write");
	if (s->pending.len <= PENDING_MAX)
		return;
	s->gap = true;
	s->files_pending = 0;
	buf_free(&s->pending);
}

void
state_commit(struct state_file *s)
{
	if (s->pending.failed)
		daemon_give_up("no memory to note what was decided");
	if (s->pending.len == 0 || s->gap)
		return;
	if (write_pending(s) < 0) {
		keep_pending(s);
		return;
	}
	is_whole(s);
	if (s->pending.cap > CHUNK)
		buf_free(&s->pending);
	buf_clear(&s->pending);
}

bool
state_lags(const struct state_file *s)
{
	return s->failed;
}

int
state_files(const struct state_view *v, struct fragment **out, size_t *n)
{
	struct buf found = { 0 };
	struct state_item item;
	struct state_config c;
	size_t at = v->files;

	while (state_next(v->data, v->committed, &at, &item) == 1 && item.type != STATE_CONFIG_END) {
		if (item.type != STATE_CONFIG || state_get_config(item.payload, item.len, &c) < 0)
			continue;
		buf_add(&found, &(struct fragment){ .path = c.path, .app = c.app, .text = c.text, .text_len = c.text_len },
			sizeof(struct fragment));
	}
	*n = found.len / sizeof(struct fragment);
	*out = (struct fragment *)(void *)found.data;
	if (!found.failed)
		return 0;
	*n = 0;
	*out = NULL;
	buf_free(&found);
	return -1;
}

/* A new file in the making. */
struct rewrite {
	int fd;
	size_t len;
	size_t files;			/* as of struct state_file */
	struct buf chunk;
	bool failed;
};

static void
rewrite_flush(struct rewrite *w)
{
	if (w->chunk.failed || memfd_write(w->fd, w->chunk.data, w->chunk.len, w->len) < 0)
		w->failed = true;
	w->len += w->chunk.len;
	buf_clear(&w->chunk);
}

static void
rewrite_put(struct rewrite *w, enum state_type type, const void *a, size_t a_len, const void *b, size_t b_len)
{
	state_put(&w->chunk, type, a, a_len, b, b_len);
	if (w->chunk.len >= CHUNK)
		rewrite_flush(w);
}

/* A whole record as it is, with the checksum that it has. */
static void
rewrite_copy(struct rewrite *w, const char *record, size_t len)
{
	buf_add(&w->chunk, record, len);
	if (w->chunk.len >= CHUNK)
		rewrite_flush(w);
}

static bool
is_of_files(const struct state_item *item, bool *in_files)
{
	if (!*in_files || (item->type != STATE_CONFIG && item->type != STATE_CONFIG_END))
		return false;
	*in_files = item->type != STATE_CONFIG_END;
	return true;
}

/* A name may have been used again and again: its last definition is the one that counts. */
static void
copy_definitions(const struct state_view *v, const struct strmap *last, struct rewrite *w)
{
	struct state_item item;
	size_t i, at, begin;

	for (i = 0; i < last->cap; i++) {
		if (last->slots[i].key == NULL)
			continue;
		at = begin = (size_t)last->slots[i].value * 8;
		if (state_next_known(v->data, v->committed, &at, &item) == 1)
			rewrite_copy(w, v->data + begin, at - begin);
	}
}

/* What is in the old file alone: the configuration's texts and transient definitions. */
static void
copy_texts(const struct daemon *d, const struct state_view *v, struct rewrite *w)
{
	size_t at = sizeof(struct state_header), begin = at;
	const char *name, *definition;
	struct strmap last = { 0 };
	bool in_files = false;
	struct state_item item;
	const struct app *a;

	while (state_next_known(v->data, v->committed, &at, &item) == 1) {
		if (begin == v->files) {
			in_files = true;
			w->files = w->len + w->chunk.len;
		}
		if (is_of_files(&item, &in_files))
			rewrite_copy(w, v->data + begin, at - begin);
		if (item.type == STATE_TRANSIENT && state_get_transient(item.payload, item.len, &name, &definition) == 0 &&
		    (a = engine_find(d->engine, name)) != NULL && a->transient &&
		    strmap_put(&last, name, (uint32_t)(begin / 8)) < 0)
			w->failed = true;
		begin = at;
	}
	copy_definitions(v, &last, w);
	strmap_free(&last);
}

static void
put_event(void *arg, uint64_t seq, unsigned category, const char *line, size_t len)
{
	const struct state_event e = { .seq = seq, .category = category };

	rewrite_put(arg, STATE_EVENT, &e, sizeof(e), line, len);
}

static void
put_all(struct daemon *d, const struct state_view *v, struct rewrite *w)
{
	struct engine_saved self;
	struct app_saved app;
	uint32_t i;

	copy_texts(d, v, w);
	engine_save(d->engine, &self);
	rewrite_put(w, STATE_ENGINE, &self, sizeof(self), NULL, 0);
	for (i = 0; i < engine_app_count(d->engine); i++) {
		engine_save_app(engine_app(d->engine, i), &app);
		rewrite_put(w, STATE_APP, &app, app_saved_size(&app), NULL, 0);
	}
	publisher_walk(d->publisher, put_event, w);
	rewrite_flush(w);
}

/* From here on the new file is the state. */
static void
switch_to(struct state_file *s, const struct rewrite *w, struct state_header *header)
{
	unmap_header(s);
	close(s->fd);
	s->fd = w->fd;
	s->header = header;
	s->committed = w->len;
	s->files = w->files;
	s->files_pending = 0;
	s->compact_at = 2 * w->len + GARBAGE_MIN;
	buf_free(&s->pending);
	is_whole(s);
}

/* Makes the new file; -1: it could not be made, or the keeper does not take it now. */
static int
rewrite(struct daemon *d, const struct state_view *old)
{
	struct state_file *s = d->state;
	struct rewrite w = { .len = sizeof(struct state_header), .files = sizeof(struct state_header) };
	struct state_header *header = NULL;

	w.fd = memfd_create("appctl-state", MFD_CLOEXEC);
	if (w.fd < 0)
		return -1;
	put_all(d, old, &w);
	buf_free(&w.chunk);
	if (!w.failed && write_header(s, w.fd, w.len) == 0)
		header = map_header(w.fd);
	if (header != NULL && keeper_offer_state(d->link, w.fd)) {
		switch_to(s, &w, header);
		return 0;
	}
	if (header != NULL)
		munmap(header, sizeof(*header));
	close(w.fd);
	return -1;
}

/* What is about to go anyway is not made small while everybody waits for the end. */
static size_t
compact_at(const struct daemon *d)
{
	return d->state->compact_at + (engine_shutting_down(d->engine) ? GARBAGE_AT_THE_END : 0);
}

/*
 * The keeper takes its messages in order, so whatever is ordered after the new
 * file was offered is ordered by an engine whose state that file is.
 */
void
state_compact(struct daemon *d)
{
	struct state_file *s = d->state;
	struct state_view old;

	if (s->failed ? !s->gap : s->committed < compact_at(d))
		return;
	if (state_look(s, &old) < 0 || rewrite(d, &old) < 0)
		s->compact_at = s->committed + GARBAGE_MIN;	/* not now: try again later */
	state_unmap(&old);
}
