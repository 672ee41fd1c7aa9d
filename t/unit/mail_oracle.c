/* SPDX-License-Identifier: MIT */
#include "mail_oracle.h"

#include "wire/mail_line.h"

#include <jansson.h>
#include <string.h>

/* Members by kind, each with its type: t text, n number, r range, + true, - false, b true or false; ? before one that may be missing. */
static const struct {
	enum mail_line_kind kind;
	const char *members[5];
} kinds[] = {
	{ MAIL_SEND, { "tto", "ttext" } },
	{ MAIL_RECEIVE, { "+receive", "?tapp", "?bwait" } },
	{ MAIL_DONE, { "ndone" } },
	{ MAIL_ASK_SELF, { "+self" } },
	{ MAIL_SENT, { "rsent" } },
	{ MAIL_FAILED, { "nfailed", "terror", "tmessage" } },
	{ MAIL_MESSAGE, { "nn", "tfrom", "tat", "ttext" } },
	{ MAIL_REFUSED, { "-receive", "terror", "tmessage" } },
	{ MAIL_EMPTY, { "+empty" } },
	{ MAIL_SELF, { "tself" } },
	{ MAIL_ERROR, { "terror", "tmessage" } },
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static bool
is_count(const json_t *v)
{
	return json_is_integer(v) && json_integer_value(v) >= 0;
}

static bool
has_type(const json_t *v, char type)
{
	switch (type) {
	case 't':
		return json_is_string(v);
	case 'n':
		return is_count(v);
	case 'r':
		return json_array_size(v) == 2 && is_count(json_array_get(v, 0)) && is_count(json_array_get(v, 1)) &&
		       json_integer_value(json_array_get(v, 0)) <= json_integer_value(json_array_get(v, 1));
	case '+':
		return json_is_true(v);
	case '-':
		return json_is_false(v);
	default:
		return json_is_boolean(v);
	}
}

static bool
is_of_kind(const json_t *j, unsigned k)
{
	size_t i, found = 0;
	const char *m;
	const json_t *v;

	for (i = 0; i < 5 && kinds[k].members[i] != NULL; i++) {
		m = kinds[k].members[i];
		v = json_object_get(j, m + (*m == '?') + 1);
		if (v == NULL && *m != '?')
			return false;
		if (v != NULL && !has_type(v, m[*m == '?']))
			return false;
		found += v != NULL;
	}
	return found == json_object_size(j);
}

static bool
same_text(const json_t *j, const char *key, const struct mail_text *t)
{
	const json_t *v = json_object_get(j, key);

	if (!json_is_string(v))
		return t->data == NULL;
	return t->data != NULL && json_string_length(v) == t->len && memcmp(json_string_value(v), t->data, t->len) == 0;
}

static bool
same_number(const json_t *v, uint64_t n)
{
	return !json_is_integer(v) || (uint64_t)json_integer_value(v) == n;
}

static const char *
compare(const json_t *j, const struct mail_line *l)
{
	const json_t *sent = json_object_get(j, "sent"), *wait = json_object_get(j, "wait");

	if (!same_text(j, "to", &l->to) || !same_text(j, "from", &l->from) || !same_text(j, "at", &l->at) ||
	    !same_text(j, "text", &l->text) || !same_text(j, "app", &l->app) || !same_text(j, "error", &l->error) ||
	    !same_text(j, "message", &l->message) || !same_text(j, "self", &l->self))
		return "a text";
	if (!same_number(json_object_get(j, "n"), l->n) || !same_number(json_object_get(j, "done"), l->n) ||
	    !same_number(json_object_get(j, "failed"), l->n) || !same_number(json_array_get(sent, 0), l->first) ||
	    !same_number(json_array_get(sent, 1), l->last))
		return "a number";
	return wait != NULL && json_is_true(wait) != l->wait ? "wait" : NULL;
}

const char *
mail_line_differs(const char *text, size_t len, bool *taken)
{
	/* jansson passes over a NUL behind a number; RFC 8259 has none anywhere. */
	json_t *j = memchr(text, 0, len) ? NULL : json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	struct buf unescaped = { 0 };
	const char *where = NULL;
	struct mail_line l;
	struct err err;
	unsigned k = 0;

	while (k < KINDS && !(json_is_object(j) && is_of_kind(j, k)))
		k++;
	*taken = mail_line_read(&l, text, len, &unescaped, &err) == 0;
	if (*taken != (k < KINDS))
		where = *taken ? "jansson takes it not" : "jansson takes it";
	else if (*taken)
		where = l.kind != kinds[k].kind ? "the kind" : compare(j, &l);
	json_decref(j);
	buf_free(&unescaped);
	return where;
}
