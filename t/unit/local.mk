# SPDX-License-Identifier: MIT
# Add a line per module: UNIT_TESTS, _SOURCES and, where it needs more than core and wire, _LDADD.
unit_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
unit_libs = libwire.la libcore.la libbase.la $(CMOCKA_LIBS)

if HAVE_CMOCKA
UNIT_TESTS += t/unit/link
t_unit_link_SOURCES = t/unit/link.c
t_unit_link_CPPFLAGS = $(unit_cppflags)
t_unit_link_LDADD = $(unit_libs)

UNIT_TESTS += t/unit/batch_read
t_unit_batch_read_SOURCES = t/unit/batch_read.c t/unit/batch_oracle.c t/unit/batch_oracle.h
t_unit_batch_read_CPPFLAGS = $(unit_cppflags) $(JANSSON_CFLAGS)
t_unit_batch_read_LDADD = libmonitor.la $(unit_libs) $(JANSSON_LIBS)

UNIT_TESTS += t/unit/link_io
t_unit_link_io_SOURCES = t/unit/link_io.c
t_unit_link_io_CPPFLAGS = $(unit_cppflags)
t_unit_link_io_LDADD = libsys.la $(unit_libs)

UNIT_TESTS += t/unit/frames
t_unit_frames_SOURCES = t/unit/frames.c
t_unit_frames_CPPFLAGS = $(unit_cppflags)
t_unit_frames_LDADD = $(net_libs) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/allow
t_unit_allow_SOURCES = t/unit/allow.c
t_unit_allow_CPPFLAGS = $(unit_cppflags)
t_unit_allow_LDADD = $(node_libs) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/guard
t_unit_guard_SOURCES = t/unit/guard.c
t_unit_guard_CPPFLAGS = $(unit_cppflags)
t_unit_guard_LDADD = $(net_libs) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/base64
t_unit_base64_SOURCES = t/unit/base64.c
t_unit_base64_CPPFLAGS = $(unit_cppflags)
t_unit_base64_LDADD = $(unit_libs)

UNIT_TESTS += t/unit/crc32
t_unit_crc32_SOURCES = t/unit/crc32.c
t_unit_crc32_CPPFLAGS = $(unit_cppflags)
t_unit_crc32_LDADD = $(unit_libs)

UNIT_TESTS += t/unit/handover
t_unit_handover_SOURCES = t/unit/handover.c
t_unit_handover_CPPFLAGS = $(unit_cppflags)
t_unit_handover_LDADD = $(unit_libs)

UNIT_TESTS += t/unit/metric
t_unit_metric_SOURCES = t/unit/metric.c
t_unit_metric_CPPFLAGS = $(unit_cppflags)
t_unit_metric_LDADD = libcollect.la libmonitor.la libloop.la libsys.la $(unit_libs) $(JANSSON_LIBS) -lm

UNIT_TESTS += t/unit/node t/unit/process t/unit/proctext
t_unit_node_SOURCES = t/unit/node.c
t_unit_node_CPPFLAGS = $(unit_cppflags)
t_unit_node_LDADD = libmonitor.la $(unit_libs) -lm
t_unit_process_SOURCES = t/unit/process.c
t_unit_process_CPPFLAGS = $(unit_cppflags)
t_unit_process_LDADD = libmonitor.la $(unit_libs) -lm
t_unit_proctext_SOURCES = t/unit/proctext.c
t_unit_proctext_CPPFLAGS = $(unit_cppflags)
t_unit_proctext_LDADD = libmonitor.la $(unit_libs)

UNIT_TESTS += t/unit/outbox
t_unit_outbox_SOURCES = t/unit/outbox.c
t_unit_outbox_CPPFLAGS = $(unit_cppflags)
t_unit_outbox_LDADD = libcollect.la libmonitor.la $(unit_libs)

UNIT_TESTS += t/unit/envelope t/unit/mail_line t/unit/mailbox
t_unit_envelope_SOURCES = t/unit/envelope.c
t_unit_envelope_CPPFLAGS = $(unit_cppflags)
t_unit_envelope_LDADD = $(unit_libs)
t_unit_mail_line_SOURCES = t/unit/mail_line.c t/unit/mail_oracle.c t/unit/mail_oracle.h
t_unit_mail_line_CPPFLAGS = $(unit_cppflags) $(JANSSON_CFLAGS)
t_unit_mail_line_LDADD = $(unit_libs) $(JANSSON_LIBS)
t_unit_mailbox_SOURCES = t/unit/mailbox.c
t_unit_mailbox_CPPFLAGS = $(unit_cppflags) -D_GNU_SOURCE
t_unit_mailbox_LDADD = libmail.la $(unit_libs)

