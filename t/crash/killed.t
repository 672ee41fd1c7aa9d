# SPDX-License-Identifier: MIT
# The engine is killed at each system call of a whole life: start, crashes, a reload, a change of mode, stop.
use strict;
use warnings;
use Appctl::Crash;
use Appctl::Test;
use Test::More;

needs_tracing();
alarm(0);
my ($calls) = count_calls('engine');
my (@recovery, @failed);
my @all = each_call($calls);
my @points = evenly(24, @all);
for my $point (@points) {
	my ($call, $n) = @$point;
	my $r = play(engine_below => ['strace', '-D', '-qq', '-o', '/dev/null', '-e', "trace=$call", '-e', "inject=$call:signal=KILL:when=$n"],
		by_signal => $n % 2);
	push @recovery, $r->{recovery_ms} if defined $r->{recovery_ms};
	next unless defined $r->{error};
	push @failed, "$call $n";
	fail("killed at its $call $n");
	diag(trouble_of($r));
}
is("@failed", '', sprintf 'killed at %d of %d system calls: nothing lost, nothing twice', scalar @points, scalar @all);
diag(sprintf '%d kills at system calls: wanted state again after %.0f ms (median), %.0f ms (p99)', scalar @recovery,
	percentile(50, @recovery), percentile(99, @recovery));
done_testing;
