# SPDX-License-Identifier: MIT
# Programs start when what they need is up, and stop in the opposite order; one that crashes is started again.
use strict;
use warnings;
use Test::More;
use Appctl::Test;

my $node = Appctl::Test->new(config => <<'END');
applications:
{
	db:  { command = ["/bin/sleep", "1000"]; };
	web: { command = ["/bin/sleep", "1001"]; applications = ["db"]; };
};
END
$node->start;
my $db = $node->wait_event({ event => 'app_running', app => 'db' });
$node->wait_event({ event => 'app_starting', app => 'web' });
my $web = $node->wait_event({ event => 'app_running', app => 'web' });
$node->wait_event({ event => 'mode_stable' });
# The kernel lets the parent go on a moment before the new program's arguments can be read.
my $cmdline = '';
for (1 .. 500) { last if length($cmdline = slurp("/proc/$db->{pid}/cmdline")); select undef, undef, undef, 0.01 }
like($cmdline, qr/^\/bin\/sleep\0001000\0$/, 'the program runs as it was written');

my @seqs = map { $_->{seq} } grep { $_->{event} ne 'hello' } $node->events_so_far;
is_deeply(\@seqs, [1 .. @seqs], 'events are numbered from 1 without a gap');

kill KILL => $web->{pid};
my $exit = $node->wait_event({ event => 'app_exited', app => 'web' });
is($exit->{signal}, 'KILL', 'its end is told');
is($exit->{reason}, 'crashed', 'with a reason');
$node->wait_event({ event => 'app_stopped', app => 'web' });
my $again = $node->wait_event({ event => 'app_running', app => 'web' });
isnt($again->{pid}, $web->{pid}, 'it runs again');
ok(process_is_alive($db->{pid}), 'and what it needs was not touched');

$node->signal('TERM');
$node->wait_event({ event => 'shutdown' });
$node->wait_event({ event => 'app_stopping', app => 'web' });
$node->wait_event({ event => 'app_stopped', app => 'web' });
$node->wait_event({ event => 'app_stopping', app => 'db' });
$node->wait_event({ event => 'app_stopped', app => 'db' });
is($node->wait_end, 0, 'appctld ends with 0');

done_testing;
