/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

/*
 * The nearest of n names to a mistyped word, for "did you mean": NULL unless one
 * lies within a third of the word's length by Damerau-Levenshtein distance.
 */
const char *suggest(const char *word, const char *const *names, size_t n);
