/* SPDX-License-Identifier: MIT */
#include "engine/check.h"

#include "conf/load.h"
#include "core/model.h"

#include <ctype.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>

enum { CHECK_OK = 0, CHECK_REFUSED = 2 };

/* A number stands for itself. */
static bool
is_known(void *arg, const char *name, bool is_group)
{
	(void)arg;
	if (isdigit((unsigned char)*name))
		return true;
	return is_group ? getgrnam(name) != NULL : getpwnam(name) != NULL;
}

static struct model *
read_model(const char *path, struct problems *ps)
{
	struct model *m = NULL;
	struct conf_set set;

	if (conf_read(path, &set, ps) == 0)
		m = model_build_asking(set.v, set.n, is_known, NULL, ps);
	else
		problems_sort(ps);
	conf_set_free(&set);
	return m;
}

/* As appctl prints the errors of a command, see appctl(1). */
static void
print_error_json(const struct problems *ps, struct buf *out)
{
	buf_printf(out, "{\"error\":{\"status\":%d,\"message\":\"the configuration has %zu error%s\","
		   "\"name\":\"org.appctl.Control.InvalidConfiguration\",\"parameters\":{\"problems\":",
		   CHECK_REFUSED, problems_count(ps), problems_count(ps) == 1 ? "" : "s");
	problems_print_json(ps, out);
	buf_adds(out, "}}}\n");
}

/* Where it all goes; -1: it could not be written. */
static int
write_out(struct buf *text, FILE *out)
{
	int failed = text->failed || fwrite(buf_cstr(text), 1, text->len, out) != text->len || fflush(out) != 0;

	buf_free(text);
	return failed ? -1 : 0;
}

int
check_main(const char *config_path, bool json)
{
	struct problems ps = { 0 };
	struct buf text = { 0 }, document = { 0 };
	struct model *m = read_model(config_path, &ps);
	bool refused = problems_any(&ps);
	int failed;

	if (refused) {
		problems_print(&ps, &text);
		if (json)
			print_error_json(&ps, &document);
	} else if (json) {
		model_print_json(m, &text);
		buf_addc(&text, '\n');
	} else {
		buf_printf(&text, "configuration is valid: %u applications, %u roles, %u modes\n",
			   m->app_count, m->role_count, m->mode_count);
	}
	failed = write_out(&text, refused ? stderr : stdout) < 0 || write_out(&document, stdout) < 0;
	problems_free(&ps);
	model_unref(m);
	return refused ? CHECK_REFUSED : failed ? 1 : CHECK_OK;
}
