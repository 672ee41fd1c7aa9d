# SPDX-License-Identifier: MIT
noinst_LTLIBRARIES += libsys.la
libsys_la_SOURCES = \
	src/sys/alarm.c src/sys/alarm.h \
	src/sys/cgroup.c src/sys/cgroup.h \
	src/sys/helper.c src/sys/helper.h \
	src/sys/link_io.c src/sys/link_io.h \
	src/sys/memfd.c src/sys/memfd.h \
	src/sys/process.c src/sys/process.h \
	src/sys/program.c src/sys/program.h \
	src/sys/spawn.c src/sys/spawn.h src/sys/spawn_internal.h src/sys/spawn_steps.c \
	src/sys/tree.c src/sys/tree.h

# Apart from the rest, which appctld links with nothing but libc.
noinst_LTLIBRARIES += libsandbox.la
libsandbox_la_SOURCES = src/sys/sandbox.c src/sys/sandbox.h
libsandbox_la_CPPFLAGS = $(AM_CPPFLAGS) $(SECCOMP_CFLAGS) -D_GNU_SOURCE
libsandbox_la_LIBADD = $(SECCOMP_LIBS)
