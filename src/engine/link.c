/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "engine/shell.h"
#include "sys/link_io.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64, HURRY_AFTER_MS = 2000 };
/* So much is sent without waiting for more: the keeper can begin; then it has something to do, and wakes up seldom. */
enum { FIRST_PACKET_AIM = 4 * 1024, PACKET_AIM = 32 * 1024 };

/* A packet that the socket did not take at once; its descriptors are its own. */
struct queued {
	struct queued *next;
	size_t len, fd_count;
	int fds[LINK_FDS_MAX];
	_Alignas(8) char data[];
};

struct keeper_link {
	struct daemon *d;
	int fd;
	struct watch *watch;
	struct link_in in;
	struct queued *first, **last;
	struct buf scratch;		/* the message in the making */
	struct buf out;			/* the packet in the making: whole messages */
	size_t aim;			/* how long that gets */
	unsigned gathering;
};

static void
queued_free(struct queued *q)
{
	size_t i;

	for (i = 0; i < q->fd_count; i++)
		close(q->fds[i]);
	free(q);
}

/* 1: sent; 0: not now. */
static int
send_one(struct keeper_link *k, const void *data, size_t len, const int *fds, size_t fd_count)
{
	if (link_send(k->fd, data, len, fds, fd_count) == 0)
		return 1;
	if (errno != EAGAIN)
		daemon_give_up("the keeper does not take messages any more");
	return 0;
}

static void
flush_queue(struct keeper_link *k)
{
	struct queued *q;

	while ((q = k->first) != NULL && send_one(k, q->data, q->len, q->fds, q->fd_count)) {
		k->first = q->next;
		queued_free(q);
	}
	if (k->first == NULL)
		k->last = &k->first;
	watch_set(k->watch, k->first ? LOOP_READ | LOOP_WRITE : LOOP_READ);
}

static void
enqueue(struct keeper_link *k, const void *data, size_t len, const int *fds, size_t fd_count)
{
	struct queued *q = malloc(sizeof(*q) + len);

	if (q == NULL)
		daemon_give_up("no memory for a message to the keeper");
	*q = (struct queued){ .len = len };
	memcpy(q->data, data, len);
	for (; q->fd_count < fd_count; q->fd_count++) {
		q->fds[q->fd_count] = fcntl(fds[q->fd_count], F_DUPFD_CLOEXEC, 0);
		if (q->fds[q->fd_count] < 0)
			daemon_give_up("no descriptor for a message to the keeper");
	}
	*k->last = q;
	k->last = &q->next;
	watch_set(k->watch, LOOP_READ | LOOP_WRITE);
}

/* Sends a packet, or lets it wait its turn; those before it go first, as far as there is room by now. */
static void
send_packet(struct keeper_link *k, struct buf *b, const int *fds, size_t fd_count)
{
	if (k->first != NULL)
		flush_queue(k);
	if (b->len > 0 && (k->first != NULL || !send_one(k, b->data, b->len, fds, fd_count)))
		enqueue(k, b->data, b->len, fds, fd_count);
	if (b->cap > LINK_MAX)
		buf_free(b);
	buf_clear(b);
}

/* What stands in scratch follows what was said before: in the same packet where it can. */
static void
post(struct keeper_link *k, const int *fds, size_t fd_count)
{
	static const char nothing[8];
	struct buf *b = &k->scratch;
	size_t gap = link_aligned(k->out.len) - k->out.len;

	if (fd_count > 0 || k->out.len + gap + b->len > LINK_MAX) {
		send_packet(k, &k->out, NULL, 0);
		gap = 0;
	}
	if (fd_count > 0 || b->len > LINK_MAX) {
		send_packet(k, b, fds, fd_count);
		return;
	}
	buf_add(&k->out, nothing, gap);
	buf_add(&k->out, b->data, b->len);
	buf_clear(b);
	if (k->out.failed)
		daemon_give_up("no memory for a message to the keeper");
	if (k->gathering > 0 && k->out.len < k->aim)
		return;
	send_packet(k, &k->out, NULL, 0);
	k->aim = PACKET_AIM;
}

void
keeper_gather(struct keeper_link *k, bool begin)
{
	if (begin && k->gathering++ == 0)
		k->aim = FIRST_PACKET_AIM;
	else if (!begin && --k->gathering == 0)
		send_packet(k, &k->out, NULL, 0);
}

void
keeper_say(struct keeper_link *k, enum link_type type, uint64_t inc, const void *fixed, size_t len, const char *text)
{
	link_put(&k->scratch, type, inc, fixed, len, text);
	if (k->scratch.failed)
		daemon_give_up("no memory for a message to the keeper");
	post(k, NULL, 0);
}

void
keeper_say_number(struct keeper_link *k, enum link_type type, uint64_t inc, int64_t number)
{
	const struct link_number body = { .number = number };

	keeper_say(k, type, inc, &body, sizeof(body), NULL);
}

