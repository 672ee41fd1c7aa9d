# SPDX-License-Identifier: MIT
# Sets up the monitor in a configuration: what contrib/monitor/script/setup_consumer_producer runs.
pkglibexec_PROGRAMS += appctl-setup
appctl_setup_SOURCES = \
	src/setup/apply.c src/setup/apply.h \
	src/setup/check.c src/setup/check.h \
	src/setup/edit.c src/setup/edit.h \
	src/setup/files.c src/setup/files.h \
	src/setup/main.c \
	src/consumer/settings.c src/producer/settings.c
appctl_setup_LDADD = libconf.la libmonitor.la libcore.la libbase.la -lm
