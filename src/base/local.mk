# SPDX-License-Identifier: MIT
noinst_LTLIBRARIES += libbase.la
libbase_la_SOURCES = \
	src/base/arena.c src/base/arena.h \
	src/base/base64.c src/base/base64.h \
	src/base/buf.c src/base/buf.h \
	src/base/cleanup.h \
	src/base/config_dir.c src/base/config_dir.h \
	src/base/crc32.c src/base/crc32.h \
	src/base/err.c src/base/err.h \
	src/base/json_read.c src/base/json_read.h \
	src/base/le.h \
	src/base/log.c src/base/log.h \
	src/base/strmap.c src/base/strmap.h \
	src/base/suggest.c src/base/suggest.h \
	src/base/u64map.c src/base/u64map.h
