# SPDX-License-Identifier: MIT
# How applications end: signals, time limits, escalation, and everything they started.
use strict;
use warnings;
use Test::More;
use Appctl::Test;

sub started {
	my ($config, @more) = @_;
	my $node = Appctl::Test->new(config => $config, node => 'alice', @more)->start;
	$node->wait_event({ event => 'mode_stable' });
	return $node;
}
sub pid_of { my ($node, $app) = @_; return $node->appctl_json('status', $app)->{applications}[0]{pid} }

# A shell that says in a file which signals it got.  It is running when its traps are set.
sub trapping {
	my ($name, $traps, $keys) = @_;
	my $set = join ' ', map { qq(trap 'echo $_ >> \@DIR\@/$name.got; $traps->{$_}' $_;) } sort keys %$traps;
	return qq($name: { command = "$set echo >&3; while :; do sleep 0.05; done"; log = { type = "null"; }; ready = { type = "fd"; }; $keys };\n);
}
sub got { my ($node, $app) = @_; return join ' ', split /\n/, slurp($node->dir . "/$app.got") }

subtest 'the stop signal, and killing what does not heed it' => sub {
	my $node = started('applications: {' . trapping('polite', { INT => 'exit 0', TERM => 'exit 1' }, 'stop_signal = "INT";')
		. trapping('stubborn', { TERM => ':' }, 'shutdown = 0.3;') . trapping('brutal', { TERM => 'exit 0' }, 'shutdown = "brutal_kill";') . '};');
	is($node->appctl('stop', qw(polite stubborn brutal))->{exit}, 0, 'stopped');
	is(got($node, 'polite'), 'INT', 'its own signal');
	is(got($node, 'stubborn'), 'TERM', 'the default, first');
	my ($exit) = $node->events_so_far({ event => 'app_exited', app => 'stubborn' });
	is_deeply([ @$exit{qw(signal reason)} ], [ qw(KILL killed) ], 'then KILL');
	is(got($node, 'brutal'), '', 'brutal_kill asks nothing');
	$node->stop;
};

subtest 'a stop command' => sub {
	my $node = started('applications: {' . trapping('a', { USR1 => 'exit 0' }, 'stop_command = "kill -USR1 $MAINPID";')
		. trapping('b', { TERM => 'exit 0' }, 'stop_command = "exit 1";') . '};');
	is($node->appctl('stop', 'a', 'b')->{exit}, 0, 'stopped');
	is(got($node, 'a'), 'USR1', 'did it');
	is(got($node, 'b'), 'TERM', 'one that fails is followed by the signal');
	$node->stop;
};

subtest 'reload-app' => sub {
	my $node = started('applications: {' . trapping('a', { HUP => ':' }, 'reload_signal = "HUP";')
		. trapping('b', { USR2 => ':' }, 'reload_command = ["/bin/sh", "-c", "kill -USR2 $MAINPID"];') . trapping('c', {}, '') . '};');
	my $pid = pid_of($node, 'a');
	is($node->appctl('reload-app', $_)->{exit}, 0, $_) for qw(a b);
	select undef, undef, undef, 0.02 until got($node, 'a') eq 'HUP' && got($node, 'b') eq 'USR2';
	is(pid_of($node, 'a'), $pid, 'it goes on');
	my $r = $node->appctl('reload-app', 'c');
	is($r->{exit}, 1, 'one that does not know how');
	like($r->{err}, qr/reload_signal/, 'is told what is missing');
	$node->stop;
};

subtest 'kill' => sub {
	my $node = started('applications: {' . trapping('a', { USR1 => ':' }, '') . '};');
	is($node->appctl('kill', '-s', 'USR1', 'a')->{exit}, 0, 'a signal by name');
	select undef, undef, undef, 0.02 until got($node, 'a') eq 'USR1';
	is($node->appctl('kill', '-s', 'NOSUCH', 'a')->{exit}, 2, 'a signal that does not exist');
	is($node->appctl('kill', '-s', 'KILL', 'a')->{exit}, 0, 'KILL');
	$node->wait_event({ event => 'app_exited', app => 'a', signal => 'KILL' });
	$node->wait_event({ event => 'app_running', app => 'a' });
	pass('is restarted: nobody asked it to stop');
	$node->stop;
};

