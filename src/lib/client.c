/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "lib/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { KNOCK_MS = 1000, KNOCK_MAX_MS = 60000 };

struct appctl {
	struct stream s;
	char *method;		/* of the call under way, in full; NULL: none */
	json_t *parameters;
	unsigned flags;
	bool repeatable;	/* by its nature */
	bool had_fds, answered;	/* answered: a first reply of several has come */
	int64_t begun_at, knock_at, knock_after;
};

/* What may be asked twice: it changes nothing. */
static const char *const reads[] = {
	"org.appctl.Control.AwaitApplication", "org.appctl.Control.AwaitStableMode", "org.appctl.Control.Dependencies",
	"org.appctl.Control.Dependents", "org.appctl.Control.Diff", "org.appctl.Control.Explain",
	"org.appctl.Control.GetMode", "org.appctl.Control.Graph", "org.appctl.Control.IsModeStable",
	"org.appctl.Control.ListModes", "org.appctl.Control.Plan", "org.appctl.Control.Show",
	"org.appctl.Control.Status", "org.appctl.Control.Wait", "org.varlink.service.GetInfo",
	"org.varlink.service.GetInterfaceDescription",
};

static bool
is_read(const char *method)
{
	size_t i;

	for (i = 0; i < sizeof(reads) / sizeof(reads[0]); i++)
		if (strcmp(reads[i], method) == 0)
			return true;
	return false;
}

struct appctl *
appctl_new(const char *runtime_dir, struct appctl_error *e)
{
	return appctl_new_on(runtime_dir, NULL, e);
}

struct appctl *
appctl_new_on(const char *runtime_dir, const char *node, struct appctl_error *e)
{
	struct appctl *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		error_memory(e);
		return NULL;
	}
	if (stream_init(&c->s, runtime_dir, node, "control", '\0', e) < 0) {
		appctl_free(c);
		return NULL;
	}
	return c;
}

static void
call_done(struct appctl *c)
{
	free(c->method);
	json_decref(c->parameters);
	c->method = NULL;
	c->parameters = NULL;
}

void
appctl_free(struct appctl *c)
{
	if (c == NULL)
		return;
	call_done(c);
	stream_fini(&c->s);
	free(c);
}

const char *
appctl_runtime_dir(const struct appctl *c)
{
	return c->s.dir;
}

const char *
appctl_node(const struct appctl *c)
{
	return c->s.node;
}

void
appctl_set_connect_timeout(struct appctl *c, int ms)
{
	c->s.connect_ms = ms;
}

/* A repeated call has as much less time as has passed since it was first sent. */
static void
shorten_timeout(struct appctl *c)
{
	json_t *timeout = json_object_get(c->parameters, "timeout");
	double left;

	if (!json_is_number(timeout))
		return;
	left = json_number_value(timeout) - (double)(now_ms() - c->begun_at) / 1000;
	json_object_set_new(c->parameters, "timeout", json_real(left > 0 ? left : 0));
	c->begun_at = now_ms();
}

/* The call as Varlink wants it, its NUL included in *len. */
static char *
request_text(const struct appctl *c, size_t *len)
{
	json_t *call = json_pack("{s:s, s:O}", "method", c->method, "parameters", c->parameters);
	char *text = NULL;

	if (call == NULL)
		return NULL;
	if ((c->flags & APPCTL_MORE) == 0 || json_object_set_new(call, "more", json_true()) == 0)
		text = json_dumps(call, JSON_COMPACT);
	json_decref(call);
	*len = text ? strlen(text) + 1 : 0;
	return text;
}

/*
 * Sends the call on a connection that is there.  1: sent; 0: the other end has gone, which was seen before all of it
 * was sent, so nothing was done; -1: e.
 */
static int
send_call(struct appctl *c, const int *fds, size_t fd_count, struct appctl_error *e)
{
	autofree char *text = NULL;
	size_t len;
	int code;

	text = request_text(c, &len);
	if (text == NULL)
		return error_memory(e);
	if (stream_send(&c->s, text, len, fds, fd_count) == 0) {
		c->knock_after = KNOCK_MS;
		c->knock_at = now_ms() + KNOCK_MS;
		return 1;
	}
	code = errno;
	if (code == EPIPE || code == ECONNRESET)
		return 0;
	stream_close(&c->s);
	if (code == EAGAIN)
		return error_set(e, APPCTL_UNREACHABLE, "appctld does not take the request at %s", c->s.path);
	return error_errno(e, code, "send to %s", c->s.path);
}

