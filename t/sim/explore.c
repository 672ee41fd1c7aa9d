/* SPDX-License-Identifier: MIT */
#include "stage.h"
#include "world.h"

#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * explore [-n SYSTEMS] [-a APPS] [-r REQUESTS] [-f FAULTS] [-d DEATHS] [-t TOGETHER] [-m NODES]
 *
 * Every state that small systems can reach within a bound: whatever the keeper
 * can say next, whichever child can end or become ready, time up to the next
 * deadline, and on each way at most so many requests, faults (ends that nobody asked for, spawns that fail, limits of time that
 * are reached) and deaths of the engine, at each point of a step.  A state is kept as the way to it and its
 * hash, without what makes no difference: numbers, times but those that are left, the order of children.
 * Those that have spent less are looked at first: who comes to the same state with no more left finds nothing new.
 * The promises are checked on every way.
 */
enum { UNIT_MS = 1000, LINGER_MAX = 1, DEPTH_MAX = 1024 };

enum action {
	ACT_TELL,		/* the keeper's news of kid i */
	ACT_END_WELL, ACT_END_BADLY, ACT_END_LEAVING,	/* kid i ends: with 0, with 1, with 1 and descendants left */
	ACT_READY,		/* kid i says that it is ready */
	ACT_SPAWN_FAILS,	/* kid i, of which nothing was told yet, was never there */
	ACT_TREE_GOES,		/* the descendants of kid i end */
	ACT_TREE_GONE,		/* the engine notices that application i has none left */
	ACT_TIME,		/* passes up to the next deadline */
	ACT_MODE, ACT_START, ACT_STOP, ACT_RESTART, ACT_SHUTDOWN,
	ACT_COUNT
};

/* When the engine dies in the step that an action leads to. */
enum death { DEATH_NONE, DEATH_BEFORE_COMMIT, DEATH_AFTER_COMMIT, DEATH_AFTER_ONE_EFFECT, DEATH_COUNT };

struct step {
	uint8_t action, index, death;
};

struct node {
	uint32_t parent, next;		/* next: of those that have spent as much */
	struct step step;
	uint8_t requests, faults, deaths;	/* what is left of each */
	uint16_t depth;
};

/* A state that was reached, and with what left: whoever comes with no more of anything finds nothing new. */
struct reached {
	uint64_t hash;			/* 0: free */
	uint64_t with;			/* bits of left_bit() */
};
enum { LEFT_MAX = 3, SPENT_MAX = 3 * LEFT_MAX };

struct exploration {
	uint64_t system;
	uint32_t max_apps;
	struct node *nodes;
	uint32_t n, max;
	unsigned together;		/* requests, faults and deaths on one way */
	uint32_t first[SPENT_MAX + 1], last[SPENT_MAX + 1];	/* nodes to be looked at, by what was spent; 0: none */
	struct reached *seen;		/* open addressing */
	uint32_t seen_cap, states;
	struct picture begun, reached;	/* the world before any step, and at the node that is looked at */
	struct world *world;
	bool staged;
	unsigned long ways;
	char failure[512];
	struct step failing[DEPTH_MAX];
	unsigned failing_len;
};

/* What differs between two ways to the same state is not part of it: times, numbers, reasons.  All that takes its time takes as long. */
static struct model *
model_to_explore(uint64_t seed, uint32_t max_apps)
{
	static const struct backoff steady = { .min_ms = UNIT_MS, .max_ms = UNIT_MS, .factor = 1 };
	static const struct ready ready[] = { [READY_NONE] = { .type = READY_NONE, .timeout_ms = UNIT_MS },
		[READY_FD] = { .type = READY_FD, .timeout_ms = UNIT_MS }, [READY_EXEC] = { .type = READY_EXEC, .timeout_ms = UNIT_MS } };
	struct dice d = { .state = seed };
	struct model *m = dice_model(&d, max_apps);
	uint32_t i;

	m->shutdown_timeout_ms = 2 * UNIT_MS;
	for (i = 0; i < m->app_count; i++) {
		m->apps[i].backoff = &steady;
		m->apps[i].ready = &ready[m->apps[i].ready->type];
		if (m->apps[i].shutdown_ms > 0 && m->apps[i].shutdown_ms != DURATION_INFINITE)
			m->apps[i].shutdown_ms = UNIT_MS;
		if (m->apps[i].intensity > 0)
			m->apps[i].intensity = 0;
	}
	return m;
}

