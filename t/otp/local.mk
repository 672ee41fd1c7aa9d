# SPDX-License-Identifier: MIT
# OTP's own supervisor as the judge of restart intensity.
check_PROGRAMS += t/otp/histories
t_otp_histories_SOURCES = t/otp/histories.c t/sim/dice.c t/sim/world.h
t_otp_histories_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/t/sim
t_otp_histories_LDADD = libcore.la libbase.la
EXTRA_DIST += t/otp/oracle.erl
