# SPDX-License-Identifier: MIT
# Manual pages are written as scdoc and made where scdoc is.
MANUALS = doc/appctl.1 doc/appctl-consumer.8 doc/appctl-events.7 doc/appctl-node.8 doc/appctl-producer.8 doc/appctl-tasks.8 doc/appctld.8 doc/appctld.conf.5

EXTRA_DIST += \
	doc/app_ctrl.md \
	doc/architecture.md \
	doc/cases.md \
	doc/mailbox.md \
	doc/monitor-wire.md \
	doc/node-wire.md \
	doc/otp.md \
	doc/performance.md \
	$(MANUALS:=.scd)

if HAVE_SCDOC
man_MANS += $(MANUALS)
CLEANFILES += $(MANUALS)

$(MANUALS): %: %.scd
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(SCDOC) <$< >$@.new && mv $@.new $@
endif

EXTRA_DIST += doc/org.appctl.Control.varlink doc/org.varlink.service.varlink
