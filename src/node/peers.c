/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/peers_internal.h"

#include "base/log.h"
#include "sys/alarm.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PEERS_MAX = 4096,		/* beyond it those are forgotten that nobody named and that are not linked */
	PAUSE_MS = 100,			/* after a failure; doubled by each */
	PAUSE_MAX_MS = 2000,
	OTHER_WAY_MS = 1000,		/* for the dial of the other end, where it has refused ours for that */
	WAIT_MS = 20000,		/* for a link, in all */
};

static const char *const state_names[] = { "down", "connecting", "up", "refused" };

/* --- what is known of one --- */

void
peer_set_state(struct peer *p, enum peer_state state, const char *why)
{
	if (p->state != state)
		p->since_us = clock_real_us();
	p->state = state;
	snprintf(p->why, sizeof(p->why), "%s", why);
}

struct peer *
peers_find(const struct peers *ps, const char *name)
{
	struct peer *p;

	TAILQ_FOREACH(p, &ps->list, entry)
		if (strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

static bool
is_idle(const struct peer *p)
{
	return p->line_count == 0 && TAILQ_EMPTY(&p->waiting);
}

static void
forget(struct peers *ps, struct peer *p)
{
	TAILQ_REMOVE(&ps->list, p, entry);
	ps->count--;
	timer_free(p->timer);
	free(p);
}

/* Room for one more that nobody has named: it may come to many in the course of years. */
static void
forget_one(struct peers *ps)
{
	struct peer *p;

	TAILQ_FOREACH(p, &ps->list, entry)
		if (is_idle(p) && node_settings_peer(ps->node->settings, p->name) == NULL) {
			forget(ps, p);
			return;
		}
}

struct peer *
peers_get(struct peers *ps, const char *name)
{
	struct peer *p = peers_find(ps, name);

	if (p != NULL)
		return p;
	if (ps->count >= PEERS_MAX)
		forget_one(ps);
	p = ps->count >= 2 * PEERS_MAX || strlen(name) >= sizeof(p->name) ? NULL : calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->peers = ps;
	strcpy(p->name, name);
	TAILQ_INIT(&p->waiting);
	p->since_us = clock_real_us();
	p->round_trip_us = -1;
	p->timer = timer_new(ps->node->loop, peer_timer_due, p);
	if (p->timer == NULL) {
		free(p);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&ps->list, p, entry);
	ps->count++;
	return p;
}

/* Where it is to be dialled; false: nobody has said. */
static bool
address_of(const struct peer *p, const char **host, int *port)
{
	const struct peer_settings *s = node_settings_peer(p->peers->node->settings, p->name);
	const char *at = strchr(p->name, '@');

	*host = s ? s->address : at ? at + 1 : NULL;
	*port = s ? s->port : NODE_PORT;
	return *host != NULL;
}

/* --- dialling --- */

static void
lose_waiting(struct peer *p, const char *code, const char *why)
{
	struct channel *c;

	while ((c = TAILQ_FIRST(&p->waiting)) != NULL)
		channel_lost(c, code, why);
}

static void
plan(struct peer *p, int64_t at_ms)
{
	timer_at(p->timer, at_ms < p->give_up_ms ? at_ms : p->give_up_ms);
}

static void
fail_later(struct peer *p)
{
	int64_t pause_ms = PAUSE_MS << (p->failures < 5 ? p->failures : 5);
	uint8_t dice;

	random_bytes(&dice, sizeof(dice));
	if (pause_ms > PAUSE_MAX_MS)
		pause_ms = PAUSE_MAX_MS;
	p->failures += p->failures < 100;
	p->not_before_ms = clock_mono_ms() + pause_ms / 2 + pause_ms * dice / 512;
}

void
peer_dial_failed(struct peer *p, enum peer_state state, const char *why)
{
	fail_later(p);
	if (state == PEER_REFUSED && (p->state != PEER_REFUSED || strcmp(p->why, why) != 0))
		alarm_raise("no link with node %s: %s", p->name, why);
	else
		log_write(LOG_NODE, LOG_LEVEL_INFO, "no link with node %s: %s", p->name, why);
	peer_set_state(p, state, why);
	timer_at(p->timer, 0);
	lose_waiting(p, "unreachable", why);
}

static void
dial(struct peer *p)
{
	struct node *n = p->peers->node;
	struct err err = { 0 };
	const char *host;
	int port;

	if (!address_of(p, &host, &port)) {
		lose_waiting(p, "unreachable", "it is not linked, and nobody has said where it is: name it in peers of node.conf");
		return;
	}
	snprintf(p->host, sizeof(p->host), "%s", host);
	snprintf(p->port, sizeof(p->port), "%d", port);
	snprintf(p->address, sizeof(p->address), strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, port);
	p->settings = p->peers->settings;
	p->settings.peer = p->name;
	p->settings.host = p->host;
	p->settings.port = p->port;
	p->coming = line_dial(n, p, &p->settings, &err);
	if (p->coming == NULL)
		peer_dial_failed(p, PEER_DOWN, err.msg);
	else
		peer_set_state(p, PEER_CONNECTING, "");
}

void
peer_timer_due(void *arg)
{
	struct peer *p = arg;

	if (TAILQ_EMPTY(&p->waiting) || p->line != NULL)
		return;
	if (clock_mono_ms() >= p->give_up_ms) {
		peer_drop_dial(p);
		peer_dial_failed(p, PEER_DOWN, "it has not answered in time");
	} else if (p->coming == NULL) {
		dial(p);
	}
	if (!TAILQ_EMPTY(&p->waiting))
		timer_at(p->timer, p->give_up_ms);
}

/* It dials us itself, says the other end. */
void
peer_wait_for_it(struct peer *p)
{
	peer_set_state(p, PEER_CONNECTING, "it dials itself");
	plan(p, clock_mono_ms() + OTHER_WAY_MS);
}

void
peer_drop_dial(struct peer *p)
{
	if (p->coming != NULL)
		line_drop(p->coming);
	p->coming = NULL;
}

void
peers_find_way(struct peers *ps, struct channel *c)
{
	const struct node_settings *s = ps->node->settings;
	struct peer *p;

	if (!node_name_is_valid(c->peer)) {
		channel_lost(c, "invalid", "that is no node's name");
		return;
	}
	p = peers_find(ps, c->peer);
	if (p == NULL && node_settings_peer(s, c->peer) == NULL && strchr(c->peer, '@') == NULL) {
		channel_lost(c, "no_such_node", "no node of that name is known here: name it in peers of node.conf, or say NAME@HOST");
		return;
	}
	if (p == NULL && (p = peers_get(ps, c->peer)) == NULL) {
		channel_lost(c, "failed", "no memory");
		return;
	}
	if (p->line != NULL) {
		channel_ask(c, p->line);
		return;
	}
	if (TAILQ_EMPTY(&p->waiting))
		p->give_up_ms = clock_mono_ms() + WAIT_MS;
	channel_move(c, &p->waiting);
	plan(p, p->not_before_ms > clock_mono_ms() ? p->not_before_ms : clock_mono_ms());
}

/* --- up and down --- */

void
peer_up(struct peer *p, struct line *l)
{
	struct channel *c;

	p->line = l;
	p->failures = 0;
	p->not_before_ms = 0;
	p->round_trip_us = -1;
	l->state = LINE_UP;
	timer_at(l->timer, 0);
	snprintf(p->address, sizeof(p->address), "%s", ws_peer_address(l->ws));
	peer_set_state(p, PEER_UP, "");
	log_write(LOG_NODE, LOG_LEVEL_INFO, "linked with node %s at %s", p->name, p->address);
	alarm_node_up(p->name, p->address);
	timer_at(p->timer, 0);
	while ((c = TAILQ_FIRST(&p->waiting)) != NULL)
		channel_ask(c, l);
	ws_ping(l->ws);
}

void
peer_down(struct peer *p, const char *why)
{
	p->line = NULL;
	p->round_trip_us = -1;
	peer_set_state(p, PEER_DOWN, why);
	log_write(LOG_NODE, LOG_LEVEL_INFO, "the link with node %s has ended: %s", p->name, why);
	alarm_node_down(p->name, "%s", why);
}

/* --- the whole --- */

static json_t *
describe(const struct peer *p)
{
	json_t *o = json_pack("{s:s, s:s}", "name", p->name, "state", state_names[p->state]);
	const char *host;
	char address[sizeof(p->address)];
	int port;

	snprintf(address, sizeof(address), "%s", p->address);
	if (*address == '\0' && address_of(p, &host, &port))
		snprintf(address, sizeof(address), strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, port);
	if (*address != '\0')
		json_object_set_new(o, "address", json_string(address));
	json_object_set_new(o, "since", json_real((double)p->since_us / 1e6));
	if (p->round_trip_us >= 0)
		json_object_set_new(o, "round_trip", json_real((double)p->round_trip_us / 1e6));
	if (*p->why != '\0')
		json_object_set_new(o, "why", json_string(p->why));
	return o;
}

json_t *
peers_list(const struct peers *ps)
{
	json_t *list = json_array();
	const struct peer *p;

	TAILQ_FOREACH(p, &ps->list, entry)
		if (strcmp(p->name, ps->node->name) != 0)
			json_array_append_new(list, describe(p));
	return list;
}

static void
add_configured(struct peers *ps)
{
	const struct node_settings *s = ps->node->settings;
	uint32_t i;

	for (i = 0; i < s->peer_count; i++)
		if (strcmp(s->peers[i].name, ps->node->name) != 0)
			peers_get(ps, s->peers[i].name);
}

void
peers_take_settings(struct peers *ps)
{
	const struct node *n = ps->node;
	const struct node_settings *s = n->settings;

	snprintf(ps->port, sizeof(ps->port), "%d", s->port);
	ps->settings = (struct ws_settings){
		.protocol = "appctl-node", .node = n->name, .of_nodes = true, .use_tls = true, .secret = n->cookie.bytes,
		.secret_len = n->cookie.len, .ca_file = s->ca_file, .cert_file = s->cert_file, .key_file = s->key_file,
		.crl_file = s->crl_file, .host = s->listen, .port = ps->port, .ping_ms = (unsigned)s->heartbeat_ms,
		.message_max = RECORD_MESSAGE_MAX,
	};
}

static void
end_links(struct peer *p)
{
	peer_drop_dial(p);
	if (p->line == NULL)
		return;
	ws_close(p->line->ws, WS_CODE_NORMAL, "the cookie was changed");
	ws_push(p->line->ws);
}

int
peers_try(struct peers *ps, struct err *err)
{
	peers_take_settings(ps);
	return ws_listener_reload(ps->listener, err);
}

void
peers_reload(struct peers *ps, bool new_cookie)
{
	struct peer *p, *next;

	add_configured(ps);
	for (p = TAILQ_FIRST(&ps->list); p != NULL; p = next) {
		next = TAILQ_NEXT(p, entry);
		if (new_cookie)
			end_links(p);
		if (is_idle(p) && node_settings_peer(ps->node->settings, p->name) == NULL)
			forget(ps, p);
		else
			peer_timer_due(p);
	}
}

struct peers *
peers_new(struct node *n, struct err *err)
{
	struct peers *ps = calloc(1, sizeof(*ps));

	if (ps == NULL) {
		err_set(err, ENOMEM, "links");
		return NULL;
	}
	ps->node = n;
	TAILQ_INIT(&ps->list);
	TAILQ_INIT(&ps->greeting);
	peers_take_settings(ps);
	add_configured(ps);
	ps->listener = greeting_listen(ps, err);
	if (ps->listener == NULL) {
		peers_free(ps);
		return NULL;
	}
	log_write(LOG_NODE, LOG_LEVEL_INFO, "listening on %s port %u", n->settings->listen, ws_listener_port(ps->listener));
	return ps;
}

void
peers_free(struct peers *ps)
{
	struct peer *p;
	struct line *l;

	if (ps == NULL)
		return;
	ws_listener_free(ps->listener);
	while ((l = TAILQ_FIRST(&ps->greeting)) != NULL)
		line_drop(l);
	while ((p = TAILQ_FIRST(&ps->list)) != NULL) {
		if (p->line != NULL) {
			l = p->line;
			peer_down(p, "appctl-node ends");
			line_drop(l);
		}
		lose_waiting(p, "unreachable", "the node ends");
		forget(ps, p);
	}
	free(ps);
}
