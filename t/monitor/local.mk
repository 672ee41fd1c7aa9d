# SPDX-License-Identifier: MIT
# A store without a network before it.
check_PROGRAMS += t/monitor/feed
t_monitor_feed_SOURCES = t/monitor/feed.c
t_monitor_feed_LDADD = $(store_libs)

# Many producers in one process.
check_PROGRAMS += t/monitor/producers
t_monitor_producers_SOURCES = bench/prc.c bench/prc.h t/monitor/producers.c
t_monitor_producers_LDADD = libmonitor.la libcore.la $(net_libs)

# Run by t/monitor/backend.t.
EXTRA_DIST += t/monitor/backend.js
