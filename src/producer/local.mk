# SPDX-License-Identifier: MIT
# What the producer collects; a library so that tests and measurements use it without the rest.
noinst_LTLIBRARIES += libcollect.la
libcollect_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
libcollect_la_SOURCES = \
	src/producer/metric.c src/producer/metric.h \
	src/producer/outbox.c src/producer/outbox.h \
	src/producer/owners.c src/producer/owners.h \
	src/producer/procfs.c src/producer/procfs.h \
	src/producer/roster.c src/producer/roster.h \
	src/producer/sampler.c src/producer/sampler.h
