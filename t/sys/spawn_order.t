# SPDX-License-Identifier: MIT
# An order to spawn that waits for a user's name is overtaken by others, and carried out all the same, once.
use strict;
use warnings;
use Test::More;
use Appctl::Test;

needs_root();

my $node = Appctl::Test->new(config => "#\n")->start;

sub begin_run {
	my ($name, %definition) = @_;
	my $socket = $node->connect_control;
	$node->varlink_send($socket, 'Run', { name => $name, definition => { restart => 'temporary', command => ['true'], %definition } });
	return $socket;
}

subtest 'whose name is not known yet' => sub {
	my @slow = map { begin_run("slow$_", user => $_ % 2 ? 'nobody' : 'daemon') } 1 .. 8;
	my @quick = map { begin_run("quick$_") } 1 .. 8;
	for my $socket (@slow, @quick) {
		my $r = $node->varlink_read($socket);
		is($r->{error}, undef, "$r->{parameters}{name} was started") or diag(explain($r));
	}
	for my $i (1 .. 8) {
		$node->wait_count({ event => 'app_exited', app => $_, status => 0 }, 1) for "slow$i", "quick$i";
	}
	is(scalar $node->events_so_far({ event => 'app_starting' }), 16, 'each once');
};

subtest 'and one that is not to be had' => sub {
	my @wrong = map { begin_run("wrong$_", user => "no-such-user-$_") } 1 .. 4;
	my @quick = map { begin_run("other$_") } 1 .. 4;
	for my $socket (@wrong) {
		my $r = $node->varlink_read($socket);
		like($r->{parameters}{why}, qr/lookup: user no-such-user-\d is not known/, 'is said');
	}
	is($node->varlink_read($_)->{error}, undef, 'others do not suffer') for @quick;
};

is($node->stop, 0);
done_testing;
