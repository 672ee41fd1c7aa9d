# SPDX-License-Identifier: MIT
# A name service that does not answer holds up nobody but those who need it.
use strict;
use warnings;
use File::Copy ();
use Test::More;
use Appctl::Test;

needs_root();

my $node = Appctl::Test->new(config => <<'END');
applications:
{
	web:   { command = ["/bin/sleep", "1000"]; user = "root"; };
	other: { command = ["/bin/sleep", "1000"]; user = "daemon"; restart = "temporary"; };
};
END
my $lib = $node->dir . '/libexec';
mkdir $lib;
File::Copy::copy(program('appctl-engine'), "$lib/appctl-engine");
spew("$lib/appctl-lookup", "#!/bin/sh\nexec sleep 1000\n");
chmod 0755, "$lib/appctl-engine", "$lib/appctl-lookup";
$node->{env}{APPCTL_LIBEXECDIR} = $lib;
$node->start;
$node->wait_event({ event => 'app_running', app => 'web' }, 20);
pass('what needs no name starts');
is($node->appctl('status')->{exit}, 0, 'commands are answered while a name is asked for again');
my $exit = $node->wait_event({ event => 'app_exited', app => 'other' }, 20);
is("$exit->{reason} $exit->{step}", 'spawn_failed lookup', 'what needs it is said to fail for it');
is($node->stop, 0);
done_testing;
