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

sbin_PROGRAMS += appctl-producer
appctl_producer_SOURCES = \
	src/producer/collect.c src/producer/collect.h \
	src/producer/follow.c src/producer/follow.h \
	src/producer/hold.c src/producer/hold.h \
	src/producer/main.c \
	src/producer/otlp.c src/producer/otlp.h \
	src/producer/otlp_text.c src/producer/otlp_text.h \
	src/producer/settings.c src/producer/settings.h \
	src/producer/ship.c src/producer/ship.h
appctl_producer_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(LIBCURL_CFLAGS)
appctl_producer_LDADD = libcollect.la libspool.la libmonitor.la libclient.la libsandbox.la libsys.la libcore.la $(net_libs) \
	$(JANSSON_LIBS) $(LIBCURL_LIBS) -lm
