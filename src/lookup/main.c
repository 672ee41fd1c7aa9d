/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * appctl-lookup: asks the system's name service about users and groups, in a
 * process of its own, for the answer may take its time or never come.
 *
 *	appctl-lookup u:NAME g:NAME ...
 *
 * One JSON object a line, in the order asked, as soon as it is known:
 *	{"user":NAME,"name":…,"uid":N,"gid":N,"home":…,"shell":…,"groups":[N,…]}
 *	{"group":NAME,"gid":N}
 *	{"user":NAME,"error":"not found"}	(or "group")
 * NAME may be a number.  A group's number need not have a name.
 */

/* "12" -> 12; false: no number, or one that stands for "none". */
static bool
number_of(const char *s, unsigned long *out)
{
	char *end;

	errno = 0;
	*out = strtoul(s, &end, 10);
	return *s >= '0' && *s <= '9' && *end == '\0' && errno == 0 && *out < UINT32_MAX;
}

/* These mean "no such name", others that it could not be found out. */
static const char *
reason_of(int error)
{
	switch (error) {
	case 0:
	case ENOENT:
	case ESRCH:
	case EBADF:
	case EPERM:
		return "not found";
	default:
		return strerror(error);
	}
}

static void
print_error(struct buf *out, int error)
{
	buf_adds(out, ",\"error\":");
	buf_add_json(out, reason_of(error));
}

static void
print_groups(struct buf *out, const struct passwd *pw)
{
	int i, n = 64, room;
	gid_t *groups = NULL, *grown;

	do {
		room = n;
		grown = realloc(groups, (size_t)room * sizeof(*groups));
		if (grown == NULL) {
			out->failed = true;
			n = 0;
			break;
		}
		groups = grown;
	} while (getgrouplist(pw->pw_name, pw->pw_gid, groups, &n) < 0 && n > room);
	buf_adds(out, ",\"groups\":[");
	for (i = 0; i < n; i++)
		buf_printf(out, "%s%lu", i > 0 ? "," : "", (unsigned long)groups[i]);
	buf_addc(out, ']');
	free(groups);
}

static void
look_up_user(struct buf *out, const char *name)
{
	struct passwd *pw;
	unsigned long uid;

	errno = 0;
	pw = getpwnam(name);
	if (pw == NULL && number_of(name, &uid)) {
		errno = 0;
		pw = getpwuid((uid_t)uid);
	}
	buf_adds(out, "{\"user\":");
	buf_add_json(out, name);
	if (pw == NULL) {
		print_error(out, errno);
	} else {
		buf_adds(out, ",\"name\":");
		buf_add_json(out, pw->pw_name);
		buf_printf(out, ",\"uid\":%lu,\"gid\":%lu,\"home\":", (unsigned long)pw->pw_uid, (unsigned long)pw->pw_gid);
		buf_add_json(out, pw->pw_dir);
		buf_adds(out, ",\"shell\":");
		buf_add_json(out, pw->pw_shell);
		print_groups(out, pw);
	}
	buf_adds(out, "}\n");
}

static void
look_up_group(struct buf *out, const char *name)
{
	struct group *gr;
	unsigned long gid;

	errno = 0;
	gr = getgrnam(name);
	buf_adds(out, "{\"group\":");
	buf_add_json(out, name);
	if (gr != NULL)
		buf_printf(out, ",\"gid\":%lu", (unsigned long)gr->gr_gid);
	else if (number_of(name, &gid))
		buf_printf(out, ",\"gid\":%lu", gid);
	else
		print_error(out, errno);
	buf_adds(out, "}\n");
}

int
main(int argc, char **argv)
{
	struct buf out = { 0 };
	int i;

	for (i = 1; i < argc; i++) {
		if (strncmp(argv[i], "u:", 2) == 0) {
			look_up_user(&out, argv[i] + 2);
		} else if (strncmp(argv[i], "g:", 2) == 0) {
			look_up_group(&out, argv[i] + 2);
		} else {
			fprintf(stderr, "appctl-lookup: %s: say u:NAME or g:NAME\n", argv[i]);
			return 2;
		}
		if (out.failed || fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) == EOF) {
			perror("appctl-lookup");
			return 1;
		}
		buf_clear(&out);
	}
	buf_free(&out);
	return 0;
}
