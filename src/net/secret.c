/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "net/secret.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { FILE_MAX = 64 * 1024 };

static int
check(int fd, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, errno, "stat %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, 0, "%s is no regular file", path);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return err_set(err, 0, "%s belongs to somebody else: chown it", path);
	if (st.st_mode & (st.st_uid == geteuid() ? 077 : 037))
		return err_set(err, 0, "%s is open to others: chmod 0400 it", path);
	if (st.st_size > FILE_MAX)
		return err_set(err, 0, "%s is longer than %d bytes", path, FILE_MAX);
	return 0;
}

static int
check_cookie(int fd, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, errno, "stat %s", path);
	if (S_ISREG(st.st_mode) && st.st_uid != geteuid())
		return err_set(err, 0, "%s belongs to user %u, not to %u who reads it: chown it", path, (unsigned)st.st_uid, (unsigned)geteuid());
	if (S_ISREG(st.st_mode) && (st.st_mode & 07777) != 0400)
		return err_set(err, 0, "%s has mode %04o: chmod 0400 it", path, (unsigned)(st.st_mode & 07777));
	return check(fd, path, err);
}

/* At most max bytes; the rest is not read. */
static ssize_t
read_up_to(const char *path, int (*is_good)(int, const char *, struct err *), char *out, size_t max, struct err *err)
{
	/* O_NONBLOCK: a FIFO must not hold us. */
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return err_set(err, errno, "open %s", path);
	if (is_good(fd, path, err) < 0)
		return -1;
	for (; len < max; len += (size_t)n) {
		n = read(fd, out + len, max - len);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n < 0)
			return err_set(err, errno, "read %s", path);
		else if (n == 0)
			break;
	}
	return (ssize_t)len;
}

int
secret_read(const char *path, struct secret *out, struct err *err)
{
	ssize_t n = read_up_to(path, check, out->bytes, SECRET_MAX + 1, err);
	char *end;

	if (n < 0)
		return -1;
	end = memchr(out->bytes, '\n', (size_t)n);
	out->len = end ? (size_t)(end - out->bytes) : (size_t)n;
	if (out->len >= SECRET_MIN && out->len <= SECRET_MAX) {
		explicit_bzero(out->bytes + out->len, sizeof(out->bytes) - out->len);
		return 0;
	}
	secret_clear(out);
	return err_set(err, 0, "the first line of %s has fewer than %d bytes or more than %d: no secret", path, SECRET_MIN, SECRET_MAX);
}

/* As far as it can be told from a text. */
static bool
is_hard_to_guess(const struct secret *s)
{
	bool seen[256] = { false };
	unsigned distinct = 0, bits = 4;
	size_t i;

	for (i = 0; i < s->len; i++) {
		if (!seen[(unsigned char)s->bytes[i]])
			distinct++;
		seen[(unsigned char)s->bytes[i]] = true;
		if (bits < 6 && !isxdigit((unsigned char)s->bytes[i]))
			bits = 6;
		if (!isalnum((unsigned char)s->bytes[i]) && strchr("+/-_=", s->bytes[i]) == NULL)
			bits = 8;
	}
	return s->len * bits >= COOKIE_BITS && distinct >= COOKIE_DISTINCT;
}

int
secret_read_cookie(const char *path, struct secret *out, struct err *err)
{
	ssize_t n = read_up_to(path, check_cookie, out->bytes, SECRET_MAX + 1, err);
	char *end;

	if (n < 0)
		return -1;
	end = memchr(out->bytes, '\n', (size_t)n);
	out->len = end ? (size_t)(end - out->bytes) : (size_t)n;
	if (end != NULL && end + 1 != out->bytes + n)
		err_set(err, 0, "%s has more than one line: no cookie", path);
	else if (out->len > SECRET_MAX || !is_hard_to_guess(out))
		err_set(err, 0, "what stands in %s is shorter than %d bits or too long: make a cookie with appctl cookie new", path, COOKIE_BITS);
	else {
		explicit_bzero(out->bytes + out->len, sizeof(out->bytes) - out->len);
		return 0;
	}
	secret_clear(out);
	return -1;
}

char *
secret_read_file(const char *path, size_t *len, struct err *err)
{
	char *text = calloc(1, FILE_MAX + 1);
	ssize_t n;

	if (text == NULL) {
		err_set(err, ENOMEM, "read %s", path);
		return NULL;
	}
	n = read_up_to(path, check, text, FILE_MAX, err);
	if (n < 0) {
		free(text);
		return NULL;
	}
	*len = (size_t)n;
	return text;
}

void
secret_clear(struct secret *s)
{
	explicit_bzero(s, sizeof(*s));
}

int
secret_protect_process(struct err *err)
{
	const struct rlimit none = { 0, 0 };

	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_set(err, errno, "make this process undumpable");
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return err_set(err, errno, "forbid core files");
	return 0;
}
