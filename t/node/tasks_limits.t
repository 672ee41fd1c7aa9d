# SPDX-License-Identifier: MIT
# The task supervisor is asked for too much, or nonsense: what it keeps is bounded, what was dropped is said, and who asks is who it is.
use strict;
use warnings;

use IO::Socket::UNIX;
use JSON::PP;
use MIME::Base64;
use Test::More;
use Time::HiRes qw(sleep time);

use Appctl::Test;
use Appctl::Node;

my $node = Appctl::Node->new(node => 'me');
$node->define_tasks(MAX => 4, KEEP => 3, OUTPUT_SIZE => '64K', MEMORY => '160K');
chmod 0777, $node->dir;
$node->start;
$node->wait_events([map { { event => 'app_running', app => $_ } } qw(appctl-tasks appctl-node)]);

sub task { return $node->appctl('task', @_) }
sub names { return [map { $_->{name} } @{ $node->appctl_json('task', 'list')->{tasks} }] }
sub supervisor { return IO::Socket::UNIX->new(Type => SOCK_STREAM(), Peer => $node->runtime_dir . '/tasks/tasks.sock') // die "tasks.sock: $!\n" }
sub call {
	my ($method, $parameters, %flags) = @_;
	my $socket = supervisor();
	$node->varlink_send($socket, "org.appctl.Tasks.$method", $parameters, %flags);
	return ($node->varlink_read($socket), $socket);
}
sub done { my ($name) = @_; for (1 .. 1000) { return 1 if grep { $_->{name} eq $name && $_->{state} eq 'done' } @{ $node->appctl_json('task', 'list')->{tasks} }; sleep 0.01 } return 0 }

subtest 'output that nobody takes' => sub {
	task('--async', '--name', 'loud', '--', 'sh', '-c', 'head -c 300000 /dev/zero | tr "\0" x; echo end >&2');
	ok(done('loud'), 'it does not wait for a reader');
	my $r = task('await', 'loud');
	is(length $r->{out}, 65536, 'the beginning is kept');
	like($r->{err}, qr/^end\nappctl: more was printed than is kept\n/, 'and that there was more is said');
	task('--async', '--name', "loud$_", '--', 'sh', '-c', 'head -c 65536 /dev/zero | tr "\0" x') && done("loud$_") for 1 .. 3;
	is_deeply(names(), ['loud2', 'loud3'], 'all together have a limit: the oldest that has ended goes');
	is(length task('await', $_)->{out}, 65536, "$_ is whole") for 'loud2', 'loud3';
};

subtest 'ends that nobody awaits' => sub {
	for (1 .. 5) { task('--async', '--name', "end$_", '--', 'true'); done("end$_") }
	is_deeply(names(), ['end3', 'end4', 'end5'], 'the latest are kept');
	is(task('await', 'end1')->{exit}, 3, 'others are forgotten');
	task('await', "end$_") for 3 .. 5;
	is_deeply(names(), [], 'and so are those that were awaited');
};

subtest 'too many at once' => sub {
	task('--async', '--name', "many$_", '--', 'sleep', '1000') for 1 .. 4;
	my $r = task('--', 'true');
	is($r->{exit}, 1, 'one more is refused');
	like($r->{err}, qr/too many/, 'with the reason');
	task('stop', map { "many$_" } 1 .. 4);
	is(task('--', 'true')->{exit}, 0, 'there is room again');
	task('await', "many$_") for 1 .. 4;
};

subtest 'restarts' => sub {
	my $file = $node->dir . '/runs';
	my $r = task('--name', 'thrice', '--restart', 'transient', '--', 'sh', '-c', "echo x >>$file; n=\$(wc -l <$file); echo run \$n; test \$n -ge 3");
	is_deeply([@$r{qw(exit out)}], [0, "run 1\nrun 2\nrun 3\n"], 'what each run prints comes');
	unlink $file;
	$r = task('--name', 'forever', '--restart', 'permanent', '--timeout', '30', '--', 'sh', '-c', "echo x >>$file");
	is($r->{exit}, 0, 'permanent: until it is too often');
	is(() = slurp($file) =~ /x/g, 4, 'more than three restarts in five seconds');
};

subtest 'the engine is killed under one that is awaited' => sub {
	my $out = $node->dir . '/awaited';
	my $pid = spawn_program(program('appctl'), '-r', $node->runtime_dir, 'task', '--', 'sh', '-c', "echo begin; while ! test -e $out.go; do sleep 0.02; done; echo end; exit 9",
		{ env => $node->environment, out => $out, err => $out });
	for (1 .. 1000) { last if slurp($out) =~ /begin/; sleep 0.01 }
	kill KILL => $node->engine_pid;
	spew("$out.go", '');
	is(Appctl::Test::wait_child($pid, 20) >> 8, 9, 'its result comes');
	is(slurp($out), "begin\nend\n", 'and all that it printed');
	@$node{qw(events cursor buffer)} = ([], 0, '');
	$node->subscribe;
};

subtest 'who goes, and who lets go' => sub {
	my (undef, $socket) = call(Run => { command => ['sleep', '1000'], name => 'held' }, more => 1);
	close $socket;
	$node->wait_event({ event => 'app_exited', app => 'held' });
	pass('a connection that is closed takes its task along');
	my $go = $node->dir . '/go';
	(undef, $socket) = call(Run => { command => ['sh', '-c', "read x; while ! test -e $go; do sleep 0.02; done; echo \$x"], name => 'free',
		linked => JSON::PP::false, input => encode_base64("on\n", '') }, more => 1);
	close $socket;
	spew($go, '');
	is(task('await', 'free')->{out}, "on\n", 'unless it was not linked');
	(undef, $socket) = call(Run => { command => ['sh', '-c', 'head -c 3000000 /dev/zero; echo >&2'], name => 'stuck' }, more => 1);
	sleep 0.3;	# time enough to print all of it, if it could
	is($node->appctl_json('status', 'stuck')->{applications}[0]{state}, 'running', 'a caller that does not read makes its task wait');
	close $socket;
	$node->wait_event({ event => 'app_exited', app => 'stuck' });
	for (1 .. 500) { last unless @{ names() }; sleep 0.01 }
	is_deeply(names(), [], 'nothing is left of it');
};

subtest 'more tasks than the usual limit of descriptors has room for' => sub {
	my $small = Appctl::Node->new(node => 'small', no_node_app => 1, before => ['sh', '-c', 'ulimit -Sn 256; exec "$@"', 'sh']);
	$small->define_tasks;
	$small->start;
	$small->wait_event({ event => 'app_running', app => 'appctl-tasks' });
	my $socket = IO::Socket::UNIX->new(Type => SOCK_STREAM(), Peer => $small->runtime_dir . '/tasks/tasks.sock');
	my $started = 0;
	for my $n (1 .. 200) {
		$small->varlink_send($socket, 'org.appctl.Tasks.Start', { command => ['sleep', '1000'], name => "t$n" });
		my $reply = $small->varlink_read($socket);
		$started++ if ($reply->{parameters}{name} // '') eq "t$n" && !$reply->{error};
	}
	is($started, 200, 'all of them run');
	is($small->stop(30), 0, 'and end with it');
};

subtest 'nonsense' => sub {
	for (
		['not JSON', qr/InvalidParameter/], ['{}', qr/InvalidParameter/], ['[1]', qr/InvalidParameter/],
		['{"method":"org.appctl.Tasks.Run","parameters":[]}', qr/InvalidParameter/],
		['{"method":"org.appctl.Tasks.Run","parameters":{}}', qr/missing.*command/],
		['{"method":"org.appctl.Tasks.Run","parameters":{"command":[]}}', qr/names no program/],
		['{"method":"org.appctl.Tasks.Run","parameters":{"command":["true"],"input":"%"}}', qr/not base64/],
		['{"method":"org.appctl.Tasks.Run","parameters":{"command":["true"],"environment":{"A":1}}}', qr/environment/],
		['{"method":"org.appctl.Tasks.Run","parameters":{"command":["true"],"root":"/"}}', qr/no parameter/],
		['{"method":"org.appctl.Tasks.Run","parameters":{"command":["true"],"name":"../x"}}', qr/error/],
		['{"method":"org.appctl.Tasks.Fly","parameters":{}}', qr/MethodNotFound/],
		['{"method":"org.appctl.Control.Run","parameters":{}}', qr/InterfaceNotFound/],
		['{"method":"org.varlink.service.GetInfo"}', qr/org\.appctl\.Tasks/],
		['{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"org.appctl.Tasks"}}', qr/interface org\.appctl\.Tasks/],
	) {
		my ($text, $says) = @$_;
		my $socket = supervisor();
		print $socket "$text\0";
		$socket->flush;
		like(JSON::PP->new->canonical->encode($node->varlink_read($socket) // {}), $says, substr $text, 0, 70);
	}
	my $socket = supervisor();
	local $SIG{PIPE} = 'IGNORE';
	print $socket 'x' x 300000 or 1;
	$socket->flush;
	like(JSON::PP->new->encode($node->varlink_read($socket) // { closed => 1 }), qr/longer than|closed/, 'a call without an end');
	is(task('--', 'true')->{exit}, 0, 'it goes on');
};

subtest 'another user' => sub {
	plan skip_all => 'needs root' if $> != 0;
	chmod 0755, $node->dir;
	my $r = $node->appctl('task', 'list', { uid => 65534 });
	is($r->{exit}, 5, 'gets nothing');
	like($r->{err}, qr{tasks/tasks\.sock is for root and the user that the task supervisor runs as}, 'and hears why');
};

subtest 'through a node the caller is who it is' => sub {
	plan skip_all => 'needs root' if $> != 0;
	my (undef, $socket) = $node->channel('me', 'tasks', {});
	$node->varlink_send($socket, 'org.appctl.Tasks.Run', { command => ['sh', '-c', 'echo $APPCTL_CALLER'], caller => 'eve/forged' });
	is(decode_base64($node->varlink_read($socket)->{parameters}{output}), "me/~root\n", 'not whom it claims to be');
};

done_testing;
