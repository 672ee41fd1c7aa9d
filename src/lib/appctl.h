/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * libappctl: control appctld and follow its events.
 *
 * Methods, their parameters, replies and errors are those of the Varlink interface
 * org.appctl.Control (org.appctl.Control.varlink), as jansson objects; events
 * are those of appctl-events(7).
 *
 *	struct appctl_error e = { 0 };
 *	struct appctl *c = appctl_new(NULL, &e);
 *	json_t *reply = c ? appctl_call(c, "GetMode", NULL, &e) : NULL;
 *
 *	if (reply == NULL)
 *		fprintf(stderr, "%s\n", e.message);
 *	json_decref(reply);
 *	appctl_error_clear(&e);
 *	appctl_free(c);
 *
 * Ownership: a `take_` parameter is taken over, on failure too; what a function returns or stores through
 * a pointer belongs to the caller (json_decref(), free()) unless it says "lent".
 * Threads: nothing is shared between two objects, so each may be used in a thread of its own; one
 * object is for one thread at a time.  No function writes to a terminal, changes a signal or ends the process.
 *
 * When the connection breaks (the part of appctld that answers was started anew): reading
 * methods, awaits and subscriptions are repeated without a word.  Of anything else, whose answer was lost, the
 * error says "outcome unknown": name is APPCTL_OUTCOME_UNKNOWN.
 */

/* How a call went; also what the command appctl exits with. */
enum appctl_status {
	APPCTL_DONE,
	APPCTL_FAILED,			/* it failed, or its outcome is unknown */
	APPCTL_INVALID,			/* a mistake in the request or in the configuration */
	APPCTL_NOT_FOUND,		/* no such application, mode, … */
	APPCTL_TIMED_OUT,
	APPCTL_NOT_PERMITTED,
	APPCTL_UNREACHABLE,		/* appctld cannot be reached; the message says what was tried */
};

#define APPCTL_OUTCOME_UNKNOWN "org.appctl.OutcomeUnknown"

/*
 * What went wrong.  Zero-initialise it; each function that takes one clears it first, so that one is enough for
 * many calls, and appctl_error_clear() gives it back at the end.
 */
struct appctl_error {
	enum appctl_status status;	/* APPCTL_DONE: nothing went wrong */
	char name[96];			/* the Varlink error, "org.appctl.Control.TimedOut"; "": it came from this side */
	char message[1024];		/* one sentence for people, without a newline */
	json_t *parameters;		/* the Varlink error's; NULL: none */
};

void appctl_error_clear(struct appctl_error *e);

/*
 * A connection to control.sock, made when it is first needed.
 *
 * runtime_dir NULL: $APPCTL_RUNTIME_DIR, else $XDG_RUNTIME_DIR/appctl where there is a socket, else
 * /run/appctl.  A directory from the environment must belong to the caller or to root.
 */
struct appctl;

struct appctl *appctl_new(const char *runtime_dir, struct appctl_error *e);
/*
 * The same for the appctld of another node, by way of the appctl-node that runs here: what that node's configuration
 * allows to this one.  No descriptors can be sent there.  node NULL: this one.
 */
struct appctl *appctl_new_on(const char *runtime_dir, const char *node, struct appctl_error *e);
const char *appctl_node(const struct appctl *c);		/* lent; NULL: this one */
void appctl_free(struct appctl *c);				/* NULL is fine */
const char *appctl_runtime_dir(const struct appctl *c);		/* lent */
/* How long connecting may take; 5,000 ms unless set. */
void appctl_set_connect_timeout(struct appctl *c, int ms);

/*
 * Calls a method and waits for its reply: the reply's parameters.  NULL: e says why.  A name without a dot belongs
 * to org.appctl.Control.  Waits as long as the daemon takes (give the method its timeout); after a second
 * without an answer it knocks at the keeper, which looks after an answering part that hangs.
 */
json_t *appctl_call(struct appctl *c, const char *method, json_t *take_params, struct appctl_error *e);

/*
 * The same in two steps, for callers with an event loop, methods that reply more than once, and
 * descriptors.  One call at a time.  APPCTL_MORE: Varlink's `more`.  fds[0..fd_count) are sent along and stay the caller's.
 * 0; -1: e says why.
 */
enum { APPCTL_MORE = 1 };
int appctl_begin(struct appctl *c, const char *method, json_t *take_params, unsigned flags, const int *fds,
	size_t fd_count, struct appctl_error *e);

/*
 * Takes the next reply, waiting for at most timeout_ms (-1: no limit).  1: *reply is it, *last whether
 * the call is done with it (last may be NULL); 0: none yet; -1: the call has failed and is done.
 */
int appctl_next(struct appctl *c, int timeout_ms, json_t **reply, bool *last, struct appctl_error *e);

/* The same for the reply as it came: the message's JSON text, lent until the next call that takes c. */
int appctl_next_text(struct appctl *c, int timeout_ms, const char **text, size_t *len, bool *last,
	struct appctl_error *e);

/*
 * For poll(), after appctl_next() has said that there is none yet: call it again when fd is readable (-1: not connected
 * now) or after that many ms (-1: no limit).
 */
int appctl_fd(const struct appctl *c);
int appctl_wait_ms(const struct appctl *c);

