/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "conf/load.h"
#include "core/model.h"

#include <stdlib.h>
#include <string.h>

/* Configurations as texts, for tests: the main file, then drop-ins in their order. */
struct text {
	const char *path, *app, *text;
};

/* NULL: refused; *said holds the problems as printed.  To be freed. */
static inline struct model *
model_of(const struct text *texts, size_t n, char **said)
{
	struct fragment v[8] = { { 0 } };
	struct problems ps = { 0 };
	struct buf out = { 0 };
	struct model *m = NULL;
	struct conf_set set;
	size_t i;

	assert_true(n <= 8);
	for (i = 0; i < n; i++)
		v[i] = (struct fragment){ texts[i].path, texts[i].app, NULL, texts[i].text, strlen(texts[i].text) };
	if (conf_parse(v, n, &set, &ps) == 0)
		m = model_build(set.v, set.n, &ps);
	assert_int_equal(m == NULL, problems_any(&ps));
	conf_set_free(&set);
	problems_print(&ps, &out);
	*said = buf_take(&out);
	problems_free(&ps);
	return m;
}

static inline struct model *
good_texts(const struct text *texts, size_t n)
{
	struct model *m;
	char *said;

	m = model_of(texts, n, &said);
	assert_string_equal(said, "");
	free(said);
	return m;
}

static inline struct model *
good(const char *main_file)
{
	return good_texts(&(struct text){ "m.conf", NULL, main_file }, 1);
}

static inline void
refused_texts(const struct text *texts, size_t n, const char *expected)
{
	char *said;

	assert_null(model_of(texts, n, &said));
	assert_string_equal(said, expected);
	free(said);
}

static inline void
refused(const char *main_file, const char *expected)
{
	refused_texts(&(struct text){ "m.conf", NULL, main_file }, 1, expected);
}

#define MAIN(text) { "m.conf", NULL, text }
#define DROP_IN(app, text) { "conf.d/" app ".conf", app, text }
#define GOOD(...) good_texts((const struct text[]){ __VA_ARGS__ }, sizeof((const struct text[]){ __VA_ARGS__ }) / sizeof(struct text))
#define REFUSED(expected, ...) refused_texts((const struct text[]){ __VA_ARGS__ }, \
	sizeof((const struct text[]){ __VA_ARGS__ }) / sizeof(struct text), expected)

static inline const struct app_def *
app_of(const struct model *m, const char *name)
{
	uint32_t i = model_find_app(m, name);

	assert_int_not_equal(i, APP_NONE);
	return &m->apps[i];
}

/* The value of one key as JSON, "" where it is not set; lent until the next call. */
static inline const char *
json_of(const struct model *m, const char *app)
{
	static struct buf out;

	buf_free(&out);
	app_def_print_json(app_of(m, app), &out);
	return buf_cstr(&out);
}

static inline bool
says(const char *json, const char *member)
{
	return strstr(json, member) != NULL;
}
