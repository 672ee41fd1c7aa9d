/* SPDX-License-Identifier: MIT */
#pragma once

#include "engine/daemon.h"

#include <jansson.h>

/*
 * What control.c (connections), call.c (replies), methods.c (the table), methods_*.c (one
 * function a method) and render.c (JSON of what is asked for) say to each
 * other.  A connection handles one call at a time, in order; more may be on
 * their way.
 *
 * A method answers by call_reply() or call_fail() and returns, or lets the
 * engine keep the call waiting under its token and answers from call.answer.
 */
struct conn;
struct call;

typedef void method_fn(struct call *c);
typedef void answer_fn(struct call *c, enum outcome outcome);

enum { CALL_FDS_MAX = 3 };

struct call {
	struct control *control;
	struct daemon *d;
	struct conn *conn;
	const struct peer *peer;
	json_t *message;			/* owned */
	json_t *args;				/* its parameters, as the method's signature says; lent */
	bool more, oneway, done;
	bool guest;				/* Run: by access_run_as(), not by level */
	bool broken;				/* not even an error could be written: the connection ends */
	uint64_t token;				/* the engine knows it by this */
	answer_fn *answer;			/* NULL: it does not wait */
	uint64_t end_token;			/* Run: waits for the end under this; 0: it does not */
	char name[NAME_MAX_LEN + 1];		/* the application or mode that it waits for */
	int fds[CALL_FDS_MAX];			/* that came with it; owned, -1: none */
	unsigned fd_count;			/* how many came, also those beyond CALL_FDS_MAX, which were closed */
	struct plan_now *before;		/* Reload: how things stood */
	char *note;				/* the reply to come, as a JSON object; owned */
	struct buf *out;			/* where the reply goes */
	size_t reply_at;			/* where in out it begins */
};

/* Takes a message apart.  -1: it is no call, and err says why. */
int call_parse(struct call *c, const char *text, size_t len, struct err *err);
/*
 * A reply: `{"parameters":` is written, write the object into the buffer that
 * is returned, then call_end().  call_reply() does both for an empty object.
 */
struct buf *call_begin(struct call *c);
struct buf *call_begin_error(struct call *c, const char *error);	/* without a dot: one of org.appctl.Control */
void call_end(struct call *c);
void call_continue(struct call *c);			/* the same, and more replies follow */
void call_reply(struct call *c);
/* Errors with one sentence, or one name, in that parameter. */
void call_fail(struct call *c, const char *error, const char *parameter, const char *value);
void call_failed(struct call *c, const struct err *err);	/* Failed, or ShuttingDown where that is why */
void call_no_memory(struct call *c);
/* NotPermitted; member NULL: no more is to be said, else what of the call it is about. */
void call_not_permitted(struct call *c, enum access_level needed, enum access_level held, const char *member, const char *value);
void call_invalid(struct call *c, const char *parameter, const char *why);

/* A token for the engine; the call's answer function is called with it, once. */
uint64_t call_wait(struct call *c, answer_fn *answer);
uint64_t call_wait_for_end(struct call *c, answer_fn *answer);
uint64_t control_token(struct control *control);	/* a new one */
/* The call by its token; NULL: its peer has gone. */
struct call *control_find(struct control *control, uint64_t token);
/* To be called when a call was answered outside of its method. */
void control_wake(struct call *c);
/* The connection goes to the publisher: returns its descriptor, -1: it cannot be handed over. */
int call_take_connection(struct call *c);
/* Sends what is there of the reply now, as far as the socket takes it. */
void call_flush(struct call *c);

/* methods.c: answers, or keeps the call waiting. */
void methods_call(struct call *c);

/* Parameters by name, after the signature was checked. */
const char *arg_string(const struct call *c, const char *name);		/* NULL: not given */
bool arg_bool(const struct call *c, const char *name);			/* false: not given */
/* now + that many seconds, on the monotonic clock; 0: not given. */
int64_t arg_deadline(const struct call *c, const char *name);

/* methods_read.c */
method_fn method_status, method_get_mode, method_is_mode_stable, method_list_modes, method_plan, method_diff;
method_fn method_explain, method_dependencies, method_dependents, method_graph, method_show, method_subscribe;
method_fn method_find_application;
method_fn method_await_stable_mode, method_await_application, method_wait;
/* methods_change.c */
method_fn method_set_mode, method_start, method_stop, method_restart, method_reload_application, method_kill;
method_fn method_reload, method_check_for_new_applications, method_set_log_level, method_shutdown, method_run;
method_fn method_reexec;

/* The application of parameter "name"; NULL: NoSuchApplication was answered. */
struct app *call_app(struct call *c);
const struct mode *call_mode(struct call *c, const char *name);		/* NULL: UnknownMode was answered */
/* TimedOut, ModeFailed and the like, of a wait for the mode; false: it was none of them. */
bool call_mode_trouble(struct call *c, enum outcome outcome);
/* The same for a wait for one application; it may be gone. */
bool call_app_trouble(struct call *c, enum outcome outcome);

/* render.c: JSON written straight into a buffer. */
struct roles_of;			/* which roles and modes an application is in */
struct roles_of *roles_of_new(const struct model *m);	/* holds a reference; NULL: no memory */
const struct model *roles_of_model(const struct roles_of *r);
void roles_of_free(struct roles_of *r);

void render_node(struct daemon *d, const struct peer *peer, struct buf *out);	/* members, without braces */
void render_app(struct daemon *d, const struct roles_of *r, const struct app *a, struct buf *out);
void render_last_exit(const struct app *a, struct buf *out);			/* an object; null: it never ended */
void render_outstanding(struct daemon *d, const struct app *a, struct buf *out);
void render_all_outstanding(struct daemon *d, struct buf *out);			/* an array */
void render_names(struct app *const *v, size_t n, struct buf *out);		/* an array */
void render_origin(const struct origin *at, struct buf *out);			/* "FILE:LINE" as a string */
/* with_values: those of its environment too. */
void render_definition(const struct app_def *def, bool with_values, struct buf *out);
struct cause;
void render_cause(const struct cause *cause, bool comma, struct buf *out);
const struct roles_of *control_roles(struct control *control);			/* of the model in force; NULL: no memory */
