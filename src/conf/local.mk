# SPDX-License-Identifier: MIT
noinst_LTLIBRARIES += libconf.la
libconf_la_CPPFLAGS = $(AM_CPPFLAGS) $(LIBCONFIG_CFLAGS) $(JANSSON_CFLAGS)
libconf_la_LIBADD = $(LIBCONFIG_LIBS) $(JANSSON_LIBS)
libconf_la_SOURCES = \
	src/conf/json.c src/conf/json.h \
	src/conf/load.h \
	src/conf/parse.c src/conf/parse.h \
	src/conf/read.c \
	src/conf/scan.c src/conf/scan.h
