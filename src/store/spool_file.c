/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "store/spool_internal.h"

#include "base/cleanup.h"
#include "base/crc32.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

enum { PATH_SIZE = 4096, NAME_SIZE = 64, MARK_SIZE = 384 };
#define NEW_FILE "new.db"
#define DAMAGED_FILE "damaged.db"

uint64_t
spool_epoch_after(uint64_t epoch)
{
	struct timespec now;
	uint64_t us;

	clock_gettime(CLOCK_REALTIME, &now);
	us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	return us > epoch ? us : epoch + 1;
}

/* --- the mark --- */

void
spool_write_mark(struct spool *s)
{
	char text[MARK_SIZE], body[MARK_SIZE - 16];
	int len;

	if (s->mark_fd < 0)
		return;
	len = snprintf(body, sizeof(body), "appctl-spool 1 %" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n", s->now.epoch, s->now.next_seq,
		       s->now.acked, s->now.note);
	snprintf(text, sizeof(text), "%08" PRIx32 " %s", crc32_of(0, body, (size_t)len), body);
	memset(text + 9 + len, '\n', sizeof(text) - 9 - (size_t)len);
	/* One write of one block: a kill leaves the old one or the new one.  Where it fails, an older mark only shows less. */
	if (pwrite(s->mark_fd, text, sizeof(text), 0) < 0)
		return;
}

static bool
read_mark(struct spool *s, struct spool_mark *m)
{
	char text[MARK_SIZE + 1], *body = text + 9, *end;
	uint32_t crc;
	int at = 0;
	ssize_t n;

	*m = (struct spool_mark){ 0 };
	n = pread(s->mark_fd, text, MARK_SIZE, 0);
	if (n != MARK_SIZE)
		return false;
	text[MARK_SIZE] = '\0';
	end = strchr(text, '\n');
	if (end == NULL || end < body || sscanf(text, "%8" SCNx32, &crc) != 1 || crc != crc32_of(0, body, (size_t)(end + 1 - body)))
		return false;
	*end = '\0';
	if (sscanf(body, "appctl-spool 1 %" SCNu64 " %" SCNu64 " %" SCNu64 " %n", &m->epoch, &m->next_seq, &m->acked, &at) != 3 ||
	    at == 0 || strlen(body + at) > SPOOL_NOTE_MAX || m->next_seq == 0 || m->next_seq > SPOOL_NUMBER_MAX ||
	    m->epoch > SPOOL_NUMBER_MAX || m->acked >= m->next_seq)
		goto none;
	memcpy(m->note, body + at, strlen(body + at) + 1);
	return true;
none:
	*m = (struct spool_mark){ 0 };
	return false;
}

/* --- the directory --- */

static int
open_regular(struct spool *s, const char *name, struct err *err)
{
	struct stat st;
	int fd = openat(s->dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

	if (fd < 0)
		return err_set(err, errno, "spool %s/%s", s->directory, name);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid())
		return fd;
	close(fd);
	return err_set(err, 0, "spool %s/%s is no file of its owner's: remove it", s->directory, name);
}

/* It ends with the process, however that ends.  Whose it is stands in the file, for who is refused. */
static int
lock(struct spool *s, struct err *err)
{
	char pid[16] = "";
	ssize_t n;

	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		n = pread(s->lock_fd, pid, sizeof(pid) - 1, 0);
		pid[n > 0 ? strspn(pid, "0123456789") : 0] = '\0';
		return err_set(err, EBUSY, "spool %s: another process has it%s%s", s->directory, *pid ? ": pid " : "", pid);
	}
	snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	/* Without room it is left out. */
	if (ftruncate(s->lock_fd, 0) == 0 && pwrite(s->lock_fd, pid, strlen(pid), 0) < 0)
		pid[0] = '\0';
	return 0;
}

