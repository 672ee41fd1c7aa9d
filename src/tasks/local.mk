# SPDX-License-Identifier: MIT
# The task supervisor, an application of appctld's.
sbin_PROGRAMS += appctl-tasks
appctl_tasks_SOURCES = \
	src/tasks/follow.c \
	src/tasks/main.c \
	src/tasks/methods.c \
	src/tasks/output.c src/tasks/output.h \
	src/tasks/settings.c src/tasks/settings.h \
	src/tasks/task.c src/tasks/task.h
nodist_appctl_tasks_SOURCES = src/tasks/varlink_text.h
appctl_tasks_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_builddir)/src $(JANSSON_CFLAGS)
appctl_tasks_LDADD = libmonitor.la libjob.la libserve.la libclient.la libcore.la libsandbox.la libsys.la libloop.la libwire.la libbase.la \
	$(JANSSON_LIBS) -lm

dist_varlink_DATA += doc/org.appctl.Tasks.varlink
BUILT_SOURCES += src/tasks/varlink_text.h
CLEANFILES += src/tasks/varlink_text.h
src/tasks/varlink_text.h: $(srcdir)/doc/org.appctl.Tasks.varlink $(srcdir)/src/tasks/local.mk
	$(AM_V_GEN)$(MKDIR_P) $(@D) && { echo 'static const char tasks_interface_text[] =' && \
		$(as_c_text) $(srcdir)/doc/org.appctl.Tasks.varlink && echo '	;'; } >$@.new && mv $@.new $@
