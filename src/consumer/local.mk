# SPDX-License-Identifier: MIT
pkglibexec_PROGRAMS += appctl-consumer
appctl_consumer_SOURCES = src/consumer/main.c
appctl_consumer_LDADD = $(store_libs)
