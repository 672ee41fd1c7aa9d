# SPDX-License-Identifier: MIT
# appctl-node as an application: its configuration, its socket, its end.
use strict;
use warnings;
use Test::More;
use Appctl::Test;
use Appctl::Node;

subtest 'it is ready, answers on its socket, and ends when told' => sub {
	my $node = Appctl::Node->new(node => 'alice')->start->wait_node;
	my $r = $node->node_call('ListNodes');
	is_deeply($r, { parameters => { node => 'alice', nodes => [] } }, 'it knows its name from appctld');
	is((stat $node->node_socket)[2] & 07777, 0600, 'its socket is its own');
	my $info = $node->node_call('org.varlink.service.GetInfo');
	$node->stop;
	ok(!-e $node->node_socket, 'the socket is gone with it');
};

subtest 'a channel to no service, and to no node' => sub {
	my $node = Appctl::Node->new(node => 'alice')->start->wait_node;
	my $r = $node->node_call(Connect => { node => 'alice', service => 'nothing' });
	is($r->{error}, 'org.appctl.Node.Failed', 'refused');
	is($r->{parameters}{code}, 'no_such_service', 'by its own node');
	$r = $node->node_call(Connect => { node => 'nobody', service => 'nothing' });
	is($r->{parameters}{code}, 'no_such_node', 'a node that nobody knows');
	$node->stop;
};

subtest 'what is wrong with node.conf is said with file and line' => sub {
	my $node = Appctl::Node->new(node => 'alice', settings => 'hearbeat = "1s";', peers => [['b ad', 'x', 1]]);
	my $r = run_program(program('appctl-node'), '--check', '-c', $node->node_file);
	is($r->{exit}, 2, 'refused');
	like($r->{err}, qr/node\.conf:4: hearbeat: unknown key \(did you mean heartbeat\?\)/, 'the nearest key');
	like($r->{err}, qr/node\.conf:5: .*"b ad" is no node's name/, 'and what else there is');
	$node = Appctl::Node->new(node => 'alice', allow => 'control = { level = "read"; applications = ["a"]; }; spawn = false; task = ["date"];');
	$r = run_program(program('appctl-node'), '--check', '-c', $node->node_file);
	is($r->{exit}, 0, 'a good one') or diag($r->{err});
};

subtest 'a cookie that others may read, or that is easily guessed' => sub {
	for ([0440, 'x' x 40, qr/chmod 0400/], [0600, undef, qr/chmod 0400/], [0400, 'short', qr/128 bits/], [0400, '0123456789abcdef', qr/128 bits/],
		[0400, '', qr/128 bits/], [0400, ('0123456789abcdef' x 4) . "\nmore", qr/more than one line/], [0400, 'a' x 64, qr/128 bits/]) {
		my ($mode, $text, $what) = @$_;
		my $node = Appctl::Node->new(node => 'alice', defined $text ? (cookie => $text) : (), app => 'restart = "temporary";');
		chmod $mode, $node->dir . '/cookie';
		$node->start;
		$node->wait_event({ event => 'app_exited', app => 'appctl-node' });
		like($node->log_text, $what, sprintf 'mode %04o: %s', $mode, substr $text // 'good', 0, 20);
		$node->stop;
	}
};

done_testing;
