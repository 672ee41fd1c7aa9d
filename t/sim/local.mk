# SPDX-License-Identifier: MIT
# The engine in a simulated world: 1,000 seeds in make check, 100,000 in make nightly.
UNIT_TESTS += t/sim/sim
t_sim_sim_SOURCES = t/sim/sim.c t/sim/dice.c t/sim/keeper.c t/sim/promises.c t/sim/requests.c t/sim/shrink.c t/sim/world.c t/sim/world.h
t_sim_sim_LDADD = libcore.la libbase.la

# Every state that small systems can reach.
UNIT_TESTS += t/sim/explore
t_sim_explore_SOURCES = t/sim/explore.c t/sim/stage.c t/sim/stage.h t/sim/dice.c t/sim/keeper.c t/sim/promises.c t/sim/requests.c t/sim/world.c t/sim/world.h
t_sim_explore_LDADD = libcore.la libbase.la
t_sim_explore_CPPFLAGS = $(AM_CPPFLAGS)
if !SANITIZERS
t_sim_explore_CPPFLAGS += -DSTAGE
t_sim_explore_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free
endif

# Start and stop order against a second implementation.
UNIT_TESTS += t/sim/order
t_sim_order_SOURCES = t/sim/order.c t/sim/dice.c t/sim/world.h
t_sim_order_LDADD = libcore.la libbase.la
