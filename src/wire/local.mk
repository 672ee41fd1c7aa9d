# SPDX-License-Identifier: MIT
noinst_LTLIBRARIES += libwire.la
libwire_la_SOURCES = \
	src/wire/link.c src/wire/link.h \
	src/wire/state.h \
	src/wire/varlink.c src/wire/varlink.h
