# SPDX-License-Identifier: MIT
# Databases: what a consumer writes into.
noinst_LTLIBRARIES += libstore.la
libstore_la_SOURCES = \
	src/store/pg_init.c src/store/pg_init.h \
	src/store/schema.c src/store/schema.h
libstore_la_CPPFLAGS = $(AM_CPPFLAGS) $(LIBPQ_CFLAGS) $(SQLITE_CFLAGS)
store_libs = libstore.la libmonitor.la libcore.la libbase.la $(LIBPQ_LIBS) $(SQLITE_LIBS)
