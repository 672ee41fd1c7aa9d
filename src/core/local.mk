# SPDX-License-Identifier: MIT
noinst_LTLIBRARIES += libcore.la
libcore_la_SOURCES = \
	src/core/app.c src/core/app.h \
	src/core/build.c src/core/build.h \
	src/core/check.c src/core/check.h \
	src/core/control.c src/core/control.h \
	src/core/date.c src/core/date.h \
	src/core/deadlines.c src/core/deadlines.h \
	src/core/engine.c src/core/engine.h src/core/engine_internal.h \
	src/core/engine_facts.c \
	src/core/engine_queue.c \
	src/core/engine_recover.c \
	src/core/engine_reload.c \
	src/core/engine_request.c \
	src/core/engine_step.c \
	src/core/engine_stop.c \
	src/core/engine_wait.c \
	src/core/event.c src/core/event.h \
	src/core/explain.c src/core/explain.h \
	src/core/graph.c src/core/graph.h \
	src/core/guest.c src/core/guest.h \
	src/core/intern.c src/core/intern.h \
	src/core/item.c src/core/item.h \
	src/core/merge.c src/core/merge.h src/core/merge_internal.h \
	src/core/merge_app.c src/core/merge_modify.c \
	src/core/mode.c src/core/mode.h \
	src/core/model.c src/core/model.h \
	src/core/names.c src/core/names.h \
	src/core/plan.c src/core/plan.h src/core/plan_reload.c \
	src/core/problem.c src/core/problem.h \
	src/core/quantity.c src/core/quantity.h \
	src/core/restart.c src/core/restart.h \
	src/core/schema.c src/core/schema.h \
	src/core/settings.c \
	src/core/signals.c \
	src/core/value.c src/core/value.h src/core/value_as.c src/core/value_ref.c
libcore_la_LIBADD = -lm
