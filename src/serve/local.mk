# SPDX-License-Identifier: MIT
# Varlink for those who answer it.
noinst_LTLIBRARIES += libserve.la
libserve_la_SOURCES = \
	src/serve/serve.c src/serve/serve.h \
	src/serve/signature.c src/serve/signature.h
libserve_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_builddir)/src $(JANSSON_CFLAGS)
nodist_libserve_la_SOURCES = src/serve/service_text.h

BUILT_SOURCES += src/serve/service_text.h
CLEANFILES += src/serve/service_text.h
src/serve/service_text.h: $(srcdir)/doc/org.varlink.service.varlink $(srcdir)/src/serve/local.mk
	$(AM_V_GEN)$(MKDIR_P) $(@D) && { echo 'static const char service_interface_text[] =' && \
		$(as_c_text) $(srcdir)/doc/org.varlink.service.varlink && echo '	;'; } >$@.new && mv $@.new $@
