# SPDX-License-Identifier: MIT
# Five hundred applications stop in order, though five of them would hang for ever.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time);
use Appctl::Test;

my $count = 500;
my $layers = 10;
my $width = $count / $layers;
my $limit = 2 * slow_factor();

# In each layer every application needs two of the layer below; five, in different layers, heed no signal and have all the
# time that they like.
my %hangs = map { ($_ * 2) . '_' . ($_ * 7 % $width) => 1 } 0 .. 4;
sub application {
	my ($layer, $i) = @_;
	my $needs = $layer == 0 ? '' : sprintf 'applications = ["a%d_%d", "a%d_%d"];', $layer - 1, $i, $layer - 1, ($i + 1) % $width;
	return "{ name = \"a${layer}_$i\"; $needs " . ($hangs{"${layer}_$i"}
		? 'command = "trap : TERM; echo >&3; while :; do sleep 1000; done"; ready = { type = "fd"; }; shutdown = "infinity"; }'
		: 'command = ["/bin/sleep", "1000"]; }');
}
my @all = map { my $layer = $_; map { [$layer, $_] } 0 .. $width - 1 } 0 .. $layers - 1;

my $node = Appctl::Test->new(config => "shutdown_timeout = $limit;\napplications = (\n" . join(",\n", map { application(@$_) } @all) . "\n);\n")->start;
$node->wait_event({ event => 'mode_stable' }, 60);
my $start = time;
$node->signal('TERM');
is($node->wait_end(60), 0, "$count applications, of which 5 hang, are stopped");
my $took = time - $start;
cmp_ok($took, '<', $limit + slow_factor(), sprintf 'within the limit of %d s and one second (%.2f s)', $limit, $took);

my %stopped = map { $_->{app} => $_ } $node->events_so_far({ event => 'app_stopped' });
my %stopping = map { $_->{app} => $_ } $node->events_so_far({ event => 'app_stopping' });
is(scalar keys %stopped, $count, 'each is told to have stopped');
my %by = map { $_->{app} => $_->{signal} } $node->events_so_far({ event => 'app_exited' });
is(scalar(grep { $by{"a$_"} eq 'KILL' } keys %hangs), 5, 'the five that hang were killed');
# Whoever was asked, and not killed when the time of the whole was over, was asked after the last who needs it had stopped.
my @wrong;
for (grep { $_->[0] > 0 } @all) {
	my ($layer, $i) = @$_;
	my $above = "a${layer}_$i";
	for my $below ("a@{[$layer - 1]}_$i", "a@{[$layer - 1]}_@{[($i + 1) % $width]}") {
		push @wrong, "$below before $above" if $by{$below} eq 'TERM' && $stopped{$above}{seq} > $stopping{$below}{seq};
	}
}
is("@wrong", '', 'in reverse order');
cmp_ok(scalar(grep { $_ eq 'TERM' } values %by), '>=', $count / 2, 'as far as those that hang let it');
diag(sprintf '%d applications, of which 5 hang, stopped in %.2f s of %d', $count, $took, $limit);
done_testing;
