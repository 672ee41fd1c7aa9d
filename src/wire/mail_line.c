/* SPDX-License-Identifier: MIT */
#include "wire/mail_line.h"

#include "base/json_read.h"

#include <string.h>

/* --- Reading ---------------------------------------------------------------- */

enum {
	HAS_TO = 1, HAS_TEXT = 2, HAS_RECEIVE = 4, HAS_APP = 8, HAS_WAIT = 16, HAS_DONE = 32, HAS_SELF = 64, HAS_SENT = 128,
	HAS_FAILED = 256, HAS_ERROR = 512, HAS_MESSAGE = 1024, HAS_N = 2048, HAS_FROM = 4096, HAS_AT = 8192, HAS_EMPTY = 16384,
	/* what a member said */
	SAYS_RECEIVE = 1 << 15, ASKS_SELF = 1 << 16,
};

struct line_reader {
	struct json_reader j;
	struct mail_line *l;
	unsigned has;
};

static int
read_text(struct line_reader *r, struct mail_text *out)
{
	if (!json_take(&r->j, '"'))
		return json_bad(&r->j, "a text belongs here");
	return json_read_text(&r->j, &out->data, &out->len);
}

/* A whole number from 0 on. */
static int
read_count(struct line_reader *r, uint64_t *out)
{
	const char *digits;
	uint64_t n = 0;

	json_skip_blanks(&r->j);
	digits = r->j.at;
	while (r->j.at < r->j.end && (unsigned)(*r->j.at - '0') < 10 && r->j.at - digits < 19)
		n = n * 10 + (uint64_t)(*r->j.at++ - '0');
	if (r->j.at == digits || (*digits == '0' && r->j.at - digits > 1) || n > INT64_MAX)
		return json_bad(&r->j, "a whole number belongs here");
	*out = n;
	return 0;
}

static bool
take_word(struct json_reader *r, const char *word, size_t len)
{
	json_skip_blanks(r);
	if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
		return false;
	r->at += len;
	return true;
}

static int
read_bool(struct line_reader *r, bool *out)
{
	*out = take_word(&r->j, "true", 4);
	return *out || take_word(&r->j, "false", 5) ? 0 : json_bad(&r->j, "true or false belongs here");
}

static int
read_true(struct line_reader *r)
{
	return take_word(&r->j, "true", 4) ? 0 : json_bad(&r->j, "true belongs here");
}

static int
read_receive(struct line_reader *r)
{
	bool on;

	if (read_bool(r, &on) < 0)
		return -1;
	r->has |= on ? SAYS_RECEIVE : 0;
	return 0;
}

static int
read_self(struct line_reader *r)
{
	if (!take_word(&r->j, "true", 4))
		return read_text(r, &r->l->self);
	r->has |= ASKS_SELF;
	return 0;
}

static int
read_range(struct line_reader *r)
{
	if (!json_take(&r->j, '[') || read_count(r, &r->l->first) < 0 || !json_take(&r->j, ',') ||
	    read_count(r, &r->l->last) < 0 || !json_take(&r->j, ']') || r->l->first > r->l->last)
		return json_bad(&r->j, "a first and a last number belong here");
	return 0;
}

static const struct {
	const char *name;
	unsigned bit;
} members[] = {
	{ "to", HAS_TO }, { "text", HAS_TEXT }, { "n", HAS_N }, { "from", HAS_FROM }, { "at", HAS_AT }, { "sent", HAS_SENT },
	{ "done", HAS_DONE }, { "receive", HAS_RECEIVE }, { "app", HAS_APP }, { "wait", HAS_WAIT }, { "self", HAS_SELF },
	{ "failed", HAS_FAILED }, { "error", HAS_ERROR }, { "message", HAS_MESSAGE }, { "empty", HAS_EMPTY },
};

static unsigned
member_by_name(const struct mail_text *name)
{
	size_t i;

	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (strlen(members[i].name) == name->len && memcmp(members[i].name, name->data, name->len) == 0)
			return members[i].bit;
	return 0;
}

