# SPDX-License-Identifier: MIT
# Add a line per module: UNIT_TESTS, _SOURCES and, where it needs more than core and wire, _LDADD.
UNIT_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
UNIT_LDADD = libwire.la libcore.la libbase.la $(CMOCKA_LIBS)
