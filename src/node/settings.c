/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/settings.h"

#include "base/config_dir.h"
#include "conf/load.h"
#include "core/quantity.h"
#include "core/value.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEARTBEAT_MS = 15000, HOST_MAX = 255 };
#define DAY_MS (24 * 3600 * 1000LL)

static bool
is_group(struct reader *r, const struct item *it)
{
	if (it->type != ITEM_GROUP)
		reader_wrong_type(r, it, "a group");
	return it->type == ITEM_GROUP;
}

/* --- allow --- */

static bool
print_nothing(const struct key *k, const void *base, struct buf *out)
{
	(void)k;
	(void)base;
	(void)out;
	return false;
}

static const struct choice levels[] = {
	{ "none", ACCESS_NONE }, { "read", ACCESS_READ }, { "operate", ACCESS_OPERATE }, { "admin", ACCESS_ADMIN }, { NULL, 0 },
};

static const struct key control_keys[] = {
	{ .name = "level", .kind = &kind_choice, .offset = offsetof(struct allow, control), .choices = levels },
	{ .name = "applications", .kind = &kind_strings, .offset = offsetof(struct allow, applications) },
	{ 0 },
};

/* A level alone, or a group of level and applications. */
static void
read_control(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	struct allow *a = base;
	void *bases[2] = { a, NULL };

	(void)k;
	a->applications = (struct strings){ 0 };
	if (it->type != ITEM_GROUP) {
		kind_choice.read(r, &control_keys[0], it, base);
		return;
	}
	read_group(r, control_keys, it->first, NULL, bases);
	if (item_member(it, "level") == NULL)
		reader_fail(r, it, "none, read, operate or admin", "needs a level");
	if (item_member(it, "applications") != NULL && a->applications.n == 0)
		reader_fail(r, it, "leave it out for all", "applications must not be empty");
}

static void
read_list(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	struct allow_list *l = FIELD(struct allow_list, base, k);

	*l = (struct allow_list){ 0 };
	if (it->type == ITEM_BOOL)
		l->all = it->b;
	else if (it->type == ITEM_ARRAY || it->type == ITEM_LIST)
		l->names = reader_strings(r, it);
	else
		reader_wrong_type(r, it, "true, false or an array of names");
}

static const struct kind kind_control = { read_control, print_nothing };
static const struct kind kind_list = { read_list, print_nothing };

static const struct key allow_keys[] = {
	{ .name = "control", .kind = &kind_control },
	{ .name = "spawn", .kind = &kind_list, .offset = offsetof(struct allow, spawn) },
	{ .name = "task", .kind = &kind_list, .offset = offsetof(struct allow, task) },
	{ .name = "send", .kind = &kind_list, .offset = offsetof(struct allow, send) },
	{ 0 },
};

static const struct allow default_allow = {
	.control = ACCESS_OPERATE, .spawn = { .all = true }, .task = { .all = true }, .send = { .all = true },
};

static void
read_allow(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	void *bases[2] = { FIELD(struct allow, base, k), NULL };

	if (is_group(r, it))
		read_group(r, allow_keys, it->first, NULL, bases);
}

static const struct kind kind_allow = { read_allow, print_nothing };

/* --- other values --- */

static void
read_size(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	uint64_t n = 0;

	if (it->type == ITEM_INT && it->i > 0)
		n = (uint64_t)it->i;
	else if (it->type != ITEM_STRING || !quantity_size(it->s, &n))
		n = 0;
	if (n < (uint64_t)k->lo || n > INT64_MAX)
		reader_fail(r, it, "such as 65536, \"64K\", \"16M\"", "is no size that it can have");
	else
		*FIELD(uint64_t, base, k) = n;
}

/* A host as it is given to getaddrinfo(3). */
static void
read_host(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	const char *s = reader_text(r, it);

	if (s != NULL && (strlen(s) > HOST_MAX || strpbrk(s, " \t\r\n/") != NULL))
		reader_fail(r, it, NULL, "\"%.80s\" is no host", s);
	*FIELD(const char *, base, k) = s;
}

static void
read_node_name(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	const char *s = reader_text(r, it);

	if (s != NULL && !node_name_is_valid(s))
		reader_fail(r, it, NULL, "\"%.80s\" is no node's name", s);
	*FIELD(const char *, base, k) = s;
}

