/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/merge.h"

/* What the parts of the merge share: merge.c (files and sets), merge_app.c (applications), merge_modify.c. */
struct merger {
	struct merged *m;
	struct reader *r;
	const struct fragment *file;
	bool wrapped;			/* inside of app_ctrl */
	bool modifying;			/* the second round */
	bool failed;			/* no memory */
};

/* v, or a larger copy of it where n has reached *cap; NULL: no memory, v is as it was. */
void *merge_grown(void *v, uint32_t n, uint32_t *cap, size_t size);
void merge_step_in(struct merger *g, const char *name);		/* complaints are about that key from now on */
void merge_step_out(struct merger *g);
bool merge_valid_name(struct merger *g, const struct item *it, const char *name);
bool merge_must_be(struct merger *g, const struct item *it, enum item_type type, const char *what);
bool merge_is_row(const struct item *it);			/* an array or a list */
struct item *merge_copy_item(struct merger *g, const struct item *it);
/* Copies a chain of items, but not what is in them; leaves out those named `but`. */
struct item *merge_copy_chain(struct merger *g, const struct item *it, const char *but);

typedef void set_action(struct merger *, struct merged_set *, const struct item *, const char *);
set_action merge_set_add, merge_set_del;
void merge_set_each(struct merger *g, struct merged_set *s, const struct item *names, set_action *act);
struct merged_set *merge_sets_find(struct merged_sets *sets, const char *name);
struct merged_set *merge_sets_new(struct merger *g, struct merged_sets *sets, const char *name, struct origin at);
/* The name of a group in a list of groups; NULL: it was complained about. */
const char *merge_name_of(struct merger *g, const struct item *group);

struct merged_app *merge_app_find(struct merged *m, const char *name);
void merge_app_own(struct merger *g, struct merged_app *a);		/* before its members are changed */
/* Where the member of that name hangs, or the end of the chain. */
struct item **merge_app_place(struct merged_app *a, const char *name);
typedef void key_action(struct merger *, struct merged_app *, const struct item *);
key_action merge_app_set_key;
key_action merge_app_unite_key;		/* arrays and maps grow by what is new; anything else is set anew */
void merge_each_key(struct merger *g, struct merged_app *a, const struct item *members, bool listed, key_action *act);
typedef void entry_action(struct merger *, const struct item *, const char *, bool listed);
entry_action merge_define_app;
entry_action merge_add_app;		/* sets keys of an entry, which may be new */
/* Each entry of a group, or of a list of groups with a name. */
void merge_each_app(struct merger *g, const struct item *all, entry_action *act);

void merge_modify(struct merger *g, const struct item *all);
