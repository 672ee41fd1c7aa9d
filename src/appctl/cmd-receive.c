/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"
#include "appctl/output.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { OPT_FOLLOW, OPT_WAIT, OPT_KEEP, OPT_SENDER };

static const struct opt receive_opts[] = {
	[OPT_FOLLOW] = { "follow", 'f', NULL, COMPLETE_NOTHING, "print what comes, too, without end" },
	[OPT_WAIT] = { "wait", 0, "[SECONDS]", COMPLETE_NOTHING, "where there is none, wait for one, so long at most" },
	[OPT_KEEP] = { "keep", 0, NULL, COMPLETE_NOTHING, "leave in the mailbox what was printed" },
	[OPT_SENDER] = { "sender", 's', NULL, COMPLETE_NOTHING, "print before each message who sent it" },
	{ NULL, 0, NULL, COMPLETE_NOTHING, NULL },
};

enum { DONE_EVERY = 64 };		/* messages that are taken at once */

struct receiving {
	struct cmdline *l;
	struct appctl_mail *m;
	const char *app;		/* NULL: one's own */
	bool sender, keep, terminal;
	uint64_t last;			/* printed and not taken */
	unsigned count;
};

/* With senders, what goes on in further lines is moved in: no line of a text looks like another message's beginning. */
static void
print_body(const struct receiving *r, const struct appctl_message *msg)
{
	const char *text = msg->text, *end = text + msg->len, *newline;

	while (r->sender && (newline = memchr(text, '\n', (size_t)(end - text))) != NULL) {
		fwrite(text, 1, (size_t)(newline - text), stdout);
		fputs("\n\t", stdout);
		text = newline + 1;
	}
	fwrite(text, 1, (size_t)(end - text), stdout);
}

static void
print_message(const struct receiving *r, const struct appctl_message *msg)
{
	if (r->l->json) {
		print_json(need_json(json_pack("{s:I, s:s, s:s, s:s%}", "n", (json_int_t)msg->n, "from", msg->from, "at", msg->at,
					       "text", msg->text, msg->len)));
		return;
	}
	if (r->sender)
		printf("%s: ", msg->from);
	if (r->terminal)
		print_text(stdout, msg->text);
	else
		print_body(r, msg);
	putchar('\n');
}

/* What was printed has arrived, and leaves the mailbox.  -1: it stays; e. */
static int
take(struct receiving *r, struct appctl_error *e)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		e->status = APPCTL_FAILED;
		snprintf(e->message, sizeof(e->message), "standard output: %s; what was not printed stays in the mailbox",
			 errno ? strerror(errno) : "it could not be written");
		return -1;
	}
	if (r->count == 0 || r->keep)
		return 0;
	r->count = 0;
	return appctl_done(r->m, r->last, e);
}

/* Prints what is there.  1: nothing more now; 0: not a thing was there; -1: e. */
static int
print_present(struct receiving *r, struct appctl_error *e)
{
	struct appctl_message msg;
	bool any = false;
	int got;

	while ((got = appctl_receive(r->m, -1, &msg, e)) > 0) {
		print_message(r, &msg);
		r->last = msg.n;
		any = true;
		if (++r->count >= DONE_EVERY && take(r, e) < 0)
			return -1;
	}
	if (got < 0 || take(r, e) < 0)
		return -1;
	return any;
}

/* Now, and what comes: until a first one has (wait), for at most wait_ms, or for ever. */
static int
follow(struct receiving *r, bool wait, int wait_ms, struct appctl_error *e)
{
	struct appctl_message msg;
	bool any = false;
	int got;

	for (;;) {
		got = appctl_receive(r->m, r->count > 0 || (any && wait) ? 0 : wait_ms, &msg, e);
		if (got < 0)
			return -1;
		if (got > 0) {
			print_message(r, &msg);
			r->last = msg.n;
			any = true;
			r->count++;
		}
		if ((got == 0 || r->count >= DONE_EVERY) && take(r, e) < 0)
			return -1;
		if (r->keep)
			r->count = 0;
		if (got == 0 && wait)
			return any;
	}
}

static int
receive(struct receiving *r, struct appctl_error *e)
{
	const char *wait = value_of(r->l, &receive_opts[OPT_WAIT]);
	bool waits = has(r->l, &receive_opts[OPT_WAIT]), follows = has(r->l, &receive_opts[OPT_FOLLOW]);
	double seconds = wait != NULL ? parse_seconds(wait, "--wait") : -1;
	int got;

	if (wait != NULL && seconds < 0) {
		e->status = APPCTL_INVALID;
		return -1;		/* said */
	}
	if (appctl_read(r->m, r->app, waits || follows ? 0 : APPCTL_PRESENT, e) < 0)
		return -1;
	got = waits || follows ? follow(r, waits && !follows, seconds < 0 ? -1 : (int)(seconds * 1000), e) : print_present(r, e);
	if (got < 0)
		return -1;
	if (got == 0 && waits) {
		e->status = APPCTL_TIMED_OUT;
		snprintf(e->message, sizeof(e->message), "no message came within %s s", wait);
		return -1;
	}
	return r->keep ? 0 : appctl_mail_flush(r->m, e);
}

static int
run_receive(struct cmdline *l)
{
	struct receiving r = {
		.l = l, .app = l->operand_count > 0 ? l->operands[0] : NULL, .sender = has(l, &receive_opts[OPT_SENDER]),
		.keep = has(l, &receive_opts[OPT_KEEP]), .terminal = isatty(STDOUT_FILENO),
	};
	struct appctl_error e = { 0 };
	int status = 0;

	r.m = appctl_mail_new(l->runtime_dir, &e);
	if (r.m == NULL)
		return fail(l, &e);
	if (receive(&r, &e) < 0)
		status = *e.message ? fail(l, &e) : (int)e.status;
	appctl_error_clear(&e);
	appctl_mail_free(r.m);
	return status;
}

const struct cmd cmd_receive = {
	.name = "receive", .operands = "[APP]", .summary = "print the messages in a mailbox, and take them",
	.about = "One a line, oldest first.  Without APP it is the mailbox of the application that this is run by, or of the user; "
		 "root and appctld's own user may read any.  A message is taken when it has been printed.  Status 4: none came in time.",
	.opts = receive_opts, .min = 0, .max = 1, .first = COMPLETE_APPS, .others = COMPLETE_NOTHING, .there = THERE_AS_A_WHOLE, .run = run_receive,
};
