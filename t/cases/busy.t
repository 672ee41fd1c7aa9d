# SPDX-License-Identifier: MIT
# Applications that take all processor time: appctld answers, and its engine is looked after when it does not.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep time);
use Appctl::Test;

sub sorted_ms { return sort { $a <=> $b } map { 1000 * $_ } @_ }

my $figure;
subtest 'eight that spin' => sub {
	my $node = Appctl::Test->new(config => join "\n", 'applications: {', (map { "spin$_: { command = \"while :; do :; done\"; };" } 1 .. 8), '};')->start;
	$node->wait_event({ event => 'mode_stable' });
	my (@call, @command);
	my $socket = $node->connect_control;
	for (1 .. 400) {
		my $start = time;
		$node->varlink_send($socket, 'GetMode');
		$node->varlink_read($socket) // last;
		push @call, time - $start;
		sleep 0.001;
	}
	is(scalar @call, 400, 'all are answered');
	@call = sorted_ms(@call);
	for (1 .. 10) {
		my $start = time;
		is($node->appctl('status')->{exit}, 0) or last;
		push @command, time - $start;
	}
	@command = sorted_ms(@command);
	$figure = sprintf('beside eight that spin, a call: p50 %.2f ms, p99 %.2f ms, slowest %.2f ms; a whole command: p50 %.1f ms', @call[200, 396, 399], $command[5]);
	# Other tests may run beside this one.
	cmp_ok($call[396], '<', 250 * slow_factor(), 'soon');
	my $start = time;
	is($node->stop, 0, 'and all are stopped');
	cmp_ok(time - $start, '<', 5 * slow_factor(), 'soon');
};

sub until_another_engine {
	my ($node, $old) = @_;
	my $end = time + 10 * slow_factor();
	while (time < $end) {
		my $new = $node->engine_pid;
		return $new if defined $new && $new != $old;
		sleep 0.01;
	}
	$node->give_up('no other engine came');
}

# Whoever asks and gets no answer tells the keeper, which asks the engine, gets none, and starts another.
sub replaced {
	my ($node, $freeze) = @_;
	$node->wait_event({ event => 'mode_stable' });
	my $before = $node->appctl_json('status', 'a')->{applications}[0]{pid};
	my $engine = $node->engine_pid;
	$freeze->($engine);
	my $start = time;
	my $r = $node->appctl('status', 'a');
	is($r->{exit}, 0, 'a client that waits is answered') or diag($r->{err});
	cmp_ok(time - $start, '<', 8 * slow_factor(), '... after a while');
	isnt(until_another_engine($node, $engine), $engine, 'by another engine');
	is($node->appctl_json('status', 'a')->{applications}[0]{pid}, $before, 'the application did not notice');
	like($node->log_text, qr/engine.*(does not answer|was stopped by a signal)/, 'it is said why');
	delete $node->{socket};
	$node->subscribe;
}

my $one = 'applications: { a: { command = ["/bin/sleep", "1000"]; }; };';

subtest 'an engine that is stopped' => sub {
	my $node = Appctl::Test->new(config => $one)->start;
	replaced($node, sub { kill STOP => $_[0] });
	is($node->stop, 0);
};

# Its wait for events returns at once, with none, for ever: it runs in a circle and hears nobody.
subtest 'an engine in an endless loop' => sub {
	needs_program('strace');
	my $node = Appctl::Test->new(config => $one, may_leave_processes => 1)->start;
	my $trace = $node->dir . '/trace';
	replaced($node, sub {
		my ($engine) = @_;
		my $tracer = spawn_program('strace', '-p', $engine, '-o', '/dev/null', '-e', 'trace=epoll_wait,epoll_pwait,epoll_pwait2',
			'-e', 'inject=epoll_wait,epoll_pwait,epoll_pwait2:retval=0', { err => $trace });
		sleep 0.01 until slurp($trace) =~ /attached|ptrace/ || !process_is_alive($tracer);
		plan(skip_all => 'strace may not attach here') if slurp($trace) !~ /attached/;
		# The wait that it is in is the last one that waits.
		$node->connect_control;
		my $ticks = sub { my @stat = split ' ', slurp("/proc/$engine/stat"); $stat[13] + $stat[14] };
		my ($end, $from) = (time + 10, $ticks->());
		sleep 0.01 until $ticks->() > $from + 5 || time > $end;
	});
	is($node->stop, 0);
};

subtest 'who knocks for nothing' => sub {
	my $node = Appctl::Test->new(config => $one)->start;
	$node->wait_event({ event => 'mode_stable' });
	my ($engine, $path) = ($node->engine_pid, $node->runtime_dir . '/keeper.sock');
	my @knocks = map { IO::Socket::UNIX->new(Type => IO::Socket::UNIX::SOCK_STREAM(), Peer => $path, Timeout => 1) } 1 .. 300;
	$_->syswrite('x' x 100000) for grep { defined && !$_->blocking(0) } @knocks[0 .. 9];
	is($node->varlink('GetMode')->{error}, undef, 'knocks and what they say change nothing');
	is($node->engine_pid, $engine, 'the engine that answers stays');
	is($node->stop, 0);
};

diag($figure) if defined $figure;
done_testing;
