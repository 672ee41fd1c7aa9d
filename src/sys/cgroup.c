/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "sys/cgroup.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DEPTH_MAX = 16, KILL_ROUNDS = 16, LEFTOVERS_WAIT_MS = 5000 };
enum { AS_DIRECTORY = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

/* --- Where the own cgroup is ------------------------------------------------ */

/* The first line of the file in which `find` finds something; NULL: none.  line is the caller's. */
static const char *
find_line(const char *path, char **line, const char *(*find)(char *line, void *arg), void *arg)
{
	FILE *f = fopen(path, "re");
	const char *found = NULL;
	size_t cap = 0;

	if (f == NULL)
		return NULL;
	while (found == NULL && getline(line, &cap, f) > 0)
		found = find(*line, arg);
	fclose(f);
	return found;
}

static const char *
v2_path(char *line, void *arg)
{
	(void)arg;
	line[strcspn(line, "\n")] = '\0';
	return strncmp(line, "0::/", 4) == 0 ? line + 3 : NULL;
}

/* mountinfo writes blanks, tabs, newlines and backslashes as \ooo. */
static void
unescape(char *s)
{
	char *to = s;

	for (; *s != '\0'; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] != '\0' && s[3] != '\0') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

struct mount {
	const char *own;		/* the own cgroup, as /proc/self/cgroup has it */
	char path[PATH_MAX];		/* the same as a directory */
};

/* "36 35 0:30 ROOT MOUNTPOINT OPTIONS [FIELDS] - cgroup2 …": is the own cgroup below ROOT? */
static const char *
mount_of_own(char *line, void *arg)
{
	struct mount *m = arg;
	char *field[6], *at = line;
	const char *rest = m->own;
	size_t i, root_len;

	if (strstr(line, " - cgroup2 ") == NULL)
		return NULL;
	for (i = 0; i < 6; i++)
		if ((field[i] = strsep(&at, " ")) == NULL)
			return NULL;
	unescape(field[3]);
	unescape(field[4]);
	root_len = strcmp(field[3], "/") == 0 ? 0 : strlen(field[3]);
	if (strncmp(rest, field[3], root_len) != 0 || (rest[root_len] != '/' && rest[root_len] != '\0'))
		return NULL;
	rest += root_len;
	if (strcmp(rest, "/") == 0)
		rest = "";
	if ((size_t)snprintf(m->path, sizeof(m->path), "%s%s", field[4], rest) >= sizeof(m->path))
		return NULL;
	return m->path;
}

static int
find_own(char *path, size_t size, struct err *err)
{
	autofree char *own_line = NULL;
	autofree char *mount_line = NULL;
	struct mount m = { 0 };

	m.own = find_line("/proc/self/cgroup", &own_line, v2_path, NULL);
	if (m.own == NULL)
		return err_set(err, 0, "the kernel offers no cgroup v2 (/proc/self/cgroup has no line 0::/)");
	if (strncmp(m.own, "/..", 3) == 0)
		return err_set(err, 0, "the own cgroup is outside of this namespace");
	if (find_line("/proc/self/mountinfo", &mount_line, mount_of_own, &m) == NULL)
		return err_set(err, 0, "no cgroup2 file system is mounted that shows %s", m.own);
	snprintf(path, size, "%s", m.path);
	return 0;
}

/* --- Reading without memory -------------------------------------------------- */

/* A whole small file, NUL-terminated; "" where it cannot be read. */
static const char *
read_small(int dir_fd, const char *name, char *text, size_t size)
{
	autoclose int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* Calls `each` for every number in the file at fd. */
static void
each_number(int fd, void (*each)(int number, void *arg), void *arg)
{
	char chunk[2048];
	int number = 0;
	ssize_t n, i;

	while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
		for (i = 0; i < n; i++) {
			if (chunk[i] >= '0' && chunk[i] <= '9') {
				number = number * 10 + (chunk[i] - '0');
				continue;
			}
			if (number > 0)		/* 0: a process outside of this pid namespace */
				each(number, arg);
			number = 0;
		}
	}
}

/* Calls `each` for every directory in dir_fd. */
static void
each_directory(int dir_fd, void (*each)(int dir_fd, const char *name, void *arg), void *arg)
{
	char chunk[2048] __attribute__((aligned(8)));
	const struct dirent64 *entry;
	ssize_t n, at;

	lseek(dir_fd, 0, SEEK_SET);
	while ((n = getdents64(dir_fd, chunk, sizeof(chunk))) > 0) {
		for (at = 0; at < n; at += entry->d_reclen) {
			entry = (const struct dirent64 *)(const void *)(chunk + at);
			if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
				each(dir_fd, entry->d_name, arg);
		}
	}
}

static bool
is_populated(int dir_fd)
{
	char text[256];

	return strstr(read_small(dir_fd, "cgroup.events", text, sizeof(text)), "populated 1") != NULL;
}

/* --- Signals ------------------------------------------------------------------- */

struct round {
	const struct cgroups *c;
	const char *name;		/* NULL: the daemon's whole directory */
	int signo, depth;
	unsigned count;
};

static bool
line_is_below(const char *line, const char *leaf, const char *name)
{
	const char *at = strstr(line, leaf);
	size_t len;

	if (at == NULL)
		return false;
	at += strlen(leaf);
	if (name == NULL)
		return *at == '/' || *at == '\0' || *at == '\n';
	len = strlen(name);
	return at[0] == '/' && strncmp(at + 1, name, len) == 0 && strchr("/\n", at[1 + len]) != NULL;
}

static bool
is_member(const struct cgroups *c, const char *name, int pid)
{
	char path[64], text[PATH_MAX + 256];
	const char *line;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	line = strstr(read_small(AT_FDCWD, path, text, sizeof(text)), "0::/");
	return line != NULL && line_is_below(line, c->leaf, name);
}

/* The pidfd first, then the question: what answers is what gets the signal. */
static void
signal_one(int pid, void *arg)
{
	struct round *r = arg;
	autoclose int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0 && errno != ENOSYS && errno != EMFILE && errno != ENFILE)
		return;
	if (!is_member(r->c, r->name, pid))
		return;
	if (fd >= 0 ? syscall(SYS_pidfd_send_signal, fd, r->signo, NULL, 0) == 0 : kill(pid, r->signo) == 0)
		r->count++;
}

