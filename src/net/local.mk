# SPDX-License-Identifier: MIT
# WebSockets with mutual authentication, over TLS or plain TCP.
noinst_LTLIBRARIES += libnet.la
libnet_la_SOURCES = \
	src/net/auth.c \
	src/net/connect.c \
	src/net/dial.c src/net/dial.h \
	src/net/frames.c src/net/frames.h \
	src/net/guard.c src/net/guard.h \
	src/net/listener.c \
	src/net/lookup.c src/net/lookup.h \
	src/net/random.c src/net/random.h \
	src/net/secret.c src/net/secret.h \
	src/net/socket.h \
	src/net/tcp.c src/net/tcp.h \
	src/net/tls.c src/net/tls.h \
	src/net/ws.c src/net/ws.h
libnet_la_CPPFLAGS = $(AM_CPPFLAGS) $(GNUTLS_CFLAGS)
libnet_la_LIBADD = $(GNUTLS_LIBS) $(WSLAY_LIBS) -lpthread
# What a program links that speaks to a network.
net_libs = libnet.la libloop.la libwire.la libbase.la $(NETTLE_LIBS)
