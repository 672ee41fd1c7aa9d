# SPDX-License-Identifier: MIT
pkglibexec_PROGRAMS += appctl-lookup
appctl_lookup_SOURCES = src/lookup/main.c
appctl_lookup_LDADD = libbase.la
