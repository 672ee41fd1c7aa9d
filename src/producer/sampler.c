/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "producer/sampler.h"

#include "base/cleanup.h"
#include "base/strmap.h"
#include "monitor/node.h"
#include "monitor/process.h"
#include "monitor/rate.h"
#include "producer/owners.h"
#include "producer/procfs.h"
#include "producer/roster.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
	DESCRIPTORS_LEFT = 256,		/* for everything else that this process opens */
	WAIT_NAME_MAX = 64,
	COMMAND_MAX = 256,
	VIPS_MAX = 1000,		/* rows */
	SUSPECTS_MAX = 1000,
	IO_SHARE = 2,			/* of sample_size: processes whose io is read because they were active */
	FRESH_NS = 250 * 1000000,	/* for an incident, a sample that is no older is good enough */
	TOPS = 4,
};

struct waiting {
	char name[WAIT_NAME_MAX];
};

struct sampler {
	struct sampler_options o;
	struct procfs fs;
	struct roster roster;
	struct owners owners;
	int node_fd[NODE_TEXT_COUNT];
	struct node_snapshot node;
	struct top tops[TOPS];		/* cpu, memory, growth, I/O */
	struct place **chosen;		/* to be sent */
	size_t chosen_count, chosen_max;
	struct waiting *waits;		/* what those asked in turn wait in; "": they run */
	size_t wait_count;
	unsigned hand;			/* who is asked next */
	uint8_t suspected;		/* of the node */
	struct strmap names;		/* counts what processes execute and wait in */
};

/* --- made and given back --------------------------------------------------------------- */

/* As many descriptors as we may have: two a process. */
static unsigned
raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= DESCRIPTORS_LEFT)
		return 0;
	return limit.rlim_cur > UINT32_MAX ? UINT32_MAX : (unsigned)limit.rlim_cur - DESCRIPTORS_LEFT;
}

static bool
allocate(struct sampler *s)
{
	size_t i;

	s->chosen_max = TOPS * (size_t)s->o.top + VIPS_MAX;
	s->chosen = calloc(s->chosen_max, sizeof(struct place *));
	s->waits = calloc((size_t)s->o.sample_size + 1, sizeof(*s->waits));
	for (i = 0; i < TOPS; i++) {
		s->tops[i].max = s->o.top;
		s->tops[i].v = calloc((size_t)s->o.top + 1, sizeof(*s->tops[i].v));
		if (s->tops[i].v == NULL)
			return false;
	}
	return s->chosen != NULL && s->waits != NULL;
}

struct sampler *
sampler_new(const struct sampler_options *o, struct err *err)
{
	struct sampler *s = calloc(1, sizeof(*s));
	size_t i;

	if (s == NULL) {
		err_set(err, ENOMEM, "sampler");
		return NULL;
	}
	s->fs.dir_fd = -1;
	for (i = 0; i < NODE_TEXT_COUNT; i++)
		s->node_fd[i] = -1;
	s->o = *o;
	s->o.cgroup = s->o.proc = NULL;
	if (!allocate(s))
		err_set(err, ENOMEM, "sampler");
	else if (procfs_open(&s->fs, o->proc ? o->proc : "/proc", err) == 0 &&
		 roster_init(&s->roster, &s->fs, s->o.processes_max, raise_descriptors(), err) == 0 &&
		 owners_init(&s->owners, &s->fs, o->cgroup, err) == 0)
		return s;
	sampler_free(s);
	return NULL;
}

void
sampler_free(struct sampler *s)
{
	size_t i;

	if (s == NULL)
		return;
	for (i = 0; i < NODE_TEXT_COUNT; i++)
		if (s->node_fd[i] >= 0)
			close(s->node_fd[i]);
	for (i = 0; i < TOPS; i++)
		free(s->tops[i].v);
	free(s->chosen);
	free(s->waits);
	strmap_free(&s->names);
	owners_fini(&s->owners);
	roster_fini(&s->roster);
	procfs_close(&s->fs);
	free(s);
}

void
sampler_application_started(struct sampler *s, const char *name, pid_t pid)
{
	owners_started(&s->owners, &s->roster, name, pid);
}

void
sampler_application_ended(struct sampler *s, const char *name)
{
	owners_ended(&s->owners, name);
}

struct sampler_counts
sampler_counts(const struct sampler *s)
{
	const struct roster *r = &s->roster;

	return (struct sampler_counts){ r->processes, r->known, r->descriptors };
}

/* --- the machine ------------------------------------------------------------------------- */

static void
read_node(struct sampler *s, struct node_snapshot *n)
{
	ssize_t len;
	int i;

	for (i = 0; i < NODE_TEXT_COUNT; i++) {
		if (s->node_fd[i] < 0)
			s->node_fd[i] = procfs_file(&s->fs, node_text_path[i]);
		len = s->node_fd[i] < 0 ? -1 : procfs_read(&s->fs, s->node_fd[i]);
		if (len > 0)
			node_take(n, (enum node_text)i, s->fs.text, (size_t)len);
	}
	n->at_ns = procfs_now_ns();
}

