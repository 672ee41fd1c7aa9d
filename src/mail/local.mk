# SPDX-License-Identifier: MIT
# Mailboxes on disk.
noinst_LTLIBRARIES += libmail.la
libmail_la_SOURCES = \
	src/mail/box.c src/mail/box.h \
	src/mail/post.c src/mail/post.h
libmail_la_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE
