/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "conf/load.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/config_dir.h"
#include "conf/parse.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct reader {
	struct conf_set *set;
	size_t cap, total;		/* total: bytes read so far */
	struct problems *ps;
};

static int
fail(struct reader *r, const char *path, const char *hint, const char *what, int error)
{
	if (error == ENOMEM)
		problems_no_memory(r->ps);
	else
		problem_add(r->ps, (struct origin){ path, 0 }, NULL, hint, "%s%s%s", what, error ? ": " : "",
			    error ? strerror(error) : "");
	return -1;
}

/*
 * Whoever can write the configuration commands what it starts, so it belongs to root or to the
 * user who reads it.  A group may write what belongs to an ordinary user, as with user-private groups.
 */
static int
check_access(struct reader *r, const char *path, const struct stat *st)
{
	uid_t me = geteuid();

	if (st->st_uid != 0 && st->st_uid != me)
		return fail(r, path, "chown it", "belongs to someone who is neither root nor this user", 0);
	if (st->st_mode & S_IWOTH)
		return fail(r, path, "chmod o-w", "can be written by everyone", 0);
	if ((st->st_mode & S_IWGRP) && (st->st_uid == 0 || me == 0))
		return fail(r, path, "chmod g-w", "can be written by its group", 0);
	return 0;
}

/* All of fd, which is said to hold `expected` bytes, into an arena text.  NULL: it was reported. */
static char *
read_all(struct reader *r, int fd, const char *path, size_t expected, size_t *len)
{
	size_t room = expected + 1;		/* one more, to see that it has not grown */
	char *text = arena_alloc(r->set->arena, room + 1);
	ssize_t n;

	if (text == NULL) {
		fail(r, path, NULL, "no memory", ENOMEM);
		return NULL;
	}
	for (*len = 0; *len < room; *len += (size_t)n) {
		n = read(fd, text + *len, room - *len);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n < 0)
			return fail(r, path, NULL, "cannot read", errno), NULL;
		else if (n == 0)
			break;
	}
	if (*len > expected)
		return fail(r, path, NULL, "changed while it was read", 0), NULL;
	text[*len] = '\0';
	return text;
}

static struct fragment *
new_fragment(struct reader *r)
{
	size_t cap = r->cap ? r->cap * 2 : 8;
	struct fragment *v;

	if (r->set->n == r->cap) {
		v = realloc(r->set->v, cap * sizeof(*v));
		if (v == NULL)
			return NULL;
		r->set->v = v;
		r->cap = cap;
	}
	r->set->v[r->set->n] = (struct fragment){ 0 };
	return &r->set->v[r->set->n++];
}

static int
read_file(struct reader *r, int dir, const char *name, const char *path, const char *app)
{
	/* O_NONBLOCK: a FIFO must not hold us; O_NOCTTY: nor a terminal become ours. */
	autoclose int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct fragment *f;
	struct stat st;
	size_t len;
	char *text;

	if (fd < 0)
		return fail(r, path, dir == AT_FDCWD && errno == ENOENT ? "write one, see appctld.conf(5), or name another" : NULL,
			    "cannot open", errno);
	if (fstat(fd, &st) < 0)
		return fail(r, path, NULL, "cannot stat", errno);
	if (!S_ISREG(st.st_mode))
		return fail(r, path, NULL, "is no regular file", 0);
	if (check_access(r, path, &st) < 0)
		return -1;
	if (st.st_size > CONF_FILE_MAX)
		return fail(r, path, "the limit is 4 MiB", "file is too large", 0);
	/* More often a write that failed than a wish; at a reload it would stop all that the file defined. */
	if (st.st_size == 0)
		return fail(r, path, "where nothing is meant, write a comment", "file is empty", 0);
	r->total += (size_t)st.st_size;
	if (r->total > CONF_TOTAL_MAX)
		return fail(r, path, "the limit is 32 MiB", "all files together are too large", 0);
	text = read_all(r, fd, path, (size_t)st.st_size, &len);
	if (text == NULL)
		return -1;
	f = new_fragment(r);
	if (f == NULL)
		return fail(r, path, NULL, "no memory", ENOMEM);
	*f = (struct fragment){ .path = path, .app = app, .text = text, .text_len = len };
	return 0;
}

/* "10-web.conf" -> "web" */
static char *
app_of_file(struct arena *a, const char *name)
{
	size_t digits = strspn(name, "0123456789");

	if (digits > 0 && name[digits] == '-')
		name += digits + 1;
	return arena_strndup(a, name, strlen(name) - strlen(".conf"));
}

static int
is_drop_in(const struct dirent *e)
{
	size_t len = strlen(e->d_name);

	return e->d_name[0] != '.' && len > 5 && strcmp(e->d_name + len - 5, ".conf") == 0;
}

