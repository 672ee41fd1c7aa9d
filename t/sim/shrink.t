# SPDX-License-Identifier: MIT
# A run that breaks a promise is shrunk, and what is printed repeats it exactly; with a promise that nobody gave.
use strict;
use warnings;
use Test::More;
use Appctl::Test;

my $sim = top_builddir() . '/t/sim/sim';
my $r = run_program($sim, '-x', '-r', 60, { timeout => 60 });
is($r->{exit}, 1, 'a broken promise is a failure');
my @found = split /^(?=# seed )/m, $r->{out};
cmp_ok(scalar @found, '>=', 5, 'seeds that break it are found');

my ($steps_before, $steps_after) = (0, 0);
for my $found (@found) {
	my ($seed) = $found =~ /^# seed (\d+): event \d+: a\d+ gave up/ or fail('a seed'), next;
	my ($after, $before, $args) = $found =~ /shortest form has (\d+) steps of (\d+), to repeat with: sim (.*)$/m;
	my ($trace) = $found =~ /to repeat with.*?\n(.*^# it breaks: .*?\n)/ms;
	like($trace, qr/^# it breaks: event \d+: a\d+ gave up in a world where the engine has died$/m, "seed $seed: the shortest form breaks the same promise");
	like($trace, qr/the engine dies/, '... for the same reason');
	$steps_before += $before;
	$steps_after += $after;
	is(run_program($sim, split(' ', $args))->{out}, $trace, '... and repeats exactly');
}
cmp_ok($steps_after, '<', $steps_before / 3, 'they get much shorter');

$r = run_program($sim, '-p', '3:1,2,3,20x7');
is($r->{exit}, 0, 'any numbers are some run');
like($r->{out}, qr/it breaks: nothing/);
is(run_program($sim, '-p', 'nonsense')->{exit}, 2, 'but not any text');
done_testing;
