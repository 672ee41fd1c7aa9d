# SPDX-License-Identifier: MIT
# A name service that does not answer holds up nobody but those who need it.
use strict;
use warnings;
use File::Copy ();
use Test::More;
use Appctl::Test;

needs_root();

my $crowd = 20;
my $crowds = join '', map { qq(\tcrowd$_: { command = ["/bin/sleep", "1000"]; user = "daemon"; restart = "temporary"; };\n) } 1 .. $crowd;
my $node = Appctl::Test->new(config => <<"END");
applications:
{
	web:   { command = ["/bin/sleep", "1000"]; user = "root"; };
	other: { command = ["/bin/sleep", "1000"]; user = "daemon"; restart = "temporary"; };
$crowds	local: { command = ["/bin/sleep", "1000"]; user = "nobody"; };
};
END
my $lib = $node->dir . '/libexec';
mkdir $lib;
File::Copy::copy(program('appctl-engine'), "$lib/appctl-engine");
my $real = program('appctl-lookup');
spew("$lib/appctl-lookup", "#!/bin/sh\ncase \$* in\n*daemon*) exec sleep 1000;;\nesac\nexec $real \"\$@\"\n");
chmod 0755, "$lib/appctl-engine", "$lib/appctl-lookup";
$node->{env}{APPCTL_LIBEXECDIR} = $lib;
$node->start;
$node->wait_event({ event => 'app_running', app => 'web' }, 20);
pass('what needs no name starts');
is($node->appctl('status')->{exit}, 0, 'commands are answered while a name is asked for again');
# One after the other, the crowd would take 5 s each.
my ($local, $exit) = $node->wait_events([{ event => 'app_running', app => 'local' },
	map { { event => 'app_exited', app => $_ } } 'other', map { "crowd$_" } 1 .. $crowd], 20);
ok($local, 'who needs another name does not wait for that one');
is("$exit->{reason} $exit->{step}", 'spawn_failed lookup', 'what needs it is said to fail for it, all of them together');
is($node->stop, 0);
done_testing;
