# SPDX-License-Identifier: MIT
noinst_LTLIBRARIES += libengine.la
libengine_la_SOURCES = \
	src/engine/access.c \
	src/engine/check.c src/engine/check.h \
	src/engine/child.c \
	src/engine/daemon.c src/engine/daemon.h \
	src/engine/link.c \
	src/engine/load.c \
	src/engine/main.c \
	src/engine/names.c \
	src/engine/notify.c \
	src/engine/publish.c \
	src/engine/ready.c \
	src/engine/shell.h \
	src/engine/start.c \
	src/engine/state.c \
	src/engine/subscription.c \
	src/engine/tree.c
libengine_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
