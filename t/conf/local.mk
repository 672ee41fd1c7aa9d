# SPDX-License-Identifier: MIT
check_PROGRAMS += t/conf/check
t_conf_check_SOURCES = t/conf/check.c src/engine/check.c src/engine/check.h
t_conf_check_LDADD = libconf.la libcore.la libbase.la -lm
