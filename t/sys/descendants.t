# SPDX-License-Identifier: MIT
# What an application leaves behind ends with it, with cgroups and without; a forking one is known by its pidfile.
use strict;
use warnings;
use Test::More;
use Time::HiRes 'sleep';
use Appctl::Test;

needs_root();

sub pid_in { my ($node, $name) = @_; return slurp($node->dir . "/$name") =~ /^(\d+)$/ ? $1 : 0 }

sub check {
	my ($tracking, %o) = @_;
	my $node = Appctl::Test->new(%o, config => <<'END');
applications:
{
	escapes: { command = "setsid sh -c 'echo $$ >@DIR@/one; exec sleep 1000' & (setsid sh -c 'sleep 1000 & echo $! >@DIR@/two; exit') ; exec sleep 1000"; };
	leaves:  { command = "setsid sh -c 'echo $$ >@DIR@/three; exec sleep 1000' & while [ ! -s @DIR@/three ]; do sleep 0.02; done; exit 1";
		   restart = "temporary"; };
	forks:   { command = "sleep 1000 & echo $! >@DIR@/forks.pid"; type = "forking"; pidfile = "@DIR@/forks.pid"; };
	lies:    { command = "sleep 1000 & echo 1 >@DIR@/lies.pid"; type = "forking"; pidfile = "@DIR@/lies.pid"; restart = "temporary"; };
};
END
	$node->start;
	my ($escapes, $forks) = $node->wait_events([map { { event => 'app_running', app => $_ } } qw(escapes forks)]);
	is($node->appctl_json('status', 'escapes')->{applications}[0]{tracking}, $tracking, "by $tracking");
	is($forks->{pid}, pid_in($node, 'forks.pid'), 'a forking one is the process that its pidfile names');
	$node->{cursor} = 0;
	$node->wait_event({ event => 'app_stopped', app => 'leaves' });
	ok(!process_is_alive(pid_in($node, 'three')), 'ended with what it left behind');
	kill KILL => $forks->{pid};
	my $exit = $node->wait_event({ event => 'app_exited', app => 'forks', pid => $forks->{pid} });
	is($exit->{signal}, 'KILL', 'the end of a daemon of its own is seen');
	$node->wait_event({ event => 'app_running', app => 'forks' });
	for (1 .. 500) { last if pid_in($node, 'one') && pid_in($node, 'two'); sleep 0.02 }
	my @pids = map { pid_in($node, $_) } qw(one two);
	ok(process_is_alive($_), 'is there') for @pids;
	is($node->appctl('stop', 'escapes')->{exit}, 0);
	$node->wait_event({ event => 'app_stopped', app => 'escapes' });
	ok(!process_is_alive($_), 'is gone') for @pids;
	$node->{cursor} = 0;
	$node->wait_event({ event => 'app_failed', app => 'lies' }, 20);
	pass("a pidfile that names a process of others' is not believed");
	is($node->stop, 0);
}

subtest 'cgroup' => sub { needs_cgroup(); check('cgroup') };
subtest 'subreaper' => sub { check('subreaper', uid => 65534) };

done_testing;
