# SPDX-License-Identifier: MIT
# What the monitor collects, as values: tables, batches, what is worth sending.  Pure.
noinst_LTLIBRARIES += libmonitor.la
libmonitor_la_SOURCES = \
	src/monitor/batch.h src/monitor/batch_read.c \
	src/monitor/batch_write.c \
	src/monitor/node.c src/monitor/node.h \
	src/monitor/process.c src/monitor/process.h \
	src/monitor/proctext.c src/monitor/proctext.h \
	src/monitor/rate.c src/monitor/rate.h \
	src/monitor/settings.c src/monitor/settings.h \
	src/monitor/tables.c src/monitor/tables.h
