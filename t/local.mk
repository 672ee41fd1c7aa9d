# SPDX-License-Identifier: MIT
# C units are cmocka programs with TAP output, whole-system tests are Perl; prove runs both.
include $(srcdir)/t/unit/local.mk
include $(srcdir)/t/sim/local.mk
include $(srcdir)/t/fuzz/local.mk

TEST_JOBS = 2
check_PROGRAMS += $(UNIT_TESTS)
EXTRA_DIST += $(PERL_TESTS)

# A test finds what was built through these two; VPATH builds and distcheck need them.
check-local: all $(check_PROGRAMS)
	CMOCKA_MESSAGE_OUTPUT=TAP top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' \
		$(PROVE) -j$(TEST_JOBS) -I$(srcdir)/t/lib $(PROVE_FLAGS) \
		$(UNIT_TESTS) $(addprefix $(srcdir)/,$(PERL_TESTS))