static uint64_t
mix(uint64_t h, uint64_t v)
{
	/* The end of splitmix64: each bit has its say in all. */
	h = (h ^ v) * 0xbf58476d1ce4e5b9u;
	h = (h ^ h >> 27) * 0x94d049bb133111ebu;
	return h ^ h >> 31;
}

static uint64_t
hash_kid(const struct world *w, const struct kid *k, const struct app *a)
{
	uint64_t h = 0xcbf29ce484222325u;

	(void)w;
	h = mix(h, k->kind);
	h = mix(h, (uint64_t)(k->alive | k->exited << 1 | k->tree << 2 | k->told << 3));
	h = mix(h, k->exited || k->status == SIGKILL ? (uint64_t)k->status : 0);
	h = mix(h, a != NULL && a->inc[k->kind] == k->inc);
	return mix(h, a != NULL && a->signal_step > k->last_step);
}

static uint64_t
hash_app(const struct world *w, const struct app *a)
{
	uint64_t h = 0xcbf29ce484222325u, kids = 0;
	size_t i;
	int k;

	h = mix(h, a->state | (uint64_t)a->step << 8 | (uint64_t)a->wish << 16);
	h = mix(h, (uint64_t)(a->wanted | a->restart_asked << 1 | a->announced << 2 | a->asked << 3 | a->main_ended << 4 |
			      a->adopted << 5 | a->failed_start << 6));
	h = mix(h, a->deadline_ms ? (uint64_t)(a->deadline_ms - w->now.mono_ms) : UINT64_MAX);
	for (k = 0; k < CHILD_KIND_COUNT; k++)
		h = mix(h, a->inc[k] != 0);
	/* Their order in the table does not matter. */
	for (i = 0; i < w->kid_count; i++)
		if (strcmp(w->kids[i].name, a->name) == 0)
			kids += hash_kid(w, &w->kids[i], a);
	return mix(h, kids);
}

static uint64_t
hash_world(const struct world *w)
{
	uint64_t h = 0xcbf29ce484222325u;
	uint32_t i;

	for (i = 0; w->saved.mode[i] != '\0'; i++)
		h = mix(h, (uint8_t)w->saved.mode[i]);
	h = mix(h, (uint64_t)(w->saved.mode_state | w->saved.unsaid << 4 | w->saved.shutting_down << 6 | w->saved.hurried << 7));
	h = mix(h, w->saved.shutdown_deadline_ms ? (uint64_t)(w->saved.shutdown_deadline_ms - w->now.mono_ms) : 0);
	for (i = 0; i < engine_app_count(w->engine); i++)
		h = mix(h, hash_app(w, engine_app(w->engine, i)));
	return h ? h : 1;
}

static struct kid *
kid_at(struct world *w, uint8_t i)
{
	return i < w->kid_count ? &w->kids[i] : NULL;
}

static bool
end_kid(struct world *w, struct kid *k, int status, bool tree)
{
	if (k == NULL || !k->alive)
		return false;
	/* One that was killed has no choice. */
	kid_exits(w, k, k->status == SIGKILL ? SIGKILL : status);
	k->tree = tree;
	return true;
}

static bool
say_ready(struct world *w, struct kid *k)
{
	enum child_kind kind;
	struct app *a = k != NULL && k->alive ? engine_find_inc(w->engine, k->inc, &kind) : NULL;

	if (a == NULL || k->kind != CHILD_MAIN || a->state != APP_STARTING || a->def->ready->type != READY_FD)
		return false;
	engine_ready(w->engine, a);
	world_settle_step(w);
	return true;
}

static bool
tree_goes(struct kid *k)
{
	if (k == NULL || !k->tree || k->alive)
		return false;
	k->tree = false;
	return true;
}

static bool
see_tree_gone(struct world *w, struct app *a)
{
	struct kid *k = a != NULL && a->main_ended ? find_kid(w, a->inc[CHILD_MAIN]) : NULL;

	if (k == NULL || k->tree || a->state != APP_STOPPING)
		return false;
	engine_tree_gone(w->engine, a);
	world_settle_step(w);
	return true;
}

static bool
pass_time(struct world *w)
{
	int64_t next = engine_deadline(w->engine);

	if (next == 0)
		return false;
	if (next > w->now.mono_ms)
		w->now.mono_ms = next;
	engine_at(w->engine, w->now);
	engine_tick(w->engine);
	world_settle_step(w);
	return true;
}

