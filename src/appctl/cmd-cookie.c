/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"
#include "appctl/output.h"
#include "base/cleanup.h"
#include "base/config_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

enum { OPT_FORCE, OPT_OWNER };
enum { BYTES = 32 };

static const struct opt cookie_opts[] = {
	[OPT_FORCE] = { "force", 'f', NULL, COMPLETE_NOTHING, "replace what is there" },
	[OPT_OWNER] = { "owner", 'o', "USER", COMPLETE_USERS, "whose it is to be: who runs appctl-node (default: you)" },
	{ NULL, 0, NULL, COMPLETE_NOTHING, NULL },
};

struct owner {
	uid_t uid;
	gid_t gid;
};

static int
find_owner(const struct cmdline *l, struct owner *out)
{
	const char *name = value_of(l, &cookie_opts[OPT_OWNER]);
	struct passwd *pw = name ? getpwnam(name) : NULL;

	*out = (struct owner){ geteuid(), getegid() };
	if (name == NULL)
		return 0;
	if (pw == NULL)
		return fail_here(l, APPCTL_INVALID, "there is no user %s", name);
	*out = (struct owner){ pw->pw_uid, pw->pw_gid };
	return 0;
}

/* 256 bits as hexadecimal digits, and a newline. */
static int
make_text(char text[2 * BYTES + 2])
{
	unsigned char bytes[BYTES];
	size_t i;

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return -1;
	for (i = 0; i < BYTES; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	strcpy(text + 2 * BYTES, "\n");
	explicit_bzero(bytes, sizeof(bytes));
	return 0;
}

/* A file beside it that is nobody else's before it has its owner and mode. */
static int
write_beside(const char *beside, const struct owner *o)
{
	autoclose int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0400);
	char text[2 * BYTES + 2];
	ssize_t n;

	if (fd < 0 || make_text(text) < 0)
		return -1;
	n = write(fd, text, 2 * BYTES + 1);
	explicit_bzero(text, sizeof(text));
	if (n != 2 * BYTES + 1) {
		errno = n < 0 ? errno : ENOSPC;
		return -1;
	}
	if ((o->uid != geteuid() || o->gid != getegid()) && fchown(fd, o->uid, o->gid) < 0)
		return -1;
	return fchmod(fd, 0400) < 0 || fsync(fd) < 0 ? -1 : 0;
}

/* Puts it in place whole; without force only where nothing is. */
static int
put_in_place(const char *beside, const char *path, bool force)
{
	if (force)
		return rename(beside, path);
	if (link(beside, path) < 0)
		return -1;
	unlink(beside);
	return 0;
}

static int
make(const struct cmdline *l, const char *path, const struct owner *o)
{
	autofree char *beside = NULL;
	int code = 0;

	if (asprintf(&beside, "%s.new-%ld", path, (long)getpid()) < 0)
		no_memory();
	if (write_beside(beside, o) < 0 || put_in_place(beside, path, has(l, &cookie_opts[OPT_FORCE])) < 0) {
		code = errno;
		unlink(beside);
	}
	if (code == EEXIST)
		return fail_here(l, APPCTL_FAILED, "%s is there already; nodes that use it could no longer be linked with others: "
				 "--force replaces it", path);
	if (code != 0)
		return fail_here(l, code == EACCES || code == EPERM ? APPCTL_NOT_PERMITTED : APPCTL_FAILED, "%s: %s", path, strerror(code));
	return 0;
}

static int
run_cookie(struct cmdline *l)
{
	static const char *const verbs[] = { "new", NULL };
	char standard[PATH_MAX];
	const char *path = l->operand_count > 1 ? l->operands[1] : standard;
	struct owner o;
	int status;

	if (strcmp(l->operands[0], "new") != 0)
		return unknown_name(l, "command", l->operands[0], verbs, "it is new");
	config_dir_file("cookie", standard);
	status = find_owner(l, &o);
	if (status == 0)
		status = make(l, path, &o);
	if (status != 0)
		return status;
	if (l->json)
		print_json(need_json(json_pack("{s:o, s:i}", "file", json_utf8_or_escaped(path), "bits", 8 * BYTES)));
	else
		printf("%s: a new cookie of %d bits; copy it to each node that is to be linked\n", path, 8 * BYTES);
	return 0;
}

const struct cmd cmd_cookie = {
	.name = "cookie", .operands = "new [FILE]", .summary = "make the secret that nodes share",
	.about = "256 random bits in a file with mode 0400, by default cookie beside appctld.conf. A file that is there is left as it is.",
	.opts = cookie_opts, .min = 1, .max = 2, .first = COMPLETE_NOTHING, .others = COMPLETE_FILES, .run = run_cookie, .there = THERE_AS_A_WHOLE,
};