UNIT_TESTS += t/unit/table
t_unit_table_SOURCES = t/unit/table.c src/appctld/table.c
t_unit_table_CPPFLAGS = $(unit_cppflags)
t_unit_table_LDADD = $(unit_libs)

UNIT_TESTS += t/unit/varlink
t_unit_varlink_SOURCES = t/unit/varlink.c
t_unit_varlink_CPPFLAGS = $(unit_cppflags)
t_unit_varlink_LDADD = $(unit_libs)

UNIT_TESTS += t/unit/envfile
t_unit_envfile_SOURCES = t/unit/envfile.c
t_unit_envfile_CPPFLAGS = $(unit_cppflags)
t_unit_envfile_LDADD = $(unit_libs)

UNIT_TESTS += t/unit/notify
t_unit_notify_SOURCES = t/unit/notify.c
t_unit_notify_CPPFLAGS = $(unit_cppflags)
t_unit_notify_LDADD = $(unit_libs)

UNIT_TESTS += t/unit/ring
t_unit_ring_SOURCES = t/unit/ring.c
t_unit_ring_CPPFLAGS = $(unit_cppflags)
t_unit_ring_LDADD = $(unit_libs)

UNIT_TESTS += t/unit/state
t_unit_state_SOURCES = t/unit/state.c
t_unit_state_CPPFLAGS = $(unit_cppflags)
t_unit_state_LDADD = $(unit_libs)

UNIT_TESTS += t/unit/app
t_unit_app_SOURCES = t/unit/app.c
t_unit_app_CPPFLAGS = $(unit_cppflags)
t_unit_app_LDADD = $(unit_libs)

UNIT_TESTS += t/unit/event
t_unit_event_SOURCES = t/unit/event.c
t_unit_event_CPPFLAGS = $(unit_cppflags)
t_unit_event_LDADD = $(unit_libs)

UNIT_TESTS += t/unit/restart
t_unit_restart_SOURCES = t/unit/restart.c
t_unit_restart_CPPFLAGS = $(unit_cppflags)
t_unit_restart_LDADD = $(unit_libs)

# Tests of what reads an engine write its configuration as text.
configured = t/unit/configured.c t/unit/configured.h
configured_libs = libconf.la $(unit_libs) -lm

UNIT_TESTS += t/unit/explain t/unit/plan
t_unit_explain_SOURCES = t/unit/explain.c $(configured)
t_unit_explain_CPPFLAGS = $(unit_cppflags)
t_unit_explain_LDADD = $(configured_libs)
t_unit_plan_SOURCES = t/unit/plan.c $(configured)
t_unit_plan_CPPFLAGS = $(unit_cppflags)
t_unit_plan_LDADD = $(configured_libs)

UNIT_TESTS += t/unit/mode_failed
t_unit_mode_failed_SOURCES = t/unit/mode_failed.c $(configured)
t_unit_mode_failed_CPPFLAGS = $(unit_cppflags)
t_unit_mode_failed_LDADD = $(configured_libs)
UNIT_TESTS += t/unit/recover
t_unit_recover_SOURCES = t/unit/recover.c $(configured)
t_unit_recover_CPPFLAGS = $(unit_cppflags)
t_unit_recover_LDADD = $(configured_libs)

UNIT_TESTS += t/unit/buf
t_unit_buf_SOURCES = t/unit/buf.c
t_unit_buf_CPPFLAGS = $(unit_cppflags)
t_unit_buf_LDADD = $(unit_libs)

UNIT_TESTS += t/unit/check
t_unit_check_SOURCES = t/unit/check.c t/unit/texts.h
t_unit_check_CPPFLAGS = $(unit_cppflags)
t_unit_check_LDADD = libconf.la $(unit_libs) -lm

UNIT_TESTS += t/unit/graph
t_unit_graph_SOURCES = t/unit/graph.c
t_unit_graph_CPPFLAGS = $(unit_cppflags)
t_unit_graph_LDADD = $(unit_libs)

