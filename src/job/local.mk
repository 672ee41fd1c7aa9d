# SPDX-License-Identifier: MIT
# What a program with an event loop has appctld run for it.
noinst_LTLIBRARIES += libjob.la
libjob_la_SOURCES = \
	src/job/calls.c src/job/calls.h \
	src/job/job.c src/job/job.h \
	src/job/job_end.c
libjob_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
libjob_la_LIBADD = libclient.la libloop.la libcore.la libbase.la $(JANSSON_LIBS)
