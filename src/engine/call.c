/* SPDX-License-Identifier: MIT */
#include "engine/control.h"

#include "conf/json.h"
#include "core/control.h"

#include <errno.h>
#include <string.h>

static const char no_memory[] = "{\"error\":\"org.appctl.Control.Failed\",\"parameters\":{\"message\":\"no memory left\"}}";

struct buf *
call_begin(struct call *c)
{
	c->reply_at = c->out->len;
	buf_adds(c->out, "{\"parameters\":");
	return c->out;
}

struct buf *
call_begin_error(struct call *c, const char *error)
{
	c->reply_at = c->out->len;
	buf_printf(c->out, "{\"error\":\"%s%s\",\"parameters\":", strchr(error, '.') ? "" : "org.appctl.Control.", error);
	return c->out;
}

/* Room for the sentence was made with the connection, so that it can be said without memory. */
static void
replace_by_no_memory(struct call *c)
{
	c->out->failed = false;
	c->out->len = c->reply_at;
	buf_add(c->out, no_memory, sizeof(no_memory));
	c->done = true;
	c->broken = c->out->failed;
}

static void
end_reply(struct call *c, const char *tail, size_t len)
{
	buf_add(c->out, tail, len);
	if (c->out->failed)
		replace_by_no_memory(c);
	if (c->oneway)
		c->out->len = c->reply_at;
}

void
call_end(struct call *c)
{
	c->done = true;
	end_reply(c, "}", 2);
}

void
call_continue(struct call *c)
{
	static const char tail[] = ",\"continues\":true}";

	end_reply(c, tail, sizeof(tail));
}

void
call_reply(struct call *c)
{
	buf_adds(call_begin(c), "{}");
	call_end(c);
}

void
call_fail(struct call *c, const char *error, const char *parameter, const char *value)
{
	struct buf *b = call_begin_error(c, error);

	buf_printf(b, "{\"%s\":", parameter);
	buf_add_json(b, value);
	buf_addc(b, '}');
	call_end(c);
}

void
call_failed(struct call *c, const struct err *err)
{
	if (engine_shutting_down(c->d->engine)) {
		buf_adds(call_begin_error(c, "ShuttingDown"), "{}");
		call_end(c);
	} else {
		call_fail(c, "Failed", "message", err->msg);
	}
}

void
call_no_memory(struct call *c)
{
	call_fail(c, "Failed", "message", "no memory left");
}

void
call_not_permitted(struct call *c, enum access_level needed, enum access_level held, const char *member, const char *value)
{
	struct buf *b = call_begin_error(c, "NotPermitted");

	buf_printf(b, "{\"needed\":\"%s\",\"held\":\"%s\"", access_level_name(needed), access_level_name(held));
	if (member != NULL) {
		buf_printf(b, ",\"%s\":", member);
		buf_add_json(b, value);
	}
	buf_addc(b, '}');
	call_end(c);
}

void
call_invalid(struct call *c, const char *parameter, const char *why)
{
	struct buf *b = call_begin_error(c, "org.varlink.service.InvalidParameter");

	buf_adds(b, "{\"parameter\":");
	buf_add_json(b, parameter);
	buf_adds(b, ",\"message\":");
	buf_add_json(b, why);
	buf_addc(b, '}');
	call_end(c);
}

int
call_parse(struct call *c, const char *text, size_t len, struct err *err)
{
	json_error_t error;
	bool ran_out;

	if (len == 0)
		return err_set(err, 0, "empty");
	c->message = json_read(text, len, &ran_out, &error);
	if (ran_out)
		return err_set(err, ENOMEM, "message");
	if (c->message == NULL)
		return err_set(err, 0, "not JSON: %s (byte %d)", error.text, error.position);
	if (!json_is_string(json_object_get(c->message, "method")))
		return err_set(err, 0, "not an object with a string \"method\"");
	c->args = json_object_get(c->message, "parameters");
	if (json_is_null(c->args))
		c->args = NULL;
	if (c->args != NULL && !json_is_object(c->args))
		return err_set(err, 0, "its \"parameters\" are not an object");
	c->more = json_is_true(json_object_get(c->message, "more"));
	c->oneway = json_is_true(json_object_get(c->message, "oneway"));
	return 0;
}

uint64_t
call_wait(struct call *c, answer_fn *answer)
{
	c->answer = answer;
	c->token = control_token(c->control);
	return c->token;
}

uint64_t
call_wait_for_end(struct call *c, answer_fn *answer)
{
	c->answer = answer;
	c->end_token = control_token(c->control);
	return c->end_token;
}
