# SPDX-License-Identifier: MIT
# Add a line per module: UNIT_TESTS, _SOURCES and, where it needs more than core and wire, _LDADD.
unit_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
unit_libs = libwire.la libcore.la libbase.la $(CMOCKA_LIBS)

if HAVE_CMOCKA
UNIT_TESTS += t/unit/link
t_unit_link_SOURCES = t/unit/link.c
t_unit_link_CPPFLAGS = $(unit_cppflags)
t_unit_link_LDADD = $(unit_libs)

UNIT_TESTS += t/unit/varlink
t_unit_varlink_SOURCES = t/unit/varlink.c
t_unit_varlink_CPPFLAGS = $(unit_cppflags)
t_unit_varlink_LDADD = $(unit_libs)
endif
