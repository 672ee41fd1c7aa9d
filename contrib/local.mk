# SPDX-License-Identifier: MIT
include $(srcdir)/contrib/completion/local.mk
EXTRA_DIST += \
	contrib/container/Containerfile \
	contrib/container/appctld.conf \
	contrib/demo/appctld.conf \
	contrib/demo/conf.d/50-visitor.conf \
	contrib/demo/page \
	contrib/demo/run \
	contrib/demo/sample \
	contrib/demo/visit \
	contrib/examples/web-stack/appctld.conf \
	contrib/examples/web-stack/nginx.conf

# Made by make and not by configure, for the directories are known in full only here.
EXTRA_DIST += contrib/systemd/appctld.service.in
CLEANFILES += contrib/systemd/appctld.service
contrib/systemd/appctld.service: $(srcdir)/contrib/systemd/appctld.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
		sed -e 's|@sbindir[@]|$(sbindir)|' -e 's|@bindir[@]|$(bindir)|' $(srcdir)/contrib/systemd/appctld.service.in >$@.new && mv $@.new $@
if INSTALL_UNIT
unitdir = $(systemdsystemunitdir)
unit_DATA = contrib/systemd/appctld.service
endif

# The monitor: a drop-in, and what sets it up from the environment.
monitordir = $(docdir)/examples/monitor
monitor_configdir = $(monitordir)/config
monitor_scriptdir = $(monitordir)/script
dist_monitor_DATA = contrib/monitor/monitor.conf
dist_monitor_config_DATA = contrib/monitor/config/consumer.env contrib/monitor/config/producer.env
dist_monitor_script_SCRIPTS = contrib/monitor/script/setup_consumer_producer

# Nodes: a drop-in and what appctl-node reads.
node_exampledir = $(docdir)/examples/node
node_example_confdir = $(node_exampledir)/conf.d
dist_node_example_DATA = contrib/node/node.conf
dist_node_example_conf_DATA = contrib/node/conf.d/node.conf

# A chat of three nodes.
chatdir = $(docdir)/examples/chat
chat_configdir = $(chatdir)/config
dist_chat_DATA = contrib/chat/appctld.conf contrib/chat/node.conf
dist_chat_config_DATA = contrib/chat/config/dev.env contrib/chat/config/test.env
dist_chat_SCRIPTS = contrib/chat/alice contrib/chat/bob contrib/chat/chat.t contrib/chat/eve contrib/chat/receive_message \
	contrib/chat/run contrib/chat/send_message

install-data-hook:
	sed 's|/var/lib/appctl-monitor|$(localstatedir)/lib/appctl-monitor|' $(srcdir)/contrib/monitor/monitor.conf \
		>'$(DESTDIR)$(monitordir)/monitor.conf'
	sed 's|^installed=.*|installed=$(pkglibexecdir)|' $(srcdir)/contrib/monitor/script/setup_consumer_producer \
		>'$(DESTDIR)$(monitor_scriptdir)/setup_consumer_producer'
	sed 's|/var/lib/grafana/dashboards/appctl|$(grafana_dashboardsdir)|' $(srcdir)/contrib/grafana/provisioning/dashboards/appctl.yaml \
		>'$(DESTDIR)$(grafanadir)/provisioning/dashboards/appctl.yaml'

# Dashboards over a consumer's PostgreSQL.
grafanadir = $(pkgdatadir)/grafana
grafana_dashboardsdir = $(grafanadir)/dashboards
grafana_datasourcesdir = $(grafanadir)/provisioning/datasources
grafana_providersdir = $(grafanadir)/provisioning/dashboards
dist_grafana_DATA = contrib/grafana/README.md
dist_grafana_dashboards_DATA = \
	contrib/grafana/dashboards/application-top.json \
	contrib/grafana/dashboards/lifecycle.json \
	contrib/grafana/dashboards/node.json \
	contrib/grafana/dashboards/process-history.json \
	contrib/grafana/dashboards/process-top.json
dist_grafana_datasources_DATA = contrib/grafana/provisioning/datasources/appctl.yaml
dist_grafana_providers_DATA = contrib/grafana/provisioning/dashboards/appctl.yaml
