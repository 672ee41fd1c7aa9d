/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Beside this program, where it has not been installed; free() it, NULL: not there. */
static char *
beside_us(const char *name)
{
	char self[PATH_MAX], *slash, *path;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return NULL;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash == NULL || asprintf(&path, "%.*s/%s", (int)(slash - self), self, name) < 0)
		return NULL;
	if (access(path, X_OK) == 0)
		return path;
	free(path);
	return NULL;
}

char *
helper_path(const char *name)
{
	const char *dir = getenv("APPCTL_LIBEXECDIR");
	char *path = NULL;

	if (dir == NULL || *dir == '\0')
		path = beside_us(name);
	if (path == NULL && asprintf(&path, "%s/%s", dir && *dir ? dir : LIBEXECDIR, name) < 0)
		return NULL;
	return path;
}
