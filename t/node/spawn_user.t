# SPDX-License-Identifier: MIT
# appctl-node as an ordinary user, who may look and run commands as itself and nothing more.
use strict;
use warnings;
use Test::More;
use Time::HiRes ();
use Appctl::Node;
use Appctl::Terminal;
use Appctl::Test;

needs_root();

my $uid = getpwnam 'nobody' // plan(skip_all => 'needs the user nobody');
my $me = Appctl::Node->new(node => 'me', config => 'access = ( { user = "nobody"; level = "read"; run_as = ["nobody"]; } );' . "\n",
	app => 'user = "nobody"; no_new_privileges = true;');
chown $uid, -1, $me->dir . '/cookie', $me->node_file;
$me->start->wait_node;

sub on_me { $me->appctl('spawn', '-n', 'me', @_) }

subtest 'commands run as it' => sub {
	my $r = on_me('--', 'sh', '-c', 'id -un; echo $HOME; cat; exit 3', { stdin => "in\n" });
	is($r->{out}, "nobody\n/nonexistent\nin\n", 'with input and output');
	is($r->{exit}, 3);
	like(slurp('/proc/' . $me->node_pid . '/status'), qr/^Uid:\t$uid\t$uid\t/m, 'itself is nobody');
};

subtest 'signals and ends reach them' => sub {
	my $out = $me->dir . '/out';
	spew($out, '');
	my $pid = spawn_program(program('appctl'), '-r', $me->runtime_dir, 'spawn', '-n', 'me', '--name', 'signalled', '--', 'sh', '-c',
		'trap "exit 5" INT; echo ready; while :; do sleep 0.05; done', { env => $me->environment, out => $out });
	Time::HiRes::sleep(0.01) until slurp($out) =~ /ready/;
	kill INT => $pid;
	is(Appctl::Test::wait_child($pid, 10), 5 << 8, 'a signal');
	$pid = spawn_program(program('appctl'), '-r', $me->runtime_dir, 'spawn', '-n', 'me', '--name', 'linked', '--', 'sleep', 1000, { env => $me->environment });
	$me->wait_event({ event => 'app_running', app => 'linked' });
	kill KILL => $pid;
	is($me->wait_event({ event => 'app_stopped', app => 'linked' })->{reason}, 'operator', 'the end of its caller');
	on_me('--no-link', '--detach', '--name', 'left', '--', 'sleep', 1000);
	my $there = spawn_program(program('appctl'), '-r', $me->runtime_dir, 'spawn', '-n', 'me', '--name', 'second', '--', 'sleep', 1000, { env => $me->environment });
	$me->wait_event({ event => 'app_running', app => 'second' });
	kill KILL => $me->node_pid;
	is($me->wait_event({ event => 'app_stopped', app => 'second' })->{reason}, 'dependency', 'the end of appctl-node');
	is(Appctl::Test::wait_child($there, 10), 255 << 8, 'of which the caller hears');
	is($me->appctl_json('status', 'left')->{applications}[0]{state}, 'running', 'but not of one that is not linked');
	$me->appctl('stop', 'left');
	Time::HiRes::sleep(0.02) until on_me('--', 'true')->{exit} == 0;
};

subtest 'a terminal' => sub {
	my $t = Appctl::Terminal->start([program('appctl'), '-r', $me->runtime_dir, 'spawn', '-t', '-n', 'me', '--', 'sh', '-c',
		'stty size; tty; echo type; read line </dev/tty; echo "got $line"'], rows => 20, columns => 70, env => $me->environment);
	$t->expect(qr{20 70\r\n/dev/pts/\d+\r\ntype});
	$t->type("keys\r");
	$t->expect(qr/got keys/);
	is($t->wait, 0, 'is its own, and controls it');
};

subtest 'nothing more' => sub {
	is($me->varlink('Status')->{error}, undef, 'appctld goes on');
	$me->{settings} = 'remote_user = "root";';
	$me->write_settings;
	$me->appctl('kill', '-s', 'HUP', 'appctl-node');
	Time::HiRes::sleep(0.01) until $me->log_text =~ /is in force/;
	my $r = on_me('--', 'id');
	is($r->{exit}, 5, 'appctld does not let it run commands as root, whatever node.conf says');
	like($r->{err}, qr/not permitted/, 'and says so');
};

$me->stop;
done_testing;
