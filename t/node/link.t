# SPDX-License-Identifier: MIT
# Links between nodes: made when needed, one for each pair, events on both sides, ended with either.
use strict;
use warnings;
use IO::Select;
use JSON::PP;
use Test::More;
use Appctl::Test;
use Appctl::Net;
use Appctl::Node;

my %test = (node_program => program('t/node/appctl-node'));

sub echo {
	my ($socket, $text) = @_;
	syswrite $socket, $text;
	my $got = '';
	while (length $got < length $text) { sysread $socket, $got, 65536, length $got or last }
	return $got;
}

subtest 'a link is made when somebody needs it' => sub {
	my ($alice, $bob) = Appctl::Node->cluster(qw(alice bob), { %test });
	is($alice->nodes->{bob}{state}, 'down', 'none at first');
	is($alice->nodes->{bob}{address}, $bob->address . ':4370', 'where it is, is known');
	my ($reply, $socket) = $alice->channel($bob, 'echo');
	is($reply->{peer}, 'alice', 'bob sees whose channel that is');
	like($reply->{caller}, qr{^alice/~}, 'and who has opened it');
	is(echo($socket, 'hello'), 'hello', 'bytes go there and back');
	my ($up) = $alice->wait_event({ event => 'node_up' });
	is("$up->{peer} $up->{address}", 'bob ' . $bob->address . ':4370', 'node_up here');
	is($bob->wait_event({ event => 'node_up' })->{peer}, 'alice', 'and there');
	for ([$alice, 'bob'], [$bob, 'alice']) {
		my ($node, $other) = @$_;
		my $state = $node->nodes->{$other};
		is($state->{state}, 'up', "$other is up");
		cmp_ok($state->{round_trip} // 9, '<', 1, 'its round trip was measured');
	}
	my (undef, $second) = $bob->channel($alice, 'echo');
	is(echo($second, 'the other way'), 'the other way', 'channels go both ways over it');
	is(scalar(grep { $_->{peer} } $bob->events_so_far({ event => 'node_up' })), 1, 'it is one link');
	$alice->stop;
	like($bob->wait_event({ event => 'node_down', peer => 'alice' })->{reason}, qr/\S/, 'node_down says why');
	is($alice->events_so_far({ event => 'node_down', peer => 'bob' }) + 0, 1, 'on both sides');
	is($bob->nodes->{alice}{state}, 'down', 'and so does the list');
	sysread $second, my $data, 1;
	is($data, '', 'its channels have ended');
	my $r = $bob->node_call(Connect => { node => 'alice', service => 'echo' });
	is($r->{parameters}{code}, 'unreachable', 'a node that is not there is an error at once');
	like($r->{parameters}{message}, qr/refused/i, 'that says why');
	$bob->stop;
};

subtest 'much goes through, both ways at once, and does not pile up' => sub {
	my ($alice, $bob) = Appctl::Node->cluster(qw(alice bob), { %test });
	my (undef, $source) = $alice->channel($bob, 'source', { bytes => 50_000_000 });
	my (undef, $sink) = $alice->channel($bob, 'sink', {}, framed => 1);
	my ($got, $sent, $room, $buffer) = (0, 0, 262144, '');
	$_->blocking(0) for $source, $sink;
	my $end = time + 60 * slow_factor();
	my ($closed, $last);
	while (time < $end && ($got < 50_000_000 || !$closed || length $buffer)) {
		my $n = sysread $source, my $data, 1 << 20;
		$got += $n if $n;
		my $piece = $room > 30000 ? 30000 : $room;
		$buffer .= Appctl::Node::record('data', 'x' x $piece), $room -= $piece, $sent += $piece
			if $piece && length($buffer) < 100_000 && $sent < 20_000_000;
		$n = length $buffer ? syswrite $sink, $buffer : 0;
		$buffer = substr $buffer, $n if $n;
		$buffer .= Appctl::Node::record('end') if $sent >= 20_000_000 && !$closed++ ;
		next if $last && $last->{type} eq 'close';
		next unless IO::Select->new($sink)->can_read(0);
		$sink->blocking(1);
		$last = Appctl::Node::read_record($sink);
		$sink->blocking(0);
		$room += unpack 'V', $last->{payload} if $last->{type} eq 'credit';
	}
	is($got, 50_000_000, 'all came');
	$sink->blocking(1);
	$last = Appctl::Node::read_record($sink) while $last && $last->{type} eq 'credit';
	is(decode_json($last->{payload})->{bytes}, $sent, 'all went, and the end came behind it') if is($last->{type}, 'close', 'closed');
	my (undef, $stuck) = $alice->channel($bob, 'source', { bytes => 100_000_000 });
	my (undef, $other) = $alice->channel($bob, 'echo');
	is(echo($other, 'still'), 'still', 'a channel that nobody reads holds no other');
	cmp_ok(Appctl::Net::memory_of($_->node_pid), '<', (slow_factor() > 1 ? 400 : 40) * 1024, 'and no memory') for $alice, $bob;
	$_->stop for $alice, $bob;
};

subtest 'objects, streams and ends in order, in framed mode' => sub {
	my ($alice, $bob) = Appctl::Node->cluster(qw(alice bob), { %test });
	my (undef, $socket) = $alice->channel($bob, 'echo', {}, framed => 1);
	my @send = (['data', 'one', stream => 0], ['tell', { n => 1 }], ['data', 'two', stream => 2], ['end', '', stream => 2], ['data', 'three', stream => 0]);
	syswrite $socket, join '', map { Appctl::Node::record(@$_) } @send;
	my @got = map { Appctl::Node::read_record($socket) } @send;
	is_deeply([map { "$_->{type} $_->{stream} $_->{payload}" } @got],
		['data 0 one', 'tell 0 {"n":1}', 'data 2 two', 'end 2 ', 'data 0 three'], 'what comes back');
	syswrite $socket, Appctl::Node::record('close', {});
	is(sysread($socket, my $rest, 1), 0, 'closed');
	(undef, $socket) = $alice->channel($bob, 'echo', {}, framed => 1);
	syswrite $socket, Appctl::Node::record('hello', { a => 1 });
	like(Appctl::Node::read_record($socket)->{payload}, qr/"invalid".*type 1/, 'a record that has no place there ends it');
	is(sysread($socket, $rest, 1), 0, 'and the connection');
	$_->stop for $alice, $bob;
};

subtest 'either side is started anew, and found again' => sub {
	my ($alice, $bob) = Appctl::Node->cluster(qw(alice bob), { %test });
	my (undef, $socket) = $alice->channel($bob, 'echo');
	my ($reply, $waiting) = (undef, $alice->node_connect);
	$alice->varlink_send($waiting, 'org.appctl.Node.Connect', { node => 'bob', service => 'mute' });
	is(echo($socket, 'x'), 'x', 'a channel, and one that nobody accepts yet');
	kill KILL => $bob->node_pid;
	$alice->wait_event({ event => 'node_down', peer => 'bob' });
	is($alice->varlink_read($waiting)->{parameters}{code}, 'outcome_unknown', 'it may have been heard of');
	$bob->wait_event({ event => 'app_stopped', app => 'appctl-node' });
	$bob->wait_node;
	(undef, $socket) = $alice->channel($bob, 'echo');
	is(echo($socket, 'again'), 'again', 'bob is found again');
	kill KILL => $alice->node_pid;
	$bob->wait_event({ event => 'node_down', peer => 'alice' });
	$alice->wait_event({ event => 'app_stopped', app => 'appctl-node' });
	$alice->wait_node;
	(undef, $socket) = $bob->channel($alice, 'echo');
	is(echo($socket, 'again'), 'again', 'alice is found again');
	$_->stop for $alice, $bob;
};

subtest 'both dial at once: one link' => sub {
	my ($alice, $bob) = Appctl::Node->cluster(qw(alice bob), { %test });
	for my $round (1 .. 5) {
		my ($from, $to) = ($alice->node_connect, $bob->node_connect);
		$alice->varlink_send($from, 'org.appctl.Node.Connect', { node => 'bob', service => 'echo' });
		$bob->varlink_send($to, 'org.appctl.Node.Connect', { node => 'alice', service => 'echo' });
		ok(!defined $alice->varlink_read($from)->{error}, "round $round: alice has her channel");
		ok(!defined $bob->varlink_read($to)->{error}, 'bob has his');
		is($_->nodes->{ $_ == $alice ? 'bob' : 'alice' }{state}, 'up', 'up') for $alice, $bob;
		is(scalar(@{ [$_->wait_count({ event => 'node_up' }, $round)] }), $round, 'one link came up') for $alice, $bob;
		$_->write_cookie for $alice, $bob;
		$alice->{cookie} = $bob->{cookie} = join '', map { sprintf '%08x', rand 2**32 } 1 .. 8;
		$_->write_cookie for $alice, $bob;
		kill HUP => $_->node_pid for $alice, $bob;
		$_->wait_event({ event => 'node_down' }) for $alice, $bob;
	}
	$_->stop for $alice, $bob;
};

done_testing;