static void
write_node(struct sampler *s, struct node_snapshot *now, struct outbox *out)
{
	struct buf *row;

	now->processes = s->roster.processes;
	outbox_begin(out, TABLE_NODE);
	row = outbox_row(out);
	if (row != NULL)
		node_row(row, &s->node, now, s->fs.ticks);
	outbox_end(out);
	s->node = *now;
}

/* --- what costs more than a look ----------------------------------------------------------- */

static void
ask_io(struct sampler *s, struct place *pl)
{
	uint64_t in, out;
	ssize_t n;

	if (pl->no_io || pl->p.io_at_ns == s->roster.at_ns)
		return;
	n = procfs_read_process_file(&s->fs, pl->p.stat.pid, "io");
	if (n > 0 && proc_io_read(s->fs.text, (size_t)n, &in, &out))
		process_take_io(&pl->p, in, out, s->roster.at_ns);
	else
		pl->no_io = n < 0 && (errno == EACCES || errno == EPERM);
}

/* The kernel's function that it sleeps in, "" where it runs.  false: it is not told, perhaps for want of rights. */
static bool
ask_wait(struct sampler *s, const struct place *pl, struct waiting *w)
{
	ssize_t n;

	w->name[0] = '\0';
	if (pl->p.stat.state == 'R')
		return true;
	n = procfs_read_process_file(&s->fs, pl->p.stat.pid, "wchan");
	if (n <= 0 || strcmp(s->fs.text, "0") == 0)
		return false;
	if ((size_t)n >= sizeof(w->name))
		n = sizeof(w->name) - 1;
	memcpy(w->name, s->fs.text, (size_t)n);
	w->name[n] = '\0';
	return true;
}

/* Its arguments with blanks between them; "": it has none, or they cannot be read. */
static void
ask_command(struct sampler *s, const struct place *pl, char *command)
{
	ssize_t i, n = procfs_read_process_file(&s->fs, pl->p.stat.pid, "cmdline");

	n = n < 0 ? 0 : n >= COMMAND_MAX ? COMMAND_MAX - 1 : n;
	while (n > 0 && s->fs.text[n - 1] == '\0')
		n--;
	for (i = 0; i < n; i++)
		command[i] = s->fs.text[i] != '\0' ? s->fs.text[i] : ' ';
	command[n] = '\0';
}

static bool
is_here(const struct place *pl)
{
	return pl->taken && !pl->p.gone;
}

/* Some of all, each time others. */
static void
ask_in_turn(struct sampler *s)
{
	unsigned looked, asked = 0, used = s->roster.used;
	struct place *pl;

	s->wait_count = 0;
	for (looked = 0; looked < used && asked < s->o.sample_size; looked++) {
		pl = &s->roster.v[s->hand++ % used];
		if (!is_here(pl))
			continue;
		asked++;
		pl->p.descriptors = procfs_descriptors(&s->fs, pl->p.stat.pid);
		s->wait_count += ask_wait(s, pl, &s->waits[s->wait_count]);
		ask_io(s, pl);
	}
	s->hand = used ? s->hand % used : 0;
}

/* Who reads or writes uses the processor for it, a little. */
static void
ask_active(struct sampler *s)
{
	unsigned left = s->o.sample_size * IO_SHARE;
	struct place *pl;

	for (pl = s->roster.v; pl < s->roster.v + s->roster.used && left > 0; pl++) {
		if (!is_here(pl) || !(pl->active || pl->p.reasons & REASON_IO))
			continue;
		ask_io(s, pl);
		left--;
	}
}

/* --- what is worth sending -------------------------------------------------------------------- */

static bool
is_vip(const struct sampler *s, const struct place *pl)
{
	const char *application = owners_name(&s->owners, pl->p.application);
	size_t i;

	for (i = 0; i < s->o.vip_count; i++)
		if (strcmp(s->o.vips[i], pl->p.stat.name) == 0 ||
		    (application != NULL && strcmp(s->o.vips[i], application) == 0))
			return true;
	return false;
}

static void
choose(struct sampler *s, struct place *pl, unsigned reason)
{
	if (pl->p.reasons == 0) {
		if (s->chosen_count == s->chosen_max)
			return;
		s->chosen[s->chosen_count++] = pl;
	}
	pl->p.reasons |= (uint8_t)reason;
	pl->wanted = true;
}

static double
io_of(const struct process *p)
{
	return p->io_read + p->io_written;
}

