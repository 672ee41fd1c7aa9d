# SPDX-License-Identifier: MIT
# appctl writes them itself, from the tables that it parses its command line with.
if !CROSS_COMPILING
bashcompletiondir = $(datadir)/bash-completion/completions
zshcompletiondir = $(datadir)/zsh/site-functions
bashcompletion_DATA = contrib/completion/bash/appctl
zshcompletion_DATA = contrib/completion/zsh/_appctl
CLEANFILES += $(bashcompletion_DATA) $(zshcompletion_DATA)

contrib/completion/bash/appctl: appctl$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && ./appctl$(EXEEXT) --completion bash >$@.new && mv $@.new $@
contrib/completion/zsh/_appctl: appctl$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && ./appctl$(EXEEXT) --completion zsh >$@.new && mv $@.new $@
endif
