/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "monitor/proctext.h"

#include <string.h>

/* A place in a text; fields are separated by blanks. */
struct place {
	const char *at, *end;
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void
skip_blanks(struct place *p)
{
	while (p->at < p->end && (*p->at == ' ' || *p->at == '\t'))
		p->at++;
}

/* A number in decimal, 64 bits; what is beyond wraps, as the kernel's own counters do. */
static bool
take_number(struct place *p, uint64_t *out)
{
	uint64_t n = 0;

	skip_blanks(p);
	if (p->at >= p->end || !is_digit(*p->at))
		return false;
	do {
		n = n * 10 + (uint64_t)(*p->at++ - '0');
	} while (p->at < p->end && is_digit(*p->at));
	*out = n;
	return true;
}

/* pid_t: may be negative (-1: no terminal) and has 31 bits. */
static bool
take_id(struct place *p, int32_t *out)
{
	bool negative;
	uint64_t n;

	skip_blanks(p);
	negative = p->at < p->end && *p->at == '-';
	p->at += negative;
	if (!take_number(p, &n) || n > INT32_MAX)
		return false;
	*out = negative ? -(int32_t)n : (int32_t)n;
	return true;
}

/* A number with digits behind a point. */
static bool
take_real(struct place *p, double *out)
{
	uint64_t whole, rest = 0;
	double scale = 1;

	if (!take_number(p, &whole))
		return false;
	if (p->at < p->end && *p->at == '.') {
		for (p->at++; p->at < p->end && is_digit(*p->at) && scale < 1e9; p->at++) {
			rest = rest * 10 + (uint64_t)(*p->at - '0');
			scale *= 10;
		}
	}
	*out = (double)whole + (double)rest / scale;
	return true;
}

static bool
skip_fields(struct place *p, unsigned count)
{
	while (count-- > 0) {
		skip_blanks(p);
		if (p->at >= p->end || *p->at == '\n')
			return false;
		while (p->at < p->end && *p->at != ' ' && *p->at != '\t' && *p->at != '\n')
			p->at++;
	}
	return true;
}

static bool
take_line(struct place *rest, struct place *line)
{
	const char *newline;

	if (rest->at >= rest->end)
		return false;
	newline = memchr(rest->at, '\n', (size_t)(rest->end - rest->at));
	*line = (struct place){ rest->at, newline ? newline : rest->end };
	rest->at = newline ? newline + 1 : rest->end;
	return true;
}

/* Does what comes begin so?  Then it is skipped. */
static bool
take_word(struct place *p, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(p->end - p->at) < len || memcmp(p->at, word, len) != 0)
		return false;
	p->at += len;
	return true;
}

/* --- one process ------------------------------------------------------------------ */

/* The name may hold anything, blanks and brackets too: it ends at the last bracket. */
static bool
take_name(struct place *p, char *name, size_t size)
{
	const char *close = memrchr(p->at, ')', (size_t)(p->end - p->at));
	size_t len;

	skip_blanks(p);
	if (close == NULL || p->at >= close || *p->at != '(')
		return false;
	len = (size_t)(close - p->at - 1);
	len = len < size ? len : size - 1;
	memcpy(name, p->at + 1, len);
	name[len] = '\0';
	p->at = close + 1;
	return true;
}

bool
proc_stat_read(const char *text, size_t len, struct proc_stat *out)
{
	struct place p = { text, text + len };
	uint64_t minor, major, user, system, threads;

	if (!take_id(&p, &out->pid) || !take_name(&p, out->name, sizeof(out->name)))
		return false;
	skip_blanks(&p);
	if (p.at >= p.end)
		return false;
	out->state = *p.at++;
	if (!take_id(&p, &out->parent) || !skip_fields(&p, 1) || !take_id(&p, &out->session) || !skip_fields(&p, 3))
		return false;
	if (!take_number(&p, &minor) || !skip_fields(&p, 1) || !take_number(&p, &major) || !skip_fields(&p, 1))
		return false;
	if (!take_number(&p, &user) || !take_number(&p, &system) || !skip_fields(&p, 4) || !take_number(&p, &threads))
		return false;
	if (!skip_fields(&p, 1) || !take_number(&p, &out->started) || !skip_fields(&p, 1) || !take_number(&p, &out->resident))
		return false;
	out->faults = minor + major;
	out->ticks = user + system;
	out->threads = (uint32_t)threads;
	return true;
}