static int
read_value(struct line_reader *r, unsigned member)
{
	switch (member) {
	case HAS_TO:
		return read_text(r, &r->l->to);
	case HAS_TEXT:
		return read_text(r, &r->l->text);
	case HAS_FROM:
		return read_text(r, &r->l->from);
	case HAS_AT:
		return read_text(r, &r->l->at);
	case HAS_APP:
		return read_text(r, &r->l->app);
	case HAS_ERROR:
		return read_text(r, &r->l->error);
	case HAS_MESSAGE:
		return read_text(r, &r->l->message);
	case HAS_N:
	case HAS_DONE:
	case HAS_FAILED:
		return read_count(r, &r->l->n);
	case HAS_SENT:
		return read_range(r);
	case HAS_WAIT:
		return read_bool(r, &r->l->wait);
	case HAS_RECEIVE:
		return read_receive(r);
	case HAS_SELF:
		return read_self(r);
	default:
		return read_true(r);
	}
}

static const struct {
	unsigned needs, may;
	enum mail_line_kind kind;
} kinds[] = {
	{ HAS_TO | HAS_TEXT, 0, MAIL_SEND },
	{ HAS_DONE, 0, MAIL_DONE },
	{ HAS_SENT, 0, MAIL_SENT },
	{ HAS_N | HAS_FROM | HAS_AT | HAS_TEXT, 0, MAIL_MESSAGE },
	{ HAS_FAILED | HAS_ERROR | HAS_MESSAGE, 0, MAIL_FAILED },
	{ HAS_RECEIVE | SAYS_RECEIVE, HAS_APP | HAS_WAIT, MAIL_RECEIVE },
	{ HAS_RECEIVE | HAS_ERROR | HAS_MESSAGE, 0, MAIL_REFUSED },
	{ HAS_SELF | ASKS_SELF, 0, MAIL_ASK_SELF },
	{ HAS_SELF, 0, MAIL_SELF },
	{ HAS_EMPTY, 0, MAIL_EMPTY },
	{ HAS_ERROR | HAS_MESSAGE, 0, MAIL_ERROR },
};

static int
find_kind(struct line_reader *r)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if ((r->has & ~kinds[i].may) == kinds[i].needs) {
			r->l->kind = kinds[i].kind;
			return 0;
		}
	return json_bad(&r->j, "members that do not belong together");
}

static int
read_member(struct line_reader *r)
{
	struct mail_text name;
	unsigned member;

	if (!json_take(&r->j, '"'))
		return json_bad(&r->j, "a member without a name");
	if (json_read_text(&r->j, &name.data, &name.len) < 0)
		return -1;
	member = member_by_name(&name);
	if (member == 0 || r->has & member)
		return json_bad(&r->j, member == 0 ? "a member that no line has" : "a member that comes twice");
	r->has |= member;
	if (!json_take(&r->j, ':'))
		return json_bad(&r->j, "a member without a value");
	return read_value(r, member);
}

int
mail_line_read(struct mail_line *l, const char *text, size_t len, struct buf *unescaped, struct err *err)
{
	struct line_reader r = { { text, text, text + len, unescaped, err }, l, 0 };

	*l = (struct mail_line){ .wait = true };
	buf_clear(unescaped);
	if (len > MAIL_LINE_MAX)
		return json_bad(&r.j, "it is longer than a line may be");
	if (!json_take(&r.j, '{'))
		return json_bad(&r.j, "no object");
	do {
		if (read_member(&r) < 0)
			return -1;
	} while (json_take(&r.j, ','));
	if (!json_take(&r.j, '}'))
		return json_bad(&r.j, "an object that does not end");
	json_skip_blanks(&r.j);
	if (r.j.at != r.j.end)
		return json_bad(&r.j, "something behind its end");
	return find_kind(&r);
}

/* --- Writing ---------------------------------------------------------------- */

/* One character that json_skip_plain() left over: what stands for it, and how many bytes it takes. */
static size_t
put_character(struct buf *out, const char *p, const char *end)
{
	unsigned char copy[5] = { 0 };
	size_t n;

	if (*p == '"' || *p == '\\') {
		buf_addc(out, '\\');
		buf_addc(out, *p);
		return 1;
	}
	if ((unsigned char)*p < 0x20) {
		if (*p == '\n')
			buf_adds(out, "\\n");
		else
			buf_printf(out, "\\u%04x", (unsigned char)*p);
		return 1;
	}
	memcpy(copy, p, end - p < 4 ? (size_t)(end - p) : 4);
	n = utf8_len(copy);
	if (n == 0) {
		buf_adds(out, "\\ufffd");
		return 1;
	}
	buf_add(out, p, n);
	return n;
}

