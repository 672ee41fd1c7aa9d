/* SPDX-License-Identifier: MIT */
#include "core/value.h"

#include <stddef.h>

/* "db" or { name = "db"; on_exit = "restart"; } */
static bool
read_ref(struct reader *r, const struct key *k, const struct item *it, struct ref *ref)
{
	static const struct choice on_exits[] = {
		{ "ignore", ON_EXIT_IGNORE }, { "restart", ON_EXIT_RESTART }, { "stop", ON_EXIT_STOP }, { NULL, 0 },
	};
	static const struct key keys[] = {
		{ .name = "name", .kind = &kind_string, .offset = offsetof(struct ref, name) },
		{ .name = "on_exit", .kind = &kind_choice, .offset = offsetof(struct ref, on_exit), .choices = on_exits },
		{ 0 },
	};
	bool by_group = it->type == ITEM_GROUP && k->hi != 0;
	void *base[2] = { ref, NULL };

	*ref = (struct ref){ .app = APP_NONE, .at = { intern_string(r->in, it->at.file), it->at.line } };
	if (by_group) {
		read_group(r, keys, it->first, NULL, base);
		if (item_member(it, "name") == NULL)
			reader_fail(r, it, NULL, "a group here needs a name");
	} else {
		ref->name = reader_text(r, it);
	}
	return ref->name != NULL;
}

static bool
is_listed(const struct refs *refs, const char *name)
{
	uint32_t i;

	for (i = 0; i < refs->n; i++)
		if (refs->v[i].name == name)
			return true;
	return false;
}

static void
read_refs(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	struct refs *refs = FIELD(struct refs, base, k);
	const struct item *first, *e;
	uint32_t n = 0;

	if (!reader_elements(r, it, &first))
		return;
	for (e = first; e != NULL; e = e->next)
		n++;
	if (n == 0)
		return;
	refs->v = arena_alloc(r->in->arena, n * sizeof(*refs->v));
	if (refs->v == NULL) {
		r->in->failed = true;
		return;
	}
	for (e = first; e != NULL; e = e->next) {
		if (!read_ref(r, k, e, &refs->v[refs->n]))
			continue;
		if (is_listed(refs, refs->v[refs->n].name))
			reader_fail(r, e, NULL, "\"%.80s\" is listed twice", refs->v[refs->n].name);
		else
			refs->n++;
	}
}

static bool
print_refs(const struct key *k, const void *base, struct buf *out)
{
	static const char *const on_exits[] = { "ignore", "restart", "stop" };
	const struct refs *refs = CONST_FIELD(struct refs, base, k);
	const struct ref *r;

	buf_addc(out, '[');
	for (r = refs->v; r < refs->v + refs->n; r++) {
		if (r > refs->v)
			buf_addc(out, ',');
		if (r->on_exit != ON_EXIT_IGNORE)
			buf_adds(out, "{\"name\":");
		buf_add_json(out, r->name);
		if (r->on_exit != ON_EXIT_IGNORE)
			buf_printf(out, ",\"on_exit\":\"%s\"}", on_exits[r->on_exit]);
	}
	buf_addc(out, ']');
	return true;
}

const struct kind kind_refs = { read_refs, print_refs };