bool
proc_statm_read(const char *text, size_t len, uint64_t *resident)
{
	struct place p = { text, text + len };

	return skip_fields(&p, 1) && take_number(&p, resident);
}

bool
proc_io_read(const char *text, size_t len, uint64_t *bytes_read, uint64_t *bytes_written)
{
	struct place rest = { text, text + len }, line;
	bool reads = false, writes = false;

	while (take_line(&rest, &line)) {
		if (take_word(&line, "read_bytes:"))
			reads = take_number(&line, bytes_read);
		else if (take_word(&line, "write_bytes:"))
			writes = take_number(&line, bytes_written);
	}
	return reads && writes;
}

/* The line of the unified hierarchy, from its first slash on. */
static bool
unified(const char *text, size_t len, struct place *path)
{
	struct place rest = { text, text + len };

	while (take_line(&rest, path))
		if (take_word(path, "0::"))
			return true;
	return false;
}

/* The next part of a path, behind its slash. */
static bool
take_part(struct place *path, struct place *part)
{
	const char *slash;

	if (path->at >= path->end || *path->at != '/')
		return false;
	path->at++;
	slash = memchr(path->at, '/', (size_t)(path->end - path->at));
	*part = (struct place){ path->at, slash ? slash : path->end };
	path->at = part->end;
	return true;
}

static bool
is_leaf(const struct place *part)
{
	struct place p = *part;

	if (part->end - part->at != 15 || !take_word(&p, "appctl-"))
		return false;
	while (p.at < p.end && (is_digit(*p.at) || (*p.at >= 'a' && *p.at <= 'f')))
		p.at++;
	return p.at == p.end;
}

bool
proc_cgroup_leaf(const char *text, size_t len, char *leaf)
{
	struct place path, part;
	bool found = false;

	if (!unified(text, len, &path))
		return false;
	while (take_part(&path, &part)) {
		if (!is_leaf(&part))
			continue;
		memcpy(leaf, part.at, PROC_LEAF_SIZE - 1);
		leaf[PROC_LEAF_SIZE - 1] = '\0';
		found = true;
	}
	return found;
}

bool
proc_cgroup_application(const char *text, size_t len, const char *leaf, char *name, size_t size)
{
	struct place path, part;
	size_t n = strlen(leaf);

	if (!unified(text, len, &path))
		return false;
	while (take_part(&path, &part)) {
		if ((size_t)(part.end - part.at) != n || memcmp(part.at, leaf, n) != 0)
			continue;
		if (!take_part(&path, &part) || part.end == part.at || (size_t)(part.end - part.at) >= size)
			return false;
		memcpy(name, part.at, (size_t)(part.end - part.at));
		name[part.end - part.at] = '\0';
		return true;
	}
	return false;
}

/* --- the machine -------------------------------------------------------------------- */

static bool
take_times(struct place *line, struct proc_cpu *out)
{
	uint64_t v[8] = { 0 };
	size_t i;

	for (i = 0; i < 8; i++)
		if (!take_number(line, &v[i]) && i < 4)		/* kernels have added fields at the end */
			return false;
	out->user = v[0] + v[1];
	out->system = v[2] + v[5] + v[6];
	out->idle = v[3];
	out->iowait = v[4];
	out->steal = v[7];
	return true;
}

bool
proc_cpu_read(const char *text, size_t len, struct proc_cpu *out)
{
	struct place rest = { text, text + len }, line;
	bool found = false;
	uint64_t n;

	*out = (struct proc_cpu){ .running = -1, .blocked = -1 };
	while (take_line(&rest, &line)) {
		if (take_word(&line, "cpu ")) {
			found = take_times(&line, out);
		} else if (take_word(&line, "cpu")) {
			out->cpus++;
		} else if (take_word(&line, "procs_running ")) {
			out->running = take_number(&line, &n) ? (int64_t)n : -1;
		} else if (take_word(&line, "procs_blocked ")) {
			out->blocked = take_number(&line, &n) ? (int64_t)n : -1;
		}
	}
	return found;
}

static bool
take_kilobytes(struct place *line, uint64_t *out)
{
	if (!take_number(line, out))
		return false;
	*out *= 1024;
	return true;
}

bool
proc_memory_read(const char *text, size_t len, struct proc_memory *out)
{
	struct place rest = { text, text + len }, line;
	unsigned found = 0;

	*out = (struct proc_memory){ 0 };
	while (take_line(&rest, &line)) {
		if (take_word(&line, "MemTotal:"))
			found += take_kilobytes(&line, &out->total);
		else if (take_word(&line, "MemAvailable:"))
			found += take_kilobytes(&line, &out->available);
		else if (take_word(&line, "SwapTotal:"))
			found += take_kilobytes(&line, &out->swap_total);
		else if (take_word(&line, "SwapFree:"))
			found += take_kilobytes(&line, &out->swap_free);
	}
	return found >= 4;
}

