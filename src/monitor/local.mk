# SPDX-License-Identifier: MIT
# What the monitor collects, as values: tables, batches, what is worth sending.  Pure.
noinst_LTLIBRARIES += libmonitor.la
libmonitor_la_SOURCES = \
	src/monitor/batch.h src/monitor/batch_read.c \
	src/monitor/settings.c src/monitor/settings.h \
	src/monitor/batch.h src/monitor/batch_write.c \
	src/monitor/tables.c src/monitor/tables.h
