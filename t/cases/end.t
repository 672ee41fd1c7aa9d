# SPDX-License-Identifier: MIT
# Children that will not end, that hide, or that harm their supervisor.
use strict;
use warnings;
use IO::Socket::UNIX;
use Test::More;
use Time::HiRes qw(sleep time);
use Appctl::Hang;
use Appctl::Test;

my $other = 'other: { command = ["/bin/sleep", "1000"]; };';

sub started {
	my ($config, %o) = @_;
	my $node = Appctl::Test->new(config => "applications: { $other $config };", %o)->start;
	$node->wait_event({ event => 'mode_stable' });
	return $node;
}

sub pid_of { my ($node, $app) = @_; return $node->appctl_json('status', $app)->{applications}[0]{pid} }

sub until_true {
	my ($node, $what, $code) = @_;
	my $end = time + 10 * slow_factor();
	until ($code->()) {
		$node->give_up("not in time: $what") if time > $end;
		sleep 0.01;
	}
}

sub is_killed_in_time {
	my ($node, $app, $limit) = @_;
	my $start = time;
	is($node->appctl('stop', $app)->{exit}, 0, "$app is stopped");
	my ($exit) = $node->wait_count({ event => 'app_exited', app => $app }, 1);
	is("$exit->{signal} $exit->{reason}", 'KILL killed', '... by SIGKILL');
	cmp_ok(time - $start, '<', ($limit + 1) * slow_factor(), '... when its time is over');
	my @other = $node->events_so_far({ event => 'app_running', app => 'other' });
	ok(@other == 1 && process_is_alive($other[0]{pid}), '... and the other one is untouched');
}

subtest 'ignores SIGTERM, is stopped, is traced' => sub {
	my $node = started('deaf: { command = "trap : TERM INT HUP; echo >&3; while :; do sleep 0.02; done"; ready = { type = "fd"; }; shutdown = 0.2; };
		halted: { command = ["/bin/sleep", "1000"]; shutdown = 0.2; }; traced: { command = ["/bin/sleep", "1000"]; shutdown = 0.2; };');
	is_killed_in_time($node, 'deaf', 0.2);
	my $halted = pid_of($node, 'halted');
	kill STOP => $halted;
	until_true($node, 'it is stopped', sub { slurp("/proc/$halted/stat") =~ /\) T / });
	is_killed_in_time($node, 'halted', 0.2);
	SKIP: {
		skip 'needs strace', 2 if system('strace -o /dev/null true >/dev/null 2>&1') != 0;
		my $traced = pid_of($node, 'traced');
		my $tracer = spawn_program('strace', '-o', '/dev/null', '-p', $traced);
		until_true($node, 'it is traced', sub { slurp("/proc/$traced/status") =~ /^TracerPid:\s+$tracer$/m });
		is($node->appctl('stop', 'traced')->{exit}, 0, 'one that is traced is stopped');
		is(Appctl::Test::wait_child($tracer, 10), 0, '... and its tracer sees the end');
	}
	is($node->stop, 0);
};

subtest 'became another user' => sub {
	needs_root();
	needs_program('setpriv');
	my $node = started('dropped: { command = ["setpriv", "--reuid=65534", "--clear-groups", "/bin/sh", "-c",
		"setsid sleep 1000 & trap : TERM; echo >&3; while :; do sleep 0.02; done"]; ready = { type = "fd"; }; shutdown = 0.2; };');
	my $pid = pid_of($node, 'dropped');
	like(slurp("/proc/$pid/status"), qr/^Uid:\s+65534\s/m, 'it is another user');
	is_killed_in_time($node, 'dropped', 0.2);
	is(scalar(grep { slurp("/proc/$_/status") =~ /^Uid:\s+65534\s/m && process_is_alive($_) } Appctl::Test::descendants($node->pid)), 0, 'and nothing is left');
	is($node->stop, 0);
};

