# SPDX-License-Identifier: MIT
EXTRA_DIST += \
	contrib/demo/appctld.conf \
	contrib/demo/conf.d/50-visitor.conf \
	contrib/demo/page \
	contrib/demo/run \
	contrib/demo/sample \
	contrib/demo/visit
