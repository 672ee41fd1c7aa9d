/* SPDX-License-Identifier: MIT */
#pragma once

#include "mail/box.h"

/*
 * All mailboxes of a node: a directory with a file NAME.mail for each.  A mailbox is there because its file is; who may
 * have one is the caller's to know.  One process has the directory at a time.
 */
struct post;

/* What the caller does with an oddity (a mailbox that was set aside, messages that became too old). */
typedef void post_odd_fn(void *arg, const char *text);

/* The directory is made where it is not there (not its parents).  NULL: err. */
struct post *post_open(const char *directory, const struct mail_limits *l, post_odd_fn *odd, void *arg, struct err *err);
void post_close(struct post *p);			/* what was not flushed is gone; NULL is fine */
void post_set_limits(struct post *p, const struct mail_limits *l);
const struct mail_limits *post_limits(const struct post *p);

/* Lent until it is removed; made where `make` says so.  NULL: err, code ENOENT: there is none. */
struct mailbox *post_find(struct post *p, const char *name, bool make, const struct mail_time *now, struct err *err);
/* It and all that lies in it is gone; nobody may have it in hand. */
void post_remove(struct post *p, const char *name);
/* Each name that has a file, in no order; may not change p. */
int post_each(struct post *p, void (*each)(void *arg, const char *name), void *arg, struct err *err);
/* Lets go of messages that are too old, of all mailboxes. */
void post_sweep(struct post *p, const struct mail_time *now);