# Three that SIGKILL does not end: the first waits in the kernel for a file system, the second has a tracer that does not
# look, the third is root's under an appctld that is not.
subtest 'unkillable' => sub {
	needs_root();
	needs_program('setpriv', 'strace');
	my $hang = Appctl::Hang->new // plan(skip_all => 'needs FUSE');
	my $keys = 'shutdown = 0.1; applications = ["other"];';
	my $node = started('hung: { command = "exec cat ' . $hang->dir . "/file\"; $keys };
		traced: { command = [\"/bin/sleep\", \"1000\"]; $keys };", may_leave_processes => 1);
	my $theirs = Appctl::Test->new(uid => 65534, may_leave_processes => 1, config => "applications: { $other
		became: { command = [\"\@DIR\@/become\", \"--reuid=0\", \"--clear-groups\", \"/bin/sleep\", \"1000\"]; $keys }; };");
	my ($setpriv) = grep { -x } map { "$_/setpriv" } split(/:/, $ENV{PATH}), '/usr/bin';
	my $become = $theirs->dir . '/become';
	system('cp', $setpriv, $become);
	chmod 04755, $become;
	$theirs->start->wait_event({ event => 'mode_stable' });

	my %pid = ((map { $_ => pid_of($node, $_) } qw(hung traced)), became => pid_of($theirs, 'became'));
	ok($hang->has_one, 'one waits in the kernel');
	my $tracer = spawn_program('strace', '-o', '/dev/null', '-p', $pid{traced});
	until_true($node, 'it is traced', sub { slurp("/proc/$pid{traced}/status") =~ /^TracerPid:\s+$tracer$/m });
	kill STOP => $tracer;
	until_true($theirs, 'it is root', sub { slurp("/proc/$pid{became}/status") =~ /^Uid:\s+0\s+0\s+0\s/m });

	my $start = time;
	$_->signal('TERM') for $node, $theirs;
	$node->wait_events([map { { event => 'app_failed', app => $_, reason => 'unkillable' } } qw(hung traced)], 20);
	$theirs->wait_event({ event => 'app_failed', app => 'became', reason => 'unkillable' }, 20);
	pass('all are said to be unkillable');
	for ($node, $theirs) {
		$_->wait_event({ event => 'app_stopped', app => 'other', reason => 'shutdown' });
		is($_->wait_end(20), 0, 'and the shutdown goes on to its end');
	}
	cmp_ok(time - $start, '<', 15 * slow_factor(), 'in time');
	ok(process_is_alive($pid{hung}), 'though it still waits');
	kill KILL => $tracer, $pid{became};
	$hang->end;
	until_true($node, 'the kernel lets go', sub { !process_is_alive($pid{hung}) });
};

subtest 'its own cgroup' => sub {
	needs_root();
	my $top = needs_cgroup();
	my ($mount) = map { (split ' ')[4] } grep { / - cgroup2 / } split /\n/, slurp('/proc/self/mountinfo');
	# A grandchild goes to a sibling's cgroup, another to that at the top; then it freezes itself.
	my $move = sub { 'sh -c \'until echo $$ >' . $_[0] . '/cgroup.procs; do sleep 0.01; done; echo $$ >@DIR@/' . $_[1] . '; exec sleep 1000\' & ' };
	my $own = "$mount\$(dirname \$(sed -n s/^0:://p /proc/self/cgroup))";
	my $node = started("moves: { command = \"" . $move->("$own/other", 'sibling') . $move->($top, 'top')
		. 'until test -s @DIR@/sibling -a -s @DIR@/top; do sleep 0.01; done; echo >&3; exec sleep 1000"; ready = { type = "fd"; }; applications = ["other"]; };
		frozen: { command = "trap : TERM; while :; do sleep 0.02; done"; shutdown = 0.2; };');
	my %pid = map { $_ => slurp($node->dir . "/$_") + 0 } qw(sibling top);
	is($node->appctl('stop', 'moves')->{exit}, 0, 'it is stopped');
	ok(process_is_alive($pid{$_}), "what root's went to another cgroup ($_) is its no more") for qw(sibling top);
	my @other = $node->events_so_far({ event => 'app_running', app => 'other' });
	ok(@other == 1 && process_is_alive($other[0]{pid}), 'its sibling is untouched');
	my $frozen = pid_of($node, 'frozen');
	my ($path) = slurp("/proc/$frozen/cgroup") =~ /^0::(.*)$/m;
	spew("$mount$path/cgroup.freeze", "1\n");
	until_true($node, 'it is frozen', sub { slurp("$mount$path/cgroup.events") =~ /frozen 1/ });
	is_killed_in_time($node, 'frozen', 0.2);
	is($node->appctl('stop', 'other')->{exit}, 0);
	ok(!process_is_alive($pid{sibling}), 'what went to another application ends with that');
	is($node->stop, 0);
	ok(!process_is_alive($pid{top}), 'and what went elsewhere with appctld');
};

subtest 'an ordinary user cannot leave its cgroup' => sub {
	needs_root();
	needs_cgroup();
	my ($mount) = map { (split ' ')[4] } grep { / - cgroup2 / } split /\n/, slurp('/proc/self/mountinfo');
	my $node = Appctl::Test->new(config => 'applications: { ' . $other . 'jailed: { user = "nobody"; ready = { type = "fd"; }; applications = ["other"];
		command = "d=' . $mount . '$(sed -n s/^0:://p /proc/self/cgroup); for c in $d $d/.. $d/../other ' . $mount . '; do
			(echo $$ >$c/cgroup.procs) 2>/dev/null && echo $c; done; (echo 1 >$d/cgroup.freeze) 2>/dev/null && echo froze;
			echo done; echo >&3; exec sleep 1000"; log = { type = "file"; path = "@DIR@/moved"; }; }; };')->start;
	$node->wait_event({ event => 'mode_stable' });
	is(slurp($node->dir . '/moved'), "done\n", 'nor freeze itself, nor enter another');
	is($node->stop, 0);
};

subtest 'the supervisor is stopped or killed by its own child' => sub {
	needs_root();
	for my $signal (qw(STOP KILL)) {
		my $node = started('bad: { command = "until test -e @DIR@/go; do sleep 0.01; done; kill -' . $signal . ' $(cat @DIR@/engine); exec sleep 1000"; };');
		my $engine = $node->engine_pid;
		my %before = map { $_ => pid_of($node, $_) } qw(bad other);
		spew($node->dir . '/engine', "$engine\n");
		my $start = time;
		spew($node->dir . '/go', '');
		until_true($node, 'another engine', sub { my $new = $node->engine_pid; defined $new && $new != $engine });
		is_deeply({ map { $_ => pid_of($node, $_) } qw(bad other) }, \%before, "SIG$signal: there is another engine, and nobody noticed");
		cmp_ok(time - $start, '<', 3 * slow_factor(), 'at once');
		like($node->log_text, qr/stopped by a signal/, 'which is said') if $signal eq 'STOP';
		delete $node->{socket};
		$node->subscribe;
		is($node->stop, 0);
	}
};

# Nobody is left who could reap: the next appctld in the same place ends what is there, and begins anew.
subtest 'the keeper is killed' => sub {
	needs_root();
	needs_cgroup();
	for my $with_engine (0, 1) {
		my $node = started('web: { command = ["/bin/sleep", "1000"]; applications = ["other"]; };', may_leave_processes => 1);
		my @before = map { $_->{pid} } $node->events_so_far({ event => 'app_running' });
		my $engine = $node->engine_pid;
		kill KILL => $node->pid, $with_engine ? $engine : ();
		Appctl::Test::wait_child(delete $node->{child}, 10);
		# A sanitizer looks for leaks from a process of its own, which shares the engine's descriptors and goes a little later.
		my $events = $node->runtime_dir . '/events.sock';
		until_true($node, 'the engine goes too', sub {
			!process_is_alive($engine) && !IO::Socket::UNIX->new(Type => SOCK_STREAM(), Peer => $events) });
		my $start = time;
		$node->start;
		$node->wait_event({ event => 'mode_stable' });
		cmp_ok(time - $start, '<', 2 * slow_factor(), ($with_engine ? 'with its engine' : 'alone') . ': all is as it was wanted soon');
		ok(!process_is_alive($_), '... and what the last one had left is gone') for @before;
		is(scalar $node->events_so_far({ event => 'app_running' }), 2, '... nothing runs twice');
		is($node->stop, 0);
	}
};

done_testing;
