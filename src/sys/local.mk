# SPDX-License-Identifier: MIT
noinst_LTLIBRARIES += libsys.la
libsys_la_SOURCES = \
	src/sys/helper.c src/sys/helper.h \
	src/sys/link_io.c src/sys/link_io.h \
	src/sys/program.c src/sys/program.h
libsys_la_LIBADD = libwire.la libbase.la