/* Not alphasort(), which goes by locale. */
static int
by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static char *
join(struct arena *a, const char *dir, const char *name)
{
	size_t len = strlen(dir) + strlen(name) + 2;
	char *path = arena_alloc(a, len);

	if (path != NULL)
		snprintf(path, len, "%s/%s", dir, name);
	return path;
}

static void
read_drop_in(struct reader *r, int dir, const char *dir_path, const char *name)
{
	char *path = join(r->set->arena, dir_path, name);
	char *app = app_of_file(r->set->arena, name);

	if (path == NULL || app == NULL)
		fail(r, dir_path, NULL, "no memory", ENOMEM);
	else
		read_file(r, dir, name, path, app);
}

static void
read_drop_ins(struct reader *r, const char *path)
{
	autoclose int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent **names;
	struct stat st;
	int i, n;

	if (dir < 0) {
		if (errno != ENOENT)
			fail(r, path, NULL, "cannot open", errno);
		return;
	}
	if (fstat(dir, &st) < 0) {
		fail(r, path, NULL, "cannot stat", errno);
		return;
	}
	if (check_access(r, path, &st) < 0)
		return;
	n = scandirat(dir, ".", &names, is_drop_in, by_bytes);
	if (n < 0) {
		fail(r, path, NULL, "cannot list", errno);
		return;
	}
	for (i = 0; i < n; i++) {
		read_drop_in(r, dir, path, names[i]->d_name);
		free(names[i]);
	}
	free(names);
}

/* The directory that conf.d/ lies in, beside the main file. */
static char *
drop_in_dir(struct arena *a, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir;

	if (slash == NULL)
		return arena_strdup(a, "conf.d");
	dir = arena_strndup(a, path, (size_t)(slash - path));
	return dir ? join(a, dir, "conf.d") : NULL;
}

/* A drop-in may say itself which application it belongs to; whether it says so well, merge.c checks. */
static const char *
app_by_key(const struct item *root)
{
	const struct item *it = item_member(root, "application");

	if (it == NULL)
		it = item_member(item_member(root, "app_ctrl"), "application");
	return it != NULL && it->type == ITEM_STRING ? it->s : NULL;
}

/* Every file, even when an earlier one was refused. */
static void
parse_all(struct conf_set *set, struct problems *ps)
{
	struct fragment *f;
	const char *app;

	for (f = set->v; f < set->v + set->n; f++) {
		f->root = parse_text(set->arena, f->path, f->text, f->text_len, ps);
		app = f->root && f->app ? app_by_key(f->root) : NULL;
		if (app != NULL)
			f->app = app;
	}
}

static int
read_set(const char *path, bool drop_ins, struct conf_set *out, struct problems *ps)
{
	struct reader r = { .set = out, .ps = ps };
	size_t before = ps->n + ps->unsaid;
	char *dir, *main_path;

	*out = (struct conf_set){ .arena = arena_new() };
	if (out->arena == NULL)
		return fail(&r, path, NULL, "no memory", ENOMEM);
	dir = drop_in_dir(out->arena, path);
	main_path = arena_strdup(out->arena, path);
	if (dir == NULL || main_path == NULL)
		return fail(&r, path, NULL, "no memory", ENOMEM);
	read_file(&r, AT_FDCWD, path, main_path, NULL);
	if (drop_ins)
		read_drop_ins(&r, dir);
	parse_all(out, ps);
	return ps->n + ps->unsaid > before ? -1 : 0;
}

int
conf_read(const char *path, struct conf_set *out, struct problems *ps)
{
	return read_set(path, true, out, ps);
}

int
conf_read_file(const char *path, struct conf_set *out, struct problems *ps)
{
	return read_set(path, false, out, ps);
}

int
conf_parse(const struct fragment *texts, size_t n, struct conf_set *out, struct problems *ps)
{
	struct reader r = { .set = out, .ps = ps };
	size_t before = ps->n + ps->unsaid, i;
	struct arena *a = arena_new();
	struct fragment *f;

	*out = (struct conf_set){ .arena = a };
	for (i = 0; i < n; i++) {
		f = a ? new_fragment(&r) : NULL;
		if (f == NULL)
			return fail(&r, texts[i].path, NULL, "no memory", ENOMEM);
		f->path = arena_strdup(a, texts[i].path);
		f->app = arena_strdup(a, texts[i].app);
		f->text = arena_strndup(a, texts[i].text, texts[i].text_len);
		f->text_len = texts[i].text_len;
		if (f->path == NULL || f->text == NULL || (f->app == NULL && texts[i].app != NULL))
			return fail(&r, texts[i].path, NULL, "no memory", ENOMEM);
	}
	parse_all(out, ps);
	return ps->n + ps->unsaid > before ? -1 : 0;
}

void
conf_set_free(struct conf_set *set)
{
	arena_free(set->arena);
	free(set->v);
	*set = (struct conf_set){ 0 };
}

void
conf_default_path(char *out)
{
	config_dir_file("appctld.conf", out);
}