static void
offer(struct sampler *s, struct place *pl)
{
	struct process *p = &pl->p;

	top_offer(&s->tops[0], p, p->cpu, s->o.cpu_min);
	top_offer(&s->tops[1], p, (double)p->memory, (double)s->o.memory_min);
	top_offer(&s->tops[2], p, p->growth, (double)s->o.growth_min);
	top_offer(&s->tops[3], p, io_of(p), (double)s->o.io_min);
}

static void
choose_all(struct sampler *s)
{
	static const unsigned reasons[TOPS] = { REASON_CPU, REASON_MEMORY, REASON_GROWTH, REASON_IO };
	struct place *pl;
	size_t i, k;

	s->chosen_count = 0;
	for (i = 0; i < TOPS; i++)
		s->tops[i].count = 0;
	for (pl = s->roster.v; pl < s->roster.v + s->roster.used; pl++) {
		if (!is_here(pl))
			continue;
		pl->p.reasons = 0;
		pl->wanted = false;
		if (s->o.vip_count > 0 && is_vip(s, pl))
			choose(s, pl, REASON_VIP);
		offer(s, pl);
	}
	for (i = 0; i < TOPS; i++)
		for (k = 0; k < s->tops[i].count; k++)
			choose(s, (struct place *)s->tops[i].v[k].process, reasons[i]);
}

/* Whose end would be missed keeps its place, whatever it does. */
static void
keep_main_processes(struct sampler *s)
{
	struct place *pl;
	unsigned i;

	for (i = 0; i < s->owners.count; i++) {
		pl = roster_find(&s->roster, s->owners.v[i].pid);
		if (pl != NULL)
			pl->wanted = true;
	}
}

/* --- rows ----------------------------------------------------------------------------------------- */

static void
write_process(struct sampler *s, struct buf *row, struct place *pl)
{
	struct process_more more = { .application = owners_name(&s->owners, pl->p.application), .uid = -1 };
	char command[COMMAND_MAX];
	struct process seen;
	struct waiting w;

	if (!pl->p.gone) {
		pl->p.descriptors = procfs_descriptors(&s->fs, pl->p.stat.pid);
		ask_io(s, pl);
		ask_command(s, pl, command);
		more.command = command[0] != '\0' ? command : NULL;
		more.waits_in = ask_wait(s, pl, &w) && w.name[0] != '\0' ? w.name : NULL;
		more.uid = procfs_user(&s->fs, pl->p.stat.pid);
	}
	seen = pl->p;
	if (!seen.gone && !roster_still(&s->roster, pl)) {	/* what was read may be another's, with the same pid */
		more = (struct process_more){ .application = more.application, .uid = -1 };
		seen.descriptors = -1;
		seen.io_read = seen.io_written = NAN;
		seen.gone = true;
	}
	process_row(row, &seen, &more);
}

static void
write_processes(struct sampler *s, struct outbox *out)
{
	struct buf *row;
	size_t i;

	outbox_begin(out, TABLE_PRC);
	for (i = 0; i < s->chosen_count && (row = outbox_row(out)) != NULL; i++)
		write_process(s, row, s->chosen[i]);
	outbox_end(out);
}

static void
write_suspect(struct sampler *s, struct outbox *out, enum suspect_kind kind, int64_t value, int64_t limit, const struct process *p)
{
	struct buf *row = outbox_row(out);

	if (row == NULL)
		return;
	batch_text(row, suspect_kind_name[kind]);
	batch_int(row, value);
	batch_int(row, limit);
	if (p == NULL) {
		batch_null(row);
		batch_null(row);
		batch_null(row);
		batch_null(row);
		return;
	}
	batch_int(row, p->stat.pid);
	batch_int(row, (int64_t)p->stat.started);
	batch_text(row, owners_name(&s->owners, p->application));
	batch_text(row, p->stat.name);
}

static void
suspect(struct sampler *s, struct outbox *out, struct process *p)
{
	const struct { enum suspect_kind kind; int64_t value, limit; } all[] = {
		{ SUSPECT_MEMORY, p->memory, s->o.memory_limit },
		{ SUSPECT_DESCRIPTORS, p->descriptors, s->o.descriptors_limit },
		{ SUSPECT_THREADS, p->stat.threads, s->o.threads_limit },
	};
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (suspect_crosses(&p->suspected, all[i].kind, all[i].value, all[i].limit))
			write_suspect(s, out, all[i].kind, all[i].value, all[i].limit, p);
}

static void
write_suspects(struct sampler *s, struct outbox *out)
{
	struct place *pl;

	outbox_begin(out, TABLE_SUSPECT);
	if (suspect_crosses(&s->suspected, SUSPECT_PROCESSES, s->roster.processes, s->o.processes_limit))
		write_suspect(s, out, SUSPECT_PROCESSES, s->roster.processes, s->o.processes_limit, NULL);
	for (pl = s->roster.v; pl < s->roster.v + s->roster.used; pl++)
		if (is_here(pl))
			suspect(s, out, &pl->p);
	outbox_end(out);
}

