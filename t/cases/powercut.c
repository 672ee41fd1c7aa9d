/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "store/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * The first and only program of a machine whose power is cut (t/cases/powercut.t): on an ext4 disk a producer's spool and a
 * consumer's SQLite (/feed, which is t/monitor/feed) are written for as long as it lasts.  On the console it says what is safe by
 * now, "added EPOCH SEQ" and "stored …"; started with powercut=check, what there is: "has EPOCH FIRST LAST", "marked SEQ".
 */
enum { TEXT_SIZE = 4000, KEEP = 40 };

static const struct spool_limits wide = { .bytes_max = 1 << 30 };

static void
die(const char *what)
{
	printf("failed: %s: %s\n", what, strerror(errno));
	for (;;)
		pause();
}

static size_t
text_of(uint64_t seq, char text[TEXT_SIZE])
{
	size_t len = 100 + (size_t)(seq * 7919 % (TEXT_SIZE - 100)), i;

	for (i = 0; i < len; i++)
		text[i] = (char)('a' + (seq + i) % 26);
	return len;
}

static void
write_spool(struct spool *s)
{
	char text[TEXT_SIZE];
	struct spool_batch b = { .text = text };
	struct err err;

	for (;;) {
		b.seq = spool_next_seq(s);
		b.len = text_of(b.seq, text);
		if (spool_add(s, &b, 1, NULL, &err) < 0)
			die(err.msg);
		printf("added %" PRIu64 " %" PRIu64 "\n", spool_epoch(s), b.seq);
		if (b.seq % KEEP != 0)
			continue;
		printf("letting %" PRIu64 " %" PRIu64 "\n", spool_epoch(s), b.seq - KEEP / 2);
		if (spool_acknowledge(s, spool_epoch(s), b.seq - KEEP / 2, &err) < 0)
			die(err.msg);
	}
}

/* And lets it go, so that the next one is first. */
static void
read_epoch(struct spool *s, uint64_t epoch)
{
	uint64_t first = 0, last = 0;
	char text[TEXT_SIZE];
	struct spool_batch b;
	struct err err;

	while (spool_next(s, epoch, last, &b, &err) > 0) {
		if (b.len != text_of(b.seq, text) || memcmp(b.text, text, b.len) != 0)
			printf("wrong %" PRIu64 "\n", b.seq);
		if (first != 0 && b.seq != last + 1)
			printf("hole %" PRIu64 "\n", b.seq);
		first = first ? first : b.seq;
		last = b.seq;
	}
	printf("has %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", epoch, first, last);
	if (spool_acknowledge(s, epoch, last, &err) < 0)
		die(err.msg);
}

/* /feed with a pipe to it. */
static FILE *
start_feed(void)
{
	int ends[2];

	if (pipe(ends) < 0)
		die("pipe");
	if (fork() == 0) {
		dup2(ends[0], STDIN_FILENO);
		close(ends[1]);
		execl("/feed", "/feed", "/disk/monitor.db", (char *)NULL);
		die("feed");
	}
	close(ends[0]);
	return fdopen(ends[1], "w");
}

static void
write_database(const char *round)
{
	FILE *feed = start_feed();
	unsigned long seq;

	for (seq = 1; ; seq++) {
		fprintf(feed, "{\"type\":\"prc\",\"node\":\"alice\",\"epoch\":%s,\"seq\":%lu,\"ts\":\"2026-01-01T00:00:00.000000Z\","
			      "\"columns\":[\"pid\",\"name\"],\"rows\":[[%lu,\"one\"],[%lu,\"two\"]]}\n", round, seq, seq, seq);
		fflush(feed);
		usleep(20000);
	}
}

static void
look(struct spool *s, const char *round)
{
	FILE *feed = start_feed();

	printf("damage %s\n", spool_damage(s));
	while (spool_count(s) > 0)
		read_epoch(s, spool_first_epoch(s));
	fprintf(feed, "mark alice %s\n", round);
	fclose(feed);
	while (wait(NULL) > 0 || errno == EINTR)
		;
	printf("checked\n");
	umount("/disk");
	reboot(RB_POWER_OFF);
}

int
main(void)
{
	char line[1024] = "", *round;
	struct spool *s;
	struct err err;
	int fd;

	setvbuf(stdout, NULL, _IOLBF, 0);
	mkdir("/proc", 0755);
	mkdir("/disk", 0755);
	mkdir("/dev", 0755);
	if (mount("proc", "/proc", "proc", 0, NULL) < 0 || (mount("dev", "/dev", "devtmpfs", 0, NULL) < 0 && errno != EBUSY))
		die("mount");
	if (mount("/dev/nvme0n1", "/disk", "ext4", 0, NULL) < 0)
		die("mount the disk");
	fd = open("/proc/cmdline", O_RDONLY);
	if (fd < 0 || read(fd, line, sizeof(line) - 1) < 0 || (round = strstr(line, "round=")) == NULL)
		die("command line");
	round += strlen("round=");
	round[strspn(round, "0123456789")] = '\0';
	if (mkdir("/disk/spool", 0700) < 0 && errno != EEXIST)
		die("spool");
	s = spool_open("/disk/spool", &wide, &err);
	if (s == NULL)
		die(err.msg);
	if (strstr(line, "powercut=check") != NULL)
		look(s, round);
	else if (fork() == 0)
		write_database(round);
	else
		write_spool(s);
	for (;;)
		pause();
}
