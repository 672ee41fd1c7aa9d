# SPDX-License-Identifier: MIT
sbin_PROGRAMS += appctld
appctld_SOURCES = \
	src/appctld/children.c \
	src/appctld/engine_proc.c \
	src/appctld/keeper.h \
	src/appctld/last_stand.c \
	src/appctld/main.c \
	src/appctld/notify_up.c \
	src/appctld/orders.c \
	src/appctld/rebuild.c \
	src/appctld/reexec.c \
	src/appctld/runtime.c \
	src/appctld/signals.c \
	src/appctld/table.c src/appctld/table.h \
	src/appctld/take_over.c \
	src/appctld/tell.c
appctld_LDADD = libsys.la libwire.la libbase.la
