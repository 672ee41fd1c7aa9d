# SPDX-License-Identifier: MIT
noinst_LTLIBRARIES += libwire.la
libwire_la_SOURCES = \
	src/wire/challenge.c src/wire/challenge.h \
	src/wire/envfile.c src/wire/envfile.h \
	src/wire/envelope.c src/wire/envelope.h \
	src/wire/handover.c src/wire/handover.h \
	src/wire/http.c src/wire/http.h \
	src/wire/link.c src/wire/link.h \
	src/wire/mail_file.c src/wire/mail_file.h \
	src/wire/notify.c src/wire/notify.h \
	src/wire/record.c src/wire/record.h \
	src/wire/ring.c src/wire/ring.h \
	src/wire/state.c src/wire/state.h \
	src/wire/varlink.c src/wire/varlink.h
# Who takes challenge or http from here links nettle.
libwire_la_CPPFLAGS = $(AM_CPPFLAGS) $(NETTLE_CFLAGS)

# What clients need of it too, who link nothing else from here.
noinst_LTLIBRARIES += libmailline.la
libmailline_la_SOURCES = src/wire/mail_line.c src/wire/mail_line.h
libwire_la_LIBADD = libmailline.la
