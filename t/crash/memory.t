# SPDX-License-Identifier: MIT
# The engine has no memory: once, at each of its allocations; for a while; for ever.
use strict;
use warnings;
use Appctl::Crash;
use Appctl::Test;
use Test::More;

plan(skip_all => 'sanitizers have an allocator of their own') if slow_factor() > 1;
my $cc = $ENV{CC} || 'cc';
my $work = Appctl::Test::scratch_directory();
my $lib = "$work/no-memory.so";
plan(skip_all => 'needs a compiler and glibc') if system("$cc -shared -fPIC -O2 -w -o $lib " . top_srcdir() . '/t/crash/no-memory.c 2>/dev/null') != 0;
alarm(0);

sub until_true {
	my ($node, $what, $test) = @_;
	my $end = Time::HiRes::time() + 20 * slow_factor();
	until ($test->()) {
		Time::HiRes::time() < $end or $node->give_up("not in time: $what");
		Time::HiRes::sleep(0.005);
	}
}

# They tell the order of their ends in a file.
sub waits {
	my ($name, $signal, $keys) = @_;
	return qq($name: { command = "trap 'echo $name >>\@DIR\@/order; exit 0' $signal; echo >&3; while :; do sleep 1000 & wait; done";
		ready = { type = "fd"; timeout = 30.0; }; log = { type = "null"; }; stop_signal = "$signal"; $keys };\n);
}

sub started {
	my ($kind) = @_;
	my $node = Appctl::Test->new(config => 'applications: {' . waits('db', 'TERM', '') . waits('cache', 'INT', 'applications = ["db"];')
		. waits('web', 'TERM', 'applications = ["cache"];')
		. 'stubborn: { command = "trap \'\' TERM; echo >&3; while :; do sleep 1000; done"; shutdown = 0.3; applications = ["web"];
			ready = { type = "fd"; timeout = 30.0; }; log = { type = "null"; }; };
		crash: { command = ["/bin/sleep", "1000"]; log = { type = "null"; }; }; };');
	spew($node->dir . '/none', '0');
	Appctl::Crash::put_wrapper($node, { engine_env => { LD_PRELOAD => $lib, NO_MEMORY_WHILE => $node->dir . '/none' } });
	$node->start;
	$node->wait_event({ event => 'mode_stable' });
	return ($node, map { $_->{app} => $_->{pid} } $node->events_so_far({ event => 'app_running' }));
}

# In place: the engines have it mapped.
sub memory_is_out {
	my ($node, $out) = @_;
	open my $fh, '+<', $node->dir . '/none' or die $!;
	print $fh $out ? '1' : '0';
	close $fh;
}

subtest 'for ever' => sub {
	my ($node, %pid) = started();
	memory_is_out($node, 1);
	kill SEGV => $pid{crash};
	until_true($node, 'crash is reaped', sub { !-e "/proc/$pid{crash}" });
	until_true($node, 'the keeper has given up', sub { $node->log_text =~ /cannot stay up/ });
	ok(process_is_alive($pid{$_}), "$_ goes on") for qw(db cache web stubborn);
	kill USR1 => $pid{cache};
	until_true($node, 'cache is reaped', sub { !-e "/proc/$pid{cache}" });
	pass('what ends is reaped');
	$node->signal('TERM');
	is($node->wait_end(20), 0, 'the keeper alone stops all');
	is(slurp($node->dir . '/order'), "web\ndb\n", 'the latest first, each by its own signal');
	ok(!process_is_alive($pid{$_}), "$_ is gone") for keys %pid;
};

subtest 'for a while' => sub {
	my ($node, %pid) = started();
	memory_is_out($node, 1);
	kill SEGV => $pid{crash};
	until_true($node, 'engines end', sub { $node->log_text =~ /the engine ended with status 1.*the engine ended with/s });
	memory_is_out($node, 0);
	@$node{qw(events cursor buffer)} = ([], 0, '');
	delete $node->{socket};
	$node->subscribe;
	my $exit = $node->wait_event({ event => 'app_exited', app => 'crash' }, 20);
	is("$exit->{signal} $exit->{pid}", "SEGV $pid{crash}", 'the exit of that time is told');
	isnt($node->wait_event({ event => 'app_running', app => 'crash' })->{pid}, $pid{crash}, 'and what was due is done');
	ok(process_is_alive($pid{$_}), "$_ goes on") for qw(db cache web stubborn);
	is($node->stop(20), 0);
	is(slurp($node->dir . '/order'), "web\ncache\ndb\n", 'in order');
};

# Counted without a fault; then one fails each time, in the first engine or in the one that goes on after it.
sub each_fails_once {
	my ($who, $points, $key, @first) = @_;
	my $count = "$work/count";
	unlink $count;
	my $r = play(@first, $key => ['env', "LD_PRELOAD=$lib", "NO_MEMORY_COUNT=$count"]);
	is(trouble_of($r), '', "$who, without a fault");
	my @all = 1 .. slurp($count);
	my @points = evenly($points, @all);
	my @failed;
	for my $n (@points) {
		my $r = play(@first, $key => ['env', "LD_PRELOAD=$lib", "NO_MEMORY_AT=$n"], faults => 1);
		next unless defined $r->{error};
		push @failed, $n;
		fail("$who: allocation $n fails");
		diag(trouble_of($r));
	}
	is("@failed", '', sprintf '%s: %d of %d allocations fail once', $who, scalar @points, scalar @all);
	return scalar @points;
}

my $n = each_fails_once('the engine', 24, 'engine_below');
$n += each_fails_once('one that goes on', 12, 'second_below', engine_below => ['env', "LD_PRELOAD=$lib", 'NO_MEMORY_END=2000']);
diag("$n allocations of engines failed once, and memory was out for ever and for a while");
done_testing;
