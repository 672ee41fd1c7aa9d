# SPDX-License-Identifier: MIT
# All but the list of services, so that tests can have a node with others.
noinst_LTLIBRARIES += libnode.la
libnode_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_builddir)/src $(JANSSON_CFLAGS) $(GNUTLS_CFLAGS)
libnode_la_SOURCES = \
	src/node/allow.c src/node/allow.h \
	src/node/bridge.c src/node/bridge.h \
	src/node/caller.c src/node/caller.h \
	src/node/channel.c src/node/channel.h \
	src/node/conn.c src/node/conn.h \
	src/node/framed.c src/node/framed.h \
	src/node/greeting.c \
	src/node/line.c src/node/line.h \
	src/node/lines.c src/node/lines.h \
	src/node/main.c \
	src/node/node.c src/node/node.h \
	src/node/peers.c src/node/peers.h src/node/peers_internal.h \
	src/node/relay.c src/node/relay.h \
	src/node/service.h \
	src/node/settings.c src/node/settings.h \
	src/node/way.c src/node/way.h
nodist_libnode_la_SOURCES = src/node/varlink_text.h
node_libs = libnode.la libjob.la libconf.la libclient.la libsandbox.la libsys.la libcore.la $(net_libs) $(JANSSON_LIBS) -lm

sbin_PROGRAMS += appctl-node
appctl_node_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
appctl_node_SOURCES = \
	src/node/control.c src/node/control.h \
	src/node/gate.c src/node/gate.h \
	src/node/mail.c src/node/mail.h \
	src/node/mail_client.c src/node/mail_client.h \
	src/node/mail_in.c \
	src/node/mail_inbox.c \
	src/node/mail_out.c \
	src/node/mail_reader.c \
	src/node/services.c \
	src/node/spawn.c src/node/spawn.h \
	src/node/stdio.c src/node/stdio.h \
	src/node/tasks.c src/node/tasks.h \
	src/node/terminal.c src/node/terminal.h
appctl_node_LDADD = libmail.la $(node_libs)

dist_varlink_DATA += doc/org.appctl.Node.varlink
BUILT_SOURCES += src/node/varlink_text.h
CLEANFILES += src/node/varlink_text.h
node_interfaces = $(srcdir)/doc/org.appctl.Node.varlink $(srcdir)/doc/org.varlink.service.varlink

src/node/varlink_text.h: $(node_interfaces) $(srcdir)/src/node/local.mk
	$(AM_V_GEN)$(MKDIR_P) $(@D) && { \
		echo 'static const char node_interface_text[] =' && \
		$(as_c_text) $(srcdir)/doc/org.appctl.Node.varlink && \
		echo '	;' && echo 'static const char service_interface_text[] =' && \
		$(as_c_text) $(srcdir)/doc/org.varlink.service.varlink && \
		echo '	;'; } >$@.new && mv $@.new $@
