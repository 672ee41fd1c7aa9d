# SPDX-License-Identifier: MIT
# What the producer collects; a library so that tests and measurements use it without the rest.
noinst_LTLIBRARIES += libcollect.la
libcollect_la_SOURCES = \
	src/producer/outbox.c src/producer/outbox.h
