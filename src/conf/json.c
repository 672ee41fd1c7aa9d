/* SPDX-License-Identifier: MIT */
#include "conf/json.h"

#include "conf/load.h"

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const struct origin by_request = { NULL, 0 };

static struct item *copy_json(struct arena *a, const char *name, json_t *j, unsigned depth, struct problems *ps);

static int
copy_members(struct arena *a, json_t *j, struct item *to, unsigned depth, struct problems *ps)
{
	struct item **tail = &to->first;
	const char *name;
	json_t *value;

	json_object_foreach(j, name, value) {
		*tail = copy_json(a, name, value, depth, ps);
		if (*tail == NULL)
			return -1;
		tail = &(*tail)->next;
	}
	return 0;
}

static int
copy_elements(struct arena *a, json_t *j, struct item *to, unsigned depth, struct problems *ps)
{
	struct item **tail = &to->first;
	json_t *value;
	size_t i;

	json_array_foreach(j, i, value) {
		*tail = copy_json(a, NULL, value, depth, ps);
		if (*tail == NULL)
			return -1;
		tail = &(*tail)->next;
	}
	return 0;
}

static int
copy_value(struct arena *a, json_t *j, struct item *to, unsigned depth, struct problems *ps)
{
	switch (json_typeof(j)) {
	case JSON_OBJECT:
		to->type = ITEM_GROUP;
		return copy_members(a, j, to, depth, ps);
	case JSON_ARRAY:
		to->type = ITEM_LIST;
		return copy_elements(a, j, to, depth, ps);
	case JSON_STRING:
		to->type = ITEM_STRING;
		to->s = arena_strdup(a, json_string_value(j));
		return to->s == NULL ? -1 : 0;
	case JSON_INTEGER:
		to->type = ITEM_INT;
		to->i = json_integer_value(j);
		return 0;
	case JSON_REAL:
		to->type = ITEM_FLOAT;
		to->f = json_real_value(j);
		return 0;
	case JSON_TRUE:
	case JSON_FALSE:
		to->type = ITEM_BOOL;
		to->b = json_is_true(j);
		return 0;
	default:
		problem_add(ps, by_request, to->name, "leave the member out", "null is no value");
		return -1;
	}
}

static struct item *
copy_json(struct arena *a, const char *name, json_t *j, unsigned depth, struct problems *ps)
{
	struct item *it = arena_alloc(a, sizeof(*it));

	if (it == NULL)
		return NULL;
	if (depth == CONF_DEPTH_MAX) {
		problem_add(ps, by_request, name, NULL, "nested too deeply");
		return NULL;
	}
	if (name != NULL && (it->name = arena_strdup(a, name)) == NULL)
		return NULL;
	return copy_value(a, j, it, depth + 1, ps) < 0 ? NULL : it;
}

/*
 * Where jansson cannot lengthen the token that it is collecting it goes on without a byte, and then reads behind it.
 * So there is a reserve, made beforehand, that this token can always have; and no text any more after a failure.
 */
static struct {
	const char *text, *end;		/* what has not been read yet */
	char *reserve;			/* NULL: nothing is being read */
	size_t used, cap;
	bool ran_out;			/* an allocation failed */
} reading;

static void *
allocate(size_t len)
{
	void *p = malloc(len);
	size_t used = (reading.used + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);

	if (p != NULL)
		return p;
	reading.ran_out = true;
	if (reading.reserve == NULL || reading.cap < used || reading.cap - used < len)
		return NULL;
	reading.used = used + len;
	return reading.reserve + used;
}

static void
release(void *p)
{
	uintptr_t at = (uintptr_t)p, from = (uintptr_t)reading.reserve;

	if (from == 0 || at < from || at >= from + reading.cap)
		free(p);
}

/* Byte by byte, so that nothing is read after a failure. */
static size_t
next_byte(void *to, size_t len, void *arg)
{
	(void)len;
	(void)arg;
	if (reading.ran_out || reading.text == reading.end)
		return 0;
	*(char *)to = *reading.text++;
	return 1;
}

json_t *
json_read(const char *text, size_t len, bool *no_memory, json_error_t *why)
{
	size_t cap = 4 * len + 1024;		/* a token twice, its buffer doubled, and small things */
	json_t *value = NULL;

	reading.reserve = malloc(cap);
	reading.cap = cap;
	reading.used = 0;
	reading.text = text;
	reading.end = text + len;
	reading.ran_out = reading.reserve == NULL;
	json_set_alloc_funcs(allocate, release);
	if (!reading.ran_out)
		value = json_load_callback(next_byte, NULL, JSON_REJECT_DUPLICATES, why);
	if (reading.ran_out) {
		json_decref(value);
		value = NULL;
	}
	free(reading.reserve);
	reading.reserve = NULL;
	if (no_memory != NULL)
		*no_memory = reading.ran_out;
	return value;
}

struct item *
conf_item_from_json(struct arena *a, const char *json, struct problems *ps)
{
	struct item *it = NULL;
	json_error_t err;
	bool no_memory;
	json_t *j = json_read(json, strlen(json), &no_memory, &err);

	if (no_memory) {
		problems_no_memory(ps);
		return NULL;
	}
	if (j == NULL) {
		problem_add(ps, by_request, NULL, NULL, "definition is no JSON object: %s", err.text);
		return NULL;
	}
	it = copy_json(a, NULL, j, 0, ps);
	if (it == NULL && !problems_any(ps))
		problems_no_memory(ps);
	json_decref(j);
	return it;
}