/*
 * A subscription to events.sock.  take_filter: {"categories":[…],"since":…,"instance":…,"snapshot":…}, each member
 * optional; NULL: everything from now on.  After a break it goes on behind the last event it has given
 * out; the second `hello` is kept back unless appctld itself was started anew.
 */
struct appctl_events;

struct appctl_events *appctl_subscribe(const char *runtime_dir, json_t *take_filter, struct appctl_error *e);
/* The events of another node; node NULL: of this one. */
struct appctl_events *appctl_subscribe_on(const char *runtime_dir, const char *node, json_t *take_filter, struct appctl_error *e);
void appctl_events_free(struct appctl_events *s);		/* NULL is fine */
/* As appctl_next(): 1: *event, the next one; 0: none yet; -1: the subscription has ended. */
int appctl_events_next(struct appctl_events *s, int timeout_ms, json_t **event, struct appctl_error *e);
/* The line that the last event came in, without its newline; lent until the next call. */
const char *appctl_events_text(const struct appctl_events *s, size_t *len);
int appctl_events_fd(const struct appctl_events *s);
int appctl_events_wait_ms(const struct appctl_events *s);

/*
 * Messages (doc/mailbox.md): a connection to mail.sock of this node's appctl-node.  Who sends and who may read is known by
 * the process that connects: the application it belongs to, or its user.
 *
 *	struct appctl_mail *m = appctl_mail_new(NULL, &e);
 *
 *	if (m == NULL || appctl_send(m, "bob/chat", "hey", 3, -1, &e) < 0)
 *		fprintf(stderr, "%s\n", e.message);
 *
 * A connection that breaks is not made anew: what was sent and not answered is APPCTL_OUTCOME_UNKNOWN, and nothing is
 * sent a second time.
 */
struct appctl_mail;

struct appctl_mail *appctl_mail_new(const char *runtime_dir, struct appctl_error *e);
void appctl_mail_free(struct appctl_mail *m);			/* NULL is fine */
/* This process's own address, NODE/APPLICATION or NODE/~USER; lent.  NULL: e. */
const char *appctl_self(struct appctl_mail *m, struct appctl_error *e);

/* Sends one and waits, at most timeout_ms (-1: no limit), until it lies in the mailbox.  -1: e; timed out: outcome unknown. */
int appctl_send(struct appctl_mail *m, const char *to, const char *text, size_t len, int timeout_ms, struct appctl_error *e);

/*
 * Many: each is queued and has a number, 1, 2, …; answers come later, each number in exactly one, in order between the same
 * two applications.  Waits only where much is queued that nobody takes.  -1: e.
 */
int64_t appctl_post(struct appctl_mail *m, const char *to, const char *text, size_t len, struct appctl_error *e);

struct appctl_answer {
	int64_t first, last;		/* the numbers that it is for */
	struct appctl_error error;	/* status APPCTL_DONE: they lie in their mailboxes; appctl_error_clear() it */
};

/*
 * The next answer, waiting at most timeout_ms.  1: *a; 0: none yet, or none is due; -1: e: the connection broke, what was
 * not answered is unknown.
 */
int appctl_answered(struct appctl_mail *m, int timeout_ms, struct appctl_answer *a, struct appctl_error *e);
int64_t appctl_unanswered(const struct appctl_mail *m);

struct appctl_message {
	uint64_t n;			/* its number in the mailbox; they grow */
	const char *from;		/* NODE/APPLICATION: where a reply goes */
	const char *at;			/* when it came, "2026-11-25T10:53:20.123456Z" */
	const char *text;		/* NUL-terminated; may have a NUL in it */
	size_t len;
};

/*
 * Reads a mailbox: one's own (app NULL), or for root and the daemon's user any.  0; -1: e, e.g. somebody else reads it.
 * APPCTL_PRESENT: only what lies there now.  Without this call, appctl_receive() reads one's own.
 */
enum { APPCTL_PRESENT = 1 };
int appctl_read(struct appctl_mail *m, const char *app, unsigned flags, struct appctl_error *e);
/*
 * The next message, waiting at most timeout_ms (-1: no limit); its texts are lent until the next call that takes m.  1: there is
 * one; 0: none in that time, or (APPCTL_PRESENT) no more; -1: e.
 */
int appctl_receive(struct appctl_mail *m, int timeout_ms, struct appctl_message *message, struct appctl_error *e);
/* All up to that number are dealt with, and leave the mailbox; what is not told so comes again to the next reader. */
int appctl_done(struct appctl_mail *m, uint64_t n, struct appctl_error *e);
/* Waits until all that was said so far has been taken in.  -1: e. */
int appctl_mail_flush(struct appctl_mail *m, struct appctl_error *e);

/* For poll(): the descriptor and what to wait for (POLLIN, POLLOUT); then appctl_answered() or appctl_receive() with timeout 0. */
int appctl_mail_fd(const struct appctl_mail *m);
int appctl_mail_events(const struct appctl_mail *m);

/* The runtime directory that would be used: free() it.  NULL: e says why. */
char *appctl_find_runtime_dir(const char *runtime_dir, struct appctl_error *e);

#ifdef __cplusplus
}
#endif
