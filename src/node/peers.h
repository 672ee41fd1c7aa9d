/* SPDX-License-Identifier: MIT */
#pragma once

#include "node/node.h"

#include <jansson.h>

/*
 * Other nodes and the links with them: one for each pair of nodes, made when somebody needs it, kept with heartbeats.
 * Who has dialled says hello, with what no two processes share; a node that is linked already is not taken for
 * another one of its name, whichever end has dialled.
 */
struct channel;
struct peers;

/* Listens.  NULL: err. */
struct peers *peers_new(struct node *n, struct err *err);
void peers_free(struct peers *ps);			/* NULL is fine */
/* A channel of ours that wants to go there: asks, waits for a link, or is lost. */
void peers_find_way(struct peers *ps, struct channel *c);
/* The node's settings and cookie are others now: takes them ... */
void peers_take_settings(struct peers *ps);
/* ... with certificates, read anew.  -1: err: these are not good, and nothing has changed that taking the old settings would not undo. */
int peers_try(struct peers *ps, struct err *err);
/* After that; new_cookie: links that an older one made are ended. */
void peers_reload(struct peers *ps, bool new_cookie);
json_t *peers_list(const struct peers *ps);		/* ListNodes' nodes; NULL: no memory */
