# SPDX-License-Identifier: MIT
pkglibexec_PROGRAMS += appctl-probe
appctl_probe_SOURCES = \
	src/probe/attempt.c \
	src/probe/main.c \
	src/probe/probe.h \
	src/sys/command.c \
	src/sys/command.h
appctl_probe_CPPFLAGS = $(AM_CPPFLAGS) $(LIBCURL_CFLAGS)
appctl_probe_LDADD = libbase.la $(LIBCURL_LIBS)
