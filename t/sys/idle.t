# SPDX-License-Identifier: MIT
# Idle is idle: neither of the two processes has a timer of its own.
use strict;
use warnings;
use Test::More;
use Time::HiRes 'sleep';
use Appctl::Test;

needs_program('strace');
my $node = Appctl::Test->new(config => 'applications: { a: { command = ["/bin/sleep", "1000"]; }; };');
$node->start;
$node->wait_event({ event => 'mode_stable' });
my $engine = $node->engine_pid;
sleep 1.5;	# what is done once after the start is done

sub switches { return slurp("/proc/$_[0]/status") =~ /^voluntary_ctxt_switches:\s+(\d+)/m ? $1 : die }

my $trace = $node->dir . '/trace';
my $tracer = spawn_program('strace', '-p', $engine, '-o', $trace, { err => "$trace.err" });
for (1 .. 500) { last if slurp("$trace.err") =~ /attached/; sleep 0.01 }
plan(skip_all => 'strace may not attach here') if slurp("$trace.err") !~ /attached/;
# One thing to do, so that the loop's next wait is seen with its limit.
is($node->appctl('status')->{exit}, 0);
sleep 0.5;
kill INT => $tracer;
waitpid $tracer, 0;
my ($last) = reverse slurp($trace) =~ /^epoll_p?wait\w*\(.*, (-?\d+)\) += /mg;
ok(defined $last && ($last < 0 || $last > 86_400_000), 'the engine sleeps for more than a day: ' . ($last // '?'));

# The tracer's leaving wakes it once, some time after the tracer has ended.
sub both { return map { switches($_) } $node->pid, $engine }
my @before = both();
for (1 .. 20) {
	sleep 0.5;
	my @now = both();
	last if "@now" eq "@before";
	@before = @now;
}
sleep 3;
my @after = both();
is_deeply(\@after, \@before, 'nobody wakes up');
is($node->stop, 0);
done_testing;
