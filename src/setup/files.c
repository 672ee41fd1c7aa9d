/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "setup/files.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static int
read_all(int fd, struct buf *out, size_t max)
{
	ssize_t n;
	char *room;

	do {
		room = buf_reserve(out, 65536);
		if (room == NULL) {
			errno = ENOMEM;
			return -1;
		}
		n = read(fd, room, 65536);
		if (n > 0)
			out->len += (size_t)n;
	} while ((n > 0 && out->len <= max) || (n < 0 && errno == EINTR));
	if (n >= 0 && out->len > max) {
		errno = EFBIG;
		return -1;
	}
	return n < 0 ? -1 : 0;
}

int
file_read(struct file *f, const char *path, size_t max, struct err *err)
{
	/* O_NONBLOCK: a FIFO must not hold us. */
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	*f = (struct file){ 0 };
	if (fd < 0 || fstat(fd, &f->st) < 0)
		return err_set(err, errno, "cannot read %s", path);
	if (!S_ISREG(f->st.st_mode))
		return err_set(err, 0, "%s is no regular file", path);
	f->path = realpath(path, NULL);
	if (f->path == NULL || read_all(fd, &f->text, max) < 0)
		return err_set(err, errno, "cannot read %s", path);
	return 0;
}

void
file_free(struct file *f)
{
	free(f->path);
	buf_free(&f->text);
}

static int
write_all(int fd, const char *data, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return fsync(fd);
}

/* A name has to be on disk like what it names. */
static void
sync_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	autofree char *dir = slash && slash > path ? strndup(path, (size_t)(slash - path)) : strdup(slash ? "/" : ".");
	autoclose int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd >= 0)
		fsync(fd);
}

/* A new file with those bytes, and the mode and owner of *like.  -1 with errno: nothing is there. */
static int
create(const char *path, const struct buf *text, const struct stat *like)
{
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int error;

	if (fd < 0)
		return -1;
	if (((like->st_uid != geteuid() || like->st_gid != getegid()) && fchown(fd, like->st_uid, like->st_gid) < 0) ||
	    fchmod(fd, like->st_mode & 07777) < 0 || write_all(fd, text->data, text->len) < 0) {
		error = errno;
		unlink(path);
		errno = error;
		return -1;
	}
	return 0;
}

int
file_keep(const struct file *f, char **backup, struct err *err)
{
	unsigned i;

	*backup = NULL;
	for (i = 0; i < 10000; i++) {
		if ((i == 0 ? asprintf(backup, "%s.bak", f->path) : asprintf(backup, "%s.bak.%u", f->path, i)) < 0)
			return err_set(err, ENOMEM, "backup of %s", f->path);
		if (create(*backup, &f->text, &f->st) == 0)
			return 0;
		if (errno != EEXIST)
			return err_set(err, errno, "cannot write the backup %s", *backup);
		free(*backup);
		*backup = NULL;
	}
	return err_set(err, 0, "there are too many backups of %s", f->path);
}

/* What somebody else wrote meanwhile is not lost. */
static bool
is_as_it_was(const struct file *f)
{
	struct stat st;

	return stat(f->path, &st) == 0 && st.st_dev == f->st.st_dev && st.st_ino == f->st.st_ino && st.st_size == f->st.st_size &&
	       st.st_mtim.tv_sec == f->st.st_mtim.tv_sec && st.st_mtim.tv_nsec == f->st.st_mtim.tv_nsec;
}

int
file_replace(const struct file *f, const struct buf *text, struct err *err)
{
	autofree char *path = NULL;

	if (asprintf(&path, "%s.%d.new", f->path, (int)getpid()) < 0)
		return err_set(err, ENOMEM, "%s", f->path);
	if (create(path, text, &f->st) < 0)
		return err_set(err, errno, "cannot write %s", path);
	if (!is_as_it_was(f)) {
		unlink(path);
		return err_set(err, 0, "%s was changed meanwhile: try again", f->path);
	}
	if (rename(path, f->path) < 0) {
		err_set(err, errno, "cannot replace %s", f->path);
		unlink(path);
		return -1;
	}
	sync_directory(f->path);
	return 0;
}

/* --- the secret --- */

static size_t
first_line(const struct buf *text)
{
	const char *eol = text->len ? memchr(text->data, '\n', text->len) : NULL;

	return eol ? (size_t)(eol - text->data) : text->len;
}

static int
check_existing(const char *path, const struct buf *given, struct err *err)
{
	struct file f;
	int r = file_read(&f, path, SECRET_MAX, err);

	if (r == 0 && first_line(&f.text) < SECRET_MIN)
		r = err_set(err, 0, "%s holds no secret of at least %d bytes: remove it, or write one", path, SECRET_MIN);
	else if (r == 0 && given != NULL && (first_line(&f.text) != first_line(given) ||
		 memcmp(f.text.data, given->data, first_line(given)) != 0))
		r = err_set(err, 0, "%s holds another secret already", path);
	if (f.text.data != NULL)
		explicit_bzero(f.text.data, f.text.len);
	file_free(&f);
	return r;
}

static int
generate(struct buf *out)
{
	unsigned char bytes[SECRET_BYTES];
	size_t i;

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return -1;
	for (i = 0; i < sizeof(bytes); i++)
		buf_printf(out, "%02x", bytes[i]);
	buf_addc(out, '\n');
	explicit_bzero(bytes, sizeof(bytes));
	return 0;
}

int
secret_make(const char *path, const struct buf *given, uid_t owner, struct err *err)
{
	const struct stat like = { .st_mode = 0400, .st_uid = owner, .st_gid = getegid() };
	struct buf made = { 0 };
	int r = 1;

	if (given != NULL && first_line(given) < SECRET_MIN)
		return err_set(err, 0, "the secret on standard input has less than %d bytes", SECRET_MIN);
	if (access(path, F_OK) == 0)
		return check_existing(path, given, err);
	if (given == NULL && generate(&made) < 0)
		return err_set(err, errno, "no random bytes");
	if (create(path, given ? given : &made, &like) < 0)
		r = err_set(err, errno, "cannot write the secret %s", path);
	else
		sync_directory(path);
	if (made.data != NULL)
		explicit_bzero(made.data, made.len);
	buf_free(&made);
	return r;
}

int
secret_owner(const char *path, const char *user, uid_t *owner, struct err *err)
{
	const struct passwd *pw = getpwnam(user);
	uid_t uid = pw ? pw->pw_uid : (uid_t)-1;
	char *end;

	if (pw == NULL && isdigit((unsigned char)*user)) {
		uid = (uid_t)strtoul(user, &end, 10);
		if (*end != '\0')
			uid = (uid_t)-1;
	}
	if (uid == (uid_t)-1)
		return err_set(err, 0, "there is no user %s yet: make one (useradd --system %s), then chown %s %s", user, user, user, path);
	*owner = uid;
	return 0;
}
