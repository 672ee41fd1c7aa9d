# SPDX-License-Identifier: MIT
# Databases: what a consumer writes into.
noinst_LTLIBRARIES += libstore.la
libstore_la_SOURCES = \
	src/store/backend.h \
	src/store/catalog.c src/store/catalog.h \
	src/store/held.c src/store/held.h \
	src/store/image.c src/store/image.h \
	src/store/pg.c src/store/pg.h \
	src/store/pg_init.c src/store/pg_init.h \
	src/store/pg_write.c \
	src/store/pq.c src/store/pq.h \
	src/store/prepare.c src/store/prepare.h \
	src/store/query.c src/store/query.h \
	src/store/schema.c src/store/schema.h \
	src/store/sqlite.c src/store/sqlite.h \
	src/store/sqlite_write.c \
	src/store/store.c src/store/store.h src/store/store_internal.h \
	src/store/store_work.c
libstore_la_CPPFLAGS = $(AM_CPPFLAGS) $(LIBPQ_CFLAGS) $(SQLITE_CFLAGS)
store_libs = libstore.la libmonitor.la libcore.la libbase.la $(LIBPQ_LIBS) $(SQLITE_LIBS)

# What a producer keeps until it is acknowledged.
noinst_LTLIBRARIES += libspool.la
libspool_la_SOURCES = \
	src/store/spool.c src/store/spool.h src/store/spool_internal.h \
	src/store/spool_db.c \
	src/store/spool_file.c \
	src/store/spool_salvage.c
libspool_la_CPPFLAGS = $(AM_CPPFLAGS) $(SQLITE_CFLAGS)
libspool_la_LIBADD = $(SQLITE_LIBS)
