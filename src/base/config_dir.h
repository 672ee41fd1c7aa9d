/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Where configuration is sought: SYSCONFDIR/appctl for root, else appctl below $XDG_CONFIG_HOME or ~/.config, where there is
 * such a thing.  The path of the file of that name there, into a buffer of PATH_MAX.
 */
void config_dir_file(const char *name, char *out);
