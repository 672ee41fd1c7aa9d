/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "producer/ship.h"

#include "base/log.h"
#include "net/random.h"
#include "sys/alarm.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	WINDOW_BATCHES = 64,
	WINDOW_BYTES = 4 * 1024 * 1024,
	PAUSE_MIN_MS = 250,
	PAUSE_MAX_MS = 30000,
	RESUME_MS = 60000,		/* how long a consumer may take to ask its database */
	GOING_AWAY = 1001, PROTOCOL_ERROR = 1002, NORMAL = 1000,
};

struct ship {
	struct loop *loop;
	struct hold *hold;
	struct ws_settings ws_settings;
	struct ws *ws;			/* NULL: not connected, the timer says when to try */
	struct timer *timer;
	struct timer *alarm_timer;
	int64_t unreachable_after_ms;
	bool alarmed;
	bool up;			/* resumed */
	bool spool_failing;		/* told once */
	bool next_epoch;		/* it was closed to go on with another epoch at once */
	unsigned attempts;		/* since something was acknowledged */
	char why[160];			/* it is not up */

	uint64_t epoch, sent, acked;	/* numbers */
	struct { uint64_t seq; size_t len; } way[WINDOW_BATCHES];	/* on their way: a ring */
	unsigned way_first, way_count;
	size_t way_bytes;
};

static void connect_now(void *arg);

/* --- connecting --- */

/* Full jitter: a thousand producers do not come back at the same time. */
static int64_t
pause_ms(const struct ship *s)
{
	int64_t most = PAUSE_MIN_MS;
	unsigned i;
	uint64_t r;

	for (i = 0; i < s->attempts && most < PAUSE_MAX_MS; i++)
		most *= 2;
	if (most > PAUSE_MAX_MS)
		most = PAUSE_MAX_MS;
	random_bytes(&r, sizeof(r));
	return (int64_t)(r % (uint64_t)most) + 1;
}

static void
connect_later(struct ship *s)
{
	timer_at(s->timer, clock_mono_ms() + pause_ms(s));
	s->attempts++;
}

static void
unreachable(void *arg)
{
	struct ship *s = arg;

	if (s->up)
		return;
	s->alarmed = true;
	alarm_raise("the consumer at %s port %s has been out of reach for %lld s: %s", s->ws_settings.host, s->ws_settings.port,
		    (long long)(s->unreachable_after_ms / 1000), s->why[0] ? s->why : "it does not answer");
}

static void
went_down(struct ship *s)
{
	if (s->up || s->attempts == 0)
		timer_at(s->alarm_timer, clock_mono_ms() + s->unreachable_after_ms);
	s->up = false;
}

static void
came_up(struct ship *s)
{
	log_write(LOG_MONITOR, LOG_LEVEL_INFO, "connected to consumer %s at %s, going on behind %" PRIu64 " of %" PRIu64 ", %zu batches held",
		  ws_peer_node(s->ws), ws_peer_address(s->ws), s->acked, s->epoch, hold_count(s->hold));
	if (s->alarmed)
		alarm_raise("the consumer at %s port %s is in reach again", s->ws_settings.host, s->ws_settings.port);
	s->alarmed = false;
	s->up = true;
	timer_at(s->alarm_timer, 0);
	timer_at(s->timer, 0);
}

/* --- sending --- */

static void
note_sent(struct ship *s, const struct spool_batch *b)
{
	unsigned at = (s->way_first + s->way_count++) % WINDOW_BATCHES;

	s->way[at].seq = b->seq;
	s->way[at].len = b->len;
	s->way_bytes += b->len;
	s->sent = b->seq;
}

static void
note_acknowledged(struct ship *s, uint64_t seq)
{
	while (s->way_count > 0 && s->way[s->way_first].seq <= seq) {
		s->way_bytes -= s->way[s->way_first].len;
		s->way_first = (s->way_first + 1) % WINDOW_BATCHES;
		s->way_count--;
	}
	if (seq > s->acked)
		s->acked = seq;
}

/* All of this epoch is with the consumer, and there is another one. */
static void
change_epoch(struct ship *s)
{
	if (s->way_count > 0 || hold_pick(s->hold) == s->epoch)
		return;
	s->next_epoch = true;
	s->up = false;
	ws_close(s->ws, NORMAL, "another epoch follows");
}

void
ship_more(struct ship *s)
{
	struct spool_batch b;
	struct err err;
	int r = 1;

	while (s->up && s->way_count < WINDOW_BATCHES && s->way_bytes < WINDOW_BYTES) {
		r = hold_next(s->hold, s->epoch, s->sent, &b, &err);
		if (r < 0)
			log_write(LOG_MONITOR, LOG_LEVEL_WARNING, "%s", err.msg);
		if (r <= 0 || ws_send(s->ws, b.text, b.len) < 0)
			break;
		note_sent(s, &b);
	}
	if (s->up && r <= 0)
		change_epoch(s);
}

/* --- what the consumer says --- */

static void
close_for(struct ship *s, unsigned code, const char *why)
{
	log_write(LOG_MONITOR, LOG_LEVEL_WARNING, "the consumer at %s: %s", ws_peer_address(s->ws), why);
	went_down(s);
	ws_close(s->ws, code, why);
}

