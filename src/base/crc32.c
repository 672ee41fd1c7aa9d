/* SPDX-License-Identifier: MIT */
#include "base/crc32.h"


/*
 * Slicing by eight (Kounavis and Berry, Intel, 2005): a new engine checks every record of the state before it
 * answers anybody, so this is what a client waits for.  slices[k][b]: the checksum of byte b followed by k zero bytes.
 */
static uint32_t slices[8][256];

static void
fill_slices(void)
{
	uint32_t c;
	int i, bit, k;

	for (i = 0; i < 256; i++) {
		c = (uint32_t)i;
		for (bit = 0; bit < 8; bit++)
			c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
		slices[0][i] = c;
	}
	for (k = 1; k < 8; k++)
		for (i = 0; i < 256; i++)
			slices[k][i] = slices[k - 1][i] >> 8 ^ slices[0][slices[k - 1][i] & 0xff];
}

static uint32_t
little_endian(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t
eight_bytes(uint32_t crc, const unsigned char *p)
{
	uint32_t a = crc ^ little_endian(p), b = little_endian(p + 4);

	return slices[7][a & 0xff] ^ slices[6][a >> 8 & 0xff] ^ slices[5][a >> 16 & 0xff] ^ slices[4][a >> 24] ^
	       slices[3][b & 0xff] ^ slices[2][b >> 8 & 0xff] ^ slices[1][b >> 16 & 0xff] ^ slices[0][b >> 24];
}

uint32_t
crc32_of(uint32_t crc, const void *data, size_t len)
{
	const unsigned char *p = data;

	if (slices[0][1] == 0)
		fill_slices();
	crc = ~crc;
	for (; len >= 8; len -= 8, p += 8)
		crc = eight_bytes(crc, p);
	for (; len > 0; len--, p++)
		crc = crc >> 8 ^ slices[0][(crc ^ *p) & 0xff];
	return ~crc;
}
