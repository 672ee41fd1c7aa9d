/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* CRC-32 as of IEEE 802.3 (reflected, polynomial 0xedb88320) of data, continuing from crc (0 at first). */
uint32_t crc32_of(uint32_t crc, const void *data, size_t len);
