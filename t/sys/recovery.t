# SPDX-License-Identifier: MIT
# The engine is killed: no application notices, no exit is lost, nothing starts twice, event numbers go on.
use strict;
use warnings;
use Test::More;
use Time::HiRes 'sleep';
use Appctl::Test;

my $node = Appctl::Test->new(config => <<'END');
applications:
{
	db:    { command = ["/bin/sleep", "1000"]; };
	web:   { command = ["/bin/sleep", "1000"]; applications = ["db"]; };
	once:  { command = "echo once >>@DIR@/once"; type = "oneshot"; };
	crash: { command = "while [ ! -e @DIR@/crash ]; do sleep 0.02; done; exit 7"; restart = "temporary"; };
	slow:  { command = "while [ ! -e @DIR@/up ]; do sleep 0.02; done; echo >&3; exec sleep 1000"; ready = { type = "fd"; timeout = 30.0; }; };
};
END

# Follows from the first event again, as a subscriber does whose connection broke.
sub follow_again {
	delete $node->{socket};
	@$node{qw(events cursor buffer)} = ([], 0, '');
	$node->subscribe;
}

sub kill_engine {
	my $old = $node->engine_pid;
	kill KILL => $old;
	for (1 .. 500) {
		my $new = $node->engine_pid;
		return follow_again() if defined $new && $new != $old;
		sleep 0.02;
	}
	$node->give_up('no new engine came');
}

sub pids { return { map { $_->{app} => $_->{pid} } $node->events_so_far({ event => 'app_running' }) } }

$node->start;
$node->wait_event({ event => 'app_running', app => 'web' });
$node->wait_event({ event => 'app_starting', app => 'slow' }) unless $node->events_so_far({ event => 'app_starting', app => 'slow' });
my $before = pids();

for my $round (1, 2) {
	kill_engine();
	$node->wait_event({ event => 'hello' });
	$node->wait_event({ event => 'app_running', app => 'web' });
	is_deeply(pids(), $before, "round $round: the same processes");
	my @seqs = map { $_->{seq} } grep { $_->{event} ne 'hello' } $node->events_so_far;
	is_deeply(\@seqs, [1 .. @seqs], 'no number is missing or there twice');
}
is(slurp($node->dir . '/once'), "once\n", 'the oneshot ran once');

# Names that were used again and again, for only so many that have ended are remembered; of a name's definitions the last counts.
my %used;
for (1 .. 80) {
	my $socket = $node->connect_control;
	$node->varlink_send($socket, 'Run', { definition => { command => ['/bin/true'] } });
	my $name = $node->varlink_read($socket)->{parameters}{name};
	$used{$name}++;
	$node->wait_event({ event => 'app_exited', app => $name });
}
cmp_ok(scalar(grep { $_ > 1 } values %used), '>', 1, 'names were used again');
my @known = sort map { $_->{name} } @{ $node->appctl_json('status')->{applications} };
kill_engine();
$node->wait_event({ event => 'hello' });
is_deeply([sort map { $_->{name} } @{ $node->appctl_json('status')->{applications} }], \@known, '... and are the same after the engine');

# Readiness that comes while there is no engine.
kill STOP => $node->pid;
my $engine = $node->engine_pid;
kill KILL => $engine;
spew($node->dir . '/up', '');
sleep 0.1;
kill CONT => $node->pid;
follow_again();
$node->wait_event({ event => 'app_running', app => 'slow' });
pass('readiness is not lost');

# An end that comes while there is no engine.
kill STOP => $node->pid;
kill KILL => $node->engine_pid;
spew($node->dir . '/crash', '');
sleep 0.1;
kill CONT => $node->pid;
follow_again();
my $exit = $node->wait_event({ event => 'app_exited', app => 'crash' });
is($exit->{status}, 7, 'an exit status is not lost');
is(scalar(() = $node->events_so_far({ event => 'app_exited', app => 'crash' })), 1, 'and told once');

is($node->stop, 0);

# In the middle of a shutdown.
$node = Appctl::Test->new(config => <<'END');
applications:
{
	db:  { command = ["/bin/sleep", "1000"]; };
	web: { command = "trap 'while [ ! -e @DIR@/end ]; do sleep 0.02; done; exit 0' TERM; touch @DIR@/trapped; while :; do sleep 0.02; done";
	       applications = ["db"]; shutdown = 20.0; };
};
END
$node->start;
$node->wait_event({ event => 'mode_stable' });
for (1 .. 500) { last if -e $node->dir . '/trapped'; sleep 0.02 }
$before = pids();
$node->signal('TERM');
$node->wait_event({ event => 'app_stopping', app => 'web' });
kill_engine();
ok(process_is_alive($before->{db}), 'what the others stand on is still there');
spew($node->dir . '/end', '');
$node->wait_event({ event => 'app_stopped', app => 'web' });
$node->wait_event({ event => 'app_stopped', app => 'db' });
is($node->wait_end, 0, 'a shutdown goes on');
ok(!process_is_alive($_), 'and all have ended') for values %$before;

# The state is damaged: refused as a whole, and rebuilt from the files and the keeper's table.
$node = Appctl::Test->new(config => <<'END');
applications:
{
	db:  { command = ["/bin/sleep", "1000"]; };
	web: { command = ["/bin/sleep", "1000"]; applications = ["db"]; };
};
END
$node->start;
my $stable = $node->wait_event({ event => 'mode_stable' });
$before = pids();
my ($state) = grep { (readlink // '') =~ /memfd:appctl-state/ } glob '/proc/' . $node->engine_pid . '/fd/*';
open my $fh, '+<', $state or die "$state: $!";
seek $fh, 300, 0;
print $fh "\xff" x 16;
close $fh;
kill_engine();
my $hello = $node->wait_event({ event => 'hello' });
$node->wait_event({ event => 'app_running', app => 'web' });
is_deeply(pids(), $before, 'a damaged state: the same processes');
like($node->log_text, qr/the state is damaged/, 'which is said');
my $lost = ($node->events_so_far({ event => 'lost' }))[0];
is($lost->{from}, 1, 'what was published before is said to be lost');
cmp_ok($lost->{to}, '>=', $stable->{seq}, 'and no number is given twice');
$node->signal('TERM');
$node->wait_event({ event => 'app_stopped', app => 'web' });
$node->wait_event({ event => 'app_stopped', app => 'db' });
is($node->wait_end, 0, 'and the order is known');

done_testing;
