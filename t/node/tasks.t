# SPDX-License-Identifier: MIT
# Tasks: run under a task supervisor here or on another node, awaited with output, result and timeout, or left and asked for later.
use strict;
use warnings;

use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

use Appctl::Test;
use Appctl::Node;

my $me = Appctl::Node->new(node => 'me');
my $you = Appctl::Node->new(node => 'you');
$me->{peers} = [$you];
$you->{peers} = [$me];
for ($me, $you) {
	$_->write_settings;
	$_->define_tasks;
	$_->start;
}
for my $node ($me, $you) { $node->wait_event({ event => 'app_running', app => 'appctl-tasks' }) }

my $scratch = $you->dir . '/scratch';
mkdir $scratch;
chmod 0777, $scratch;

sub task { return $me->appctl('task', @_) }
sub in_background {
	my (@args) = @_;
	my $out = $me->dir . '/out' . int rand 1e9;
	spew($out, '');
	my $pid = spawn_program(program('appctl'), '-r', $me->runtime_dir, 'task', @args, { env => $me->environment, out => $out, err => $out });
	return ($pid, $out);
}
sub until_there { my ($file) = @_; for (1 .. 2000) { return 1 if -s $file; sleep 0.01 } return 0 }
sub app { my ($node, $name) = @_; return $node->appctl_json('status', $name)->{applications}[0] }

is_deeply($you->appctl_json('task', 'list'), { tasks => [] }, 'a supervisor begins with no tasks');

for my $where ([], ['-n', 'you']) {
	my $at = @$where ? 'there' : 'here';
	subtest "awaited, $at" => sub {
		my $r = task('run', @$where, '--', 'sh', '-c', 'echo out; echo err >&2; exit 7');
		is_deeply([@$r{qw(exit out err)}], [7, "out\n", "err\n"], 'output, error and result');
		is(task(@$where, '--', 'true')->{exit}, 0, 'run is what it does unless told');
		is(task(@$where, 'run', '--', 'sh', '-c', 'kill -TERM $$')->{exit}, 143, 'a signal');
		like(task(@$where, '--name', 'who', '--', 'sh', '-c', 'echo $APPCTL_SELF $APPCTL_CALLER')->{out},
			@$where ? qr{^you/who me/~root$} : qr{^me/who\b}, 'who it is, and who asked');
		my $json = JSON::PP->new->decode($me->appctl('--json', 'task', @$where, '--', 'echo', 'x')->{out});
		is($json->{output}, "x\n", '--json: output');
		is($json->{result}{code}, 0, 'and result');
		is(task(@$where, '-i', '--', 'cat', { stdin => "to it\n" })->{out}, "to it\n", 'input');
		is(task(@$where, '-e', 'A=b', '-C', '/tmp', '--', 'sh', '-c', 'echo $A; pwd')->{out}, "b\n/tmp\n", 'environment and directory');
		my $big = task(@$where, '--', 'sh', '-c', 'head -c 3000000 /dev/zero | tr "\\0" x');
		is(length $big->{out}, 3000000, 'all of the output where somebody stays with it');
		my $begin = time;
		$r = task(@$where, '--timeout', '0.3', '--name', 'slow', '--', 'sleep', '1000');
		is($r->{exit}, 4, 'a timeout');
		like($r->{err}, qr/slow/, 'says of what');
		is_deeply([grep { $_->{name} eq 'slow' && $_->{state} ne 'done' } @{ $me->appctl_json('task', @$where, 'list')->{tasks} }], [], 'and ends it: they are linked');
		is(task(@$where, '--', '/nonexistent')->{exit}, 1, 'what cannot be started');
	};
}

subtest 'left to themselves' => sub {
	my $r = task('-n', 'you', '--async', '--name', 'later', '--', 'sh', '-c', "echo said; while ! test -s $scratch/go; do sleep 0.02; done; exit 3");
	is_deeply([@$r{qw(exit out)}], [0, "later\n"], '--async prints the name');
	my ($listed) = @{ $me->appctl_json('task', '-n', 'you', 'list')->{tasks} };
	is($listed->{name}, 'later', 'listed where it is');
	is($listed->{caller}, 'me/~root', 'with its caller');
	is($listed->{state}, 'running');
	is(app($you, 'later')->{state}, 'running', 'an application of that node');
	ok($you->wait_event({ event => 'app_running', app => 'later' }), 'with events');
	is(task('-n', 'you', 'await', 'later', '--timeout', '0.1')->{exit}, 4, 'not yet: it goes on');
	is(task('-n', 'you', '--async', '--name', 'later', '--', 'true')->{exit}, 1, 'a name that is taken');
	kill KILL => $me->node_pid, $you->node_pid;
	for my $node ($me, $you) { $node->wait_event({ event => 'app_exited', app => 'appctl-node' }); $node->wait_event({ event => 'app_running', app => 'appctl-node' }) }
	is(app($you, 'later')->{state}, 'running', 'the end of both appctl-node is nothing to it');
	kill KILL => $you->engine_pid;
	spew("$scratch/go", 'x');
	$r = task('-n', 'you', 'await', 'later', '--timeout', '20');
	is_deeply([@$r{qw(exit out)}], [3, "said\n"], 'nor is that of the engine: its output and result are there');
	@$you{qw(events cursor buffer)} = ([], 0, "");
	$you->subscribe;
	is(task('-n', 'you', 'await', 'later')->{exit}, 3, 'once');
	is(task('-n', 'you', 'await', 'never-was')->{exit}, 3, 'no such task');
	is(task('-n', 'you', 'stop', 'never-was')->{exit}, 3);
};

