# SPDX-License-Identifier: MIT
noinst_LTLIBRARIES += libcore.la
libcore_la_SOURCES = \
	src/core/app.c src/core/app.h \
	src/core/deadlines.c src/core/deadlines.h \
	src/core/engine.c src/core/engine.h src/core/engine_internal.h \
	src/core/engine_facts.c \
	src/core/engine_recover.c \
	src/core/engine_reload.c \
	src/core/engine_request.c \
	src/core/engine_stop.c \
	src/core/engine_wait.c \
	src/core/event.c src/core/event.h \
	src/core/explain.c src/core/explain.h \
	src/core/graph.h \
	src/core/item.h \
	src/core/mode.h \
	src/core/model.h \
	src/core/plan.c src/core/plan.h src/core/plan_reload.c \
	src/core/problem.h \
	src/core/restart.c src/core/restart.h