static int
open_directory(struct spool *s, struct err *err)
{
	struct stat st;

	if (s->dir_fd >= 0)
		return 0;
	s->dir_fd = open(s->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (s->dir_fd < 0)
		return err_set(err, errno, "spool %s", s->directory);
	if (fstat(s->dir_fd, &st) < 0)
		return err_set(err, errno, "spool %s", s->directory);
	if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return err_set(err, 0, "spool %s must belong to the user that runs this, and nobody else may write in it",
			       s->directory);
	s->lock_fd = open_regular(s, "lock", err);
	if (s->lock_fd < 0)
		return -1;
	if (lock(s, err) < 0)
		return -1;
	s->mark_fd = open_regular(s, "mark", err);
	return s->mark_fd < 0 ? -1 : 0;
}

static void
close_directory(struct spool *s)
{
	int *const fds[] = { &s->mark_fd, &s->lock_fd, &s->dir_fd };
	size_t i;

	for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

static void
path_of(const struct spool *s, const char *name, char path[PATH_SIZE])
{
	snprintf(path, PATH_SIZE, "%s/%s", s->directory, name);
}

static void
name_of(uint64_t epoch, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, "spool-%" PRIu64 ".db", epoch);
}

/* Also what belongs to it: its log. */
static void
move_aside(struct spool *s, const char *name)
{
	char log[NAME_SIZE + 8];

	snprintf(log, sizeof(log), "%s-wal", name);
	unlinkat(s->dir_fd, DAMAGED_FILE "-wal", 0);
	renameat(s->dir_fd, log, s->dir_fd, DAMAGED_FILE "-wal");
	renameat(s->dir_fd, name, s->dir_fd, DAMAGED_FILE);
}

/* The number in a name such as spool-17.db; 0: another name. */
static uint64_t
epoch_of(const char *name)
{
	char again[NAME_SIZE];
	uint64_t epoch;

	if (sscanf(name, "spool-%" SCNu64, &epoch) != 1)
		return 0;
	name_of(epoch, again);
	return strcmp(name, again) == 0 && epoch <= SPOOL_NUMBER_MAX ? epoch : 0;
}

/* The newest file, in *newest (0: none); older ones are what a salvage had no time to put aside. */
static int
find_files(struct spool *s, uint64_t *newest, struct err *err)
{
	char name[NAME_SIZE];
	struct dirent *e;
	uint64_t epoch;
	DIR *dir;
	int fd;

	*newest = 0;
	fd = openat(s->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (dir == NULL) {
		err_set(err, errno, "spool %s", s->directory);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while ((e = readdir(dir)) != NULL) {
		epoch = epoch_of(e->d_name);
		if (epoch == 0 || epoch == *newest)
			continue;
		if (*newest != 0) {
			name_of(epoch < *newest ? epoch : *newest, name);
			move_aside(s, name);
		}
		if (epoch > *newest)
			*newest = epoch;
	}
	closedir(dir);
	return 0;
}

/* What is not a file of ours is not opened; it goes aside too. */
static bool
is_ours(struct spool *s, const char *name)
{
	struct stat st;

	return fstatat(s->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid();
}

/* A log that is none of ours is no log: what the file has lost by that, the mark tells. */
static void
drop_foreign_log(struct spool *s, const char *name)
{
	char log[NAME_SIZE + 8];

	snprintf(log, sizeof(log), "%s-wal", name);
	if (!is_ours(s, log))
		unlinkat(s->dir_fd, log, 0);
}

/* --- one file after another --- */

/* Makes a new file, from what can be read of the file named `from`; NULL: of none.  Then that goes aside. */
static int
make_file(struct spool *s, const char *from, const struct spool_mark *mark, uint64_t epoch, struct err *err)
{
	char old[PATH_SIZE] = "", new[PATH_SIZE], name[NAME_SIZE];

	spool_db_close(s);
	if (from != NULL && is_ours(s, from)) {
		unlinkat(s->dir_fd, DAMAGED_FILE, 0);	/* one at a time: two of them could fill the disk */
		unlinkat(s->dir_fd, DAMAGED_FILE "-wal", 0);
		path_of(s, from, old);
	}
	unlinkat(s->dir_fd, NEW_FILE, 0);
	unlinkat(s->dir_fd, NEW_FILE "-journal", 0);
	path_of(s, NEW_FILE, new);
	if (spool_salvage(s, *old ? old : NULL, new, mark, epoch, err) < 0)
		return -1;
	name_of(epoch, name);
	if (renameat(s->dir_fd, NEW_FILE, s->dir_fd, name) < 0 || fsync(s->dir_fd) < 0)
		return err_set(err, errno, "spool %s/%s", s->directory, name);
	if (from != NULL)
		move_aside(s, from);
	return 0;
}

static void
say_damage(struct spool *s, const char *what)
{
	snprintf(s->damage, sizeof(s->damage), "%s", what);
}

/* The file has fewer numbers than were used: nobody can say what it is worth, so numbers begin anew. */
static int
begin_epoch(struct spool *s, const struct spool_mark *mark)
{
	struct spool_mark next = { .next_seq = 1 };
	int rc = SQLITE_OK;

	next.epoch = spool_epoch_after(s->now.epoch > mark->epoch ? s->now.epoch : mark->epoch);
	memcpy(next.note, mark->next_seq > 0 ? mark->note : s->now.note, sizeof(next.note));
	if (mark->next_seq > 0)
		rc = spool_fill_holes(s, mark->epoch, mark->acked + 1, mark->next_seq - 1);
	if (rc == SQLITE_OK)
		rc = spool_write_state(s, &next);
	if (rc == SQLITE_OK)
		s->now = next;
	return rc;
}

/* Compares what the file says with the mark, and with what it holds. */
static int
reconcile(struct spool *s, const struct spool_mark *mark, bool has_mark)
{
	static const struct spool_mark unknown;
	int rc = spool_exec(s, "BEGIN IMMEDIATE");

	if (rc != SQLITE_OK)
		return rc;
	if (has_mark && (mark->epoch > s->now.epoch || (mark->epoch == s->now.epoch && mark->next_seq > s->now.next_seq))) {
		say_damage(s, "its last batches are gone");
		rc = begin_epoch(s, mark);
	} else if (!has_mark) {
		say_damage(s, "its mark is gone");
		rc = begin_epoch(s, &unknown);
	} else {
		s->now.acked = mark->epoch == s->now.epoch ? mark->acked : 0;
		rc = spool_write_state(s, &s->now);	/* for this boot's id */
	}
	return spool_end(s, rc);
}

/* Opens the file and looks through it.  *wrong: it is damaged, and how. */
static int
open_file(struct spool *s, const char *name, const char **wrong)
{
	char path[PATH_SIZE];
	int rc;

	*wrong = NULL;
	drop_foreign_log(s, name);
	if (!is_ours(s, name)) {
		*wrong = "it was no file of its owner's";
		return SQLITE_OK;
	}
	path_of(s, name, path);
	rc = spool_db_open(s, path, false);
	if (rc == SQLITE_OK && (rc = spool_read_state(s, &s->now)) == SQLITE_ROW)
		rc = SQLITE_OK;
	if (rc == SQLITE_OK)
		*wrong = s->abandon ? "it could not be written through" : spool_verify(s, &s->now);
	else if (spool_is_damage(rc))
		*wrong = sqlite3_errstr(rc);
	return rc;
}

static int
attach_file(struct spool *s, uint64_t newest, struct spool_mark *mark, bool *has_mark, struct err *err)
{
	char name[NAME_SIZE], what[160];
	const char *wrong;
	uint64_t epoch;
	int rc;

	name_of(newest, name);
	rc = open_file(s, name, &wrong);
	if (wrong == NULL && rc != SQLITE_OK)
		return spool_error(s, rc, "open", err);
	if (wrong == NULL)
		return 0;
	snprintf(what, sizeof(what), "%s", wrong);
	epoch = spool_epoch_after(mark->epoch > newest ? mark->epoch : newest);
	if (make_file(s, name, *has_mark ? mark : NULL, epoch, err) < 0)
		return -1;
	say_damage(s, what);
	s->abandon = false;
	*mark = s->now;		/* what the salvage made is in agreement with itself */
	*has_mark = true;
	name_of(epoch, name);
	rc = open_file(s, name, &wrong);
	return rc == SQLITE_OK && wrong == NULL ? 0 : spool_error(s, rc, wrong ? wrong : "open", err);
}

static int
attach_memory(struct spool *s, struct err *err)
{
	int rc = spool_db_open(s, ":memory:", true);

	s->now = (struct spool_mark){ .epoch = spool_epoch_after(s->now.epoch), .next_seq = 1 };
	if (rc == SQLITE_OK)
		rc = spool_totals(s);
	return rc == SQLITE_OK ? 0 : spool_error(s, rc, "open", err);
}

static int
attach_directory(struct spool *s, struct err *err)
{
	struct spool_mark mark;
	uint64_t newest;
	bool has_mark;
	int rc;

	if (open_directory(s, err) < 0 || find_files(s, &newest, err) < 0)
		return -1;
	has_mark = read_mark(s, &mark);
	if (newest == 0) {
		newest = spool_epoch_after(mark.epoch);
		if (make_file(s, NULL, has_mark ? &mark : NULL, newest, err) < 0)
			return -1;
		if (has_mark)
			say_damage(s, "it was gone");
		mark = s->now;
		has_mark = true;
	}
	if (attach_file(s, newest, &mark, &has_mark, err) < 0)
		return -1;
	rc = reconcile(s, &mark, has_mark);
	if (rc == SQLITE_OK)
		rc = spool_totals(s);
	if (rc != SQLITE_OK)
		return spool_error(s, rc, "open", err);
	spool_write_mark(s);
	return 0;
}

int
spool_attach(struct spool *s, struct err *err)
{
	if (s->directory == NULL)
		return attach_memory(s, err);
	if (attach_directory(s, err) == 0)
		return 0;
	spool_db_close(s);
	close_directory(s);
	return -1;
}
