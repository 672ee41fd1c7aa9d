/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/crc32.h"
#include "base/log.h"
#include "engine/shell.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * A new engine that finds a state of any bytes: src/engine/state.c reads it,
 * start.c restores from it, the core goes on with it, some time passes, then everything is
 * stopped.  Once as it came, which the checksums refuse, and once with header and
 * checksums set right, so that what lies behind them is reached.  The world around
 * does what it is told, at once.
 */
enum { INSTANCE = 7, TICKS = 40, EFFECTS_MAX = 100000 };

static struct {
	struct daemon d;
	struct shell shell;
	int64_t now_ms;
	bool exited;
	unsigned effects;
} world;

/* -- the world: what start.c needs of the shell -- */

void
daemon_at(struct daemon *d)
{
	engine_at(d->engine, (struct moment){ world.now_ms, (int64_t)((uint64_t)world.now_ms * 1000) });
}

static void
carry_out(struct engine *e, const struct effect *f)
{
	if (f->type == EFFECT_SPAWN)
		engine_spawned(e, f->inc, 100);
	else if (f->type == EFFECT_SIGNAL)
		engine_exited(e, f->inc, (struct exit_facts){ .status = f->signo });
	else if (f->type == EFFECT_WATCH_TREE)
		engine_tree_gone(e, f->app);
	else if (f->type == EFFECT_READ_PIDFILE)
		engine_pidfile(e, f->app, 101);
	else if (f->type == EFFECT_EXIT)
		world.exited = true;
}

void
daemon_settle(struct daemon *d)
{
	struct app_saved saved;
	struct effect *copy;
	struct app *a;
	size_t n, i;

	while ((n = engine_effects(d->engine)->n) > 0) {
		copy = malloc(n * sizeof(*copy));
		memcpy(copy, engine_effects(d->engine)->v, n * sizeof(*copy));
		engine_effects_done(d->engine);
		for (i = 0; i < n; i++)
			carry_out(d->engine, &copy[i]);
		free(copy);
		world.effects += (unsigned)n;
		if (world.effects > EFFECTS_MAX)
			abort();		/* it never comes to rest */
	}
	while ((a = engine_take_dirty(d->engine)) != NULL)
		engine_save_app(a, &saved);
}

_Noreturn void
daemon_give_up(const char *why)
{
	(void)why;
	abort();				/* only for want of memory */
}

void
daemon_exited(struct daemon *d, uint64_t inc, pid_t pid, struct exit_facts facts)
{
	(void)d;
	(void)inc;
	(void)pid;
	(void)facts;
}

int64_t
clock_real_us(void)
{
	return (int64_t)((uint64_t)world.now_ms * 1000);
}

struct control *
control_new(struct daemon *d, int listen_fd)
{
	(void)listen_fd;
	return (struct control *)(void *)d;	/* never looked into */
}

void
publisher_begin(struct publisher *p)
{
	(void)p;
}

void
publisher_replay(struct publisher *p, uint64_t seq, unsigned category, const char *line, size_t len)
{
	volatile char last = len > 0 ? line[len - 1] : 0;

	(void)p;
	(void)seq;
	(void)category;
	(void)last;
}

void
publisher_walk(struct publisher *p, publisher_each *fn, void *arg)
{
	(void)p;
	(void)fn;
	(void)arg;
}

void
notify_resume(struct notify_socket *n)
{
	(void)n;
}

void
keeper_say(struct keeper_link *k, enum link_type type, uint64_t inc, const void *fixed, size_t len, const char *text)
{
	(void)k;
	(void)type;
	(void)inc;
	(void)fixed;
	(void)len;
	(void)text;
}

bool
keeper_offer_state(struct keeper_link *k, int fd)
{
	(void)k;
	(void)fd;
	return true;
}

bool
names_ask(struct names *n, const struct model *m, names_done *done, void *arg)
{
	(void)n;
	(void)m;
	(void)done;
	(void)arg;
	return false;
}

void
ready_watch(struct daemon *d, uint64_t inc, int take_fd)
{
	(void)d;
	(void)inc;
	(void)take_fd;
}

/* What is refused is said once a run: too much for anyone to read. */
void
log_write(enum log_module module, enum log_level level, const char *fmt, ...)
{
	(void)module;
	(void)level;
	(void)fmt;
}

void
load_log_levels(struct daemon *d)
{
	(void)d;
}

void
load_at_start(struct daemon *d, load_done *done)
{
	(void)d;				/* it was refused: there is no engine */
	(void)done;
}

/* -- what is put before it -- */

static uint32_t
crc_of_boot(void)
{
	char id[64];
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, id, sizeof(id));

	if (fd >= 0)
		close(fd);
	return len > 0 ? crc32_of(0, id, (size_t)len) : 0;
}

/* The lengths stay what they say: a record that reaches beyond the end is the end. */
static void
set_right(char *data, size_t size)
{
	struct state_header h = { .magic = STATE_MAGIC, .version = STATE_VERSION, .boot_crc = crc_of_boot(),
		.instance = INSTANCE, .committed = sizeof(h) };
	struct state_record r;
	uint32_t crc;

	while (h.committed + sizeof(r) <= size) {
		memcpy(&r, data + h.committed, sizeof(r));
		if (state_record_size(r.len) > size - h.committed)
			break;
		crc = crc32_of(0, &r, offsetof(struct state_record, crc));
		r.crc = crc32_of(crc, data + h.committed + sizeof(r), r.len);
		memcpy(data + h.committed, &r, sizeof(r));
		h.committed += state_record_size(r.len);
	}
	memcpy(data, &h, sizeof(h));
}

/* Every deadline comes, then the shutdown with all of its own. */
static void
go_on(struct daemon *d)
{
	int64_t next;
	int i;

	for (i = 0; i < 2 * TICKS && !world.exited; i++) {
		next = engine_deadline(d->engine);
		world.now_ms = next > world.now_ms ? next : world.now_ms + 1;
		daemon_at(d);
		if (i == TICKS)
			engine_shutdown(d->engine, 0, REASON_SHUTDOWN, false);
		else
			engine_tick(d->engine);
		daemon_settle(d);
	}
}

static void
find(const void *data, size_t size)
{
	int fd = memfd_create("state", MFD_CLOEXEC);
	struct daemon *d = &world.d;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	memset(&world, 0, sizeof(world));
	world.now_ms = 1000;
	d->shell = &world.shell;
	d->node = "here";
	d->hello.instance = INSTANCE;
	d->hello.engine_starts = 2;
	d->state = state_new(fd, INSTANCE);
	daemon_start(d);
	if (d->engine != NULL) {
		go_on(d);
		state_compact(d);
	}
	engine_free(d->engine);
	state_free(d->state);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy;

	if (size < sizeof(struct state_header) || (copy = malloc(size)) == NULL)
		return 0;
	memcpy(copy, data, size);
	find(copy, size);
	set_right(copy, size);
	find(copy, size);
	free(copy);
	return 0;
}
