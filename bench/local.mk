# SPDX-License-Identifier: MIT
# Only ./bootstrap bench builds these.
bench_binaries = bench/minsup bench/procsample bench/pubsub bench/svc
EXTRA_DIST += \
	$(bench_binaries:=.c) \
	bench/README.md \
	bench/events.sh \
	bench/mail.py \
	bench/mailbench.erl \
	bench/procs.py \
	bench/run \
	bench/spawn.py \
	bench/store.sh \
	bench/supbench.py \
	bench/ws.sh
CLEANFILES += $(bench_binaries)

.PHONY: bench-programs
bench-programs: all $(bench_binaries) bench/linkbench bench/mailbench bench/store bench/wsbench t/monitor/producers t/monitor/sample

bench/svc: $(srcdir)/bench/svc.c
	$(AM_V_CC)$(MKDIR_P) bench && $(CC) -O2 -static -nostdlib -ffreestanding -fno-stack-protector -no-pie -o $@ $(srcdir)/bench/svc.c
bench/minsup bench/procsample bench/pubsub: %: $(srcdir)/%.c
	$(AM_V_CC)$(MKDIR_P) bench && $(CC) -O2 -static -pthread -Wall -o $@ $(srcdir)/$@.c

EXTRA_PROGRAMS += bench/wsbench
bench_wsbench_SOURCES = bench/prc.c bench/prc.h bench/wsbench.c
bench_wsbench_LDADD = libmonitor.la libcore.la $(net_libs)

EXTRA_PROGRAMS += bench/store
bench_store_SOURCES = bench/prc.c bench/prc.h bench/store.c
bench_store_CPPFLAGS = $(AM_CPPFLAGS) $(LIBPQ_CFLAGS) $(SQLITE_CFLAGS) $(JANSSON_CFLAGS)
bench_store_LDADD = $(store_libs) $(JANSSON_LIBS) -lm

EXTRA_PROGRAMS += bench/linkbench
bench_linkbench_SOURCES = bench/linkbench.c
bench_linkbench_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(GNUTLS_CFLAGS)
bench_linkbench_LDADD = $(node_libs) $(GNUTLS_LIBS)

EXTRA_PROGRAMS += bench/mailbench
bench_mailbench_SOURCES = bench/mailbench.c
bench_mailbench_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(GNUTLS_CFLAGS)
bench_mailbench_LDADD = libclient.la libcore.la libbase.la $(JANSSON_LIBS) $(GNUTLS_LIBS)