static bool
ask(struct world *w, const struct step *s)
{
	struct app *a = engine_app(w->engine, s->index);
	struct err err;
	char mode[8];
	int done = -1;

	snprintf(mode, sizeof(mode), "m%u", s->index);
	if (s->action == ACT_MODE && s->index < 2)
		done = engine_set_mode(w->engine, mode, &err);
	else if (s->action == ACT_START && a != NULL)
		done = engine_start(w->engine, a, &err);
	else if (s->action == ACT_STOP && a != NULL)
		done = engine_stop(w->engine, a, true, &err);
	else if (s->action == ACT_RESTART && a != NULL)
		done = engine_restart(w->engine, a, &err);
	else if (s->action == ACT_SHUTDOWN && s->index == 0 && !engine_shutting_down(w->engine)) {
		engine_shutdown(w->engine, 0, REASON_OPERATOR, false);
		done = 0;
	}
	if (done == 0)
		world_settle_step(w);
	return done == 0;
}

/* false: that cannot happen here. */
static bool
happen(struct world *w, const struct step *s)
{
	static const long die_after[] = { LONG_MAX, -1, 0, 1 };
	struct kid *k = kid_at(w, s->index);
	bool done;

	w->die_after = die_after[s->death];
	engine_at(w->engine, w->now);
	switch (s->action) {
	case ACT_TELL:
		done = k != NULL && !k->told;
		if (done)
			world_tell_kid(w, k);
		break;
	case ACT_END_WELL:
		done = end_kid(w, k, 0, false);
		break;
	case ACT_END_BADLY:
		done = end_kid(w, k, 1 << 8, false);
		break;
	case ACT_END_LEAVING:
		done = k != NULL && k->kind == CHILD_MAIN && end_kid(w, k, 1 << 8, true);
		break;
	case ACT_READY:
		done = say_ready(w, k);
		break;
	case ACT_SPAWN_FAILS:
		done = k != NULL && k->alive && !k->told;
		if (done)
			k->alive = false;
		break;
	case ACT_TREE_GOES:
		done = tree_goes(k);
		break;
	case ACT_TREE_GONE:
		done = see_tree_gone(w, engine_app(w->engine, s->index));
		break;
	case ACT_TIME:
		done = s->index == 0 && pass_time(w);
		break;
	default:
		done = ask(w, s);
		break;
	}
	w->die_after = LONG_MAX;
	if (w->engine == NULL && !w->exited)
		world_recover(w);
	return done;
}

static void
begin(struct exploration *x)
{
	x->staged = stage_open();
	x->world = calloc(1, sizeof(*x->world));
	if (x->world == NULL)
		abort();
	x->world->scripted = true;
	world_begin_with(x->world, model_to_explore(x->system, x->max_apps), 1, false);
	stage_take(&x->begun);
}

static void
end(struct exploration *x)
{
	world_end(x->world);
	free(x->world);
	stage_close();
}

/* Plays the way to a node. */
static void
go_to(struct exploration *x, uint32_t node)
{
	struct step way[DEPTH_MAX];
	unsigned n = 0;

	if (x->staged) {
		stage_put(&x->begun);
	} else {
		end(x);
		begin(x);
	}
	for (; node != 0; node = x->nodes[node].parent)
		way[n++] = x->nodes[node].step;
	while (n > 0)
		happen(x->world, &way[--n]);
}

static void
go_back(struct exploration *x, uint32_t node)
{
	if (x->staged)
		stage_put(&x->reached);
	else
		go_to(x, node);
}

/* Whom the engine has done with is killed and should be gone; how many may keep it waiting has to end somewhere. */
static bool
too_many_linger(const struct world *w)
{
	enum child_kind kind;
	unsigned n = 0;
	size_t i;

	for (i = 0; i < w->kid_count; i++)
		n += engine_find_inc(w->engine, w->kids[i].inc, &kind) == NULL;
	return n > LINGER_MAX;
}

static unsigned
spent_on(const struct exploration *x, const struct node *n)
{
	const struct node *all = x->nodes;

	return (unsigned)(all->requests - n->requests + all->faults - n->faults + all->deaths - n->deaths);
}

static uint64_t
left_bit(unsigned requests, unsigned faults, unsigned deaths)
{
	return 1ULL << (requests * (LEFT_MAX + 1) * (LEFT_MAX + 1) + faults * (LEFT_MAX + 1) + deaths);
}

