/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "mail/box.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
	CHUNK = 256 * 1024,		/* read at once; more than one record may have */
	CUT_OVER = 64 * 1024,		/* of an empty mailbox, what was taken is cut off */
	PUNCH_OVER = 1024 * 1024,	/* of another one it becomes a hole */
	HOLES_MAX = 4,			/* where the file system has none: so many times its limit, and it is full */
};

struct mailbox {
	int dir_fd, fd;			/* fd -1: it rests */
	char file[MAIL_NAME_MAX + 16];
	struct mail_head head;
	uint64_t end;			/* of what was written */
	uint64_t punched;		/* up to where there is a hole */
	bool no_holes;
	uint64_t next_n, count;		/* with what waits */
	int64_t oldest_ms;		/* the stamp of the first that was not taken, where count > 0 */
	struct buf added;
	uint64_t added_count;
	uint64_t read_at, read_n;	/* what was read: where it ends, and the number */
	struct buf chunk;		/* the bytes of the file from chunk_at on */
	uint64_t chunk_at;
};

/* --- The file ---------------------------------------------------------------- */

/* All of it, or -1 with errno. */
static int
write_at(int fd, const char *data, size_t len, uint64_t at)
{
	ssize_t n;

	while (len > 0) {
		n = pwrite(fd, data, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n < 0 ? errno : ENOSPC;
			return -1;
		}
		data += n;
		len -= (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}

/* What is there, up to len.  -1 with errno. */
static ssize_t
read_at(int fd, char *data, size_t len, uint64_t at)
{
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		n = pread(fd, data + got, len - got, (off_t)(at + got));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

static int
wake(struct mailbox *b, struct err *err)
{
	if (b->fd >= 0)
		return 0;
	b->fd = openat(b->dir_fd, b->file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return b->fd < 0 ? err_set(err, errno, "mailbox %s", b->file) : 0;
}

static int
write_head(struct mailbox *b, struct err *err)
{
	char head[MAIL_HEAD];

	mail_head_put(head, &b->head);
	return write_at(b->fd, head, sizeof(head), 0) < 0 ? err_set(err, errno, "mailbox %s", b->file) : 0;
}

static int64_t
clock_of(const struct mailbox *b, const struct mail_time *now)
{
	return now->boot_ms + b->head.clock_ms;
}

/* Puts bytes at [at, at + len) in the chunk, unless they are.  What it has of them; -1: err. */
static ssize_t
fetch(struct mailbox *b, uint64_t at, struct err *err)
{
	uint64_t wanted = b->end - at < CHUNK ? b->end - at : CHUNK;
	ssize_t n;

	if (at >= b->chunk_at && at < b->chunk_at + b->chunk.len)
		return (ssize_t)(b->chunk_at + b->chunk.len - at);
	b->chunk.len = 0;
	if (wake(b, err) < 0)
		return -1;
	if (buf_reserve(&b->chunk, wanted) == NULL) {
		buf_free(&b->chunk);
		return err_set(err, ENOMEM, "mailbox %s", b->file);
	}
	n = read_at(b->fd, b->chunk.data, wanted, at);
	if (n < 0)
		return err_set(err, errno, "mailbox %s", b->file);
	b->chunk.len = (size_t)n;
	b->chunk_at = at;
	return n;
}

/* Its record at `at`, in the chunk.  Its length; 0: there is none; -1: err. */
static ssize_t
record_at(struct mailbox *b, uint64_t at, struct mail_record *r, size_t *wanted, struct err *err)
{
	ssize_t have = at < b->end ? fetch(b, at, err) : 0;
	size_t len;

	*wanted = 0;
	if (have <= 0)
		return have;
	len = mail_record_get(b->chunk.data + (at - b->chunk_at), (size_t)have, r, wanted);
	if (len > 0 || *wanted == 0 || at == b->chunk_at)
		return (ssize_t)len;
	b->chunk.len = 0;		/* it begins in this chunk and ends behind it */
	have = fetch(b, at, err);
	return have <= 0 ? have : (ssize_t)mail_record_get(b->chunk.data, (size_t)have, r, wanted);
}

/* --- Opening ---------------------------------------------------------------- */

static int
make_file(struct mailbox *b, const struct mail_time *now, uint64_t taken, struct err *err)
{
	b->fd = openat(b->dir_fd, b->file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (b->fd < 0)
		return err_set(err, errno, "make mailbox %s", b->file);
	b->head = (struct mail_head){ .taken = taken, .start = MAIL_HEAD, .boot = now->boot };
	if (write_head(b, err) < 0) {
		unlinkat(b->dir_fd, b->file, 0);
		return -1;
	}
	b->end = MAIL_HEAD;
	return 0;
}

static void
aside_name(const struct mailbox *b, const struct mail_time *now, char *out, size_t size)
{
	snprintf(out, size, "%s.damaged-%" PRId64, b->file, now->real_us);
}

/* The head says nothing: the whole file goes aside, and numbers go on where none has ever been. */
static int
start_anew(struct mailbox *b, const struct mail_time *now, struct err *odd, struct err *err)
{
	char aside[sizeof(b->file) + 32];

	aside_name(b, now, aside, sizeof(aside));
	close(b->fd);
	b->fd = -1;
	if (renameat(b->dir_fd, b->file, b->dir_fd, aside) < 0)
		return err_set(err, errno, "set the damaged mailbox %s aside", b->file);
	err_set(odd, 0, "mailbox %s is damaged: all of it was set aside as %s", b->file, aside);
	return make_file(b, now, (uint64_t)now->real_us, err);
}

/* Copies what begins at `at` to a file beside it. */
static int
copy_aside(struct mailbox *b, uint64_t at, const char *aside, struct err *err)
{
	autoclose int fd = openat(b->dir_fd, aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	uint64_t to = 0;
	ssize_t n;

	if (fd < 0)
		return err_set(err, errno, "set aside %s", aside);
	for (; at < b->end; at += (uint64_t)n, to += (uint64_t)n) {
		b->chunk.len = 0;
		n = fetch(b, at, err);
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		if (write_at(fd, b->chunk.data, (size_t)n, to) < 0)
			return err_set(err, errno, "set aside %s", aside);
	}
	return 0;
}

static bool
all_zero(struct mailbox *b, uint64_t at)
{
	struct err ignored;
	ssize_t n, i;

	for (; at < b->end; at += (uint64_t)n) {
		b->chunk.len = 0;
		n = fetch(b, at, &ignored);
		if (n <= 0)
			return false;
		for (i = 0; i < n; i++)
			if (b->chunk.data[i] != '\0')
				return false;
	}
	return true;
}

/*
 * What begins at `at` is no record.  Where it is one that was not written to its end, it is cut off; anything else was
 * written and is damaged.  Either way nobody was told of what comes from here on, or it is kept.
 */
static int
cut(struct mailbox *b, uint64_t at, size_t wanted, const struct mail_time *now, struct err *odd, struct err *err)
{
	uint64_t rest = b->end - at;
	char aside[sizeof(b->file) + 32];

	if (rest >= 4 && wanted <= rest && !all_zero(b, at)) {
		aside_name(b, now, aside, sizeof(aside));
		if (copy_aside(b, at, aside, err) < 0)
			return -1;
		err_set(odd, 0, "mailbox %s is damaged: %" PRIu64 " bytes of it were set aside as %s", b->file, rest, aside);
	}
	b->chunk.len = 0;
	b->next_n += rest / MAIL_RECORD_HEAD + 1;	/* numbers that those may have had are not used again */
	if (ftruncate(b->fd, (off_t)at) < 0)
		return err_set(err, errno, "mailbox %s", b->file);
	b->end = at;
	return 0;
}

static int
load_records(struct mailbox *b, const struct mail_time *now, struct err *odd, struct err *err)
{
	uint64_t at = b->head.start;
	int64_t last_ms = 0;
	struct mail_record r;
	size_t wanted;
	ssize_t len;

	while ((len = record_at(b, at, &r, &wanted, err)) > 0) {
		if (r.n > b->head.taken) {
			if (b->count == 0) {
				b->head.start = at;
				b->oldest_ms = r.stamp_ms;
			}
			b->count++;
			b->next_n = r.n + 1;
			last_ms = r.stamp_ms;
		}
		at += (uint64_t)len;
	}
	if (len < 0 || (at < b->end && cut(b, at, wanted, now, odd, err) < 0))
		return -1;
	if (b->count == 0)
		b->head.start = b->end;
	/* After another boot the clock of the file goes on where it stood. */
	if (b->head.boot != now->boot || clock_of(b, now) < last_ms) {
		b->head.boot = now->boot;
		b->head.clock_ms = last_ms - now->boot_ms;
		return write_head(b, err);
	}
	return 0;
}

static int
load(struct mailbox *b, const struct mail_time *now, struct err *odd, struct err *err)
{
	char head[MAIL_HEAD];
	struct stat st;
	ssize_t n;

	if (fstat(b->fd, &st) < 0 || (n = read_at(b->fd, head, sizeof(head), 0)) < 0)
		return err_set(err, errno, "mailbox %s", b->file);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "mailbox %s is no file", b->file);
	b->end = (uint64_t)st.st_size;
	if (n < MAIL_HEAD || !mail_head_get(head, &b->head) || b->head.start > b->end) {
		if (start_anew(b, now, odd, err) < 0)
			return -1;
	}
	b->next_n = b->head.taken + 1;
	return load_records(b, now, odd, err);
}

struct mailbox *
mailbox_open(int dir_fd, const char *file, const struct mail_time *now, bool make, struct err *odd, struct err *err)
{
	struct mailbox *b = calloc(1, sizeof(*b));
	int r;

	*odd = (struct err){ 0 };
	if (b == NULL) {
		err_set(err, ENOMEM, "mailbox %s", file);
		return NULL;
	}
	b->dir_fd = dir_fd;
	snprintf(b->file, sizeof(b->file), "%s", file);
	b->fd = openat(dir_fd, file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (b->fd >= 0) {
		r = load(b, now, odd, err);
	} else if (errno == ENOENT && make) {
		r = make_file(b, now, 0, err);
		b->next_n = 1;
	} else {
		r = err_set(err, errno, "mailbox %s", file);
	}
	if (r < 0) {
		mailbox_free(b);
		return NULL;
	}
	b->punched = MAIL_HEAD;
	buf_free(&b->chunk);
	mailbox_rewind(b);
	return b;
}

void
mailbox_rest(struct mailbox *b)
{
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
	buf_free(&b->chunk);
	if (b->added_count == 0)
		buf_free(&b->added);
}

bool
mailbox_is_resting(const struct mailbox *b)
{
	return b->fd < 0;
}

void
mailbox_free(struct mailbox *b)
{
	if (b == NULL)
		return;
	mailbox_rest(b);
	buf_free(&b->added);
	free(b);
}

/* --- In --------------------------------------------------------------------- */

uint64_t
mailbox_count(const struct mailbox *b)
{
	return b->count;
}

uint64_t
mailbox_size(const struct mailbox *b)
{
	return b->end - b->head.start + b->added.len;
}

static bool
has_room(const struct mailbox *b, const struct mail_limits *l, size_t more)
{
	return b->count < l->messages && mailbox_size(b) + more <= l->size &&
	       (!b->no_holes || b->end + b->added.len + more <= l->size * HOLES_MAX);
}

enum mailbox_added
mailbox_add(struct mailbox *b, const struct mail_limits *l, const struct mail_time *now, const char *from, size_t from_len,
	    const char *text, size_t text_len)
{
	const struct mail_record r = {
		.n = b->next_n, .at_us = now->real_us, .stamp_ms = clock_of(b, now), .from = { from, from_len }, .text = { text, text_len },
	};
	size_t more = MAIL_RECORD_HEAD + from_len + text_len, was = b->added.len;

	if (!has_room(b, l, more)) {
		mailbox_expire(b, l, now);
		if (!has_room(b, l, more))
			return MAILBOX_FULL;
	}
	mail_record_put(&b->added, &r);
	if (b->added.len == was) {
		b->added.failed = false;
		return MAILBOX_NO_MEMORY;
	}
	if (b->count++ == 0)
		b->oldest_ms = r.stamp_ms;
	b->next_n++;
	b->added_count++;
	return MAILBOX_ADDED;
}

bool
mailbox_waits(const struct mailbox *b)
{
	return b->added_count > 0;
}

/* Who reads and has come to the end need not read from the file what is written there now. */
static void
extend_chunk(struct mailbox *b)
{
	if (b->chunk.cap == 0 || b->read_at != b->end || b->added.len > CHUNK)
		return;
	buf_clear(&b->chunk);
	buf_add(&b->chunk, b->added.data, b->added.len);
	b->chunk_at = b->end;
	if (b->chunk.failed)
		buf_free(&b->chunk);
}

int
mailbox_flush(struct mailbox *b, struct err *err)
{
	bool written = wake(b, err) == 0;

	if (written && write_at(b->fd, b->added.data, b->added.len, b->end) < 0) {
		err_set(err, errno, "mailbox %s", b->file);
		/* Where even that fails, the next message is written over it, or it is cut off when the file is read next. */
		written = false;
		if (ftruncate(b->fd, (off_t)b->end) < 0)
			err_wrap(err, "and what was written stays");
	}
	if (written) {
		extend_chunk(b);
		b->end += b->added.len;
	} else {
		b->count -= b->added_count;
		b->next_n -= b->added_count;
	}
	b->added_count = 0;
	if (b->added.cap > CHUNK)
		buf_free(&b->added);
	else
		buf_clear(&b->added);
	return written ? 0 : -1;
}

/* --- Out -------------------------------------------------------------------- */

void
mailbox_rewind(struct mailbox *b)
{
	b->read_at = b->head.start;
	b->read_n = b->head.taken;
}

bool
mailbox_was_read(const struct mailbox *b)
{
	return b->read_at == b->end;
}

int
mailbox_read(struct mailbox *b, const char **data, size_t *len, struct err *err)
{
	struct mail_record r;
	size_t wanted;
	ssize_t n;

	*len = 0;
	if (b->read_at == b->end)
		return 0;
	n = record_at(b, b->read_at, &r, &wanted, err);	/* a chunk with one whole record at least */
	if (n < 0)
		return -1;
	if (n == 0)
		return err_set(err, EIO, "mailbox %s was damaged while it was read", b->file);
	*data = b->chunk.data + (b->read_at - b->chunk_at);
	*len = (size_t)(b->chunk_at + b->chunk.len - b->read_at);
	return 0;
}

void
mailbox_read_on(struct mailbox *b, size_t used, uint64_t n)
{
	b->read_at += used;
	b->read_n = n;
}

/* Gives back what was taken, as well as that can be done. */
static void
give_back(struct mailbox *b)
{
	uint64_t upto = b->head.start & ~(uint64_t)4095;

	if (b->no_holes || upto < b->punched + PUNCH_OVER)
		return;
	if (fallocate(b->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)b->punched, (off_t)(upto - b->punched)) < 0)
		b->no_holes = errno == EOPNOTSUPP || errno == ENOSYS;
	else
		b->punched = upto;
}

/* Everything up to n, which ends at `at`, is gone. */
static int
drop_to(struct mailbox *b, uint64_t n, uint64_t at, uint64_t dropped, struct err *err)
{
	bool cut_off = at == b->end && b->added_count == 0 && b->end > CUT_OVER;

	if (wake(b, err) < 0)
		return -1;
	b->head.taken = n;
	b->head.start = cut_off ? MAIL_HEAD : at;
	b->count -= dropped;
	if (write_head(b, err) < 0)
		return -1;
	if (!cut_off) {
		give_back(b);
		return 0;
	}
	/* Should the file stay as long: its records have numbers that were taken. */
	if (ftruncate(b->fd, MAIL_HEAD) < 0) {
		b->head.start = b->end;
		return 0;
	}
	b->end = b->read_at = b->punched = MAIL_HEAD;
	b->chunk.len = 0;
	return 0;
}

int
mailbox_take(struct mailbox *b, uint64_t n, struct err *err)
{
	uint64_t at = b->head.start, last = b->head.taken, dropped = 0;
	struct mail_record r;
	size_t wanted;
	ssize_t len;

	if (n <= b->head.taken || n > b->read_n)
		return 0;
	if (n == b->read_n && b->read_at == b->end) {
		dropped = b->count - b->added_count;
		return drop_to(b, n, b->end, dropped, err);
	}
	while (at < b->read_at && (len = record_at(b, at, &r, &wanted, err)) > 0 && r.n <= n) {
		last = r.n;
		at += (uint64_t)len;
		dropped++;
	}
	if (at < b->read_at) {
		if (len < 0)
			return -1;
		b->oldest_ms = len > 0 ? r.stamp_ms : b->oldest_ms;
	}
	return dropped > 0 ? drop_to(b, last, at, dropped, err) : 0;
}

uint64_t
mailbox_expire(struct mailbox *b, const struct mail_limits *l, const struct mail_time *now)
{
	uint64_t at = b->head.start, last = b->head.taken, dropped = 0;
	int64_t before = clock_of(b, now) - l->age_ms;
	struct mail_record r;
	struct err ignored;
	size_t wanted;
	ssize_t len;

	if (l->age_ms <= 0 || b->count == 0 || b->oldest_ms >= before)
		return 0;
	while ((len = record_at(b, at, &r, &wanted, &ignored)) > 0 && r.stamp_ms < before) {
		last = r.n;
		at += (uint64_t)len;
		dropped++;
	}
	b->oldest_ms = len > 0 ? r.stamp_ms : clock_of(b, now);
	if (dropped == 0 || drop_to(b, last, at, dropped, &ignored) < 0)
		return 0;
	if (b->read_n < last)
		mailbox_rewind(b);
	return dropped;
}
