# SPDX-License-Identifier: MIT
# Samples, for people to copy; t/conf/samples.t keeps them valid.
examplesdir = $(docdir)/examples
app_ctrldir = $(examplesdir)/app_ctrl
app_ctrl_dropinsdir = $(app_ctrldir)/conf.d
dist_examples_DATA = conf.d/appctld.conf
dist_app_ctrl_DATA = conf.d/app_ctrl/appctld.conf
dist_app_ctrl_dropins_DATA = \
	conf.d/app_ctrl/conf.d/10-setup.conf \
	conf.d/app_ctrl/conf.d/50-mining.conf
