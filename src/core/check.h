/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/model.h"

/*
 * What is wrong with the order that a model asks for: protected applications that
 * would come after others, and cycles, each printed as a path with the place of every
 * edge.  Indices are resolved, is_protected is set.  -1: no memory.
 */
int check_order(const struct model *m, struct problems *ps);