/* Connects where there is no connection and sends the call, again if need be.  1; 0: not by end_ms; -1: e. */
static int
deliver(struct appctl *c, int64_t end_ms, const int *fds, size_t fd_count, struct appctl_error *e)
{
	int r;

	for (;;) {
		r = stream_return(&c->s, end_ms, e);
		if (r <= 0)
			return r;
		r = send_call(c, fds, fd_count, e);
		if (r != 0)
			return r;
		if (stream_broke(&c->s, e) < 0)
			return -1;
	}
}

static char *
full_name(const char *method)
{
	char *full;

	if (strchr(method, '.') != NULL)
		return strdup(method);
	return asprintf(&full, "org.appctl.Control.%s", method) < 0 ? NULL : full;
}

static int
start_call(struct appctl *c, const char *method, json_t *take_params, unsigned flags)
{
	c->method = full_name(method);
	c->parameters = take_params ? take_params : json_object();
	c->flags = flags;
	c->answered = false;
	c->begun_at = now_ms();
	return c->method && c->parameters ? 0 : -1;
}

int
appctl_begin(struct appctl *c, const char *method, json_t *take_params, unsigned flags, const int *fds,
	     size_t fd_count, struct appctl_error *e)
{
	int code;

	appctl_error_clear(e);
	if (c->method != NULL) {
		stream_close(&c->s);	/* the answer to a call that was given up must not be taken for this one's */
		call_done(c);
	}
	if (start_call(c, method, take_params, flags) < 0) {
		call_done(c);
		return error_memory(e);
	}
	c->had_fds = fd_count > 0;
	c->repeatable = is_read(c->method) || (strcmp(c->method, "org.appctl.Control.Reload") == 0 &&
		json_is_true(json_object_get(c->parameters, "dry_run")));
	c->s.breaks = 0;
	c->s.retry_at = 0;
	c->s.broke_at = now_ms();
	if (stream_connect(&c->s, &code, e) < 0 || deliver(c, INT64_MAX, fds, fd_count, e) < 0) {
		call_done(c);
		return -1;
	}
	return 0;
}

/*
 * No answer: makes the keeper look whether the engine is alive.  The connection alone says it; the keeper is
 * not waited for.
 */
static void
knock(struct appctl *c)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	autoclose int fd = -1;

	c->knock_after = c->knock_after * 2 > KNOCK_MAX_MS ? KNOCK_MAX_MS : c->knock_after * 2;
	c->knock_at = now_ms() + c->knock_after;
	if (c->s.node != NULL)
		return;			/* whoever is there does */
	if ((size_t)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/keeper.sock", c->s.dir) >= sizeof(sa.sun_path))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		(void)!connect(fd, (struct sockaddr *)&sa, sizeof(sa));
}

/*
 * The connection broke in the middle of a call.  ECONNRESET from a Unix socket says that the other end went with the call
 * still unread: it was not carried out and may be sent again, whatever it is.
 */
static int
lost(struct appctl *c, int code, struct appctl_error *e)
{
	bool unread = code == ECONNRESET && !c->answered && !c->had_fds;

	if (code == EMSGSIZE || code == ENOMEM) {
		stream_close(&c->s);
		return error_errno(e, code, "the answer of appctld");
	}
	if (unread || (c->repeatable && !c->answered)) {
		if (stream_broke(&c->s, e) < 0)
			return -1;
		shorten_timeout(c);
		return 0;
	}
	stream_close(&c->s);
	error_set(e, APPCTL_FAILED, "outcome unknown: the connection to appctld%s%s broke before %s was answered; "
		  "see what it has done with appctl%s%s status", c->s.node ? " on " : "", c->s.node ? c->s.node : "",
		  strrchr(c->method, '.') + 1, c->s.node ? " -n " : "", c->s.node ? c->s.node : "");
	snprintf(e->name, sizeof(e->name), "%s", APPCTL_OUTCOME_UNKNOWN);
	return -1;
}