void
daemon_share_log_levels(struct daemon *d)
{
	struct link_log_levels body = { 0 };
	int i;

	for (i = 0; i < LOG_MODULE_COUNT; i++)
		body.level[i] = (uint8_t)log_get_level((enum log_module)i);
	keeper_say(d->link, LINK_LOG_LEVELS, 0, &body, sizeof(body), NULL);
}

int
keeper_order_spawn(struct keeper_link *k, uint64_t inc, const struct spawn_order *o, const int *fds, size_t nfds)
{
	link_put_spawn(&k->scratch, inc, o);
	if (k->scratch.failed || k->scratch.len > LINK_BODY_MAX) {
		buf_free(&k->scratch);
		return -1;
	}
	post(k, fds, nfds);
	k->d->shell->spawns_ordered++;
	return 0;
}

bool
keeper_offer_state(struct keeper_link *k, int fd)
{
	bool sent;

	send_packet(k, &k->out, NULL, 0);
	if (k->first != NULL)
		return false;
	link_put(&k->scratch, LINK_STATE, 0, NULL, 0, NULL);
	sent = !k->scratch.failed && send_one(k, k->scratch.data, k->scratch.len, &fd, 1);
	buf_clear(&k->scratch);
	return sent;
}

static void
got_hello(struct daemon *d, const struct link_header *h, const void *body, struct link_in *in)
{
	(void)in;
	memcpy(&d->hello, body, sizeof(d->hello));
	d->cgroup_dir = strdup(link_text(h, body));
	if (d->cgroup_dir == NULL)
		daemon_give_up("no memory");
	d->state = state_new(ENGINE_FD_STATE, d->hello.instance);
	if (d->state == NULL)
		daemon_give_up("no memory");
	tree_open_cgroups(d);
}

static void
got_child(struct daemon *d, const struct link_header *h, const void *body, struct link_in *in)
{
	struct child_told told = { .inc = h->inc, .ready_fd = link_in_take_fd(in, 0) };

	memcpy(&told.child, body, sizeof(told.child));
	strncpy(told.name, link_text(h, body), NAME_MAX_LEN);
	buf_add(&d->shell->told, &told, sizeof(told));
	if (d->shell->told.failed)
		daemon_give_up("no memory for the keeper's table");
}

static void
got_table_end(struct daemon *d, const struct link_header *h, const void *body, struct link_in *in)
{
	(void)h;
	(void)body;
	(void)in;
	daemon_start(d);
}

/* Who has spoken already is known now. */
static void
spawn_answered(struct daemon *d)
{
	d->shell->spawns_answered++;
	notify_resume(d->shell->notify);
}

static void
got_spawned(struct daemon *d, const struct link_header *h, const void *body, struct link_in *in)
{
	const struct link_spawned *m = body;

	if (d->engine == NULL)
		return;
	daemon_at(d);
	engine_spawned(d->engine, h->inc, m->pid);
	spawn_answered(d);
	if (m->has_ready_fd)
		ready_watch(d, h->inc, link_in_take_fd(in, 0));
}

static void
got_spawn_failed(struct daemon *d, const struct link_header *h, const void *body, struct link_in *in)
{
	const struct link_spawn_failed *m = body;

	(void)in;
	if (d->engine == NULL)
		return;
	log_write(LOG_SPAWN, LOG_LEVEL_DEBUG, "incarnation %llu failed at step %s: %s",
		  (unsigned long long)h->inc, spawn_step_name(m->step), strerror(m->error));
	daemon_at(d);
	engine_spawn_failed(d->engine, h->inc, spawn_step_name(m->step), m->error);
	spawn_answered(d);
}

/* While the engine is not there yet, the end is noted in what was told of that child. */
static void
note_exit(struct daemon *d, uint64_t inc, const struct link_exited *m)
{
	struct child_told *t = (struct child_told *)d->shell->told.data;
	size_t i, n = d->shell->told.len / sizeof(*t);

	for (i = 0; i < n; i++) {
		if (t[i].inc != inc)
			continue;
		t[i].child.exited = 1;
		t[i].child.status = m->status;
		t[i].child.tree_left = m->tree_left;
		t[i].child.oom = m->oom;
	}
}

static void
got_exited(struct daemon *d, const struct link_header *h, const void *body, struct link_in *in)
{
	const struct link_exited *m = body;

	(void)in;
	if (d->engine == NULL) {
		note_exit(d, h->inc, m);
		return;
	}
	daemon_exited(d, h->inc, m->pid,
		      (struct exit_facts){ .status = m->status, .tree_left = m->tree_left, .oom = m->oom });
}

