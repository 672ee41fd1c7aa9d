/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "engine/subscriber.h"

#include <inttypes.h>
#include <stdio.h>

/* One object, as the subscriber's framing wants it. */
static void
put_frame(struct subscriber *s, const char *object, size_t len)
{
	if (s->framing == FRAMING_VARLINK) {
		buf_adds(&s->pending, "{\"parameters\":{\"event\":");
		buf_add(&s->pending, object, len);
		buf_add(&s->pending, "},\"continues\":true}", sizeof("},\"continues\":true}"));
	} else {
		buf_add(&s->pending, object, len);
		buf_addc(&s->pending, '\n');
	}
}

void
subscriber_put(struct subscriber *s, struct buf *object)
{
	if (object->failed)
		s->pending.failed = true;
	else
		put_frame(s, object->data, object->len);
	buf_clear(object);
}

static void
put_hello(struct subscriber *s)
{
	const struct daemon *d = s->p->d;
	struct buf o = { 0 };

	buf_printf(&o, "{\"event\":\"hello\",\"instance\":\"%016" PRIx64 "\",\"node\":", d->hello.instance);
	buf_add_json(&o, d->node);
	buf_printf(&o, ",\"seq\":%" PRIu64 "}", s->p->shown - 1);
	subscriber_put(s, &o);
	buf_free(&o);
}

static void
put_app(struct subscriber *s, const struct app *a, struct buf *o)
{
	buf_printf(o, "{\"event\":\"snapshot\",\"app\":\"%s\",\"state\":\"%s\"", a->name, app_state_name(a->state));
	if (a->pid != 0)
		buf_printf(o, ",\"pid\":%ld", (long)a->pid);
	buf_printf(o, ",\"reason\":\"%s\",\"since\":\"", reason_name(a->reason));
	print_time(o, a->since_real_us);
	buf_adds(o, "\"}");
	subscriber_put(s, o);
}

static void
put_snapshot(struct subscriber *s)
{
	static const char *const states[] = {
		[MODE_CHANGING] = "changing", [MODE_STABLE] = "stable", [MODE_FAILED] = "failed",
	};
	const struct engine *e = s->p->d->engine;
	const char *mode = engine_mode(e);
	struct buf o = { 0 };
	uint32_t i;

	for (i = 0; i < engine_app_count(e); i++)
		put_app(s, engine_app(e, i), &o);
	buf_adds(&o, "{\"event\":\"snapshot\",\"mode\":");
	if (mode != NULL)
		buf_add_json(&o, mode);
	else
		buf_adds(&o, "null");
	buf_printf(&o, ",\"state\":\"%s\"}", states[engine_mode_state(e)]);
	subscriber_put(s, &o);
	buf_adds(&o, "{\"event\":\"snapshot_end\"}");
	subscriber_put(s, &o);
	buf_free(&o);
}

void
subscriber_put_lost(struct subscriber *s, uint64_t from, uint64_t to)
{
	struct buf o = { 0 };

	buf_printf(&o, "{\"event\":\"lost\",\"from\":%" PRIu64 ",\"to\":%" PRIu64 "}", from, to);
	subscriber_put(s, &o);
	buf_free(&o);
}

static void
put_error(struct subscriber *s, const char *message)
{
	struct buf o = { 0 };

	buf_adds(&o, "{\"event\":\"error\",\"message\":");
	buf_add_json(&o, message);
	buf_addc(&o, '}');
	subscriber_put(s, &o);
	buf_free(&o);
	s->ends = true;
}

/* What it missed, and where it begins. */
static void
put_beginning(struct subscriber *s)
{
	struct publisher *p = s->p;
	const struct subscription_filter *f = &s->filter;
	char message[160];

	s->next_seq = p->shown;
	if (!f->has_since)
		return;
	if (f->instance != 0 && f->instance != p->d->hello.instance) {
		/* Numbers of another appctld say nothing here: all that this one has is new to the subscriber. */
		s->next_seq = 1;
	} else if (f->since >= p->shown) {
		snprintf(message, sizeof(message), "since: there is no event %" PRIu64 " yet, the last one is %" PRIu64,
			 f->since, p->shown - 1);
		put_error(s, message);
	} else {
		s->next_seq = f->since + 1;
	}
}

void
subscriber_greet(struct subscriber *s)
{
	s->asked = true;
	put_hello(s);
	put_beginning(s);
	if (s->filter.snapshot && !s->ends)
		put_snapshot(s);
	subscriber_serve(s);
}

void
subscriber_refuse(struct subscriber *s, const char *message)
{
	put_error(s, message);
	subscriber_serve(s);
}
