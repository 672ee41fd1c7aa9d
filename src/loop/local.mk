# SPDX-License-Identifier: MIT
noinst_LTLIBRARIES += libloop.la
libloop_la_SOURCES = src/loop/loop.c src/loop/loop.h
libloop_la_LIBADD = $(LIBEV_LIBS)