static void signal_below(int parent_fd, const char *name, void *arg);

static void
signal_all_in(int dir_fd, struct round *r)
{
	autoclose int fd = openat(dir_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		each_number(fd, signal_one, r);
	if (++r->depth <= DEPTH_MAX)
		each_directory(dir_fd, signal_below, r);
	r->depth--;
}

static void
signal_below(int parent_fd, const char *name, void *arg)
{
	autoclose int fd = openat(parent_fd, name, AS_DIRECTORY);

	if (fd >= 0)
		signal_all_in(fd, arg);
}

/* In one write where the kernel can (5.14), else until a round finds nobody: forks may outrun a round. */
static unsigned
kill_all_in(int dir_fd, struct round *r)
{
	autoclose int fd = openat(dir_fd, "cgroup.kill", O_WRONLY | O_CLOEXEC);
	unsigned before, rounds;

	if (!is_populated(dir_fd))
		return 0;
	if (fd >= 0 && write(fd, "1", 1) == 1)
		return 1;
	for (rounds = 0; rounds < KILL_ROUNDS; rounds++) {
		before = r->count;
		signal_all_in(dir_fd, r);
		if (r->count == before)
			break;
	}
	return r->count > 0;
}

unsigned
cgroup_signal(const struct cgroups *c, const char *name, int signo)
{
	struct round r = { .c = c, .name = name, .signo = signo };
	autoclose int fd = openat(c->dir_fd, name, AS_DIRECTORY);

	if (fd < 0)
		return 0;
	if (signo == SIGKILL)
		return kill_all_in(fd, &r);
	signal_all_in(fd, &r);
	return r.count;
}

/* --- Directories ----------------------------------------------------------------- */

static bool
name_is_good(const char *name)
{
	size_t len;

	for (;; name += len + 1) {
		len = strcspn(name, "/");
		if (len == 0 || (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'))))
			return false;
		if (name[len] == '\0')
			return true;
	}
}

static int
make_parents(int dir_fd, const char *name)
{
	char path[PATH_MAX];
	size_t len;

	for (len = strcspn(name, "/"); name[len] == '/'; len += 1 + strcspn(name + len + 1, "/")) {
		snprintf(path, sizeof(path), "%.*s", (int)len, name);
		if (mkdirat(dir_fd, path, 0755) < 0 && errno != EEXIST)
			return -1;
	}
	return 0;
}

int
cgroup_make(const struct cgroups *c, const char *name)
{
	int fd;

	if (c->dir_fd < 0 || !name_is_good(name)) {
		errno = EINVAL;
		return -1;
	}
	fd = openat(c->dir_fd, name, AS_DIRECTORY);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (mkdirat(c->dir_fd, name, 0755) < 0 && errno == ENOENT) {
		if (make_parents(c->dir_fd, name) < 0)
			return -1;
		mkdirat(c->dir_fd, name, 0755);
	}
	return openat(c->dir_fd, name, AS_DIRECTORY);
}

void
cgroup_prepare(const struct cgroups *c, const char *name)
{
	if (c->dir_fd >= 0 && name_is_good(name))
		mkdirat(c->dir_fd, name, 0755);
}

bool
cgroup_is_populated(const struct cgroups *c, const char *name)
{
	char path[PATH_MAX], text[256];

	snprintf(path, sizeof(path), "%s/cgroup.events", name);
	return strstr(read_small(c->dir_fd, path, text, sizeof(text)), "populated 1") != NULL;
}

/* A directory has one link for each directory in it, beside its own two. */
bool
cgroup_has_parts(const struct cgroups *c, const char *name)
{
	struct stat st;

	return fstatat(c->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_nlink > 2;
}

bool
cgroup_had_oom_kill(const struct cgroups *c, const char *name)
{
	char path[PATH_MAX], text[512];
	const char *at;

	snprintf(path, sizeof(path), "%s/memory.events", name);
	at = strstr(read_small(c->dir_fd, path, text, sizeof(text)), "oom_kill ");
	return at != NULL && strtoul(at + strlen("oom_kill "), NULL, 10) > 0;
}

bool
cgroup_has(const struct cgroups *c, const char *name, int pid)
{
	return is_member(c, name, pid);
}

bool
cgroup_of(const struct cgroups *c, int pid, char *name, size_t size)
{
	char path[64], text[PATH_MAX + 256];
	const char *at;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	at = strstr(read_small(AT_FDCWD, path, text, sizeof(text)), "0::/");
	at = at ? strstr(at, c->leaf) : NULL;
	if (at == NULL || at[strlen(c->leaf)] != '/')
		return false;
	at += strlen(c->leaf) + 1;
	len = strcspn(at, "/\n");
	return len > 0 && (size_t)snprintf(name, size, "%.*s", (int)len, at) < size;
}

static void
remove_below(int parent_fd, const char *name, void *arg)
{
	int depth = *(int *)arg + 1;
	autoclose int fd = -1;

	if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno != EBUSY || depth > DEPTH_MAX)
		return;
	fd = openat(parent_fd, name, AS_DIRECTORY);
	if (fd < 0 || is_populated(fd))
		return;
	each_directory(fd, remove_below, &depth);
	unlinkat(parent_fd, name, AT_REMOVEDIR);
}

void
cgroup_remove(const struct cgroups *c, const char *name)
{
	int depth = 0;

	if (c->dir_fd >= 0 && name_is_good(name))
		remove_below(c->dir_fd, name, &depth);
}

/* --- The daemon's directory --------------------------------------------------------- */

static void
count_one(int pid, void *arg)
{
	(void)pid;
	++*(unsigned *)arg;
}

static void
count_below(int parent_fd, const char *name, void *arg)
{
	autoclose int fd = openat(parent_fd, name, AS_DIRECTORY);
	autoclose int procs = fd < 0 ? -1 : openat(fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);

	if (procs >= 0)
		each_number(procs, count_one, arg);
	if (fd >= 0)
		each_directory(fd, count_below, arg);
}

/* cgroup.events wakes its readers with POLLPRI. */
static void
wait_until_empty(int dir_fd)
{
	autoclose int fd = openat(dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	struct pollfd p = { .fd = fd, .events = POLLPRI };
	char text[256];
	int left_ms;

	for (left_ms = LEFTOVERS_WAIT_MS; fd >= 0 && left_ms > 0; left_ms -= 50) {
		if (pread(fd, text, sizeof(text) - 1, 0) <= 0 || !is_populated(dir_fd))
			return;
		poll(&p, 1, 50);
	}
}

struct clearing {
	const struct cgroups *c;
	bool (*in_use)(void *arg, const char *name);
	void *arg;
	unsigned count;
};

static void
clear_one(int parent_fd, const char *name, void *arg)
{
	struct clearing *cl = arg;
	struct round r = { .c = cl->c, .name = name, .signo = SIGKILL };
	autoclose int fd = cl->in_use != NULL && cl->in_use(cl->arg, name) ? -1 : openat(parent_fd, name, AS_DIRECTORY);

	if (fd < 0 || !is_populated(fd))
		return;
	count_below(parent_fd, name, &cl->count);
	kill_all_in(fd, &r);
}

static void
await_one(int parent_fd, const char *name, void *arg)
{
	const struct clearing *cl = arg;
	autoclose int fd = cl->in_use != NULL && cl->in_use(cl->arg, name) ? -1 : openat(parent_fd, name, AS_DIRECTORY);
	int depth = 0;

	if (fd < 0)
		return;
	wait_until_empty(fd);
	remove_below(parent_fd, name, &depth);
}

unsigned
cgroups_clear(const struct cgroups *c, bool (*in_use)(void *arg, const char *name), void *arg)
{
	struct clearing cl = { c, in_use, arg, 0 };
	struct round own = { .c = c, .signo = SIGKILL };

	each_directory(c->dir_fd, clear_one, &cl);
	/* Somebody may have gone to the daemon's own directory, too. */
	if (in_use == NULL)
		kill_all_in(c->dir_fd, &own);
	each_directory(c->dir_fd, await_one, &cl);
	return cl.count;
}

int
cgroups_open(struct cgroups *c, uint32_t id, struct err *err)
{
	char own[PATH_MAX];

	*c = (struct cgroups){ .dir_fd = -1 };
	if (find_own(own, sizeof(own), err) < 0)
		return -1;
	snprintf(c->leaf, sizeof(c->leaf), "appctl-%08x", id);
	if ((size_t)snprintf(c->path, sizeof(c->path), "%s/%s", own, c->leaf) >= sizeof(c->path))
		return err_set(err, ENAMETOOLONG, "cgroup %s", own);
	if (mkdir(c->path, 0755) < 0 && errno != EEXIST) {
		err_set(err, errno, "cgroup %s", c->path);
		c->path[0] = '\0';
		return -1;
	}
	c->dir_fd = open(c->path, AS_DIRECTORY);
	if (c->dir_fd < 0) {
		err_set(err, errno, "cgroup %s", c->path);
		c->path[0] = '\0';
		return -1;
	}
	return 0;
}

bool
cgroups_are_populated(const struct cgroups *c)
{
	return c->dir_fd >= 0 && is_populated(c->dir_fd);
}

void
cgroups_close(struct cgroups *c)
{
	int depth = 0;

	if (c->dir_fd < 0)
		return;
	each_directory(c->dir_fd, remove_below, &depth);
	close(c->dir_fd);
	rmdir(c->path);
	c->dir_fd = -1;
	c->path[0] = '\0';
}
