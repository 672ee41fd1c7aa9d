/* SPDX-License-Identifier: MIT */
#include "stage.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef STAGE

enum { STAGE_SIZE = 4 * 1024 * 1024, CLASSES = 22, CLASS_MIN = 5 };

/* A block is a power of two with its head; what was freed is taken again first. */
struct head {
	alignas(max_align_t) struct head *next;
	unsigned class;
};

static struct {
	alignas(max_align_t) size_t used;
	struct head *free[CLASSES];
	alignas(max_align_t) unsigned char data[STAGE_SIZE];
} stage;
static bool is_open;

void *__real_malloc(size_t len);
void *__real_calloc(size_t n, size_t len);
void *__real_realloc(void *p, size_t len);
void __real_free(void *p);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t n, size_t len);
void *__wrap_realloc(void *p, size_t len);
void __wrap_free(void *p);

static bool
is_on_stage(const void *p)
{
	return (uintptr_t)p >= (uintptr_t)stage.data && (uintptr_t)p < (uintptr_t)(stage.data + STAGE_SIZE);
}

void *
__wrap_malloc(size_t len)
{
	unsigned class = CLASS_MIN;
	struct head *h;

	if (!is_open)
		return __real_malloc(len);
	while (((size_t)1 << class) < len + sizeof(*h))
		class++;
	if (class >= CLASSES)
		abort();
	h = stage.free[class];
	if (h != NULL) {
		stage.free[class] = h->next;
		return h + 1;
	}
	h = (struct head *)(void *)(stage.data + stage.used);
	stage.used += (size_t)1 << class;
	if (stage.used > STAGE_SIZE)
		abort();
	h->class = class;
	return h + 1;
}

void *
__wrap_calloc(size_t n, size_t len)
{
	void *p;

	if (!is_open)
		return __real_calloc(n, len);
	p = __wrap_malloc(n * len);
	return memset(p, 0, n * len);
}

void
__wrap_free(void *p)
{
	struct head *h = p;

	if (!is_on_stage(p)) {
		__real_free(p);
		return;
	}
	h--;
	h->next = stage.free[h->class];
	stage.free[h->class] = h;
}

void *
__wrap_realloc(void *p, size_t len)
{
	struct head *h = p;
	void *copy;

	if (!is_open)
		return __real_realloc(p, len);
	if (p == NULL)
		return __wrap_malloc(len);
	if (((size_t)1 << h[-1].class) - sizeof(*h) >= len)
		return p;
	copy = __wrap_malloc(len);
	memcpy(copy, p, ((size_t)1 << h[-1].class) - sizeof(*h));
	__wrap_free(p);
	return copy;
}

bool
stage_open(void)
{
	stage.used = 0;
	memset(stage.free, 0, sizeof(stage.free));
	is_open = true;
	return true;
}

void
stage_close(void)
{
	is_open = false;
}

void
stage_take(struct picture *p)
{
	p->len = offsetof(typeof(stage), data) + stage.used;
	if (p->len > p->cap) {
		p->cap = p->len * 2;
		p->data = __real_realloc(p->data, p->cap);
		if (p->data == NULL)
			abort();
	}
	memcpy(p->data, &stage, p->len);
}

void
stage_put(const struct picture *p)
{
	memcpy(&stage, p->data, p->len);
}

#else

bool
stage_open(void)
{
	return false;
}

void
stage_close(void)
{
}

void
stage_take(struct picture *p)
{
	(void)p;
}

void
stage_put(const struct picture *p)
{
	(void)p;
}

#endif