static const struct kind kind_size = { read_size, print_nothing };
static const struct kind kind_host = { read_host, print_nothing };
static const struct kind kind_node_name = { read_node_name, print_nothing };

/* --- groups --- */

#define MAILBOX(field) offsetof(struct mailbox_settings, field)
static const struct key mailbox_keys[] = {
	{ .name = "size", .kind = &kind_size, .offset = MAILBOX(size), .lo = 4096 },
	{ .name = "messages", .kind = &kind_int, .offset = MAILBOX(messages), .lo = 1, .hi = INT32_MAX },
	{ .name = "age", .kind = &kind_duration, .offset = MAILBOX(age_ms), .lo = 1 },
	{ .name = "directory", .kind = &kind_path, .offset = MAILBOX(directory) },
	{ 0 },
};

static void
read_mailbox(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	void *bases[2] = { FIELD(struct mailbox_settings, base, k), NULL };

	if (is_group(r, it))
		read_group(r, mailbox_keys, it->first, NULL, bases);
}

#define SETTING(field) offsetof(struct node_settings, field)
static const struct key tls_keys[] = {
	{ .name = "ca_file", .kind = &kind_path, .offset = SETTING(ca_file) },
	{ .name = "cert_file", .kind = &kind_path, .offset = SETTING(cert_file) },
	{ .name = "key_file", .kind = &kind_path, .offset = SETTING(key_file) },
	{ .name = "crl_file", .kind = &kind_path, .offset = SETTING(crl_file) },
	{ 0 },
};

static void
read_tls(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	const struct node_settings *s = base;
	void *bases[2] = { base, NULL };

	(void)k;
	if (!is_group(r, it))
		return;
	read_group(r, tls_keys, it->first, NULL, bases);
	if (s->ca_file == NULL || s->cert_file == NULL || s->key_file == NULL)
		reader_fail(r, it, NULL, "needs all of ca_file, cert_file and key_file");
}

static void read_peers(struct reader *r, const struct key *k, const struct item *it, void *base);

static const struct kind kind_mailbox = { read_mailbox, print_nothing };
static const struct kind kind_tls = { read_tls, print_nothing };
static const struct kind kind_peers = { read_peers, print_nothing };

static const struct key node_keys[] = {
	{ .name = "cookie_file", .kind = &kind_path, .offset = SETTING(cookie_file) },
	{ .name = "listen", .kind = &kind_host, .offset = SETTING(listen) },
	{ .name = "port", .kind = &kind_int, .offset = SETTING(port), .lo = 0, .hi = UINT16_MAX },
	{ .name = "remote_user", .kind = &kind_string, .offset = SETTING(remote_user) },
	{ .name = "heartbeat", .kind = &kind_duration, .offset = SETTING(heartbeat_ms), .lo = 1 },
	{ .name = "tls", .kind = &kind_tls },
	{ .name = "mailbox", .kind = &kind_mailbox, .offset = SETTING(mailbox) },
	{ .name = "allow", .kind = &kind_allow, .offset = SETTING(allow) },
	{ .name = "peers", .kind = &kind_peers },
	{ 0 },
};

#define PEER(field) offsetof(struct peer_settings, field)
static const struct key peer_keys[] = {
	{ .name = "name", .kind = &kind_node_name, .offset = PEER(name) },
	{ .name = "address", .kind = &kind_host, .offset = PEER(address) },
	{ .name = "port", .kind = &kind_int, .offset = PEER(port), .lo = 1, .hi = UINT16_MAX },
	{ .name = "allow", .kind = &kind_allow, .offset = PEER(allow) },
	{ 0 },
};

/* --- peers --- */

static void
read_peer(struct reader *r, const struct item *it, const struct node_settings *s, struct peer_settings *p)
{
	void *bases[2] = { p, NULL };

	*p = (struct peer_settings){ .port = NODE_PORT, .allow = s->allow };
	if (!is_group(r, it))
		return;
	read_group(r, peer_keys, it->first, NULL, bases);
	if (item_member(it, "name") == NULL)
		reader_fail(r, it, NULL, "needs a name");
	else if (p->name != NULL && p->address == NULL && strchr(p->name, '@') == NULL && item_member(it, "address") == NULL)
		reader_fail(r, it, "or a name with @host", "needs an address");
	if (p->name != NULL && p->address == NULL && strchr(p->name, '@') != NULL)
		p->address = strchr(p->name, '@') + 1;
	if (p->name != NULL && node_settings_peer(s, p->name) != NULL)
		reader_fail(r, it, NULL, "\"%s\" is there twice", p->name);
}