/* This spool was set back, as a restored image of a machine is: numbers that the consumer has had would be given again. */
static void
leave_epoch(struct ship *s, uint64_t seq)
{
	struct err err;

	log_write(LOG_MONITOR, LOG_LEVEL_WARNING, "the consumer has batch %" PRIu64 " of %" PRIu64 ", which is not made yet: "
		  "the spool was set back, a new epoch begins", seq, s->epoch);
	if (hold_leave_epoch(s->hold, s->epoch, &err) < 0) {
		close_for(s, PROTOCOL_ERROR, err.msg);
		return;
	}
	s->next_epoch = true;
	ws_close(s->ws, NORMAL, "a new epoch begins");
}

static void
acknowledged(struct ship *s, uint64_t seq)
{
	struct err err;
	bool failed = hold_acknowledge(s->hold, s->epoch, seq, &err) < 0;

	if (failed && !s->spool_failing)
		log_write(LOG_MONITOR, LOG_LEVEL_WARNING, "%s", err.msg);
	s->spool_failing = failed;
	note_acknowledged(s, seq);
}

static void
take_resume(struct ship *s, uint64_t seq)
{
	uint64_t next = hold_next_seq(s->hold, s->epoch);

	if (s->up) {
		close_for(s, PROTOCOL_ERROR, "a second resume");
		return;
	}
	if (next != 0 && seq >= next) {
		leave_epoch(s, seq);
		return;
	}
	s->sent = s->acked = seq;
	if (seq > 0)
		acknowledged(s, seq);
	came_up(s);
	hold_tell_gaps(s->hold);
	ship_more(s);
}

static void
take_ack(struct ship *s, uint64_t seq)
{
	if (!s->up || seq > s->sent) {
		close_for(s, PROTOCOL_ERROR, "an acknowledgement of what was not sent");
		return;
	}
	if (seq <= s->acked)
		return;
	s->attempts = 0;
	acknowledged(s, seq);
	ship_more(s);
}

static void
opened_text(void *arg, struct ws *w, const char *data, size_t len)
{
	struct ship *s = arg;
	json_t *o = json_loadb(data, len, JSON_REJECT_DUPLICATES, NULL);
	const char *type = json_string_value(json_object_get(o, "type"));
	const json_t *epoch = json_object_get(o, "epoch"), *seq = json_object_get(o, "seq");
	uint64_t n = (uint64_t)json_integer_value(seq);

	(void)w;
	if (s->next_epoch)
		;			/* what comes while it closes is of no use any more */
	else if (type == NULL || !json_is_integer(epoch) || !json_is_integer(seq) || json_integer_value(seq) < 0)
		close_for(s, PROTOCOL_ERROR, "a message that is none");
	else if ((uint64_t)json_integer_value(epoch) != s->epoch)
		close_for(s, PROTOCOL_ERROR, "another epoch");
	else if (strcmp(type, "resume") == 0)
		take_resume(s, n);
	else if (strcmp(type, "ack") == 0)
		take_ack(s, n);
	else
		close_for(s, PROTOCOL_ERROR, "a message that is none");
	json_decref(o);
}

static void *
opened(void *arg, struct ws *w)
{
	struct ship *s = arg;

	(void)w;
	timer_at(s->timer, clock_mono_ms() + RESUME_MS);
	return s;
}

static void
closed(void *arg, struct ws *w, const char *why)
{
	struct ship *s = arg;

	(void)w;
	s->ws = NULL;
	if (s->next_epoch) {
		s->next_epoch = false;
		s->up = false;
		timer_at(s->timer, clock_mono_ms());
		return;
	}
	if (s->up || s->attempts <= 1)
		log_write(LOG_MONITOR, LOG_LEVEL_WARNING, "no connection to the consumer at %s port %s: %s", s->ws_settings.host,
			  s->ws_settings.port, why);
	snprintf(s->why, sizeof(s->why), "%s", why);
	went_down(s);
	connect_later(s);
}

static void
connect_now(void *arg)
{
	static const struct ws_handler handler = { .opened = opened, .text = opened_text, .closed = closed };
	struct ship *s = arg;
	struct err err;

	if (s->ws != NULL) {
		close_for(s, GOING_AWAY, "no resume in time");
		return;
	}
	s->epoch = s->ws_settings.epoch = hold_pick(s->hold);
	s->sent = s->acked = 0;
	s->way_first = s->way_count = 0;
	s->way_bytes = 0;
	s->ws = ws_connect(s->loop, &s->ws_settings, &handler, s, &err);
	if (s->ws != NULL)
		return;
	snprintf(s->why, sizeof(s->why), "%s", err.msg);
	if (s->attempts <= 1)
		log_write(LOG_MONITOR, LOG_LEVEL_WARNING, "%s", err.msg);
	connect_later(s);
}

struct ship *
ship_new(struct loop *l, struct hold *h, const struct ws_settings *ws, int64_t unreachable_after_ms)
{
	struct ship *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->loop = l;
	s->hold = h;
	s->ws_settings = *ws;
	s->unreachable_after_ms = unreachable_after_ms;
	s->timer = timer_new(l, connect_now, s);
	s->alarm_timer = timer_new(l, unreachable, s);
	if (s->timer == NULL || s->alarm_timer == NULL) {
		ship_free(s);
		return NULL;
	}
	timer_at(s->alarm_timer, clock_mono_ms() + unreachable_after_ms);
	timer_at(s->timer, clock_mono_ms() + 1);
	return s;
}

void
ship_free(struct ship *s)
{
	if (s == NULL)
		return;
	ws_drop(s->ws);
	timer_free(s->timer);
	timer_free(s->alarm_timer);
	free(s);
}

bool
ship_is_up(const struct ship *s)
{
	return s->up;
}
