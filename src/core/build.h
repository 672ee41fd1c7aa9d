/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/merge.h"
#include "core/model.h"

/* Merged items into the model: definitions are read, names become indices, then the whole is checked. */
struct builder {
	struct model *m;
	struct merged merged;
	struct reader r;
	struct intern in;
	const struct merged_app **from;		/* of each of m->apps */
	struct strmap apps;			/* name -> index */
};

enum { SHUTDOWN_TIMEOUT_MS = 90000 };

void *builder_keep(struct builder *b, size_t n, size_t size);		/* of the model's arena; NULL: no memory */
struct origin builder_keep_origin(struct builder *b, struct origin at);
/* Where complaints are about from now on: "first.second.third"; NULL ends it. */
void builder_set_path(struct builder *b, const char *first, const char *second, const char *third);
/* A complaint about a name that stands at `at`. */
void builder_fail_name(struct builder *b, struct origin at, const char *near, const char *what, const char *name);
void builder_unknown_app(struct builder *b, struct origin at, const char *name);

/* settings.c: node, default_mode, shutdown_timeout, access and log_levels, when applications and modes are there. */
void settings_read(struct builder *b);
void settings_check_give_up(struct builder *b);		/* the mode that on_give_up names is there */
