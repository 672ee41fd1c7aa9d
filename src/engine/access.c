/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "engine/shell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int
peer_of(int fd, struct peer *out, struct err *err)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	*out = (struct peer){ 0 };
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return err_set(err, errno, "the peer's credentials");
	out->pid = cred.pid;
	out->uid = cred.uid;
	out->gid = cred.gid;
	len = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0 || errno != ERANGE)
		return 0;
	out->groups = malloc(len);
	if (out->groups == NULL || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, out->groups, &len) < 0) {
		err_set(err, errno, "the peer's groups");
		peer_free(out);
		return -1;
	}
	out->group_count = len / sizeof(gid_t);
	return 0;
}

void
peer_free(struct peer *p)
{
	free(p->groups);
	p->groups = NULL;
	p->group_count = 0;
}

static bool
is_in_group(const struct peer *p, gid_t gid)
{
	size_t i;

	for (i = 0; i < p->group_count; i++) {
		if (p->groups[i] == gid)
			return true;
	}
	return p->gid == gid;
}

/* A name that is not known grants nothing. */
static bool
speaks_of(const struct daemon *d, const struct access_rule *r, const struct peer *p)
{
	struct name_user user;
	gid_t gid;

	if (r->user != NULL)
		return names_user(d->names, r->user, &user) && user.uid == p->uid;
	return r->group != NULL && names_group(d->names, r->group, &gid) && is_in_group(p, gid);
}

static bool
is_named(const struct strings *v, const char *name)
{
	uint32_t i;

	for (i = 0; i < v->n; i++)
		if (strcmp(v->v[i], name) == 0)
			return true;
	return false;
}

/* A rule with a list of applications says nothing about the node as a whole, but that it may be looked at. */
static enum access_level
level_by(const struct access_rule *r, const char *app)
{
	if (r->applications.n == 0)
		return r->level;
	if (app == NULL)
		return r->level < ACCESS_READ ? r->level : ACCESS_READ;
	if (is_named(&r->applications, app))
		return r->level;
	return r->level < ACCESS_READ ? r->level : ACCESS_READ;
}

const char *
access_run_as(const struct daemon *d, const struct peer *peer, const char *user)
{
	const struct model *m = engine_model(d->engine);
	const struct access_rule *r;
	uint32_t i;

	for (i = 0; i < m->access_count; i++) {
		r = &m->access[i];
		if (r->run_as.n == 0 || !speaks_of(d, r, peer))
			continue;
		if (user == NULL)
			return r->run_as.v[0];
		if (is_named(&r->run_as, user))
			return user;
	}
	return NULL;
}

/* What it may run it may also end, whatever the rule says of other applications. */
static bool
ran_it(const struct daemon *d, const struct peer *peer, const char *app)
{
	const struct app *a = app ? engine_find(d->engine, app) : NULL;

	return a != NULL && a->run_by == peer->uid + 1 && access_run_as(d, peer, NULL) != NULL;
}

enum access_level
access_of(const struct daemon *d, const struct peer *peer, const char *app)
{
	enum access_level best = ACCESS_NONE, level;
	const struct model *m;
	uint32_t i;

	if (peer->uid == 0 || peer->uid == geteuid())
		return ACCESS_ADMIN;
	if (d->engine == NULL)
		return ACCESS_NONE;
	m = engine_model(d->engine);
	for (i = 0; i < m->access_count; i++) {
		level = speaks_of(d, &m->access[i], peer) ? level_by(&m->access[i], app) : ACCESS_NONE;
		if (level > best)
			best = level;
	}
	return best < ACCESS_OPERATE && ran_it(d, peer, app) ? ACCESS_OPERATE : best;
}
