# SPDX-License-Identifier: MIT
# The machine has run out of processes, of watches, of room for signals: what cannot be done now is done later.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep time);
use Appctl::Test;

my $uid = 61234;	# nobody else's here: the limit counts a user's processes

subtest 'no process is left' => sub {
	needs_root();
	needs_program('prlimit');
	my $node = Appctl::Test->new(uid => $uid, before => ['prlimit', '--nproc=12:12'], config => 'default_mode = "calm"; applications: {
		web: { command = ["/bin/sleep", "1000"]; };
		hog: { command = ["' . $^X . '", "-e", "while (defined(my $pid = fork)) { sleep 1000 unless $pid } sleep 1000"]; };
		late: { command = ["/bin/sleep", "1000"]; intensity = 0; backoff = { min = 0.1; max = 0.1; }; };
		}; roles: { w = ["web"]; h = ["hog"]; l = ["late"]; }; modes: { calm = ["w"]; full = ["w", "h"]; more = ["w", "h", "l"]; };')->start;
	$node->wait_event({ event => 'mode_stable' });
	my ($web) = $node->events_so_far({ event => 'app_running', app => 'web' });
	is($node->appctl('mode', 'full')->{exit}, 0);
	my $count = sub { scalar grep { slurp("/proc/$_/status") =~ /^Uid:\s+$uid\s/m } Appctl::Test::descendants($node->pid) };
	my $end = time + 10 * slow_factor();
	sleep 0.02 until $count->() >= 11 || time > $end;
	is($node->appctl('mode', 'more')->{exit}, 0);
	my $failed = $node->wait_event({ event => 'app_exited', app => 'late' });
	is("$failed->{reason} $failed->{step}", 'spawn_failed clone', 'what cannot be started is said to be');
	like($failed->{error}, qr/temporarily unavailable/, '... with the errno');
	$node->wait_count({ event => 'app_exited', app => 'late', reason => 'spawn_failed' }, 2);
	is(scalar $node->events_so_far({ event => 'app_failed', app => 'late', reason => 'gave_up' }), 0, 'that is no crash of its own: it is tried again');
	is($node->varlink('GetMode')->{error}, undef, 'requests are answered');
	is($node->appctl('stop', 'hog')->{exit}, 0, 'what took them all can be stopped');
	$node->wait_event({ event => 'app_running', app => 'late' });
	ok(process_is_alive($web->{pid}), 'once there is room it starts, and nobody else has noticed');
	is($node->appctl('restart', 'hog', '--no-wait')->{exit}, 0);
	$end = time + 10 * slow_factor();
	sleep 0.02 until $count->() >= 11 || time > $end;
	is($node->stop, 0, 'a shutdown needs no process');
};

subtest 'no watch is to be had' => sub {
	needs_program('strace');
	plan(skip_all => 'strace cannot trace here') if system('strace -f -o /dev/null true >/dev/null 2>&1') != 0;
	# Refused, or granted and never heard of.
	for my $watch ('inotify_init1,inotify_add_watch:error=ENOSPC', 'inotify_add_watch:retval=1') {
		my $node = Appctl::Test->new(env => { ASAN_OPTIONS => 'detect_leaks=0' }, before => ['strace', '-f', '-qq', '-o', '/dev/null',
			'-e', 'trace=inotify_init1,inotify_add_watch', '-e', "inject=$watch"], config => 'applications: {
			leaves: { command = "setsid sh -c \'trap : TERM; echo >&3; sleep 0.3; sleep 0.2\' & wait"; ready = { type = "fd"; }; shutdown = 5.0; }; };')->start;
		$node->wait_event({ event => 'mode_stable' });
		my $start = time;
		is($node->appctl('stop', 'leaves')->{exit}, 0, "the end of what an application left is seen ($watch)");
		cmp_ok(time - $start, '<', 4 * slow_factor(), '... when it comes');
		$node->signal('TERM');
		is($node->wait_end, 0);
	}
};

subtest 'no signal can be queued' => sub {
	needs_root();
	needs_program('prlimit');
	my $node = Appctl::Test->new(uid => $uid, before => ['prlimit', '--sigpending=0:0'],
		config => 'applications: { a: { command = ["/bin/sleep", "1000"]; }; b: { command = ["/bin/sleep", "1000"]; stop_signal = "INT"; }; };')->start;
	$node->wait_event({ event => 'mode_stable' });
	my ($a) = $node->events_so_far({ event => 'app_running', app => 'a' });
	kill KILL => $a->{pid};
	$node->wait_event({ event => 'app_exited', app => 'a', signal => 'KILL' });
	$node->wait_event({ event => 'app_running', app => 'a' });
	is($node->appctl('stop', 'b')->{exit}, 0, 'one is stopped');
	is($node->wait_event({ event => 'app_exited', app => 'b' })->{signal}, 'INT', '... by its own signal');
	$node->signal('HUP');
	$node->wait_event({ event => 'config_reloaded' });
	is($node->stop, 0, 'signals are heard');
};

done_testing;