subtest 'shutdown' => sub {
	my $trap = sub { my ($file) = @_; return ('--', 'sh', '-c', "trap 'echo term >$file' TERM; echo up >$file.up; while :; do sleep 0.05; done") };
	task('--async', '--name', 'brutal', '--shutdown', 'brutal_kill', $trap->("$scratch/brutal"));
	until_there("$scratch/brutal.up");
	is(task('stop', 'brutal')->{exit}, 0, 'brutal_kill');
	ok(!-e "$scratch/brutal", 'it hears nothing before');
	task('--async', '--name', 'short', '--shutdown', '0.3', $trap->("$scratch/short"));
	until_there("$scratch/short.up");
	is(task('stop', 'short')->{exit}, 0, 'a time limit');
	ok(-e "$scratch/short", 'it was asked first');
	task('--async', '--name', 'long', '--shutdown', 'infinity', '--', 'sh', '-c',
		"trap 'while ! test -s $scratch/enough; do sleep 0.02; done; echo done; exit 5' TERM; echo up >$scratch/long.up; while :; do sleep 0.05; done");
	until_there("$scratch/long.up");
	my ($stop) = in_background('stop', 'long');
	is(Appctl::Test::wait_child($stop, 1), undef, 'infinity: as long as it takes');
	spew("$scratch/enough", 'x');
	isnt(Appctl::Test::wait_child($stop, 20), undef, 'until it has ended');
	my $r = task('await', 'long');
	is_deeply([@$r{qw(exit out)}], [5, "done\n"], 'and can still be awaited');
	is(task('--shutdown', 'sometimes', '--', 'true')->{exit}, 2, 'nothing else');
};

subtest 'restart' => sub {
	task('--name', 'again', '--restart', 'transient', '--timeout', '20', '--', 'sh', '-c', "echo x >>$scratch/again; test \$(wc -l <$scratch/again) -ge 3");
	is(() = slurp("$scratch/again") =~ /x/g, 3, 'transient: until it ends well');
	my $r = task('--name', 'once', '--', 'sh', '-c', "echo x >>$scratch/once; exit 1");
	is(() = slurp("$scratch/once") =~ /x/g, 1, 'temporary: once');
};

subtest 'who goes and who stays' => sub {
	my ($caller) = in_background('-n', 'you', '--name', 'linked', '--', 'sh', '-c', "echo up >$scratch/linked; exec sleep 1000");
	ok(until_there("$scratch/linked"));
	kill KILL => $caller;
	ok($you->wait_event({ event => 'app_exited', app => 'linked' }), 'a linked task ends with its caller');
	($caller) = in_background('-n', 'you', '--name', 'awaited', '--', 'sh', '-c', "echo up >$scratch/awaited; exec sleep 1000");
	ok(until_there("$scratch/awaited"));
	kill KILL => $me->node_pid;
	ok($you->wait_event({ event => 'app_exited', app => 'awaited' }), 'and with the link');
	is(Appctl::Test::wait_child($caller, 20) >> 8, 255, 'whose end the caller hears of');
	$me->wait_event({ event => 'app_exited', app => 'appctl-node' });
	$me->wait_event({ event => 'app_running', app => 'appctl-node' });
	my $out;
	task('-n', 'you', '--async', '--name', 'left', '--', 'sleep', '1000');
	($caller, $out) = in_background('-n', 'you', 'await', 'left');
	kill KILL => app($you, 'appctl-tasks')->{pid};
	ok($you->wait_events([{ event => "app_exited", app => "left" }, { event => "app_exited", app => "appctl-tasks" },
		{ event => "app_running", app => "appctl-tasks" }]), "the supervisor's end is its tasks'");
	is(Appctl::Test::wait_child($caller, 20) >> 8, 255, 'and who waits is told');
	is_deeply($me->appctl_json('task', '-n', 'you', 'list'), { tasks => [] }, 'it begins anew with none');
};

subtest 'what the other node allows' => sub {
	$you->{allow} = 'task = ["date", "/bin/echo"]; control = "read";';
	$you->write_settings;
	kill HUP => $you->node_pid;
	my $r;
	for (1 .. 500) { $r = task('-n', 'you', '--', 'true'); last if $r->{exit} == 5; sleep 0.02 }
	is($r->{exit}, 5, 'no other command');
	like($r->{err}, qr/you.*allow/, 'says where that is set');
	is(task('-n', 'you', '--', 'date')->{exit}, 0, 'a name that is listed');
	is(task('-n', 'you', '--', '/bin/echo', 'x')->{out}, "x\n", 'a path that is');
	is(task('-n', 'you', '--', '/tmp/date')->{exit}, 5, 'not the same name elsewhere');
	is(task('-n', 'you', '--', './date')->{exit}, 5);
	$you->appctl('task', '--async', '--name', 'own', '--', 'sleep', '1000');
	is(task('-n', 'you', 'stop', 'own')->{exit}, 3, "that node's own tasks are not to be seen");
	is(task('-n', 'you', 'await', 'own', '--timeout', '1')->{exit}, 3);
	is($you->appctl('task', 'stop', 'own')->{exit}, 0);
	$you->{allow} = 'task = false;';
	$you->write_settings;
	kill HUP => $you->node_pid;
	for (1 .. 500) { $r = task('-n', 'you', 'list'); last if $r->{exit} == 5; sleep 0.02 }
	is($r->{exit}, 5, 'none at all');
	is(task('-n', 'nobody', '--', 'true')->{exit}, 3, 'no such node');
};

done_testing;