# Children that left session and process group, of a main process that ends before them.
my $family = 'setsid sh -c \'(sleep 1000 & echo $! > @DIR@/grandchild; wait) & wait\' & sleep 1000 & echo $! > @DIR@/child; '
	. 'until test -s @DIR@/grandchild; do sleep 0.01; done; echo >&3; ';
for my $tracking (qw(cgroup subreaper)) {
	subtest "everything it started ends with it: $tracking" => sub {
		my %o;
		if ($tracking eq 'cgroup') { needs_cgroup() }
		else { needs_root(); $o{uid} = 65534 }	# an ordinary user, who may make no cgroup
		my $node = started("applications: { a: { command = \"$family wait\"; ready = { type = \"fd\"; }; log = { type = \"null\"; }; }; };", %o);
		is($node->appctl_json('status', 'a')->{applications}[0]{tracking}, $tracking, 'status says how it is tracked');
		my @pids = map { slurp($node->dir . "/$_") + 0 } qw(child grandchild);
		ok(process_is_alive($_), "$_ is there") for @pids;
		is($node->appctl('stop', 'a')->{exit}, 0, 'stopped');
		ok(!process_is_alive($_), "$_ is gone") for @pids;
		is($node->appctl('start', 'a')->{exit}, 0, 'started');
		@pids = map { slurp($node->dir . "/$_") + 0 } qw(child grandchild);
		kill KILL => pid_of($node, 'a');
		$node->wait_event({ event => 'app_stopped', app => 'a', reason => 'crashed' });
		ok(!process_is_alive($_), "after a crash $_ is gone") for @pids;
		$node->wait_event({ event => 'app_running', app => 'a' });
		$node->stop;
	};
}

subtest 'a daemon that forks' => sub {
	my $daemon = 'sh -c \'echo $$ > @DIR@/daemon.pid; exec sleep 1000\' & until test -s @DIR@/daemon.pid; do sleep 0.01; done';
	my $node = started("applications: { d: { type = \"forking\"; command = \"$daemon\"; pidfile = \"\@DIR\@/daemon.pid\"; log = { type = \"null\"; }; }; };");
	my $pid = slurp($node->dir . '/daemon.pid') + 0;
	is(pid_of($node, 'd'), $pid, 'the pidfile names the main process');
	unlink $node->dir . '/daemon.pid';
	kill KILL => $pid;
	$node->wait_event({ event => 'app_exited', app => 'd', signal => 'KILL', pid => $pid });
	my $again = $node->wait_event({ event => 'app_running', app => 'd' });
	isnt($again->{pid}, $pid, 'and is supervised');
	is($node->appctl('stop', 'd')->{exit}, 0, 'stopped');
	ok(!process_is_alive($again->{pid}), 'it is gone');
	$node->stop;
};

subtest 'a pidfile that names another process is not believed' => sub {
	my $node = Appctl::Test->new(config => 'applications: { d: { type = "forking"; restart = "temporary"; command = "true"; pidfile = "@DIR@/pid"; }; };');
	spew($node->dir . '/pid', "$$\n");
	$node->start;
	$node->wait_event({ event => 'app_exited', app => 'd', reason => 'pidfile' });
	$node->wait_event({ event => 'app_failed', app => 'd' });
	ok(process_is_alive($$), 'and the other process goes on');
	$node->stop;
};

subtest 'order of a shutdown' => sub {
	my $app = sub { qq($_[0]: { command = ["/bin/sleep", "1000"]; log = { type = "null"; }; $_[1] };\n) };
	my $node = started('applications: {' . $app->('a', '') . $app->('b', 'applications = ["a"];') . $app->('c', 'applications = ["b"];')
		. $app->('p', '') . '}; protected = ["p"];');
	$node->signal('TERM');
	is($node->wait_end, 0, 'ends with 0');
	my @order = map { $_->{app} } $node->events_so_far({ event => 'app_stopping' });
	is("@order", 'c b a p', 'dependents first, protected ones last');
};

subtest 'a shutdown has a time limit' => sub {
	my $node = started('shutdown_timeout = 0.5; applications: {' . trapping('a', { TERM => ':' }, 'shutdown = "infinity";') . '};');
	is($node->appctl('shutdown')->{exit}, 0, 'asked');
	is($node->wait_end, 0, 'infinity does not hold it');
	is(got($node, 'a'), 'TERM', 'it had its chance');
};

done_testing;
