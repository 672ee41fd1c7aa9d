# SPDX-License-Identifier: MIT
noinst_LTLIBRARIES += libcore.la
libcore_la_SOURCES = \
	src/core/app.h \
	src/core/engine.h \
	src/core/event.h \
	src/core/graph.h \
	src/core/item.h \
	src/core/mode.h \
	src/core/model.h \
	src/core/problem.h \
	src/core/restart.h
