# SPDX-License-Identifier: MIT
# The command line takes the same objects without the shared library: one file less to find and load.
noinst_LTLIBRARIES += libclient.la
libclient_la_SOURCES = \
	src/lib/address.c \
	src/lib/appctl.h \
	src/lib/client.c \
	src/lib/error.c \
	src/lib/events.c \
	src/lib/lib.h \
	src/lib/mail.c \
	src/lib/node.c src/lib/node.h \
	src/lib/stream.c src/lib/stream.h
libclient_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) -D_GNU_SOURCE
libclient_la_LIBADD = libmailline.la

lib_LTLIBRARIES += libappctl.la
libappctl_la_SOURCES =
libappctl_la_LIBADD = libclient.la libbase.la $(JANSSON_LIBS)
libappctl_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -no-undefined -export-symbols-regex '^appctl_'

include_HEADERS += src/lib/appctl.h
pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = src/lib/appctl.pc
varlinkdir = $(datadir)/varlink
dist_varlink_DATA = doc/org.appctl.Control.varlink