/* After all else: a peer's allow begins as the default. */
static void
read_peers(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	struct node_settings *s = base;
	const struct item *first, *e;
	uint32_t n = 0;

	(void)k;
	if (!reader_elements(r, it, &first))
		return;
	for (e = first; e != NULL; e = e->next)
		n++;
	s->peers = arena_alloc(s->arena, (n + 1) * sizeof(*s->peers));
	if (s->peers == NULL) {
		problems_no_memory(r->ps);
		return;
	}
	for (e = first; e != NULL; e = e->next) {
		read_peer(r, e, s, &s->peers[s->peer_count]);
		s->peer_count++;
	}
}

/* --- the whole --- */

static void
beside(struct node_settings *s, const char *name, const char **out)
{
	const char *slash = strrchr(s->file, '/');
	int dir_len = slash ? (int)(slash - s->file) : 1;
	size_t size = (size_t)dir_len + strlen(name) + 2;
	char *path = arena_alloc(s->arena, size);

	if (path != NULL)
		snprintf(path, size, "%.*s/%s", dir_len, slash ? s->file : ".", name);
	*out = path;
}

static void
read_root(struct node_settings *s, struct item *root, struct reader *r)
{
	struct item *peers = item_member(root, "peers"), **at;
	void *bases[2] = { s, NULL };

	/* peers come last, whatever their place in the file */
	for (at = &root->first; peers != NULL && *at != NULL; at = &(*at)->next)
		if (*at == peers) {
			*at = peers->next;
			break;
		}
	read_group(r, node_keys, root->first, NULL, bases);
	if (peers == NULL)
		return;
	peers->next = NULL;
	read_group(r, node_keys, peers, NULL, bases);
}

static struct node_settings *
with_defaults(struct arena *a, const char *file)
{
	struct node_settings *s = arena_alloc(a, sizeof(*s));

	if (s == NULL)
		return NULL;
	*s = (struct node_settings){
		.arena = a, .file = arena_strdup(a, file), .listen = "127.0.0.1", .port = NODE_PORT, .heartbeat_ms = HEARTBEAT_MS,
		.mailbox = { .size = 16 << 20, .messages = 100000, .age_ms = 7 * DAY_MS }, .allow = default_allow,
	};
	if (s->file == NULL)
		return NULL;
	beside(s, "cookie", &s->cookie_file);
	return s;
}

struct node_settings *
node_settings_read(const char *file, struct problems *ps)
{
	struct node_settings *s = NULL;
	struct conf_set set;
	struct intern in = { 0 };
	struct reader r = { .in = &in, .ps = ps };

	if (conf_read_file(file, &set, ps) == 0) {
		in.arena = set.arena;
		s = with_defaults(set.arena, file);
		if (s != NULL)
			read_root(s, set.v[0].root, &r);
		if (s == NULL || s->cookie_file == NULL || in.failed)
			problems_no_memory(ps);
		intern_fini(&in);
		free(r.names);
	}
	if (problems_any(ps) || s == NULL) {
		conf_set_free(&set);
		return NULL;
	}
	free(set.v);			/* the arena is the settings' */
	return s;
}

void
node_settings_free(struct node_settings *s)
{
	if (s != NULL)
		arena_free(s->arena);
}

const struct peer_settings *
node_settings_peer(const struct node_settings *s, const char *name)
{
	uint32_t i;

	for (i = 0; i < s->peer_count; i++)
		if (s->peers[i].name != NULL && strcmp(s->peers[i].name, name) == 0)
			return &s->peers[i];
	return NULL;
}

void
node_settings_default_path(char *out)
{
	config_dir_file("node.conf", out);
	/* Of a user of its own, beside the configuration of an appctld that is root's. */
	if (access(out, F_OK) < 0)
		snprintf(out, PATH_MAX, "%s/appctl/node.conf", SYSCONFDIR);
}
