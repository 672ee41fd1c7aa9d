/* SPDX-License-Identifier: MIT */
#include "wire/mail_file.h"

#include "base/crc32.h"
#include "base/le.h"

#include <string.h>

static const char magic[8] = "appctlMB";
enum { VERSION = 1, HEAD_CHECKED = MAIL_HEAD - 4 };

void
mail_head_put(char out[MAIL_HEAD], const struct mail_head *h)
{
	memset(out, 0, MAIL_HEAD);
	memcpy(out, magic, sizeof(magic));
	le32_put(out + 8, VERSION);
	le64_put(out + 16, h->taken);
	le64_put(out + 24, h->start);
	le64_put(out + 32, h->boot);
	le64_put(out + 40, (uint64_t)h->clock_ms);
	le32_put(out + HEAD_CHECKED, crc32_of(0, out, HEAD_CHECKED));
}

bool
mail_head_get(const char data[MAIL_HEAD], struct mail_head *h)
{
	if (memcmp(data, magic, sizeof(magic)) != 0 || le32_get(data + 8) != VERSION ||
	    le32_get(data + HEAD_CHECKED) != crc32_of(0, data, HEAD_CHECKED))
		return false;
	h->taken = le64_get(data + 16);
	h->start = le64_get(data + 24);
	h->boot = le64_get(data + 32);
	h->clock_ms = (int64_t)le64_get(data + 40);
	return h->start >= MAIL_HEAD && h->start <= INT64_MAX && h->taken < INT64_MAX;
}

/* u32 length of all, u32 checksum of what follows it, u64 n, u64 at, u64 stamp, u32 length of from, u32 0, from, text */
void
mail_record_put(struct buf *out, const struct mail_record *r)
{
	size_t len = MAIL_RECORD_HEAD + r->from.len + r->text.len;
	char *p = buf_reserve(out, len);

	if (p == NULL)
		return;
	le32_put(p, (uint32_t)len);
	le64_put(p + 8, r->n);
	le64_put(p + 16, (uint64_t)r->at_us);
	le64_put(p + 24, (uint64_t)r->stamp_ms);
	le32_put(p + 32, (uint32_t)r->from.len);
	le32_put(p + 36, 0);
	memcpy(p + MAIL_RECORD_HEAD, r->from.data, r->from.len);
	if (r->text.len > 0)
		memcpy(p + MAIL_RECORD_HEAD + r->from.len, r->text.data, r->text.len);
	le32_put(p + 4, crc32_of(0, p + 8, len - 8));
	out->len += len;
}

size_t
mail_record_get(const char *data, size_t len, struct mail_record *r, size_t *len_wanted)
{
	size_t wanted = len >= 4 ? le32_get(data) : MAIL_RECORD_HEAD, from_len;

	if (wanted < MAIL_RECORD_HEAD || wanted > MAIL_RECORD_MAX)
		wanted = 0;
	if (len_wanted != NULL)
		*len_wanted = wanted;
	if (wanted == 0 || len < wanted)
		return 0;
	from_len = le32_get(data + 32);
	if (le32_get(data + 4) != crc32_of(0, data + 8, wanted - 8) || from_len > wanted - MAIL_RECORD_HEAD) {
		if (len_wanted != NULL)
			*len_wanted = 0;
		return 0;
	}
	r->n = le64_get(data + 8);
	r->at_us = (int64_t)le64_get(data + 16);
	r->stamp_ms = (int64_t)le64_get(data + 24);
	r->from = (struct mail_text){ data + MAIL_RECORD_HEAD, from_len };
	r->text = (struct mail_text){ data + MAIL_RECORD_HEAD + from_len, wanted - MAIL_RECORD_HEAD - from_len };
	return wanted;
}
