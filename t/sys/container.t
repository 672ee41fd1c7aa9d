# SPDX-License-Identifier: MIT
# appctld as PID 1 of a pid namespace: contrib/container's configuration, orphans, signals, exit status.
use strict;
use warnings;
use Test::More;
use Appctl::Test;

needs_program('unshare');
plan(skip_all => 'needs a pid namespace of its own') if run_program('unshare', '--pid', '--fork', '--kill-child', '--mount-proc', 'true')->{exit};

sub container {
	my ($config, %o) = @_;
	my $node = Appctl::Test->new(config => $config, pid1 => 1, %o)->start;
	$node->wait_event({ event => 'mode_stable' });
	return $node;
}

# The pids that are children of appctld in its namespace, zombies included.
sub children {
	my ($node) = @_;
	return grep { slurp("/proc/$_/stat") =~ /^\d+ \(.*\) [A-Z] \Q$node->{pid}\E /s } map { m{(\d+)} } glob '/proc/[0-9]*';
}

subtest 'the sample' => sub {
	(my $config = slurp(top_srcdir() . '/contrib/container/appctld.conf')) =~ s{/tmp/spool}{\@DIR\@/spool}g;
	my $node = container($config);
	my ($main) = $node->events_so_far({ event => 'app_running', app => 'main' });
	cmp_ok($main->{pid}, '<', 100, 'a namespace of its own');
	is($node->appctl('status', 'main')->{exit}, 0, 'answers from outside');
	is($node->stop, 0, 'SIGTERM stops everything');
	my ($shutdown) = $node->events_so_far({ event => 'shutdown' });
	my @stopped = map { $_->{app} } grep { $_->{seq} > $shutdown->{seq} } $node->events_so_far({ event => 'app_stopped' });
	is("@stopped", 'helper main', 'in order');
};

subtest 'orphans' => sub {
	my $node = container('applications: {
		litter: { command = "for i in 1 2 3 4 5 6 7 8; do (sh -c \"exit 3\" & sleep 0.01 & setsid sleep 0.02 &); done; touch @DIR@/done; exec sleep 1000"; };
	};');
	for (1 .. 500) {
		last if -e $node->dir . '/done' && children($node) <= 2;
		select undef, undef, undef, 0.01;
	}
	is(scalar(my @left = children($node)), 2, 'only the engine and the application are left') or diag(map { slurp("/proc/$_/stat") } children($node));
	is($node->stop, 0, 'and stops');
};

sub ends_with {
	my ($command, $status) = @_;
	my $node = Appctl::Test->new(pid1 => 1, config => "applications: { other: { command = [\"sleep\", \"1000\"]; };
		main: { command = \"$command\"; restart = \"temporary\"; essential = true; applications = [\"other\"]; }; };");
	$node->start;
	is($node->wait_end >> 8, $status, "'$command' ends the container with $status");
	is(scalar $node->events_so_far({ event => 'app_stopped', app => 'other' }), 1, 'the others were stopped');
}

subtest 'an essential application' => sub {
	ends_with('sleep 0.1', 0);
	ends_with('sleep 0.1; exit 7', 7);
	ends_with('sleep 0.1; kill -KILL $$', 137);
};

subtest 'signals' => sub {
	my $node = container('applications: { a: { command = ["sleep", "1000"]; }; };');
	$node->signal($_) for qw(USR1 USR2 ALRM WINCH CHLD PIPE QUIT CONT IO);
	$node->signal('HUP');
	$node->wait_event({ event => 'config_reloaded' });
	pass('SIGHUP reloads, the others change nothing');
	$node->signal('INT');
	is($node->wait_end, 0, 'SIGINT stops everything');
};

subtest 'the engine dies' => sub {
	my $node = container('applications: { a: { command = ["sleep", "1000"]; }; };');
	my ($before) = $node->events_so_far({ event => 'app_running', app => 'a' });
	my $engine = $node->engine_pid;
	kill KILL => $engine;
	my $new;
	for (1 .. 500) {
		$new = $node->engine_pid;
		last if defined $new && $new != $engine && $node->appctl('mode')->{exit} == 0;
		select undef, undef, undef, 0.01;
	}
	isnt($new, $engine, 'there is another one');
	my %app = map { $_->{name} => $_ } @{ $node->appctl_json('status')->{applications} };
	is($app{a}{pid}, $before->{pid}, 'the application did not notice');
	is($node->stop, 0, 'and everything stops');
};

done_testing;
