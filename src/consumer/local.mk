# SPDX-License-Identifier: MIT
sbin_PROGRAMS += appctl-consumer
appctl_consumer_SOURCES = \
	src/consumer/consumer.c src/consumer/consumer.h \
	src/consumer/main.c \
	src/consumer/metrics.c \
	src/consumer/run.c src/consumer/run.h \
	src/consumer/seen.c src/consumer/seen.h \
	src/consumer/settings.c src/consumer/settings.h \
	src/consumer/source.c src/consumer/source.h \
	src/consumer/web.c src/consumer/web.h
appctl_consumer_CPPFLAGS = $(AM_CPPFLAGS) $(MICROHTTPD_CFLAGS)
appctl_consumer_LDADD = $(store_libs) $(net_libs) libsandbox.la libsys.la libbase.la $(LIBEV_LIBS) $(MICROHTTPD_LIBS)
