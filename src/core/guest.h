/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/model.h"

/*
 * A definition from one who is no admin, but may run commands as certain users (access, run_as): it may say only what
 * gives nobody more than that user has already.  No privileges, no files that appctld opens, no other groups, no better place with the kernel, nothing that
 * ends or orders others.  Which keys those are is in the table of keys (KEY_GUEST).
 *
 * Whoever takes such a definition sees to it that its user is one of those named, that no_new_privileges is set, and that
 * it refers to no application that the guest could not start himself.
 */

/* The first key of the definition that a guest may not have, or not with that value; NULL: it will do. */
const char *guest_refused(const struct item *definition, const struct app_def *d);
