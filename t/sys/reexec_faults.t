# SPDX-License-Identifier: MIT
# appctl reexec while calls of the keeper fail: before the exec and behind it, the same applications and an appctld that works.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep);
use Appctl::Test;

needs_program('strace');
plan(skip_all => 'needs to trace another process') if system('strace -o /dev/null -e trace=none true >/dev/null 2>&1') != 0;

my $node = Appctl::Test->new(config => 'applications: { db: { command = ["/bin/sleep", "1000"]; }; web: { command = ["/bin/sleep", "1000"]; applications = ["db"]; }; };');
$node->start;
$node->wait_event({ event => 'mode_stable' });

sub pids { return { map { $_->{name} => $_->{pid} } @{ $node->appctl_json('status')->{applications} } } }
sub tracer { slurp('/proc/' . $node->pid . '/status') =~ /^TracerPid:\t(\d+)/m ? $1 : 0 }

sub until_true {
	my ($what, $code) = @_;
	for (1 .. 1000 * slow_factor()) {
		return 1 if $code->();
		sleep 0.01;
	}
	$node->give_up("not in time: $what");
}

# Runs the code while that call of the keeper fails at its n-th time.
sub while_failing {
	my ($call, $error, $n, $code) = @_;
	my $strace = spawn_program('strace', '-q', '-o', $node->dir . '/strace', '-e', "trace=$call", '-e', "inject=$call:error=$error:when=$n",
		'-p', $node->pid);
	until_true('strace', sub { tracer() });
	$code->();
	kill TERM => $strace;
	Appctl::Test::wait_child($strace, 10);
	until_true('the end of strace', sub { !tracer() });
	return slurp($node->dir . '/strace') =~ /INJECTED/;
}

my $before = pids();
my $replaced = 0;
for my $case (
	# What is handed over, the copy of the state, what the trial says; then what is handed over in earnest.
	(map { ['memfd_create', 'EMFILE', $_] } 1 .. 4), ['sendfile', 'ENOMEM', 1], ['clone3,clone', 'EAGAIN', 1], ['execve', 'ENOMEM', 1],
	# Behind the exec the old program comes back.
	['epoll_create1', 'EMFILE', 1], ['signalfd4', 'ENFILE', 1], ['epoll_ctl', 'ENOSPC', 1],
) {
	my ($call, $error, $n) = @$case;
	my $r;
	my $met = while_failing($call, $error, $n, sub { $r = $node->appctl('reexec') });
	my $status = $node->appctl_json('status');
	$replaced++ if $r->{exit} == 0;
	ok($met, "$call fails with $error, time $n");
	is($r->{exit}, 1, 'the command fails') unless $call eq 'epoll_ctl';
	is_deeply(pids(), $before, 'the same applications');
	is($status->{replaced}, $replaced, 'the old program goes on');
	like($r->{err}, qr/./, 'which is said') if $r->{exit};
	is($node->appctl('reexec')->{exit}, 0, 'and a second attempt is good');
	$replaced++;
}
delete $node->{socket};
@$node{qw(events cursor buffer)} = ([], 0, '');
$node->subscribe;
is($node->stop, 0);

done_testing;