static void
put_text(struct buf *out, const char *data, size_t len)
{
	const char *end = data + len, *plain;

	buf_addc(out, '"');
	while (data < end) {
		plain = data;
		data = json_skip_plain(data, end);
		buf_add(out, plain, (size_t)(data - plain));
		if (data < end)
			data += put_character(out, data, end);
	}
	buf_addc(out, '"');
}

static void
put_string(struct buf *out, const char *s)
{
	put_text(out, s, strlen(s));
}

/* buf_printf() takes longer than all the rest of a message. */
static void
put_number(struct buf *out, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	buf_add(out, digits + at, sizeof(digits) - at);
}

void
mail_put_send(struct buf *out, const char *to, const char *text, size_t len)
{
	buf_adds(out, "{\"to\":");
	put_string(out, to);
	buf_adds(out, ",\"text\":");
	put_text(out, text, len);
	buf_adds(out, "}\n");
}

void
mail_put_receive(struct buf *out, const char *app, bool wait)
{
	buf_adds(out, "{\"receive\":true");
	if (app != NULL) {
		buf_adds(out, ",\"app\":");
		put_string(out, app);
	}
	buf_adds(out, wait ? "}\n" : ",\"wait\":false}\n");
}

void
mail_put_done(struct buf *out, uint64_t n)
{
	buf_adds(out, "{\"done\":");
	put_number(out, n);
	buf_adds(out, "}\n");
}

void
mail_put_ask_self(struct buf *out)
{
	buf_adds(out, "{\"self\":true}\n");
}

void
mail_put_sent(struct buf *out, uint64_t first, uint64_t last)
{
	buf_adds(out, "{\"sent\":[");
	put_number(out, first);
	buf_addc(out, ',');
	put_number(out, last);
	buf_adds(out, "]}\n");
}

static void
put_error(struct buf *out, const char *error, const char *message)
{
	buf_adds(out, "\"error\":");
	put_string(out, error);
	buf_adds(out, ",\"message\":");
	put_string(out, message);
	buf_adds(out, "}\n");
}

void
mail_put_failed(struct buf *out, uint64_t n, const char *error, const char *message)
{
	buf_adds(out, "{\"failed\":");
	put_number(out, n);
	buf_addc(out, ',');
	put_error(out, error, message);
}

void
mail_put_message(struct buf *out, uint64_t n, struct mail_text from, struct mail_text at, struct mail_text text)
{
	buf_adds(out, "{\"n\":");
	put_number(out, n);
	buf_adds(out, ",\"from\":");
	put_text(out, from.data, from.len);
	buf_adds(out, ",\"at\":");
	put_text(out, at.data, at.len);
	buf_adds(out, ",\"text\":");
	put_text(out, text.data, text.len);
	buf_adds(out, "}\n");
}

void
mail_put_refused(struct buf *out, const char *error, const char *message)
{
	buf_adds(out, "{\"receive\":false,");
	put_error(out, error, message);
}

void
mail_put_empty(struct buf *out)
{
	buf_adds(out, "{\"empty\":true}\n");
}

void
mail_put_self(struct buf *out, const char *self)
{
	buf_adds(out, "{\"self\":");
	put_string(out, self);
	buf_adds(out, "}\n");
}

void
mail_put_error(struct buf *out, const char *error, const char *message)
{
	buf_addc(out, '{');
	put_error(out, error, message);
}

/* --- Addresses -------------------------------------------------------------- */

bool
mail_name_ok(const char *name, size_t len)
{
	size_t i = len > 0 && name[0] == '~';

	if (len <= i || len > MAIL_NAME_MAX || name[i] == '.' || name[i] == '-')
		return false;
	for (; i < len; i++)
		if (!((name[i] | 0x20) >= 'a' && (name[i] | 0x20) <= 'z') && !(name[i] >= '0' && name[i] <= '9') &&
		    (name[i] == '\0' || strchr("-_.@+", name[i]) == NULL))
			return false;
	return true;
}

bool
mail_address_split(struct mail_text address, struct mail_text *node, struct mail_text *name)
{
	const char *slash = memchr(address.data, '/', address.len);
	size_t node_len = slash ? (size_t)(slash - address.data) : 0;

	*node = (struct mail_text){ slash ? address.data : NULL, node_len };
	*name = address;
	if (slash != NULL)
		*name = (struct mail_text){ slash + 1, address.len - node_len - 1 };
	return (slash == NULL || (node_len > 0 && node_len <= MAIL_NODE_MAX && memchr(address.data, '\0', node_len) == NULL)) &&
	       mail_name_ok(name->data, name->len);
}