/* The next message of the call under way, however often the connection breaks.  1, 0: none by end_ms, -1: e. */
static int
receive(struct appctl *c, int64_t end_ms, const char **text, size_t *len, struct appctl_error *e)
{
	int r, code;

	for (;;) {
		if (c->s.fd < 0) {
			r = deliver(c, end_ms, NULL, 0, e);
			if (r <= 0)
				return r;
		}
		if (stream_frame(&c->s, text, len)) {
			c->s.breaks = 0;
			return 1;
		}
		r = stream_fill(&c->s, until(end_ms < c->knock_at ? end_ms : c->knock_at));
		code = errno;
		if (r < 0 && lost(c, code, e) < 0)
			return -1;
		if (r > 0)
			continue;
		if (now_ms() >= c->knock_at)
			knock(c);
		if (end_ms != INT64_MAX && now_ms() >= end_ms)
			return 0;
	}
}

static int
not_varlink(struct appctl *c, struct appctl_error *e)
{
	stream_close(&c->s);
	return error_set(e, APPCTL_UNREACHABLE, "what answers at %s is not appctld: it does not speak Varlink", c->s.path);
}

static int
varlink_error(const struct appctl *c, const char *name, json_t *parameters, struct appctl_error *e)
{
	error_varlink(e, name, parameters);
	return error_of_node(e, c->s.node);
}

/* Reads a message whole.  1: a reply, its parameters new in *reply; -1: e. */
static int
decode(struct appctl *c, const char *text, size_t len, json_t **reply, bool *continues, struct appctl_error *e)
{
	json_t *message = json_loadb(text, len, 0, NULL), *parameters, *error;
	int r = 1;

	if (!json_is_object(message)) {
		json_decref(message);
		return not_varlink(c, e);
	}
	error = json_object_get(message, "error");
	parameters = json_object_get(message, "parameters");
	*continues = json_is_true(json_object_get(message, "continues"));
	if (json_is_string(error))
		r = varlink_error(c, json_string_value(error), parameters, e);
	else
		*reply = json_is_object(parameters) ? json_incref(parameters) : json_object();
	if (r > 0 && *reply == NULL)
		r = error_memory(e);
	json_decref(message);
	return r;
}

/* A reply may be handed out as text without reading it, unless it is an error or not the last. */
static bool
is_plain(const char *text, size_t len)
{
	return len >= 2 && text[0] == '{' && memmem(text, len, "\"error\"", 7) == NULL &&
	       memmem(text, len, "\"continues\"", 11) == NULL;
}

/* Takes the next reply as text, and as json_t where reply is not NULL. */
static int
next(struct appctl *c, int timeout_ms, const char **text, size_t *len, json_t **reply, bool *last, struct appctl_error *e)
{
	int64_t end_ms = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
	json_t *parameters = NULL;
	bool continues = false;
	int r;

	appctl_error_clear(e);
	if (c->method == NULL)
		return error_set(e, APPCTL_INVALID, "no call is under way");
	r = receive(c, end_ms, text, len, e);
	if (r == 0)
		return 0;
	if (r > 0 && (reply != NULL || !is_plain(*text, *len)))
		r = decode(c, *text, *len, &parameters, &continues, e);
	if (r < 0 || !continues)
		call_done(c);
	c->answered = true;
	if (last != NULL)
		*last = !continues;
	if (reply != NULL)
		*reply = parameters;
	else
		json_decref(parameters);
	return r;
}

int
appctl_next(struct appctl *c, int timeout_ms, json_t **reply, bool *last, struct appctl_error *e)
{
	const char *text;
	size_t len;

	*reply = NULL;
	return next(c, timeout_ms, &text, &len, reply, last, e);
}

int
appctl_next_text(struct appctl *c, int timeout_ms, const char **text, size_t *len, bool *last, struct appctl_error *e)
{
	return next(c, timeout_ms, text, len, NULL, last, e);
}

json_t *
appctl_call(struct appctl *c, const char *method, json_t *take_params, struct appctl_error *e)
{
	json_t *reply;

	if (appctl_begin(c, method, take_params, 0, NULL, 0, e) < 0)
		return NULL;
	return appctl_next(c, -1, &reply, NULL, e) < 0 ? NULL : reply;
}

int
appctl_fd(const struct appctl *c)
{
	return c->s.fd;
}

int
appctl_wait_ms(const struct appctl *c)
{
	if (c->method == NULL)
		return -1;
	return until(c->s.fd >= 0 ? c->knock_at : c->s.retry_at);
}
