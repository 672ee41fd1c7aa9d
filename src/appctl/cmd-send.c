/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"
#include "appctl/output.h"
#include "base/cleanup.h"

#include <errno.h>
#include <string.h>

enum { OPT_STDIN };

static const struct opt send_opts[] = {
	[OPT_STDIN] = { "stdin", 0, NULL, COMPLETE_NOTHING, "send each line of standard input as a message; so does - as the text" },
	{ NULL, 0, NULL, COMPLETE_NOTHING, NULL },
};

struct sending {
	struct cmdline *l;
	struct appctl_mail *m;
	char *to;
	int64_t sent, failed;
	enum appctl_status status;	/* of the first that failed */
	json_t *failures;		/* with --json */
};

static void
note_failure(struct sending *s, const struct appctl_answer *a)
{
	s->failed += a->last - a->first + 1;
	if (s->status == APPCTL_DONE)
		s->status = a->error.status;
	complain(&a->error);
	if (s->l->json)
		append_json(s->failures, need_json(json_pack("{s:I, s:o}", "message", (json_int_t)a->first, "error",
							     error_json(&a->error))));
}

/* Takes the answers that are there; timeout_ms -1: all that are due.  -1: e. */
static int
take_answers(struct sending *s, int timeout_ms, struct appctl_error *e)
{
	struct appctl_answer a;
	int r;

	while ((r = appctl_answered(s->m, timeout_ms, &a, e)) > 0) {
		if (a.error.status == APPCTL_DONE)
			s->sent += a.last - a.first + 1;
		else
			note_failure(s, &a);
		appctl_error_clear(&a.error);
	}
	return r;
}

static int
post(struct sending *s, const char *text, size_t len, struct appctl_error *e)
{
	if (appctl_post(s->m, s->to, text, len, e) < 0)
		return -1;
	return take_answers(s, 0, e);
}

static int
post_lines(struct sending *s, struct appctl_error *e)
{
	autofree char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	int r = 0;

	errno = 0;
	while (r == 0 && (len = getline(&line, &cap, stdin)) >= 0) {
		if (len > 0 && line[len - 1] == '\n')
			len--;
		r = post(s, line, (size_t)len, e);
	}
	if (r == 0 && ferror(stdin)) {
		e->status = APPCTL_FAILED;
		snprintf(e->message, sizeof(e->message), "standard input: %s", strerror(errno));
		return -1;
	}
	return r;
}

static int
post_words(struct sending *s, struct appctl_error *e)
{
	struct buf text = { 0 };
	int i, r;

	for (i = 1; i < s->l->operand_count; i++) {
		buf_adds(&text, i > 1 ? " " : "");
		buf_adds(&text, s->l->operands[i]);
	}
	r = post(s, buf_text(&text), text.len, e);
	buf_free(&text);
	return r;
}

static char *
address(const struct cmdline *l)
{
	char *to;

	if ((l->node ? asprintf(&to, "%s/%s", l->node, l->operands[0]) : asprintf(&to, "%s", l->operands[0])) < 0)
		no_memory();
	return to;
}

static int
finish(struct sending *s, int r, struct appctl_error *e)
{
	int status = r < 0 ? (int)e->status : (int)s->status;

	if (r < 0)
		complain(e);
	if (s->l->json) {
		if (r < 0)
			append_json(s->failures, need_json(json_pack("{s:o}", "error", error_json(e))));
		print_json(need_json(json_pack("{s:s, s:I, s:O}", "to", s->to, "sent", (json_int_t)s->sent, "failures", s->failures)));
	}
	appctl_error_clear(e);
	return status;
}

static int
run_send(struct cmdline *l)
{
	struct sending s = { .l = l };
	struct appctl_error e = { 0 };
	bool lines = has(l, &send_opts[OPT_STDIN]) || (l->operand_count == 2 && strcmp(l->operands[1], "-") == 0);
	int r, status;

	if (!lines && l->operand_count < 2)
		return usage_error(l, "which message?");
	if (has(l, &send_opts[OPT_STDIN]) && l->operand_count > 1)
		return usage_error(l, "--stdin: then the messages are lines of standard input");
	if (l->node != NULL && strchr(l->operands[0], '/') != NULL)
		return usage_error(l, "%s names a node already", l->operands[0]);
	s.m = appctl_mail_new(l->runtime_dir, &e);
	if (s.m == NULL)
		return fail(l, &e);
	s.to = address(l);
	s.failures = need_json(json_array());
	r = lines ? post_lines(&s, &e) : post_words(&s, &e);
	if (r == 0)
		r = take_answers(&s, -1, &e);
	status = finish(&s, r, &e);
	json_decref(s.failures);
	free(s.to);
	appctl_mail_free(s.m);
	return status;
}

const struct cmd cmd_send = {
	.name = "send", .operands = "APP TEXT...", .summary = "send a message to an application, here or on another node",
	.about = "APP may be an address, NODE/APP, as messages bear it; ~USER is a user's own mailbox.  Status 0: the message lies in "
		 "the mailbox, which outlives appctl-node.  1 with \"outcome unknown\": the link broke before the answer; it is not "
		 "sent again by itself.",
	.opts = send_opts, .min = 1, .max = -1, .first = COMPLETE_APPS, .others = COMPLETE_NOTHING, .own_options_end = true,
	.there = THERE_BY_ITSELF, .run = run_send,
};
