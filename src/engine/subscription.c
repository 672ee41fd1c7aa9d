/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "conf/json.h"
#include "engine/daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int
parse_categories(const json_t *list, struct subscription_filter *out, struct err *err)
{
	const char *name;
	size_t i;
	int c;

	if (list == NULL || json_is_null(list))
		return 0;
	if (!json_is_array(list))
		return err_set(err, 0, "categories: a list of names is needed");
	for (i = 0; i < json_array_size(list); i++) {
		name = json_string_value(json_array_get(list, i));
		c = name ? event_category_by_name(name) : -1;
		if (c < 0)
			return err_set(err, 0, "categories: there is no category \"%.64s\"", name ? name : "?");
		out->categories |= 1u << c;
	}
	return 0;
}

static int
parse_since(const json_t *since, struct subscription_filter *out, struct err *err)
{
	if (since == NULL || json_is_null(since))
		return 0;
	if (!json_is_integer(since) || json_integer_value(since) < 0)
		return err_set(err, 0, "since: the number of an event is needed");
	out->has_since = true;
	out->since = (uint64_t)json_integer_value(since);
	return 0;
}

/* As hello and Status print it. */
static int
parse_instance(const json_t *instance, struct subscription_filter *out, struct err *err)
{
	const char *s = json_string_value(instance);
	char *end;

	if (instance == NULL || json_is_null(instance))
		return 0;
	errno = 0;
	out->instance = s ? strtoull(s, &end, 16) : 0;
	if (s == NULL || strlen(s) != 16 || *end != '\0' || errno != 0 || out->instance == 0)
		return err_set(err, 0, "instance: sixteen hexadecimal digits are needed, as hello has them");
	return 0;
}

static int
parse_snapshot(const json_t *snapshot, struct subscription_filter *out, struct err *err)
{
	if (snapshot != NULL && !json_is_boolean(snapshot) && !json_is_null(snapshot))
		return err_set(err, 0, "snapshot: true or false is needed");
	out->snapshot = json_is_true(snapshot);
	return 0;
}

static int
check_keys(const json_t *request, struct err *err)
{
	static const char *const known[] = { "categories", "since", "instance", "snapshot" };
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)request, key, value) {
		for (i = 0; i < 4 && strcmp(key, known[i]) != 0; i++)
			;
		if (i == 4)
			return err_set(err, 0, "there is no \"%.64s\" in a subscription", key);
	}
	return 0;
}

int
subscription_parse(const char *json, size_t len, struct subscription_filter *out, struct err *err)
{
	bool no_memory;
	json_error_t why;
	json_t *o = json_read(json, len, &no_memory, &why);
	int failed = -1;

	*out = (struct subscription_filter){ 0 };
	if (no_memory)
		return err_set(err, ENOMEM, "subscription");
	if (o == NULL)
		return err_set(err, 0, "no JSON: %s", why.text);
	if (!json_is_object(o))
		err_set(err, 0, "an object is needed, {} for everything");
	else if (check_keys(o, err) == 0 && parse_categories(json_object_get(o, "categories"), out, err) == 0 &&
		 parse_since(json_object_get(o, "since"), out, err) == 0 &&
		 parse_instance(json_object_get(o, "instance"), out, err) == 0 &&
		 parse_snapshot(json_object_get(o, "snapshot"), out, err) == 0)
		failed = 0;
	json_decref(o);
	return failed;
}