/* With that much left, all that is reached with less is reached, too. */
static uint64_t
all_with_less(const struct node *n)
{
	uint64_t bits = 0;
	unsigned r, f, d;

	for (r = 0; r <= n->requests; r++)
		for (f = 0; f <= n->faults; f++)
			for (d = 0; d <= n->deaths; d++)
				bits |= left_bit(r, f, d);
	return bits;
}

static bool
is_new(struct exploration *x, uint64_t hash, const struct node *n)
{
	uint32_t i = (uint32_t)hash & (x->seen_cap - 1);
	bool is_new;

	while (x->seen[i].hash != 0 && x->seen[i].hash != hash)
		i = (i + 1) & (x->seen_cap - 1);
	x->states += x->seen[i].hash == 0;
	x->seen[i].hash = hash;
	is_new = !(x->seen[i].with & left_bit(n->requests, n->faults, n->deaths));
	x->seen[i].with |= all_with_less(n);
	return is_new;
}

/* Those that have spent less come first, so that few states are looked at twice. */
static void
put_node(struct exploration *x, const struct node *n)
{
	unsigned spent = spent_on(x, n);

	x->nodes[x->n] = *n;
	x->nodes[x->n].next = 0;
	if (x->first[spent] == 0)
		x->first[spent] = x->n;
	else
		x->nodes[x->last[spent]].next = x->n;
	x->last[spent] = x->n++;
}

/* 0: that was all. */
static uint32_t
next_node(struct exploration *x)
{
	unsigned spent;
	uint32_t at;

	for (spent = 0; spent <= SPENT_MAX; spent++) {
		at = x->first[spent];
		if (at == 0)
			continue;
		x->first[spent] = x->nodes[at].next;
		return at;
	}
	return 0;
}

static void
keep_failure(struct exploration *x, uint32_t parent, struct step last, const char *why)
{
	unsigned i, n = x->nodes[parent].depth;

	snprintf(x->failure, sizeof(x->failure), "%s", why);
	x->failing_len = n + 1;
	x->failing[n] = last;
	for (i = n; i > 0; i--) {
		x->failing[i - 1] = x->nodes[parent].step;
		parent = x->nodes[parent].parent;
	}
}

/* Would somebody have had too long for what it was told to do? */
static bool
is_late(struct world *w)
{
	int64_t next = engine_deadline(w->engine);
	const struct app *a;
	uint32_t i;

	for (i = 0; i < engine_app_count(w->engine); i++) {
		a = engine_app(w->engine, i);
		if (a->deadline_ms != 0 && a->deadline_ms <= next && (a->state == APP_STARTING || a->state == APP_STOPPING))
			return true;
	}
	return w->saved.shutdown_deadline_ms != 0 && w->saved.shutdown_deadline_ms <= next;
}

/* What nobody has asked for: an end that is not in the nature of the child, a limit of time that is reached, and all that goes wrong. */
static bool
is_fault(struct world *w, const struct step *s)
{
	const struct kid *k = kid_at(w, s->index);
	const struct app *a = k ? engine_find(w->engine, k->name) : NULL;

	if (s->action == ACT_TIME)
		return is_late(w);
	if (s->action == ACT_END_BADLY || s->action == ACT_END_LEAVING || s->action == ACT_SPAWN_FAILS)
		return true;
	return s->action == ACT_END_WELL && a != NULL && k->kind == CHILD_MAIN && a->state != APP_STOPPING &&
	       (a->def->type == APP_PROCESS || a->adopted);
}

/* false: the action does not apply to the state. */
static bool
try_step(struct exploration *x, uint32_t parent, struct step s)
{
	struct node child = x->nodes[parent];
	struct world *w = x->world;
	bool done;

	child.parent = parent;
	child.step = s;
	child.depth++;
	if (s.action >= ACT_MODE && child.requests-- == 0)
		return false;
	if (is_fault(w, &s) && child.faults-- == 0)
		return false;
	if (s.death != DEATH_NONE && child.deaths-- == 0)
		return false;
	if (spent_on(x, &child) > x->together)
		return false;
	done = happen(w, &s);
	if (!done)
		return false;
	x->ways++;
	if (!w->exited)
		check_always(w);
	if (w->failure[0])
		keep_failure(x, parent, s, w->failure);
	else if (!w->exited && too_many_linger(w))
		;				/* that far, and no further */
	else if (!w->exited && x->n < x->max && is_new(x, hash_world(w), &child))
		put_node(x, &child);
	go_back(x, parent);
	return true;
}

