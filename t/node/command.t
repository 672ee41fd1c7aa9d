# SPDX-License-Identifier: MIT
# appctl nodes, appctl cookie new, and the files in contrib/node.
use strict;
use warnings;
use JSON::PP;
use Test::More;
use Appctl::Test;
use Appctl::Node;

subtest 'appctl cookie new' => sub {
	my $dir = Appctl::Test::scratch_directory();
	my $r = run_program(program('appctl'), 'cookie', 'new', "$dir/cookie");
	is($r->{exit}, 0, 'made') or diag($r->{err});
	my $first = slurp("$dir/cookie");
	like($first, qr/^[0-9a-f]{64}\n\z/, '256 bits');
	is((stat "$dir/cookie")[2] & 07777, 0400, 'mode 0400');
	unlike($r->{out} . $r->{err}, qr/[0-9a-f]{16}/, 'it is not shown');
	$r = run_program(program('appctl'), 'cookie', 'new', "$dir/cookie");
	is($r->{exit}, 1, 'one that is there is left alone');
	like($r->{err}, qr/is there already.*--force/, 'and said');
	is(slurp("$dir/cookie"), $first, 'as it was');
	$r = run_program(program('appctl'), '--json', 'cookie', 'new', '--force', "$dir/cookie");
	is_deeply(decode_json($r->{out}), { file => "$dir/cookie", bits => 256 }, '--force, as JSON');
	isnt(slurp("$dir/cookie"), $first, 'another one');
	is((stat "$dir/cookie")[2] & 07777, 0400, 'mode 0400');
	$r = run_program(program('appctl'), 'cookie', 'new', { env => { XDG_CONFIG_HOME => $dir, HOME => $dir }, uid => $> ? undef : 65534 });
	like($r->{err}, qr{\Q$dir\E/appctl/cookie}, 'without a name it is beside appctld.conf');
	is(run_program(program('appctl'), 'cookie', 'old')->{exit}, 2, 'there is nothing else');
	is_deeply([glob "$dir/cookie.*"], [], 'nothing is left beside it');
	SKIP: {
		skip 'needs root', 1 if $>;
		run_program(program('appctl'), 'cookie', 'new', '--owner', 'nobody', "$dir/other");
		is((stat "$dir/other")[4], getpwnam 'nobody', 'it may be made for another user');
	}
};

subtest 'appctl nodes' => sub {
	my ($alice, $bob) = Appctl::Node->cluster(qw(alice bob), { node_program => program('t/node/appctl-node') });
	my $r = $alice->appctl('nodes');
	like($r->{out}, qr/^this is node alice\nNODE .*\nbob +down .*\Q@{[$bob->address]}\E:4370/, 'a table');
	is($alice->appctl('nodes', 'bob')->{exit}, 6, 'one that is not up');
	is($alice->appctl('nodes', 'carol')->{exit}, 3, 'one that is not known');
	my (undef, $socket) = $alice->channel($bob, 'echo');
	$alice->wait_event({ event => 'node_up' });
	$r = $alice->appctl('nodes', 'bob');
	is($r->{exit}, 0, 'one that is up');
	like($r->{out}, qr/bob +up .* [\d.]+ ms +\Q@{[$bob->address]}\E:4370/, 'with its round trip');
	my $doc = $alice->appctl_json('nodes');
	is("$doc->{node} $doc->{nodes}[0]{name} $doc->{nodes}[0]{state}", 'alice bob up', '--json');
	like($alice->appctl('--names', 'nodes')->{out}, qr{^bob$}m, 'and completion');
	$_->stop for $alice, $bob;
	is($alice->appctl('nodes')->{exit}, 6, 'without appctl-node');
};

subtest 'appctl -n NODE nodes' => sub {
	my ($alice, $bob) = Appctl::Node->cluster(qw(alice bob));
	my $doc = $alice->appctl_json('-n', 'bob', 'nodes');
	is("$doc->{node} $doc->{nodes}[0]{name} $doc->{nodes}[0]{state}", 'bob alice up', 'those that bob knows');
	like($alice->appctl('-n', 'bob', 'nodes')->{out}, qr/^this is node bob\n/, 'and who says it');
	is($alice->appctl('-n', 'bob', 'nodes', 'alice')->{exit}, 0, 'by name');
	is($alice->appctl('-n', 'bob', 'nodes', 'carol')->{exit}, 3, 'one that bob does not know');
	is($alice->appctl('-n', 'carol', 'nodes')->{exit}, 3, 'of no node');
	my (undef, $socket) = $alice->channel('bob', 'nodes');
	$alice->varlink_send($socket, 'org.appctl.Node.Connect', { node => 'alice', service => 'control' });
	is($alice->varlink_read($socket)->{error}, 'org.varlink.service.MethodNotFound', 'nothing else of node.sock is there');
	$bob->{allow} = 'control = "none";';
	$bob->write_settings;
	kill HUP => $bob->node_pid;
	$alice->varlink_send($socket, 'org.appctl.Node.ListNodes', {});
	my $reply = $alice->varlink_read($socket);
	until ($reply->{error}) {
		$alice->varlink_send($socket, 'org.appctl.Node.ListNodes', {});
		$reply = $alice->varlink_read($socket);
	}
	is($reply->{parameters}{code}, 'not_permitted', 'who may not look any more does not');
	is($alice->appctl('-n', 'bob', 'nodes')->{exit}, 5, 'nor by the command');
	$_->stop for $alice, $bob;
};

subtest 'what contrib/node has is good' => sub {
	my $r = run_program(program('appctl-node'), '--check', '-c', top_srcdir() . '/contrib/node/node.conf');
	is($r->{exit}, 0, 'node.conf') or diag($r->{err});
	my $dir = Appctl::Test::scratch_directory();
	(my $all = slurp(top_srcdir() . '/contrib/node/node.conf')) =~ s/^#(?=\w|\t|\}| {4})//mg;
	spew("$dir/node.conf", $all);
	$r = run_program(program('appctl-node'), '--check', '-c', "$dir/node.conf");
	is($r->{exit}, 0, 'with all that is commented out') or diag($r->{err});
	my $node = Appctl::Test->new(dropins => { 'node.conf' => slurp(top_srcdir() . '/contrib/node/conf.d/node.conf') });
	$r = $node->run_appctld('--check');
	unlike($r->{err}, qr/node\.conf:(?!.*user "appctl-node")/, 'the drop-in, but for the user') or diag($r->{err});
};

done_testing;
