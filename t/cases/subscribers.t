# SPDX-License-Identifier: MIT
# Many subscribers, of which some stall: who reads misses nothing, who does not is told what it lost, and the engine does not grow.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep time);
use Appctl::Test;

my ($live, $stalled, $events) = $ENV{APPCTL_NIGHTLY} ? (900, 100, 1_000_000) : (180, 20, 20_000);
my $limit = ($ENV{APPCTL_NIGHTLY} ? 3600 : 60) * slow_factor();
alarm 2 * $limit;

# One change of the mode is less than what is kept for who comes late, so that who reads at all has time to.
my @names = map { "app$_" } 1 .. 150;
my $node = Appctl::Test->new(config => 'applications: { ' . join('', map { "$_: { command = [\"/bin/sleep\", \"1000\"]; }; " } @names)
	. '}; roles: { all = [' . join(', ', map { "\"$_\"" } @names) . ']; none = []; };
	modes: { calm = ["none"]; full = ["all"]; }; default_mode = "calm";')->start;
$node->wait_event({ event => 'mode_stable' });
# This one would be one more.
delete $node->{socket};
my $engine = $node->engine_pid;

sub memory_kib { slurp("/proc/$engine/status") =~ /^VmRSS:\s+(\d+)/m ? $1 : 0 }

my $out = $node->dir . '/subscribers';
spew($out, '');
my $start = time;
my $pid = spawn_program(program('t/cases/subscribers'), $node->runtime_dir, $live, $stalled, $events, { out => $out, err => $out });
my ($status, @memory);
until (defined $status || time - $start > $limit) {
	$status = Appctl::Test::wait_child($pid, 0.05 / slow_factor());
	my $said = () = slurp($out) =~ /^at/gm;
	push @memory, memory_kib() while @memory < $said;
}
my $took = time - $start;
my $text = slurp($out);
is($status, 0, 'all numbers are exact') or diag($text);
my $made = $text =~ /^events: (\d+)$/m ? $1 : 0;
like($text, qr/^live: seen $made to $made, lost 0 to 0$/m, "$live that read miss nothing of $made events");
my ($seen_min, $seen_max, $lost_min, $lost_max) = $text =~ /^stalled: seen (\d+) to (\d+), lost (\d+) to (\d+)$/m;
ok($seen_min + $lost_max == $made && $seen_max + $lost_min == $made && $lost_min > 0, "$stalled that stall are told what they lost, to the number");
is($node->engine_pid, $engine, 'it is the same engine');
# The tenths of the way; a sanitizer keeps what was freed for a while.
cmp_ok($memory[-1] - $memory[1], '<', slow_factor() > 1 ? 65536 : 1024, 'which does not grow');
diag(sprintf '%d live and %d stalled subscribers, %d events in %.1f s (%.1f M lines/s), the engine: %d KiB at a tenth, %d KiB at the end',
	$live, $stalled, $made, $took, $live * $made / $took / 1e6, @memory[0, -1]);
is($node->stop, 0);
done_testing;