/* Whoever presses Ctrl-C again, and not just twice, does not want to wait. */
static void
shut_down(struct daemon *d, int signo)
{
	struct shell *sh = d->shell;
	int64_t now = clock_mono_ms();
	bool hurry = signo == SIGINT && sh->interrupted_ms != 0 && now - sh->interrupted_ms > HURRY_AFTER_MS;

	if (signo == SIGINT && sh->interrupted_ms == 0)
		sh->interrupted_ms = now;
	log_write(LOG_ENGINE, LOG_LEVEL_INFO, "shutting down: signal %s%s", signal_name(signo),
		  hurry ? " again: what is left is killed" : "");
	daemon_at(d);
	engine_shutdown(d->engine, 0, REASON_SHUTDOWN, hurry);
	daemon_settle(d);
}

static void
reload_by_signal_done(void *arg, const struct problems *ps)
{
	struct buf text = { 0 };

	(void)arg;
	if (!problems_any(ps))
		return;
	problems_print(ps, &text);
	log_write(LOG_CONFIG, LOG_LEVEL_ERROR, "not reloaded, what was in force stays so:\n%s", buf_cstr(&text));
	buf_free(&text);
}

static void
got_signal(struct daemon *d, const struct link_header *h, const void *body, struct link_in *in)
{
	const struct link_number *m = body;

	(void)h;
	(void)in;
	switch (m->number) {
	case SIGTERM:
	case SIGINT:
	case SIGPWR:
		if (d->engine == NULL)
			d->hello.shutdown_asked = 1;
		else
			shut_down(d, (int)m->number);
		break;
	case SIGHUP:
		if (d->engine != NULL)
			daemon_reload(d, false, reload_by_signal_done, NULL);
		break;
	}
}

static void
got_ping(struct daemon *d, const struct link_header *h, const void *body, struct link_in *in)
{
	(void)h;
	(void)body;
	(void)in;
	keeper_say(d->link, LINK_PONG, 0, NULL, 0, NULL);
}

static void
got_reexec_failed(struct daemon *d, const struct link_header *h, const void *body, struct link_in *in)
{
	(void)in;
	reexec_failed(d, link_text(h, body));
}

static void
got_reexec_go(struct daemon *d, const struct link_header *h, const void *body, struct link_in *in)
{
	(void)in;
	reexec_give_way(d, link_text(h, body));
}

/* body is as link_check() found it good.  News only tells the engine something: several are settled in one step. */
static const struct {
	void (*take)(struct daemon *, const struct link_header *, const void *body, struct link_in *in);
	bool is_news;
} handlers[LINK_TYPE_END] = {
	[LINK_HELLO] = { got_hello, false },
	[LINK_CHILD] = { got_child, false },
	[LINK_TABLE_END] = { got_table_end, false },
	[LINK_SPAWNED] = { got_spawned, true },
	[LINK_SPAWN_FAILED] = { got_spawn_failed, true },
	[LINK_EXITED] = { got_exited, true },
	[LINK_GOT_SIGNAL] = { got_signal, false },
	[LINK_PING] = { got_ping, false },
	[LINK_REEXEC_FAILED] = { got_reexec_failed, false },
	[LINK_REEXEC_GO] = { got_reexec_go, false },
};

static void
handle(struct keeper_link *k)
{
	const struct link_header *h = &k->in.h;

	log_write(LOG_ENGINE, LOG_LEVEL_DEBUG, "the keeper says %s of %llu", link_type_name(h->type),
		  (unsigned long long)h->inc);
	if (!handlers[h->type].is_news && k->d->engine != NULL) {
		daemon_settle(k->d);
		send_packet(k, &k->out, NULL, 0);
	}
	if (handlers[h->type].take != NULL)
		handlers[h->type].take(k->d, h, k->in.body, &k->in);
}

static void
receive(void *arg, int what)
{
	struct keeper_link *k = arg;
	int i, got = 0;

	if (what & LOOP_WRITE)
		flush_queue(k);
	keeper_gather(k, true);
	daemon_batch(k->d, true);
	for (i = 0; i < BATCH || link_in_more(&k->in); i++) {
		got = link_recv(k->fd, &k->in, false);
		if (got != 1)
			break;
		handle(k);
	}
	link_in_drop_fds(&k->in);
	if (got < 0)
		daemon_give_up(errno == EPROTO ? "the keeper sent what is no message" : "the keeper is gone");
	keeper_gather(k, false);
	daemon_batch(k->d, false);	/* what it orders goes out before anybody else hears of it */
}

struct keeper_link *
keeper_link_new(struct daemon *d, int fd)
{
	struct keeper_link *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return NULL;
	k->d = d;
	k->fd = fd;
	k->last = &k->first;
	k->watch = watch_new(d->loop, fd, LOOP_READ, receive, k);
	if (k->watch == NULL) {
		free(k);
		return NULL;
	}
	return k;
}

void
keeper_link_free(struct keeper_link *k)
{
	struct queued *q;

	if (k == NULL)
		return;
	while ((q = k->first) != NULL) {
		k->first = q->next;
		queued_free(q);
	}
	watch_free(k->watch);
	link_in_fini(&k->in);
	buf_free(&k->scratch);
	buf_free(&k->out);
	free(k);
}
