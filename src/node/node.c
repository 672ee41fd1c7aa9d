/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/node.h"

#include "base/log.h"
#include "job/calls.h"
#include "net/random.h"
#include "node/bridge.h"
#include "node/conn.h"
#include "node/lines.h"
#include "node/peers.h"
#include "node/service.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DIRECTORY "node"

int
node_path(const struct node *n, const char *name, char *out, size_t size, struct err *err)
{
	if ((size_t)snprintf(out, size, "%s/" DIRECTORY "/%s", n->runtime_dir, name) < size)
		return 0;
	return err_set(err, ENAMETOOLONG, "%s/" DIRECTORY "/%s", n->runtime_dir, name);
}

static void
make_instance(char out[33])
{
	unsigned char bytes[16];
	size_t i;

	random_bytes(bytes, sizeof(bytes));
	for (i = 0; i < sizeof(bytes); i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

/* appctld knows what this node is called. */
static int
ask_name(struct node *n, struct err *err)
{
	struct appctl_error e = { 0 };
	struct appctl *c = appctl_new(n->runtime_dir, &e);
	json_t *status = c ? appctl_call(c, "Status", json_pack("{s:[]}", "names"), &e) : NULL;
	const char *name = json_string_value(json_object_get(status, "node"));

	n->name = name ? strdup(name) : NULL;
	if (status == NULL)
		err_set(err, 0, "what is this node called? %s", e.message);
	else if (n->name == NULL)
		err_set(err, ENOMEM, "this node's name");
	json_decref(status);
	appctl_free(c);
	appctl_error_clear(&e);
	return n->name ? 0 : -1;
}

static int
find_runtime_dir(struct node *n, struct err *err)
{
	struct appctl_error e = { 0 };

	n->runtime_dir = appctl_find_runtime_dir(NULL, &e);
	if (n->runtime_dir == NULL)
		err_set(err, 0, "%s", e.message);
	appctl_error_clear(&e);
	return n->runtime_dir ? 0 : -1;
}

/* Usually appctld has made it: runtime_directory = "node". */
static int
make_directory(struct node *n, struct err *err)
{
	char path[PATH_MAX];

	if (node_path(n, "", path, sizeof(path), err) < 0)
		return -1;
	if (mkdir(path, 0755) == 0 || errno == EEXIST)
		return 0;
	return err_set(err, errno, "directory %s; runtime_directory = \"" DIRECTORY "\" in its definition has appctld make it", path);
}

static int
start_services(struct node *n, struct err *err)
{
	const struct service *s;

	for (s = services; s->name != NULL; s++)
		if (s->start != NULL && s->start(n, err) < 0)
			return -1;
	return 0;
}

int
node_start(struct node *n, struct err *err)
{
	n->app = getenv("APPCTL_APP");
	make_instance(n->instance);
	if (secret_read_cookie(n->settings->cookie_file, &n->cookie, err) < 0)
		return -1;
	if (find_runtime_dir(n, err) < 0 || ask_name(n, err) < 0 || make_directory(n, err) < 0)
		return -1;
	n->calls = calls_new(n->loop, n->runtime_dir);
	if (n->calls == NULL)
		return err_set(err, ENOMEM, "calls to appctld");
	n->lines = lines_new(n, err);
	if (n->lines == NULL || start_services(n, err) < 0)
		return -1;
	n->bridge = bridge_new(n, err);
	return n->bridge ? 0 : -1;
}

/* They are in force.  -1: the certificates are not good, and the old ones are. */
static int
try_settings(struct node *n, const struct node_settings *settings, const struct secret *cookie, struct err *err)
{
	const struct node_settings *old = n->settings;
	struct secret old_cookie = n->cookie;
	int r;

	n->settings = settings;
	n->cookie = *cookie;
	r = peers_try(n->lines->peers, err);
	if (r < 0) {
		n->settings = old;
		n->cookie = old_cookie;
		peers_take_settings(n->lines->peers);
	}
	secret_clear(&old_cookie);
	return r;
}

int
node_reload(struct node *n, struct node_settings *take_settings, struct err *err)
{
	const struct node_settings *old = n->settings;
	struct secret cookie;
	bool new_cookie;

	if (secret_read_cookie(take_settings->cookie_file, &cookie, err) < 0) {
		node_settings_free(take_settings);
		return -1;
	}
	new_cookie = cookie.len != n->cookie.len || memcmp(cookie.bytes, n->cookie.bytes, cookie.len) != 0;
	if (strcmp(old->listen, take_settings->listen) != 0 || old->port != take_settings->port)
		log_write(LOG_NODE, LOG_LEVEL_WARNING, "listen and port need a restart of appctl-node to become others");
	if (try_settings(n, take_settings, &cookie, err) < 0) {
		secret_clear(&cookie);
		node_settings_free(take_settings);
		return -1;
	}
	secret_clear(&cookie);
	peers_reload(n->lines->peers, new_cookie);
	node_settings_free((struct node_settings *)(uintptr_t)old);
	return 0;
}

void
node_stop(struct node *n)
{
	const struct service *s;

	bridge_free(n->bridge);
	n->bridge = NULL;
	lines_free(n->lines);
	conn_forget_left();
	for (s = services; s->name != NULL; s++)
		if (s->stop != NULL)
			s->stop(n);
	calls_free(n->calls);
	secret_clear(&n->cookie);
	free((char *)(uintptr_t)n->name);
	free((char *)(uintptr_t)n->runtime_dir);
}