bool
proc_load_read(const char *text, size_t len, struct proc_load *out)
{
	struct place p = { text, text + len };
	uint64_t running, threads;
	size_t i;

	for (i = 0; i < 3; i++)
		if (!take_real(&p, &out->load[i]))
			return false;
	if (!take_number(&p, &running) || !take_word(&p, "/") || !take_number(&p, &threads))
		return false;
	out->threads = (uint32_t)threads;
	return true;
}

static bool
take_total(struct place *line, uint64_t *out)
{
	return skip_fields(line, 3) && (skip_blanks(line), take_word(line, "total=")) && take_number(line, out);
}

bool
proc_pressure_read(const char *text, size_t len, uint64_t *some, uint64_t *full)
{
	struct place rest = { text, text + len }, line;
	bool found = false;

	*full = 0;
	while (take_line(&rest, &line)) {
		if (take_word(&line, "some "))
			found = take_total(&line, some);
		else if (take_word(&line, "full ") && !take_total(&line, full))
			return false;
	}
	return found;
}

/* Is name one of these, or one of these and something behind it? */
static bool
begins_with_any(const struct place *name, const char *const *beginnings)
{
	struct place p;

	for (; *beginnings != NULL; beginnings++) {
		p = *name;
		if (take_word(&p, *beginnings))
			return true;
	}
	return false;
}

/* sda1 after sda, nvme0n1p2 after nvme0n1: the kernel lists a disk right before its partitions. */
static bool
is_partition(const struct place *name, const struct place *disk)
{
	size_t n = (size_t)(disk->end - disk->at);
	struct place p = *name;

	if (n == 0 || (size_t)(p.end - p.at) <= n || memcmp(p.at, disk->at, n) != 0)
		return false;
	p.at += n;
	if (is_digit(disk->end[-1]) && !take_word(&p, "p"))
		return false;
	while (p.at < p.end && is_digit(*p.at))
		p.at++;
	return p.at == p.end;
}

bool
proc_disks_read(const char *text, size_t len, uint64_t *bytes_read, uint64_t *bytes_written)
{
	static const char *const made_of_others[] = { "loop", "ram", "zram", "dm-", "md", "sr", "fd", NULL };
	struct place rest = { text, text + len }, line, name, disk = { text, text };
	uint64_t in, out;

	*bytes_read = *bytes_written = 0;
	while (take_line(&rest, &line)) {
		if (!skip_fields(&line, 2))
			return false;
		skip_blanks(&line);
		name.at = line.at;
		if (!skip_fields(&line, 1))
			return false;
		name.end = line.at;
		if (is_partition(&name, &disk) || begins_with_any(&name, made_of_others))
			continue;
		disk = name;
		if (!skip_fields(&line, 2) || !take_number(&line, &in) || !skip_fields(&line, 3) || !take_number(&line, &out))
			return false;
		*bytes_read += in * 512;	/* sectors of 512 bytes, whatever the disk's are */
		*bytes_written += out * 512;
	}
	return true;
}

bool
proc_net_read(const char *text, size_t len, uint64_t *received, uint64_t *sent)
{
	/* What goes through these goes nowhere, or through another one too. */
	static const char *const inside[] = { "lo:", "veth", "docker", "br-", "virbr", "vnet", "ifb", "dummy", NULL };
	struct place rest = { text, text + len }, line;
	uint64_t in, out;
	const char *colon;
	size_t lines = 0;

	*received = *sent = 0;
	while (take_line(&rest, &line)) {
		if (lines++ < 2)		/* headings */
			continue;
		skip_blanks(&line);
		colon = memrchr(line.at, ':', (size_t)(line.end - line.at));
		if (colon == NULL)
			return false;
		if (begins_with_any(&line, inside))
			continue;
		line.at = colon + 1;
		if (!take_number(&line, &in) || !skip_fields(&line, 7) || !take_number(&line, &out))
			return false;
		*received += in;
		*sent += out;
	}
	return lines >= 2;
}

bool
proc_uptime_read(const char *text, size_t len, double *seconds)
{
	struct place p = { text, text + len };

	return take_real(&p, seconds);
}
