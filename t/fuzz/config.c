/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "conf/load.h"
#include "core/model.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What refuses says why, and what accepts can be printed. */
static void
build(const struct fragment *texts, size_t n)
{
	struct problems ps = { 0 };
	struct model *m = NULL;
	struct buf out = { 0 };
	struct conf_set set;

	if (conf_parse(texts, n, &set, &ps) == 0)
		m = model_build(set.v, set.n, &ps);
	if ((m == NULL) != problems_any(&ps))
		abort();
	conf_set_free(&set);
	problems_print(&ps, &out);
	problems_print_json(&ps, &out);
	if (m != NULL)
		model_print_json(m, &out);
	buf_free(&out);
	problems_free(&ps);
	model_unref(m);
}

static void
build_by_request(const char *text)
{
	struct arena *a = arena_new();
	struct problems ps = { 0 };
	struct item *it = a ? conf_item_from_json(a, text, &ps) : NULL;

	if (it != NULL)
		model_unref(model_build_transient("job", it, &ps));
	problems_free(&ps);
	arena_free(a);
}

/* A main file; what stands after a line "===" is a drop-in.  A text that begins with {" is a request's. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fragment v[2] = { { .path = "appctld.conf" }, { .path = "conf.d/me.conf", .app = "me" } };
	char *text = malloc(size + 1), *cut;

	if (text == NULL)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	cut = strstr(text, "\n===\n");
	v[0].text = text;
	v[0].text_len = cut ? (size_t)(cut + 1 - text) : size;
	v[1].text = cut ? cut + 5 : NULL;
	v[1].text_len = cut ? size - (size_t)(cut + 5 - text) : 0;
	if (strncmp(text, "{\"", 2) == 0)
		build_by_request(text);
	build(v, cut ? 2 : 1);
	free(text);
	return 0;
}
