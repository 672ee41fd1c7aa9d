# SPDX-License-Identifier: MIT
# One appctld a runtime directory, whatever an earlier one has left there.
use strict;
use warnings;
use Test::More;
use Appctl::Test;
use IO::Socket::UNIX;

my $sleeps = 'applications: { web: { command = ["/bin/sleep", "1000"]; }; };';
my @sockets = qw(control.sock events.sock notify.sock keeper.sock);

subtest 'of ten that are started at once one is left, and the others name it' => sub {
	for my $round (1 .. 3) {
		my $node = Appctl::Test->new(config => $sleeps);
		my $run = $node->runtime_dir;
		# As after a crash or a power cut: the file names a process that is somebody else's by now.
		spew("$run/appctld.lock", "$$\n");
		my %out = map { spawn_program($node->command, { env => $node->environment, out => $node->dir . "/out$_", err => $node->dir . "/out$_" }) => $node->dir . "/out$_" } 1 .. 10;
		my %status;
		for (1 .. 500 * slow_factor()) {
			for my $pid (grep { !exists $status{$_} } keys %out) {
				my $s = Appctl::Test::wait_child($pid, 0.001);
				$status{$pid} = $s if defined $s;
			}
			last if keys %status == 9;
			select undef, undef, undef, 0.01;
		}
		my ($left, @others) = grep { !exists $status{$_} } keys %out;
		is(scalar(keys %status), 9, "round $round: nine end");
		is(scalar(grep { $_ == 1 << 8 } values %status), 9, 'with status 1');
		my @unnamed = grep { slurp($out{$_}) !~ /^appctld: already running as pid $left in \Q$run\E: stop that one, or use another/ } keys %status;
		is("@unnamed", '', "each names the one that is left ($left)") or diag(slurp($out{ $unnamed[0] }));
		is($node->appctl_json('status')->{pid}, $left, 'which works');
		kill TERM => $left;
		is(Appctl::Test::wait_child($left, 10), 0);
	}
};

subtest 'sockets and a lock that an earlier one has left are in nobody\'s way' => sub {
	my $node = Appctl::Test->new(config => $sleeps);
	my $run = $node->runtime_dir;
	# What is bound and then closed stays as a name on which nobody listens.
	for my $name (@sockets) {
		IO::Socket::UNIX->new(Type => SOCK_STREAM(), Local => "$run/$name", Listen => 1) or die "$name: $!";
	}
	spew("$run/appctld.lock", "1\n");
	is($node->appctl('status')->{exit}, 6, 'nobody answers');
	$node->start;
	$node->wait_event({ event => 'mode_stable' });
	is(slurp("$run/appctld.lock"), $node->pid . "\n", 'the lock is its own');
	is($node->stop, 0);
	is(scalar(grep { -e "$run/$_" } @sockets), 0, 'it takes its sockets with it');
	$node->start;
	$node->wait_event({ event => 'mode_stable' });
	pass('and can be started again');
	is($node->stop, 0);
};

subtest 'after the end of the whole machine' => sub {
	my $node = Appctl::Test->new(config => $sleeps);
	$node->start;
	my $hello = $node->wait_event({ event => 'hello' });
	my $web = $node->wait_event({ event => 'app_running' });
	# Nothing of it can tidy up.
	my @others = ($web->{pid}, $node->engine_pid);
	kill KILL => $node->pid, @others;
	Appctl::Test::wait_child(delete $node->{child}, 10);
	for (1 .. 500 * slow_factor()) {
		last unless grep { process_is_alive($_) } @others;
		select undef, undef, undef, 0.01;
	}
	ok(-e $node->runtime_dir . "/$_", "$_ is left") for @sockets;
	$node->start;
	isnt($node->wait_event({ event => 'hello' })->{instance}, $hello->{instance}, 'another instance');
	is($node->wait_event({ event => 'app_running' })->{seq}, 2, 'which begins with the first event');
	is($node->stop, 0);
};

subtest 'the lock crosses a reexec' => sub {
	my $node = Appctl::Test->new(config => $sleeps);
	$node->start;
	$node->wait_event({ event => 'mode_stable' });
	is($node->appctl('reexec')->{exit}, 0);
	my $r = $node->run_appctld;
	is($r->{exit}, 1);
	like($r->{err}, qr/already running as pid @{[$node->pid]} /);
	delete $node->{socket};
	@$node{qw(events cursor buffer)} = ([], 0, '');
	$node->subscribe;
	is($node->stop, 0);
};

done_testing;
