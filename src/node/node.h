/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "loop/loop.h"
#include "net/secret.h"
#include "node/settings.h"

/*
 * One node: what all parts of appctl-node share.
 */
struct lines;
struct bridge;
struct calls;
struct mail;
struct way;

struct node {
	struct loop *loop;
	const char *name;			/* this node's, as appctld says it */
	const char *app;			/* the application that appctl-node itself is; NULL: none */
	const char *runtime_dir;		/* appctld's: control.sock is there, our own sockets below node/ */
	const struct node_settings *settings;	/* in force; another one after a reload */
	struct secret cookie;
	char instance[33];			/* of this process; nobody else has it */
	struct lines *lines;			/* ways to others, and their channels */
	struct bridge *bridge;			/* node.sock */
	struct calls *calls;			/* to appctld */
	struct mail *mail;			/* mailboxes, and messages under way */
	struct way *ways;			/* of peers, to sockets of this machine */
};

/* The path of a socket or file of ours, in $APPCTL_RUNTIME_DIR/node/.  -1: too long for a socket. */
int node_path(const struct node *n, const char *name, char *out, size_t size, struct err *err);

/* With n->loop and n->settings set: reads the cookie, asks appctld for the name, opens the sockets.  -1: err; node_stop() all the same. */
int node_start(struct node *n, struct err *err);
void node_stop(struct node *n);
/* Another configuration; the old one is freed.  -1: err, and all is as before. */
int node_reload(struct node *n, struct node_settings *take_settings, struct err *err);
