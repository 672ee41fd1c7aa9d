# SPDX-License-Identifier: MIT
# One end of src/net, for the tests that play the other or stand between.
check_PROGRAMS += t/net/peer
t_net_peer_SOURCES = t/net/peer.c
t_net_peer_LDADD = $(net_libs)
