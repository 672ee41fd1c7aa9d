# SPDX-License-Identifier: MIT
# All but main(), so that tests can have the parts.
noinst_LTLIBRARIES += libengine.la
libengine_la_SOURCES = \
	src/engine/access.c \
	src/engine/call.c \
	src/engine/check.c src/engine/check.h \
	src/engine/child.c \
	src/engine/control.c src/engine/control.h \
	src/engine/daemon.c src/engine/daemon.h \
	src/engine/greet.c \
	src/engine/link.c \
	src/engine/load.c \
	src/engine/methods.c \
	src/engine/methods_change.c \
	src/engine/methods_read.c \
	src/engine/names.c \
	src/engine/notify.c \
	src/engine/publish.c \
	src/engine/ready.c \
	src/engine/reexec.c \
	src/engine/render.c \
	src/engine/shell.h \
	src/engine/start.c \
	src/engine/state.c \
	src/engine/subscriber.c src/engine/subscriber.h \
	src/engine/subscription.c \
	src/engine/tree.c
nodist_libengine_la_SOURCES = src/engine/varlink_text.h
libengine_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_builddir)/src $(JANSSON_CFLAGS)
libengine_la_LIBADD = libserve.la

pkglibexec_PROGRAMS += appctl-engine
appctl_engine_SOURCES = src/engine/main.c
appctl_engine_LDADD = libengine.la libconf.la libloop.la libsys.la libwire.la libcore.la libbase.la $(JANSSON_LIBS) -lm

# The interface descriptions, as they are answered to whoever asks, come from doc/.
BUILT_SOURCES += src/engine/varlink_text.h
CLEANFILES += src/engine/varlink_text.h
as_c_text = sed -e 's/[\\"]/\\&/g' -e 's/^/	"/' -e 's/$$/\\n"/'

src/engine/varlink_text.h: $(srcdir)/doc/org.appctl.Control.varlink $(srcdir)/src/engine/local.mk
	$(AM_V_GEN)$(MKDIR_P) $(@D) && { echo 'static const char control_interface_text[] =' && \
		$(as_c_text) $(srcdir)/doc/org.appctl.Control.varlink && echo '	;'; } >$@.new && mv $@.new $@
