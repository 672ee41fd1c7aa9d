# SPDX-License-Identifier: MIT
# A node with services for tests.
check_PROGRAMS += t/node/appctl-node
t_node_appctl_node_SOURCES = t/node/services.c
t_node_appctl_node_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
t_node_appctl_node_LDADD = $(node_libs)

# A network for tests: it loses frames and cuts ways where the kernel has nothing for that.
check_PROGRAMS += t/node/switch
t_node_switch_SOURCES = t/node/switch.c
