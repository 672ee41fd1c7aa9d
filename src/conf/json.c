/* SPDX-License-Identifier: MIT */
#include "conf/load.h"

#include <jansson.h>
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

struct item *
conf_item_from_json(struct arena *a, const char *json, struct problems *ps)
{
	struct item *it = NULL;
	json_error_t err;
	json_t *j;

	j = json_loads(json, JSON_REJECT_DUPLICATES, &err);
	if (j == NULL) {
		problem_add(ps, by_request, NULL, NULL, "definition is no JSON object: %s", err.text);
		return NULL;
	}
	it = copy_json(a, NULL, j, 0, ps);
	if (it == NULL && !problems_any(ps))
		problem_add(ps, by_request, NULL, NULL, "no memory");
	json_decref(j);
	return it;
}
