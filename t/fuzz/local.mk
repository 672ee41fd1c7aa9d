# SPDX-License-Identifier: MIT
# Each target is LLVMFuzzerTestOneInput() in a file of its own; here replay.c runs its corpus as a test.
# To fuzz them: t/fuzz/run.
fuzz_replay = t/fuzz/replay.c

UNIT_TESTS += t/fuzz/batch t/fuzz/config t/fuzz/control t/fuzz/envfile t/fuzz/handover t/fuzz/link t/fuzz/notify t/fuzz/proctext t/fuzz/setup t/fuzz/state t/fuzz/subscription
t_fuzz_batch_SOURCES = t/fuzz/batch.c t/unit/batch_oracle.c $(fuzz_replay)
t_fuzz_batch_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir) $(JANSSON_CFLAGS) -DCORPUS='"batch"'
t_fuzz_batch_LDADD = libmonitor.la libcore.la libbase.la $(JANSSON_LIBS) -lm
t_fuzz_config_SOURCES = t/fuzz/config.c $(fuzz_replay)
t_fuzz_config_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"config"'
t_fuzz_config_LDADD = libconf.la libcore.la libbase.la -lm
t_fuzz_control_SOURCES = t/fuzz/control.c $(fuzz_replay)
t_fuzz_control_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) -DCORPUS='"control"'
t_fuzz_control_LDADD = libengine.la libconf.la libwire.la libcore.la libbase.la $(JANSSON_LIBS) -lm
t_fuzz_envfile_SOURCES = t/fuzz/envfile.c $(fuzz_replay)
t_fuzz_envfile_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"envfile"'
t_fuzz_envfile_LDADD = libwire.la libbase.la
t_fuzz_handover_SOURCES = t/fuzz/handover.c $(fuzz_replay)
t_fuzz_handover_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"handover"'
t_fuzz_handover_LDADD = libwire.la libbase.la
t_fuzz_link_SOURCES = t/fuzz/link.c $(fuzz_replay)
t_fuzz_link_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"link"'
t_fuzz_link_LDADD = libwire.la libbase.la
t_fuzz_notify_SOURCES = t/fuzz/notify.c $(fuzz_replay)
t_fuzz_notify_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"notify"'
t_fuzz_notify_LDADD = libwire.la libbase.la
t_fuzz_proctext_SOURCES = t/fuzz/proctext.c $(fuzz_replay)
t_fuzz_proctext_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"proctext"'
t_fuzz_proctext_LDADD = libmonitor.la libbase.la
t_fuzz_setup_SOURCES = t/fuzz/setup.c src/setup/apply.c src/setup/edit.c $(fuzz_replay)
t_fuzz_setup_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"setup"'
t_fuzz_setup_LDADD = libconf.la libcore.la libbase.la -lm
t_fuzz_state_SOURCES = t/fuzz/state.c $(fuzz_replay)
t_fuzz_state_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"state"'
t_fuzz_state_LDADD = libengine.la libconf.la libsys.la libwire.la libcore.la libbase.la $(JANSSON_LIBS) -lm
t_fuzz_subscription_SOURCES = t/fuzz/subscription.c src/engine/subscription.c $(fuzz_replay)
t_fuzz_subscription_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) -DCORPUS='"subscription"'
t_fuzz_subscription_LDADD = libconf.la libcore.la libbase.la $(JANSSON_LIBS) -lm

UNIT_TESTS += t/fuzz/envelope t/fuzz/mail_file t/fuzz/mail_line
t_fuzz_envelope_SOURCES = t/fuzz/envelope.c $(fuzz_replay)
t_fuzz_envelope_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"envelope"'
t_fuzz_envelope_LDADD = libwire.la libbase.la
t_fuzz_mail_file_SOURCES = t/fuzz/mail_file.c $(fuzz_replay)
t_fuzz_mail_file_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"mail_file"'
t_fuzz_mail_file_LDADD = libwire.la libbase.la
t_fuzz_mail_line_SOURCES = t/fuzz/mail_line.c t/unit/mail_oracle.c $(fuzz_replay)
t_fuzz_mail_line_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir) $(JANSSON_CFLAGS) -DCORPUS='"mail_line"'
t_fuzz_mail_line_LDADD = libwire.la libbase.la $(JANSSON_LIBS)

UNIT_TESTS += t/fuzz/channel t/fuzz/record
t_fuzz_channel_SOURCES = t/fuzz/channel.c $(fuzz_replay)
t_fuzz_channel_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) -DCORPUS='"channel"'
t_fuzz_channel_LDADD = $(node_libs)
t_fuzz_record_SOURCES = t/fuzz/record.c $(fuzz_replay)
t_fuzz_record_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"record"'
t_fuzz_record_LDADD = libwire.la libbase.la

UNIT_TESTS += t/fuzz/challenge t/fuzz/frames t/fuzz/http
t_fuzz_challenge_SOURCES = t/fuzz/challenge.c $(fuzz_replay)
t_fuzz_challenge_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"challenge"'
t_fuzz_challenge_LDADD = libwire.la libbase.la $(NETTLE_LIBS)
t_fuzz_frames_SOURCES = t/fuzz/frames.c $(fuzz_replay)
t_fuzz_frames_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"frames"'
t_fuzz_frames_LDADD = $(net_libs)
t_fuzz_http_SOURCES = t/fuzz/http.c $(fuzz_replay)
t_fuzz_http_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"http"'
t_fuzz_http_LDADD = libwire.la libbase.la $(NETTLE_LIBS)

# Who misbehaves on the sockets of a live daemon.
check_PROGRAMS += t/fuzz/sessions
t_fuzz_sessions_SOURCES = t/fuzz/sessions.c

# The whole folder: a list of its samples would be one sample short sooner or later.
EXTRA_DIST += t/fuzz/run t/fuzz/corpus
