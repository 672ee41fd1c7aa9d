# SPDX-License-Identifier: MIT
# C units are cmocka programs with TAP output, whole-system tests are Perl; prove runs both.
include $(srcdir)/t/unit/local.mk
include $(srcdir)/t/sim/local.mk
include $(srcdir)/t/fuzz/local.mk
include $(srcdir)/t/net/local.mk
include $(srcdir)/t/otp/local.mk
include $(srcdir)/t/monitor/local.mk
include $(srcdir)/t/node/local.mk

# Every t/AREA/NAME.t is a test; nothing to list.
PERL_TESTS += $(patsubst $(srcdir)/%,%,$(wildcard $(srcdir)/t/*/*.t))

TEST_JOBS = 2
check_PROGRAMS += $(UNIT_TESTS)
EXTRA_DIST += $(PERL_TESTS) $(patsubst $(srcdir)/%,%,$(wildcard $(srcdir)/t/lib/Appctl/*.pm))

# What runs under sanitizers gets more time.
if SANITIZERS
test_slow = 4
else
test_slow = 1
endif

# A test finds what was built through these; VPATH builds and distcheck need them.
test_environment = CMOCKA_MESSAGE_OUTPUT=TAP APPCTL_TEST_SLOW=$(test_slow) CC='$(CC)' \
	top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)'

.PHONY: build-tests
build-tests: $(check_PROGRAMS)

check-local: all-am $(check_PROGRAMS)
	@test -n '$(PROVE)' || { echo 'prove is missing: install perl' >&2; exit 1; }
	$(test_environment) $(PROVE) -j$(TEST_JOBS) -I$(srcdir)/t/lib $(PROVE_FLAGS) \
		$(UNIT_TESTS) $(addprefix $(srcdir)/,$(PERL_TESTS))

# Built by the test that loads it.
EXTRA_DIST += t/crash/no-memory.c

# The long forms of the proofs; t/nightly.list says which.  APPCTL_SANITIZED: a build with sanitizers for those that need it.
EXTRA_DIST += t/nightly t/nightly.list
.PHONY: nightly
nightly: all-am $(check_PROGRAMS)
	@$(test_environment) $(srcdir)/t/nightly $(NIGHTLY)

# An engine that does what a test tells it: the keeper starts it by this name.
check_PROGRAMS += t/sys/appctl-engine
t_sys_appctl_engine_SOURCES = t/sys/fake-engine.c
t_sys_appctl_engine_LDADD = libsys.la libwire.la libbase.la

# Runs, signals and stops what a test tells it, by src/job.
check_PROGRAMS += t/sys/jobs
t_sys_jobs_SOURCES = t/sys/jobs.c
t_sys_jobs_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
t_sys_jobs_LDADD = libjob.la -lm

# Makes orphans and measures how long they stay zombies.
check_PROGRAMS += t/cases/orphans
t_cases_orphans_SOURCES = t/cases/orphans.c

# Many subscribers in one process, some of which stall.
check_PROGRAMS += t/cases/subscribers
t_cases_subscribers_SOURCES = t/cases/subscribers.c

# A program that speaks sd_notify(3) as the real library does.
if HAVE_LIBSYSTEMD
check_PROGRAMS += t/sys/sd-notify
t_sys_sd_notify_SOURCES = t/sys/sd-notify.c
t_sys_sd_notify_CPPFLAGS = $(AM_CPPFLAGS) $(LIBSYSTEMD_CFLAGS)
t_sys_sd_notify_LDADD = $(LIBSYSTEMD_LIBS)
endif

# A sampler that does what a test tells it, and says what a sample costs.
check_PROGRAMS += t/cases/powercut
t_cases_powercut_SOURCES = t/cases/powercut.c
t_cases_powercut_LDADD = libspool.la libbase.la

check_PROGRAMS += t/monitor/sample
t_monitor_sample_SOURCES = t/monitor/sample.c
t_monitor_sample_LDADD = libcollect.la libmonitor.la libcore.la libbase.la -lm

# Makes a database such as a consumer's.
check_PROGRAMS += t/monitor/database
t_monitor_database_SOURCES = t/monitor/database.c
t_monitor_database_CPPFLAGS = $(AM_CPPFLAGS) $(SQLITE_CFLAGS)
t_monitor_database_LDADD = $(store_libs)
