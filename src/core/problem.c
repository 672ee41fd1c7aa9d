/* SPDX-License-Identifier: MIT */
#include "core/problem.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static struct problem *
new_problem(struct problems *ps)
{
	size_t cap = ps->cap ? ps->cap * 2 : 16;
	struct problem *v;

	if (ps->n == ps->cap) {
		v = realloc(ps->v, cap * sizeof(*v));
		if (v == NULL)
			return NULL;
		ps->v = v;
		ps->cap = cap;
	}
	ps->v[ps->n] = (struct problem){ 0 };
	return &ps->v[ps->n];
}

static void
problem_fini(struct problem *p)
{
	free((char *)(uintptr_t)p->at.file);
	free(p->path);
	free(p->message);
	free(p->hint);
}

void
problems_no_memory(struct problems *ps)
{
	size_t i;

	for (i = 0; i < ps->n; i++)
		problem_fini(&ps->v[i]);
	ps->unsaid += ps->n + 1;	/* who compares their number sees that there is one more */
	ps->n = 0;
	ps->no_memory = true;
}

void
problem_add(struct problems *ps, struct origin at, const char *path, const char *hint, const char *fmt, ...)
{
	struct problem *p;
	struct buf message = { 0 };
	va_list ap;

	if (ps->no_memory || ps->n >= PROBLEMS_MAX) {
		ps->unsaid++;
		return;
	}
	p = new_problem(ps);
	if (p == NULL) {
		problems_no_memory(ps);
		return;
	}
	va_start(ap, fmt);
	buf_vprintf(&message, fmt, ap);
	va_end(ap);
	p->at = (struct origin){ at.file ? strdup(at.file) : NULL, at.line };
	p->message = buf_take(&message);
	p->path = strdup(path ? path : "");
	p->hint = hint ? strdup(hint) : NULL;
	if (p->message == NULL || p->path == NULL || (hint != NULL && p->hint == NULL) ||
	    (at.file != NULL && p->at.file == NULL)) {
		problem_fini(p);
		problems_no_memory(ps);
		return;
	}
	ps->n++;
}

bool
problems_any(const struct problems *ps)
{
	return ps->n > 0 || ps->unsaid > 0;
}

size_t
problems_count(const struct problems *ps)
{
	return ps->no_memory ? 1 : ps->n + ps->unsaid;
}

static int
by_origin(const struct problem *a, const struct problem *b)
{
	int order;

	if (a->at.file == NULL || b->at.file == NULL)
		return (a->at.file != NULL) - (b->at.file != NULL);
	order = a->at.file == b->at.file ? 0 : strcmp(a->at.file, b->at.file);
	return order ? order : (a->at.line > b->at.line) - (a->at.line < b->at.line);
}

/* Insertion sort: stable, in place, and there are at most PROBLEMS_MAX. */
void
problems_sort(struct problems *ps)
{
	struct problem p;
	size_t i, j;

	for (i = 1; i < ps->n; i++) {
		p = ps->v[i];
		for (j = i; j > 0 && by_origin(&ps->v[j - 1], &p) > 0; j--)
			ps->v[j] = ps->v[j - 1];
		ps->v[j] = p;
	}
}

/* Names may hold anything when they are wrong; a terminal shall not obey them. */
static void
print_text(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			buf_printf(out, "\\x%02x", (unsigned char)*text);
		else
			buf_addc(out, *text);
}

void
problem_print(const struct problem *p, struct buf *out)
{
	if (p->at.file != NULL && p->at.line > 0)
		buf_printf(out, "%s:%u: ", p->at.file, p->at.line);
	else if (p->at.file != NULL)
		buf_printf(out, "%s: ", p->at.file);
	if (*p->path != '\0')
		print_text(out, p->path);
	buf_adds(out, *p->path != '\0' ? ": " : "");
	print_text(out, p->message);
	if (p->hint != NULL) {
		buf_adds(out, " (");
		print_text(out, p->hint);
		buf_addc(out, ')');
	}
}

static const char no_memory[] = "no memory";

void
problems_print_first(const struct problems *ps, struct buf *out)
{
	if (ps->no_memory)
		buf_adds(out, no_memory);
	else if (ps->n > 0)
		problem_print(&ps->v[0], out);
}

void
problems_print(const struct problems *ps, struct buf *out)
{
	size_t i;

	if (ps->no_memory) {
		buf_printf(out, "%s\n", no_memory);
		return;
	}
	for (i = 0; i < ps->n; i++) {
		problem_print(&ps->v[i], out);
		buf_addc(out, '\n');
	}
	if (ps->unsaid > 0)
		buf_printf(out, "and %zu more\n", ps->unsaid);
}

static void
print_member(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, ",\"%s\":", name);
	if (text != NULL)
		buf_add_json(out, text);
	else
		buf_adds(out, "null");
}

static void
print_one_json(const struct problem *p, struct buf *out)
{
	buf_adds(out, "{\"file\":");
	if (p->at.file != NULL)
		buf_add_json(out, p->at.file);
	else
		buf_adds(out, "null");
	buf_printf(out, ",\"line\":%u", p->at.line);
	print_member(out, "path", p->path);
	print_member(out, "message", p->message);
	print_member(out, "hint", p->hint);
	buf_addc(out, '}');
}

void
problems_print_json(const struct problems *ps, struct buf *out)
{
	const struct problem want = { .path = (char *)(uintptr_t)"", .message = (char *)(uintptr_t)no_memory };
	size_t i;

	buf_addc(out, '[');
	if (ps->no_memory)
		print_one_json(&want, out);
	for (i = 0; i < ps->n; i++) {
		if (i > 0)
			buf_addc(out, ',');
		print_one_json(&ps->v[i], out);
	}
	buf_addc(out, ']');
}

void
problems_free(struct problems *ps)
{
	size_t i;

	for (i = 0; i < ps->n; i++)
		problem_fini(&ps->v[i]);
	free(ps->v);
	*ps = (struct problems){ 0 };
}
