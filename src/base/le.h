/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>
#include <string.h>

/* Little-endian numbers in bytes, wherever they lie. */
static inline uint16_t
le16_get(const void *p)
{
	const unsigned char *b = p;

	return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t
le32_get(const void *p)
{
	const unsigned char *b = p;

	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline uint64_t
le64_get(const void *p)
{
	return le32_get(p) | (uint64_t)le32_get((const unsigned char *)p + 4) << 32;
}

static inline void
le16_put(void *p, uint16_t n)
{
	unsigned char *b = p;

	b[0] = (unsigned char)n;
	b[1] = (unsigned char)(n >> 8);
}

static inline void
le32_put(void *p, uint32_t n)
{
	le16_put(p, (uint16_t)n);
	le16_put((unsigned char *)p + 2, (uint16_t)(n >> 16));
}

static inline void
le64_put(void *p, uint64_t n)
{
	le32_put(p, (uint32_t)n);
	le32_put((unsigned char *)p + 4, (uint32_t)(n >> 32));
}