UNIT_TESTS += t/unit/memory
t_unit_memory_SOURCES = t/unit/memory.c t/unit/texts.h
t_unit_memory_CPPFLAGS = $(unit_cppflags)
t_unit_memory_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup \
	-Wl,--wrap=arena_alloc,--wrap=arena_strndup,--wrap=arena_strdup
t_unit_memory_LDADD = libconf.la $(unit_libs) -lm

UNIT_TESTS += t/unit/merge
t_unit_merge_SOURCES = t/unit/merge.c t/unit/texts.h
t_unit_merge_CPPFLAGS = $(unit_cppflags)
t_unit_merge_LDADD = libconf.la $(unit_libs) -lm

UNIT_TESTS += t/unit/mode
t_unit_mode_SOURCES = t/unit/mode.c t/unit/texts.h
t_unit_mode_CPPFLAGS = $(unit_cppflags)
t_unit_mode_LDADD = libconf.la $(unit_libs) -lm

UNIT_TESTS += t/unit/reader
t_unit_reader_SOURCES = t/unit/reader.c src/appctl/reader.c
t_unit_reader_CPPFLAGS = $(unit_cppflags)
t_unit_reader_LDADD = $(unit_libs)

UNIT_TESTS += t/unit/scan
t_unit_scan_SOURCES = t/unit/scan.c t/unit/texts.h
t_unit_scan_CPPFLAGS = $(unit_cppflags)
t_unit_scan_LDADD = libconf.la $(unit_libs) -lm

UNIT_TESTS += t/unit/schema
t_unit_schema_SOURCES = t/unit/schema.c t/unit/texts.h
t_unit_schema_CPPFLAGS = $(unit_cppflags)
t_unit_schema_LDADD = libconf.la $(unit_libs) -lm

UNIT_TESTS += t/unit/strmap
t_unit_strmap_SOURCES = t/unit/strmap.c
t_unit_strmap_CPPFLAGS = $(unit_cppflags)
t_unit_strmap_LDADD = $(unit_libs)

UNIT_TESTS += t/unit/suggest
t_unit_suggest_SOURCES = t/unit/suggest.c
t_unit_suggest_CPPFLAGS = $(unit_cppflags)
t_unit_suggest_LDADD = $(unit_libs)

UNIT_TESTS += t/unit/spool
t_unit_spool_SOURCES = t/unit/spool.c
t_unit_spool_CPPFLAGS = $(unit_cppflags)
t_unit_spool_LDADD = libspool.la $(unit_libs)

UNIT_TESTS += t/unit/settings
t_unit_settings_SOURCES = t/unit/settings.c
t_unit_settings_CPPFLAGS = $(unit_cppflags)
t_unit_settings_LDADD = libmonitor.la $(unit_libs) -lm

UNIT_TESTS += t/unit/challenge
t_unit_challenge_SOURCES = t/unit/challenge.c
t_unit_challenge_CPPFLAGS = $(unit_cppflags)
t_unit_challenge_LDADD = $(unit_libs) $(NETTLE_LIBS)

UNIT_TESTS += t/unit/log
t_unit_log_SOURCES = t/unit/log.c
t_unit_log_CPPFLAGS = $(unit_cppflags)
t_unit_log_LDADD = $(unit_libs)

UNIT_TESTS += t/unit/seen
t_unit_seen_SOURCES = t/unit/seen.c src/consumer/seen.c
t_unit_seen_CPPFLAGS = $(unit_cppflags)
t_unit_seen_LDADD = libmonitor.la $(unit_libs) -lm

UNIT_TESTS += t/unit/http
t_unit_http_SOURCES = t/unit/http.c
t_unit_http_CPPFLAGS = $(unit_cppflags)
t_unit_http_LDADD = $(unit_libs) $(NETTLE_LIBS)

UNIT_TESTS += t/unit/sandbox
t_unit_sandbox_SOURCES = t/unit/sandbox.c
t_unit_sandbox_CPPFLAGS = $(unit_cppflags)
t_unit_sandbox_LDADD = libsandbox.la $(unit_libs)
endif

# Every method, over the same world as the fuzz target, while one allocation after another fails.
UNIT_TESTS += t/unit/no_memory
t_unit_no_memory_SOURCES = t/unit/no_memory.c t/fuzz/control.c
t_unit_no_memory_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
t_unit_no_memory_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup
t_unit_no_memory_LDADD = libengine.la libconf.la libwire.la libcore.la libbase.la $(JANSSON_LIBS) -lm
