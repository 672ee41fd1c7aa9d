/* SPDX-License-Identifier: MIT */
#include "serve/signature.h"

#include <stdio.h>
#include <string.h>

/* One parameter of a signature: `name: type`, the type with ? where it may be left out. */
struct param {
	const char *name, *type;
	size_t name_len, type_len;
	bool optional;
};

/* Moves *at behind it; false: that was all. */
static bool
next_param(const char **at, struct param *out)
{
	const char *s = *at;

	if (*s == '\0')
		return false;
	out->name = s;
	out->name_len = strcspn(s, ":");
	s += out->name_len + 2;
	out->optional = *s == '?';
	s += out->optional;
	out->type = s;
	out->type_len = strcspn(s, ",");
	s += out->type_len;
	*at = *s ? s + 2 : s;
	return true;
}

static bool
is_strings(const json_t *v)
{
	size_t i;

	if (!json_is_array(v))
		return false;
	for (i = 0; i < json_array_size(v); i++)
		if (!json_is_string(json_array_get(v, i)))
			return false;
	return true;
}

static bool
is_named_strings(const json_t *v)
{
	const char *key;
	json_t *value;

	if (!json_is_object(v))
		return false;
	json_object_foreach((json_t *)v, key, value)
		if (!json_is_string(value))
			return false;
	return true;
}

static bool
has_type(const json_t *v, const struct param *p)
{
	switch (p->type[0]) {
	case 's':
		return json_is_string(v);
	case 'b':
		return json_is_boolean(v);
	case 'i':
		return json_is_integer(v);
	case 'f':
		return json_is_number(v) && json_number_value(v) >= 0;
	case 'o':
		return json_is_object(v);
	default:
		return p->type[1] == ']' ? is_strings(v) : is_named_strings(v);
	}
}

static bool
param_fits(const struct param *p, const json_t *args, size_t *known, struct signature_fault *fault)
{
	const json_t *v;

	snprintf(fault->parameter, sizeof(fault->parameter), "%.*s", (int)p->name_len, p->name);
	v = json_object_get(args, fault->parameter);
	*known += v != NULL;
	if (v == NULL || (p->optional && json_is_null(v))) {
		snprintf(fault->why, sizeof(fault->why), "is missing");
		return p->optional;
	}
	snprintf(fault->why, sizeof(fault->why), "must be %s%.*s",
		 p->type[0] == 'f' ? "a duration in seconds, a non-negative " : "of type ", (int)p->type_len, p->type);
	return has_type(v, p);
}

static bool
is_in(const char *signature, const char *name)
{
	const char *at = signature;
	struct param p;

	while (next_param(&at, &p))
		if (strlen(name) == p.name_len && memcmp(name, p.name, p.name_len) == 0)
			return true;
	return false;
}

bool
signature_fits(const char *signature, const json_t *args, struct signature_fault *fault)
{
	const char *at = signature, *key;
	size_t known = 0;
	struct param p;
	json_t *v;

	while (next_param(&at, &p))
		if (!param_fits(&p, args, &known, fault))
			return false;
	if (known == json_object_size(args))
		return true;
	json_object_foreach((json_t *)args, key, v) {
		if (is_in(signature, key))
			continue;
		snprintf(fault->parameter, sizeof(fault->parameter), "%s", key);
		snprintf(fault->why, sizeof(fault->why), "is no parameter of this method");
		break;
	}
	return false;
}
