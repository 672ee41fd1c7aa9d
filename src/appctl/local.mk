# SPDX-License-Identifier: MIT
bin_PROGRAMS += appctl
appctl_SOURCES = \
	src/appctl/attach.c src/appctl/attach.h \
	src/appctl/cmd.h \
	src/appctl/cmd-check.c \
	src/appctl/cmd-cookie.c \
	src/appctl/cmd-deps.c \
	src/appctl/cmd-events.c \
	src/appctl/cmd-kill.c \
	src/appctl/cmd-loglevel.c \
	src/appctl/cmd-logs.c \
	src/appctl/cmd-mode.c \
	src/appctl/cmd-monitor.c \
	src/appctl/cmd-nodes.c \
	src/appctl/cmd-plan.c \
	src/appctl/cmd-receive.c \
	src/appctl/cmd-reexec.c \
	src/appctl/cmd-reload.c \
	src/appctl/cmd-run.c \
	src/appctl/cmd-self.c \
	src/appctl/cmd-send.c \
	src/appctl/cmd-show.c \
	src/appctl/cmd-shutdown.c \
	src/appctl/cmd-spawn.c \
	src/appctl/cmd-task.c \
	src/appctl/cmd-start.c \
	src/appctl/cmd-status.c \
	src/appctl/commands.c \
	src/appctl/complete.c \
	src/appctl/elsewhere.c src/appctl/elsewhere.h \
	src/appctl/help.c \
	src/appctl/helper_path.c \
	src/appctl/logfile.c src/appctl/logfile.h \
	src/appctl/main.c \
	src/appctl/output.c src/appctl/output.h \
	src/appctl/parse.c \
	src/appctl/progress.c src/appctl/progress.h \
	src/appctl/raw.c src/appctl/raw.h \
	src/appctl/reader.c src/appctl/reader.h \
	src/appctl/session.c \
	src/appctl/table.c
appctl_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(SMARTCOLS_CFLAGS) -D_GNU_SOURCE
appctl_LDADD = libclient.la libsys.la libwire.la libcore.la libbase.la $(JANSSON_LIBS) $(SMARTCOLS_LIBS) -lm

# What `appctl monitor` becomes: it alone links databases.
pkglibexec_PROGRAMS += appctl-monitor
appctl_monitor_SOURCES = \
	src/appctl/monitor.c src/appctl/monitor.h \
	src/appctl/monitor_history.c \
	src/appctl/monitor_rows.c src/appctl/monitor_rows.h \
	src/appctl/monitor_view.c \
	src/appctl/output.c src/appctl/output.h \
	src/appctl/table.c
appctl_monitor_CPPFLAGS = $(appctl_CPPFLAGS)
appctl_monitor_LDADD = $(store_libs) $(JANSSON_LIBS) $(SMARTCOLS_LIBS) -lm
