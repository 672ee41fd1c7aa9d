/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "mail/post.h"

#include "base/cleanup.h"
#include "base/strmap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define SUFFIX ".mail"

enum { AWAKE_MAX = 256 };		/* open files; the others rest */

struct entry {
	char name[MAIL_NAME_MAX + 1];
	struct mailbox *box;
};

struct post {
	int dir_fd, lock_fd;
	struct mail_limits limits;
	post_odd_fn *odd;
	void *arg;
	struct entry **entries;		/* those that were asked for; NULL: a free place */
	size_t count, cap;
	struct strmap by_name;
	size_t hand;			/* where the next one is looked for that may rest */
};

static void
file_name(const char *name, char out[MAIL_NAME_MAX + 16])
{
	snprintf(out, MAIL_NAME_MAX + 16, "%s" SUFFIX, name);
}

static int
lock_directory(struct post *p, const char *directory, struct err *err)
{
	p->lock_fd = openat(p->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (p->lock_fd < 0)
		return err_set(err, errno, "mailboxes in %s", directory);
	if (flock(p->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(err, errno == EWOULDBLOCK ? 0 : errno, "another process has the mailboxes in %s", directory);
	return 0;
}

struct post *
post_open(const char *directory, const struct mail_limits *l, post_odd_fn *odd, void *arg, struct err *err)
{
	struct post *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		err_set(err, ENOMEM, "mailboxes");
		return NULL;
	}
	p->limits = *l;
	p->odd = odd;
	p->arg = arg;
	p->lock_fd = -1;
	p->dir_fd = -1;
	if (mkdir(directory, 0700) < 0 && errno != EEXIST) {
		err_set(err, errno, "make the directory of mailboxes %s", directory);
	} else if ((p->dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		err_set(err, errno, "mailboxes in %s", directory);
	} else if (lock_directory(p, directory, err) == 0) {
		return p;
	}
	post_close(p);
	return NULL;
}

void
post_close(struct post *p)
{
	size_t i;

	if (p == NULL)
		return;
	for (i = 0; i < p->count; i++)
		if (p->entries[i] != NULL) {
			mailbox_free(p->entries[i]->box);
			free(p->entries[i]);
		}
	free(p->entries);
	strmap_free(&p->by_name);
	if (p->lock_fd >= 0)
		close(p->lock_fd);
	if (p->dir_fd >= 0)
		close(p->dir_fd);
	free(p);
}

void
post_set_limits(struct post *p, const struct mail_limits *l)
{
	p->limits = *l;
}

const struct mail_limits *
post_limits(const struct post *p)
{
	return &p->limits;
}

/* One more than may is about to be open: another one rests. */
static void
let_one_rest(struct post *p)
{
	size_t i, awake = 0;
	struct entry *e;

	for (i = 0; i < p->count; i++)
		awake += p->entries[i] != NULL && !mailbox_is_resting(p->entries[i]->box);
	for (i = 0; i < p->count && awake >= AWAKE_MAX; i++) {
		p->hand = (p->hand + 1) % p->count;
		e = p->entries[p->hand];
		if (e == NULL || mailbox_is_resting(e->box))
			continue;
		mailbox_rest(e->box);
		awake--;
	}
}

static struct entry **
free_place(struct post *p)
{
	struct entry **grown;
	size_t i, cap;

	for (i = 0; i < p->count; i++)
		if (p->entries[i] == NULL)
			return &p->entries[i];
	if (p->count == p->cap) {
		cap = p->cap ? p->cap * 2 : 16;
		grown = realloc(p->entries, cap * sizeof(struct entry *));
		if (grown == NULL)
			return NULL;
		p->entries = grown;
		p->cap = cap;
	}
	p->entries[p->count] = NULL;
	return &p->entries[p->count++];
}

static struct mailbox *
add_entry(struct post *p, const char *name, struct mailbox *take_box, struct err *err)
{
	struct entry *e = calloc(1, sizeof(*e)), **place = free_place(p);

	if (e != NULL && place != NULL) {
		snprintf(e->name, sizeof(e->name), "%s", name);
		if (strmap_put(&p->by_name, e->name, (uint32_t)(place - p->entries)) == 0) {
			e->box = take_box;
			*place = e;
			return take_box;
		}
	}
	free(e);
	mailbox_free(take_box);
	err_set(err, ENOMEM, "mailbox %s", name);
	return NULL;
}

struct mailbox *
post_find(struct post *p, const char *name, bool make, const struct mail_time *now, struct err *err)
{
	uint32_t i = strmap_get(&p->by_name, name);
	char file[MAIL_NAME_MAX + 16];
	struct mailbox *b;
	struct err odd;

	if (i != STRMAP_NONE)
		return p->entries[i]->box;
	let_one_rest(p);
	file_name(name, file);
	b = mailbox_open(p->dir_fd, file, now, make, &odd, err);
	if (odd.msg[0] != '\0')
		p->odd(p->arg, odd.msg);
	return b ? add_entry(p, name, b, err) : NULL;
}

void
post_remove(struct post *p, const char *name)
{
	uint32_t i = strmap_get(&p->by_name, name);
	char file[MAIL_NAME_MAX + 16];

	if (i != STRMAP_NONE) {
		strmap_del(&p->by_name, name);
		mailbox_free(p->entries[i]->box);
		free(p->entries[i]);
		p->entries[i] = NULL;
	}
	file_name(name, file);
	unlinkat(p->dir_fd, file, 0);
}

/* The name of a mailbox's file, in place; NULL: it is none. */
static char *
name_of(char *file)
{
	size_t len = strlen(file), suffix = strlen(SUFFIX);

	if (len <= suffix || strcmp(file + len - suffix, SUFFIX) != 0)
		return NULL;
	file[len - suffix] = '\0';
	return mail_name_ok(file, len - suffix) ? file : NULL;
}

int
post_each(struct post *p, void (*each)(void *arg, const char *name), void *arg, struct err *err)
{
	int fd = openat(p->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	char *name;

	if (dir == NULL) {
		err_set(err, errno, "mailboxes");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while ((d = readdir(dir)) != NULL) {
		name = name_of(d->d_name);
		if (name != NULL)
			each(arg, name);
	}
	closedir(dir);
	return 0;
}

struct sweeping {
	struct post *p;
	const struct mail_time *now;
};

static void
sweep_one(void *arg, const char *name)
{
	struct sweeping *s = arg;
	struct err err;
	struct mailbox *b = post_find(s->p, name, false, s->now, &err);
	bool was_resting = b != NULL && mailbox_is_resting(b);
	uint64_t gone = b ? mailbox_expire(b, &s->p->limits, s->now) : 0;
	char text[MAIL_NAME_MAX + 96];

	if (b == NULL)
		return;
	if (gone > 0) {
		snprintf(text, sizeof(text), "mailbox %s: %" PRIu64 " messages became too old and are gone", name, gone);
		s->p->odd(s->p->arg, text);
	}
	if (was_resting)
		mailbox_rest(b);
}

void
post_sweep(struct post *p, const struct mail_time *now)
{
	struct sweeping s = { p, now };
	struct err ignored;

	post_each(p, sweep_one, &s, &ignored);
}