static void
expand(struct exploration *x, uint32_t node, uint32_t width)
{
	struct step s;
	unsigned action, index, death;

	for (action = 0; action < ACT_COUNT; action++) {
		for (index = 0; index < width && !x->failure[0]; index++) {
			for (death = DEATH_NONE; death < DEATH_COUNT && !x->failure[0]; death++) {
				s = (struct step){ (uint8_t)action, (uint8_t)index, (uint8_t)death };
				if (!try_step(x, node, s))
					break;
				/* What only changes the world tells the engine nothing, so it cannot die of it. */
				if (action >= ACT_END_WELL && action <= ACT_TREE_GOES && action != ACT_READY)
					break;
			}
		}
	}
}

static void
explore(struct exploration *x, const struct node *budget)
{
	uint32_t at = 0;
	size_t kids, apps;

	x->n = 1;
	x->states = 1;
	x->ways = 0;
	x->nodes[0] = *budget;
	memset(x->seen, 0, x->seen_cap * sizeof(*x->seen));
	memset(x->first, 0, sizeof(x->first));
	begin(x);
	do {
		if (x->nodes[at].depth == DEPTH_MAX - 1)
			abort();
		go_to(x, at);
		stage_take(&x->reached);
		kids = x->world->kid_count;
		apps = engine_app_count(x->world->engine);
		expand(x, at, (uint32_t)(kids > apps ? kids : apps));
	} while (!x->failure[0] && (at = next_node(x)) != 0);
	end(x);
}

static void
print_way(const struct exploration *x)
{
	static const char *const names[] = { "tell", "ends well", "ends badly", "ends leaving descendants", "ready", "spawn fails",
		"tree goes", "tree gone", "time", "mode", "start", "stop", "restart", "shutdown" };
	unsigned i;

	for (i = 0; i < x->failing_len; i++)
		printf("#   %s %u%s\n", names[x->failing[i].action], x->failing[i].index,
		       x->failing[i].death ? ", and the engine dies" : "");
}

int
main(int argc, char **argv)
{
	struct exploration x = { .max_apps = 3, .max = 1000000, .together = SPENT_MAX };
	struct node budget = { .requests = 1, .faults = 1, .deaths = 1 };
	unsigned long systems = 60, states = 0, ways = 0, cut = 0;
	int c;

	while ((c = getopt(argc, argv, "n:a:r:f:d:t:m:")) != -1) {
		unsigned long v = strtoul(optarg ? optarg : "0", NULL, 10);

		switch (c) {
		case 'n':
			systems = v;
			break;
		case 'a':
			x.max_apps = (uint32_t)v;
			break;
		case 'r':
			budget.requests = (uint8_t)v;
			break;
		case 'f':
			budget.faults = (uint8_t)v;
			break;
		case 'd':
			budget.deaths = (uint8_t)v;
			break;
		case 't':
			x.together = (unsigned)v;
			break;
		case 'm':
			x.max = (uint32_t)v;
			break;
		default:
			return 2;
		}
	}
	x.nodes = calloc(x.max + 1, sizeof(*x.nodes));
	for (x.seen_cap = 1024; x.seen_cap < x.max * 2; x.seen_cap *= 2)
		;
	x.seen = calloc(x.seen_cap, sizeof(*x.seen));
	for (x.system = 1; x.system <= systems && !x.failure[0]; x.system++) {
		explore(&x, &budget);
		states += x.states;
		ways += x.ways;
		cut += x.n == x.max;
	}
	if (x.failure[0]) {
		printf("# system %llu: %s\n", (unsigned long long)x.system - 1, x.failure);
		print_way(&x);
	}
	printf("1..1\n%sok 1 - %lu systems of up to %u applications, ", x.failure[0] ? "not " : "", systems, x.max_apps);
	if (cut == 0)
		printf("exhausted");
	else
		printf("%lu of them cut at %u states", cut, x.max);
	printf(": %lu states, %lu ways between them; a way has at most %u requests, %u faults, %u deaths of the engine", states, ways,
	       budget.requests, budget.faults, budget.deaths);
	if (x.together < (unsigned)(budget.requests + budget.faults + budget.deaths))
		printf(", %u of them together", x.together);
	printf(", and %d child that lingers\n", LINGER_MAX);
	free(x.nodes);
	free(x.seen);
	return x.failure[0] != '\0';
}
