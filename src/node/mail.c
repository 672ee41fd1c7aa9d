/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/mail.h"

#include "base/log.h"
#include "sys/alarm.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SWEEP_MS = 3600 * 1000, BUFFER_KEEP = 512 * 1024 };

/* --- turns --- */

static struct mail_limits
limits_in(const struct node_settings *s)
{
	return (struct mail_limits){ s->mailbox.size, (uint64_t)s->mailbox.messages, s->mailbox.age_ms };
}

void
mail_turn(struct mail *m)
{
	struct mail_limits l;
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	m->now.boot_ms = (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
	m->now.real_us = clock_real_us();
	if (m->limits_of != m->node->settings) {
		l = limits_in(m->node->settings);
		post_set_limits(m->post, &l);
		m->limits_of = m->node->settings;
	}
}

static void
note_brought(struct mail *m, const struct brought *b)
{
	buf_add(&m->brought, b, sizeof(*b));
}

void
mail_brought(struct mail *m, uint64_t n, struct inbox *in)
{
	note_brought(m, &(struct brought){ .n = n, .in = in });
}

void
mail_failed(struct mail *m, uint64_t n, const char *code, const char *fmt, ...)
{
	size_t at = m->texts.len;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&m->texts, fmt, ap);
	va_end(ap);
	buf_addc(&m->texts, '\0');
	note_brought(m, &(struct brought){ n, NULL, code, at });
}

static struct inbox *
dirty_at(const struct mail *m, size_t i)
{
	struct inbox *in;

	memcpy(&in, m->dirty.data + i * sizeof(struct inbox *), sizeof(struct inbox *));
	return in;
}

static size_t
dirty_count(const struct mail *m)
{
	return m->dirty.len / sizeof(struct inbox *);
}

static void
write_all(struct mail *m)
{
	struct inbox *in;
	size_t i;

	for (i = 0; i < dirty_count(m); i++) {
		in = dirty_at(m, i);
		in->unwritten = mailbox_flush(in->box, &m->write_err) < 0;
		if (in->unwritten)
			log_write(LOG_NODE, LOG_LEVEL_WARNING, "%s", m->write_err.msg);
	}
}

/* Numbers that follow each other and went well are answered as one range. */
static void
answer_all(struct mail *m, mail_answer_fn *answer, void *arg)
{
	size_t i, count = m->brought.len / sizeof(struct brought);
	uint64_t first = 0, last = 0;
	struct brought b;

	for (i = 0; i < count; i++) {
		memcpy(&b, m->brought.data + i * sizeof(b), sizeof(b));
		if (b.in != NULL && !b.in->unwritten && first != 0 && b.n == last + 1) {
			last = b.n;
			continue;
		}
		if (first != 0)
			answer(arg, first, last, NULL, NULL);
		first = last = 0;
		if (b.in == NULL)
			answer(arg, b.n, b.n, b.code, m->texts.failed ? "" : m->texts.data + b.text);
		else if (b.in->unwritten)
			answer(arg, b.n, b.n, "failed", m->write_err.msg);
		else
			first = last = b.n;
	}
	if (first != 0)
		answer(arg, first, last, NULL, NULL);
}

static void
empty(struct buf *b)
{
	if (b->cap > BUFFER_KEEP || b->failed)
		buf_free(b);
	else
		buf_clear(b);
}

int
mail_settle(struct mail *m, mail_answer_fn *answer, void *arg)
{
	bool lost = m->brought.failed;
	struct inbox *in;
	size_t i;

	write_all(m);
	if (answer != NULL && !lost)
		answer_all(m, answer, arg);
	empty(&m->brought);
	empty(&m->texts);
	mail_outs_write(m);
	for (i = 0; i < dirty_count(m); i++) {
		in = dirty_at(m, i);
		in->dirty = in->unwritten = false;
		if (in->reader != NULL)
			mail_client_push(in->reader);
	}
	empty(&m->dirty);
	mail_clients_tell(m);
	return lost ? -1 : 0;
}

/* --- beginning and end --- */

static void
odd(void *arg, const char *text)
{
	(void)arg;
	alarm_raise("%s", text);
}

/* Ages count within one boot of the machine and go on in the next. */
static uint64_t
this_boot(void)
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	char id[64] = { 0 };
	uint64_t hash = 1469598103934665603u;
	size_t i;

	if (fd >= 0) {
		if (read(fd, id, sizeof(id) - 1) < 0)
			id[0] = '\0';
		close(fd);
	}
	for (i = 0; id[i] != '\0'; i++)
		hash = (hash ^ (unsigned char)id[i]) * 1099511628211u;
	return hash ? hash : 1;
}

static int
open_post(struct mail *m, struct err *err)
{
	struct mail_limits l = limits_in(m->node->settings);
	char own[PATH_MAX];
	const char *directory = m->node->settings->mailbox.directory;
	struct stat st;

	if (directory == NULL) {
		if (node_path(m->node, "mail", own, sizeof(own), err) < 0)
			return -1;
		directory = own;
	}
	if (stat(m->node->runtime_dir, &st) < 0)
		return err_set(err, errno, "%s", m->node->runtime_dir);
	m->owner = st.st_uid;
	m->post = post_open(directory, &l, odd, m, err);
	return m->post ? 0 : -1;
}

static void
sweep(void *arg)
{
	struct mail *m = arg;

	mail_turn(m);
	post_sweep(m->post, &m->now);
	inboxes_sweep(m);
	timer_at(m->sweep, clock_mono_ms() + SWEEP_MS);
}

int
mail_start(struct node *n, struct err *err)
{
	struct mail *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return err_set(err, ENOMEM, "mailboxes");
	n->mail = m;
	m->node = n;
	TAILQ_INIT(&m->clients);
	TAILQ_INIT(&m->answered);
	TAILQ_INIT(&m->outs);
	TAILQ_INIT(&m->ins);
	m->now.boot = this_boot();
	m->calls = n->calls;
	m->sweep = timer_new(n->loop, sweep, m);
	if (m->sweep == NULL)
		return err_set(err, ENOMEM, "mailboxes");
	if (open_post(m, err) < 0 || mail_follow_start(m, err) < 0)
		return -1;
	mail_turn(m);
	timer_at(m->sweep, clock_mono_ms() + 1000);
	return mail_clients_start(m, err);
}

void
mail_stop(struct node *n)
{
	struct mail *m = n->mail;

	if (m == NULL)
		return;
	mail_clients_stop(m);
	mail_outs_free(m);
	mail_ins_free(m);
	mail_follow_stop(m);
	inboxes_free(m);
	post_close(m->post);
	timer_free(m->sweep);
	buf_free(&m->dirty);
	buf_free(&m->brought);
	buf_free(&m->texts);
	buf_free(&m->line);
	buf_free(&m->unescaped);
	free(m);
	n->mail = NULL;
}
