/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "lib/lib.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYSTEM_DIR "/run/appctl"

static const char *
from_environment(const char *name)
{
	const char *v = getenv(name);

	return v && *v ? v : NULL;
}

/* $XDG_RUNTIME_DIR/appctl, where one is set; free() it. */
static char *
own_dir(void)
{
	const char *xdg = from_environment("XDG_RUNTIME_DIR");
	char *dir;

	if (xdg == NULL || asprintf(&dir, "%s/appctl", xdg) < 0)
		return NULL;
	return dir;
}

static bool
has_socket(const char *dir)
{
	autofree char *path = NULL;

	if (asprintf(&path, "%s/control.sock", dir) < 0) {
		path = NULL;
		return false;
	}
	return access(path, F_OK) == 0;
}

/*
 * What a variable names may have been chosen by someone else (a wrapper that root was made to call), and
 * commands with their descriptors would go there.
 */
static int
belongs_to_us(const char *dir, struct appctl_error *e)
{
	struct stat st;

	if (stat(dir, &st) < 0 || st.st_uid == geteuid() || st.st_uid == 0)
		return 0;
	return error_set(e, APPCTL_NOT_PERMITTED, "%s belongs to user %u, not to you or root: name it with -r if you mean it",
			 dir, (unsigned)st.st_uid);
}

char *
appctl_find_runtime_dir(const char *runtime_dir, struct appctl_error *e)
{
	autofree char *own = own_dir();
	const char *dir = runtime_dir;
	char *copy;

	appctl_error_clear(e);
	if (dir == NULL) {
		dir = from_environment("APPCTL_RUNTIME_DIR");
		if (dir == NULL && own != NULL && has_socket(own))
			dir = own;
		if (dir != NULL && belongs_to_us(dir, e) < 0)
			return NULL;
		if (dir == NULL)
			dir = SYSTEM_DIR;
	}
	copy = strdup(dir);
	if (copy == NULL)
		error_memory(e);
	return copy;
}

char *
address_tried(const char *runtime_dir)
{
	autofree char *own = own_dir();
	struct buf b = { 0 };

	if (runtime_dir != NULL)
		return NULL;
	if (from_environment("APPCTL_RUNTIME_DIR") != NULL) {
		buf_adds(&b, "as $APPCTL_RUNTIME_DIR says");
	} else {
		buf_adds(&b, "$APPCTL_RUNTIME_DIR is not set");
		if (own == NULL)
			buf_adds(&b, ", nor is $XDG_RUNTIME_DIR");
		else if (!has_socket(own))
			buf_printf(&b, ", %s/control.sock is not there", own);
	}
	return buf_take(&b);
}
