# SPDX-License-Identifier: MIT
# A store without a network before it.
check_PROGRAMS += t/monitor/feed
t_monitor_feed_SOURCES = t/monitor/feed.c
t_monitor_feed_LDADD = $(store_libs)
