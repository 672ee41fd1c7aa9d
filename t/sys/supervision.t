# SPDX-License-Identifier: MIT
# How applications are kept up: restart types, intensity, backoff, what follows from giving up.
use strict;
use warnings;
use Test::More;
use Appctl::Test;

sub started {
	my ($config, $wait) = @_;
	my $node = Appctl::Test->new(config => $config, node => 'alice')->start;
	$node->wait_event($wait) if $wait;
	return $node;
}

sub state_of { my ($node, $app) = @_; return $node->appctl_json('status', $app)->{applications}[0] }

# A sentence on how it ends, a shell command: it counts its starts in the file named after it.
sub app {
	my ($name, $command, $keys) = @_;
	return qq($name: { command = "echo x >> \@DIR\@/$name.starts; $command"; log = { type = "null"; }; @{[$keys // '']} };\n);
}
sub starts { my ($node, $app) = @_; return length(slurp($node->dir . "/$app.starts")) / 2 }

subtest 'restart types' => sub {
	my $once = 'test -e @DIR@/%s.again && exec sleep 1000; touch @DIR@/%s.again; exit %d';
	my $node = started('applications: {'
		. app('permanent_good', sprintf($once, ('permanent_good') x 2, 0))
		. app('permanent_bad', sprintf($once, ('permanent_bad') x 2, 3))
		. app('transient_good', 'exit 0', 'restart = "transient";')
		. app('transient_bad', sprintf($once, ('transient_bad') x 2, 3), 'restart = "transient";')
		. app('temporary_good', 'exit 0', 'restart = "temporary";')
		. app('temporary_bad', 'exit 3', 'restart = "temporary";') . '};', { event => 'app_failed', app => 'temporary_bad' });
	for my $app (qw(permanent_good permanent_bad transient_bad)) {
		$node->wait_count({ event => 'app_running', app => $app }, 2);
		is(state_of($node, $app)->{state}, 'running', "$app is restarted");
		is(starts($node, $app), 2, 'once');
	}
	for my $app (qw(transient_good temporary_good)) {
		is(state_of($node, $app)->{state}, 'completed', "$app ended as it should");
		is(starts($node, $app), 1, 'and is not restarted');
	}
	is(state_of($node, 'temporary_bad')->{state}, 'failed', 'temporary_bad is not restarted');
	is(state_of($node, 'temporary_bad')->{last_exit}{code}, 3, 'its status is told');
	my ($exit) = $node->events_so_far({ event => 'app_exited', app => 'permanent_bad' });
	is_deeply([ @$exit{qw(status reason)} ], [ 3, 'crashed' ], 'an exit tells status and reason');
	is($node->stop, 0, 'ends');
};

subtest 'intensity and period' => sub {
	my $node = started('applications: {' . app('a', 'exit 1', 'ready = { type = "fd"; }; intensity = 2; period = 60; backoff = { min = 0.01; max = 0.01; };')
		. app('b', 'sleep 1000', 'applications = ["a"];') . '};', { event => 'app_failed', app => 'a', reason => 'gave_up' });
	is(starts($node, 'a'), 3, 'two restarts, and no third');
	is(state_of($node, 'a')->{state}, 'failed', 'failed');
	$node->wait_event({ event => 'mode_failed' });
	is(state_of($node, 'b')->{state}, 'waiting', 'what requires it waits');
	is($node->appctl('await', '5')->{exit}, 1, 'await ends at once');
	like($node->appctl('explain', 'b')->{out}, qr/a: failed: more than 2 restarts/, 'explain says for what');
	is($node->appctl('start', 'a', '--no-wait')->{exit}, 0, 'an operator starts it');
	$node->wait_event({ event => 'app_failed', app => 'a', reason => 'gave_up' });
	is(starts($node, 'a'), 6, 'and it has its restarts again');
	$node->stop;
};

subtest 'backoff' => sub {
	my $node = started('applications: {' . app('a', 'exit 1', 'backoff = { min = 0.2; factor = 3; max = 0.6; jitter = 0; };') . '};');
	$node->wait_event({ event => 'app_starting', app => 'a' }) for 1 .. 5;
	my @at = map { $_->{ts} =~ /:([\d.]+)Z/; $1 } $node->events_so_far({ event => 'app_starting', app => 'a' });
	my @gap = map { my $g = $at[$_] - $at[ $_ - 1 ]; $g < 0 ? $g + 60 : $g } 1 .. $#at;
	cmp_ok($gap[0], '>=', 0.19, 'at least min');
	cmp_ok($gap[1], '>=', 0.59, 'times factor');
	cmp_ok($gap[3], '<', 1.5 * slow_factor(), 'and no more than max');
	my $s = state_of($node, 'a');
	cmp_ok($s->{restarts}, '>=', 4, 'restarts are counted');
	$node->stop;
};

subtest 'the first restart is at once' => sub {
	my $node = started('applications: {' . app('a', 'exec sleep 1000') . '};');
	my $ev = $node->wait_event({ event => 'app_running', app => 'a' });
	kill KILL => $ev->{pid};
	my $exit = $node->wait_event({ event => 'app_exited', app => 'a' });
	is($exit->{signal}, 'KILL', 'by which signal');
	$node->wait_event({ event => 'app_stopped', app => 'a' });
	my $again = $node->wait_event({ event => 'app_starting', app => 'a' });
	is($again->{reason}, 'restart', 'started because it ended');
	is($again->{seq}, $exit->{seq} + 2, 'in the same moment');
	$node->stop;
};

subtest 'giving up moves to another mode' => sub {
	my $node = started('default_mode = "normal"; applications: {'
		. app('a', 'exit 1', 'intensity = 0; on_give_up = "mode rescue";') . app('shell', 'exec sleep 1000') . '};
		roles: { work = ["a"]; repair = ["shell"]; }; modes: { normal = ["work"]; rescue = ["repair"]; };',
		{ event => 'new_mode', mode => 'rescue' });
	$node->wait_event({ event => 'mode_stable', mode => 'rescue' });
	is($node->appctl('status', 'shell')->{exit}, 0, 'the other mode is there');
	$node->stop;
};

subtest 'giving up ends appctld' => sub {
	my $node = started('applications: {' . app('a', 'sleep 0.3; exit 1', 'intensity = 0; on_give_up = "shutdown";')
		. app('b', 'exec sleep 1000') . '};', { event => 'shutdown', reason => 'gave_up' });
	isnt($node->wait_end, 0, 'with a status that is not 0');
};

subtest 'an essential application ends appctld with its status' => sub {
	my $node = started('applications: {' . app('main', 'sleep 0.3; exit 7', 'essential = true; restart = "temporary"; applications = ["b"];')
		. app('b', 'exec sleep 1000') . '};', { event => 'shutdown', reason => 'essential' });
	$node->wait_event({ event => 'app_stopped', app => 'b', reason => 'shutdown' });
	is($node->wait_end >> 8, 7, 'its status');
	$node = started('applications: {' . app('main', 'sleep 0.3; kill -KILL $$', 'essential = true; restart = "temporary";') . '};');
	is($node->wait_end >> 8, 128 + 9, 'or 128 and its signal');
	$node = started('applications: {' . app('main', 'sleep 0.3', 'essential = true; type = "oneshot";') . '};');
	is($node->wait_end, 0, 'a oneshot that is done');
};

subtest 'a oneshot gates what comes after it' => sub {
	my $node = started('applications: {' . app('schema', 'sleep 0.2', 'type = "oneshot"; start_before = ["web"];')
		. app('web', 'exec sleep 1000') . '};', { event => 'mode_stable' });
	my ($done) = $node->events_so_far({ event => 'app_exited', app => 'schema' });
	my ($web) = $node->events_so_far({ event => 'app_starting', app => 'web' });
	cmp_ok($done->{seq}, '<', $web->{seq}, 'done before web starts');
	is(state_of($node, 'schema')->{state}, 'completed', 'completed');
	is($node->appctl('restart', 'schema')->{exit}, 0, 'asked to run again');
	is(starts($node, 'schema'), 2, 'it does');
	$node->stop;
};

subtest 'a oneshot runs each time it enters the wanted set' => sub {
	my $node = started('default_mode = "normal"; applications: {' . app('once', 'true', 'type = "oneshot";') . app('other', 'exec sleep 1000')
		. '}; roles: { r = ["once"]; o = ["other"]; }; modes: { normal = ["r", "o"]; idle = ["o"]; };', { event => 'mode_stable' });
	is($node->appctl('mode', $_, '--wait')->{exit}, 0, $_) for qw(idle normal);
	is(starts($node, 'once'), 2, 'twice in normal, twice run');
	is($node->appctl('mode', 'normal', '--wait')->{exit}, 0, 'the mode that is set');
	is(starts($node, 'once'), 2, 'is a no-op');
	$node->stop;
};

subtest 'on_exit' => sub {
	my $on = sub { qq(applications = ( { name = "db"; on_exit = "$_[0]"; } );) };
	my $node = started('applications: {' . app('db', 'exec sleep 1000') . app('ignores', 'exec sleep 1000', 'applications = ["db"];')
		. app('restarts', 'exec sleep 1000', $on->('restart')) . app('stops', 'exec sleep 1000', $on->('stop')) . '};',
		{ event => 'mode_stable' });
	my %pid = map { $_ => state_of($node, $_)->{pid} } qw(db ignores restarts stops);
	kill KILL => $pid{db};
	$node->wait_events([ { event => 'app_stopped', app => 'stops', reason => 'dependency' },
		{ event => 'app_stopped', app => 'restarts', reason => 'dependency' },
		{ event => 'app_running', app => 'db' }, { event => 'app_running', app => 'restarts' } ]);
	is(state_of($node, 'ignores')->{pid}, $pid{ignores}, 'by default nothing follows');
	isnt(state_of($node, 'restarts')->{pid}, $pid{restarts}, 'restart');
	is(state_of($node, 'stops')->{state}, 'stopped', 'stop');
	is(state_of($node, 'stops')->{operator}, undef, '  which no operator did');
	unlike($node->appctl('status', 'stops')->{out}, qr/operator/, '  nor does status say so');
	$node->stop;
};

subtest 'what was not ready in time says so' => sub {
	my $node = started('applications: {' . app('never', 'exec sleep 1000', 'intensity = 0; ready = { type = "unix"; path = "@DIR@/no.sock"; timeout = 0.1; };')
		. '};', { event => 'app_failed', app => 'never' });
	like($node->appctl('explain', 'never')->{out}, qr/at last it was not ready in time, and ended with signal TERM/, 'explain');
	like($node->appctl('await')->{err}, qr/never: failed: .* not ready in time/, 'await');
	$node->stop;
};

subtest 'an operator stops and starts' => sub {
	my $node = started('applications: {' . app('db', 'exec sleep 1000') . app('web', 'exec sleep 1000', 'applications = ["db"];') . '};',
		{ event => 'mode_stable' });
	my $r = $node->appctl('stop', 'db');
	is($r->{exit}, 1, 'refused while others depend on it');
	like($r->{err}, qr/web/, 'shows them');
	is($node->appctl('stop', 'db', '--with-dependents')->{exit}, 0, 'with them');
	my ($web) = $node->events_so_far({ event => 'app_stopped', app => 'web', reason => 'operator' });
	my ($db) = $node->events_so_far({ event => 'app_stopping', app => 'db', reason => 'operator' });
	cmp_ok($web->{seq}, '<', $db->{seq}, 'dependents first');
	is(state_of($node, 'db')->{operator}, 'down', 'it holds');
	is($node->appctl('start', 'web')->{exit}, 1, 'web cannot come up without db');
	is($node->appctl('start', 'db')->{exit}, 0, 'until it is started');
	$node->wait_event({ event => 'app_running', app => 'web' });
	is($node->appctl('start', 'nosuch')->{exit}, 3, 'one that does not exist');
	$node->stop;
};

done_testing;