static void
write_application(struct outbox *out, const struct application *a, const char *name)
{
	struct buf *row = a->processes > 0 ? outbox_row(out) : NULL;

	if (row == NULL)
		return;
	batch_text(row, name);
	batch_int(row, a->processes);
	batch_int(row, a->threads);
	batch_real(row, rate_rounded(a->cpu, 1e4));
	batch_int(row, a->memory);
	batch_real(row, rate_rounded(a->io_read, 1));
	batch_real(row, rate_rounded(a->io_written, 1));
}

static void
write_applications(struct sampler *s, struct outbox *out)
{
	const struct owners *o = &s->owners;
	unsigned i;

	outbox_begin(out, TABLE_APP_TOP);
	for (i = 0; i < o->count; i++)
		write_application(out, &o->v[i], o->v[i].name);
	write_application(out, &o->none, NULL);
	outbox_end(out);
}

/* --- shares ------------------------------------------------------------------------------------------ */

static void
count_name(struct sampler *s, const char *name)
{
	uint32_t n = strmap_get(&s->names, name);

	strmap_put(&s->names, name, n == STRMAP_NONE ? 1 : n + 1);
}

/* The most frequent of the names that were counted, as shares of `all`. */
static void
write_most(struct sampler *s, struct outbox *out, const char *kind, size_t all)
{
	struct strmap_slot *most;
	struct buf *row;
	size_t i, n;

	for (n = 0; n < s->o.top; n++) {
		most = NULL;
		for (i = 0; i < s->names.cap; i++)
			if (s->names.slots[i].key != NULL && s->names.slots[i].value > (most ? most->value : 0))
				most = &s->names.slots[i];
		if (most == NULL || (row = outbox_row(out)) == NULL)
			break;
		batch_text(row, kind);
		batch_text(row, most->key);
		batch_int(row, most->value);
		batch_real(row, rate_rounded((double)most->value / (double)all, 1e4));
		most->value = 0;
	}
	strmap_free(&s->names);
}

static void
write_functions(struct sampler *s, struct outbox *out)
{
	const struct place *pl;
	size_t i;

	outbox_begin(out, TABLE_FUN_TOP);
	for (pl = s->roster.v; pl < s->roster.v + s->roster.used; pl++)
		if (is_here(pl))
			count_name(s, pl->p.stat.name);
	write_most(s, out, "executes", s->roster.known);
	for (i = 0; i < s->wait_count; i++)
		if (s->waits[i].name[0] != '\0')
			count_name(s, s->waits[i].name);
	write_most(s, out, "waits", s->wait_count);
	outbox_end(out);
}

/* --- the whole ------------------------------------------------------------------------------------------ */

static int
look_at_processes(struct sampler *s, struct err *err)
{
	if (roster_update(&s->roster) < 0)
		return err_set(err, errno, "list of processes");
	owners_assign(&s->owners, &s->fs, &s->roster);
	return 0;
}

int
sampler_take(struct sampler *s, struct outbox *out, struct err *err)
{
	struct node_snapshot now = { 0 };

	read_node(s, &now);
	if (look_at_processes(s, err) < 0)
		return -1;
	ask_in_turn(s);
	ask_active(s);
	owners_sum(&s->owners, &s->roster);
	choose_all(s);
	keep_main_processes(s);
	write_node(s, &now, out);
	write_suspects(s, out);
	write_processes(s, out);
	write_applications(s, out);
	write_functions(s, out);
	return 0;
}

static void
write_incident_row(struct sampler *s, const struct sampler_incident *i, struct outbox *out, struct place *pl)
{
	struct buf *row = outbox_row(out);

	if (row == NULL)
		return;
	batch_text(row, i->instance);
	batch_int(row, i->number);
	batch_text(row, i->application);
	batch_text(row, i->reason);
	write_process(s, row, pl);
}

int
sampler_incident(struct sampler *s, const struct sampler_incident *i, struct outbox *out, struct err *err)
{
	int32_t application;
	struct place *pl;
	size_t k;

	if (procfs_now_ns() - s->roster.at_ns > FRESH_NS && look_at_processes(s, err) < 0)
		return -1;
	application = owners_find(&s->owners, i->application);
	choose_all(s);
	for (pl = s->roster.v; application >= 0 && pl < s->roster.v + s->roster.used; pl++) {
		if (!pl->taken || pl->p.application != application)
			continue;
		pl->p.reasons &= pl->p.gone ? 0 : 0xff;
		choose(s, pl, REASON_APPLICATION);
	}
	outbox_begin(out, TABLE_INCIDENT);
	for (k = 0; k < s->chosen_count; k++)
		write_incident_row(s, i, out, s->chosen[k]);
	outbox_end(out);
	return 0;
}
