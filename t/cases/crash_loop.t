# SPDX-License-Identifier: MIT
# Programs that end for ever: backoff by the clock, intensity and period to the restart, and what follows from giving up.
use strict;
use warnings;
use Test::More;
use Time::HiRes ();
use Time::Local ();
use Appctl::Test;

sub starts { my ($node, $app) = @_; return $node->events_so_far({ event => 'app_starting', app => $app }) }

sub seconds_of { my ($ev) = @_; my ($y, $mo, $d, $h, $m, $s) = $ev->{ts} =~ /^(\d+)-(\d+)-(\d+)T(\d+):(\d+):([\d.]+)Z$/; return Time::Local::timegm(0, $m, $h, $d, $mo - 1, $y) + $s }

subtest 'ends with 0 in a millisecond, for ever' => sub {
	my $node = Appctl::Test->new(config => 'applications: { other: { command = ["/bin/sleep", "1000"]; };
		loop: { command = ["/bin/true"]; backoff = { min = 0.001; max = 0.001; jitter = 0; }; }; };')->start;
	my ($other) = $node->wait_count({ event => 'app_running', app => 'other' }, 1);
	$node->wait_count({ event => 'app_stopped', app => 'loop', reason => 'normal' }, 200, 20);
	my @worst = sort { $a <=> $b } map { my $start = Time::HiRes::time(); $node->varlink('GetMode'); Time::HiRes::time() - $start } 1 .. 50;
	note(sprintf 'answers meanwhile: p50 %.2f ms, slowest %.2f ms', map { 1000 * $_ } @worst[25, 49]);
	cmp_ok($worst[49], '<', 0.5 * slow_factor(), 'others are answered meanwhile');
	ok(process_is_alive($other->{pid}), 'and run');
	my %count;
	$count{ $_->{event} }++ for $node->events_so_far({ app => 'loop' });
	cmp_ok(abs($count{app_running} - $count{app_stopped}), '<=', 1, 'every app_running has its app_stopped');
	is($node->stop, 0);
};

subtest 'backoff to its end, in virtual time' => sub {
	my ($lib) = grep { -e } glob('/usr/lib/*/faketime/libfaketime.so.1 /usr/lib/faketime/libfaketime.so.1 /usr/lib64/faketime/libfaketime.so.1');
	plan(skip_all => 'needs libfaketime') unless defined $lib && slow_factor() == 1;
	my $speed = 60;
	my $node = Appctl::Test->new(env => { LD_PRELOAD => $lib, FAKETIME => "+0 x$speed" }, config => 'applications: {
		loop: { command = ["/bin/false"]; clear_environment = true; backoff = { min = 1; factor = 3; max = 60; jitter = 0; }; };
		edge: { command = ["/bin/sleep", "1000"]; clear_environment = true; backoff = { min = 0.01; max = 0.01; jitter = 0; }; intensity = 2; period = 600; }; };');
	$node->start;
	$node->wait_count({ event => 'app_starting', app => 'loop' }, 7, 20);
	my @at = map { seconds_of($_) } (starts($node, 'loop'))[0 .. 6];
	my @gap = map { $at[$_] - $at[ $_ - 1 ] } 1 .. 6;
	my @want = (1, 3, 9, 27, 60, 60);
	for my $i (0 .. 5) {
		cmp_ok($gap[$i], '>=', $want[$i] - 0.1, "delay $i is not shorter than $want[$i] s");
		cmp_ok($gap[$i], '<', $want[$i] + $speed * 0.3, '... nor much longer');
	}
	is($node->stop, 0);
};

subtest 'so many restarts in a period, and not one more' => sub {
	my $node = Appctl::Test->new(config => 'applications: {
		quick: { command = ["/bin/true"]; intensity = 5; period = 60; backoff = { min = 0.001; max = 0.001; jitter = 0; }; };
		slow:  { command = "sleep 0.25; exit 1"; intensity = 1; period = 0.2; backoff = { min = 0.001; max = 0.001; jitter = 0; }; };
		none:  { command = ["/bin/false"]; intensity = 0; }; };')->start;
	$node->wait_event({ event => 'app_failed', app => 'quick', reason => 'gave_up' });
	is(scalar starts($node, 'quick'), 6, 'five restarts after the first start');
	$node->wait_count({ event => 'app_starting', app => 'slow' }, 4);
	is(scalar $node->events_so_far({ event => 'app_failed', app => 'slow' }), 0, 'restarts outside of the period do not count');
	is(scalar starts($node, 'none'), 1, 'an intensity of 0: no restart');
	is(scalar $node->events_so_far({ event => 'app_failed', app => 'none', reason => 'gave_up' }), 1, '... and it is given up');
	is($node->stop, 0);
};

subtest 'giving up goes on to what is configured' => sub {
	my $node = Appctl::Test->new(mode => 'normal', config => 'applications: { a: { command = "until test -e @DIR@/go; do sleep 0.01; done; exit 1"; intensity = 2; period = 60; on_give_up = "mode safe"; backoff = { min = 0.001; max = 0.001; }; };
		b: { command = ["/bin/false"]; intensity = 1; period = 60; on_give_up = "shutdown"; backoff = { min = 0.001; max = 0.001; }; }; };
		roles: { work = ["a"]; last = ["b"]; }; modes: { normal = ["work"]; safe = ["last"]; };')->start;
	spew($node->dir . '/go', '');
	$node->wait_event({ event => 'app_failed', app => 'a', reason => 'gave_up' });
	$node->wait_event({ event => 'new_mode', mode => 'safe', previous => 'normal' });
	$node->wait_event({ event => 'app_failed', app => 'b', reason => 'gave_up' });
	$node->wait_event({ event => 'shutdown', reason => 'gave_up' });
	is($node->wait_end >> 8, 1, 'the last resort ends appctld with a failure');
	is(scalar starts($node, 'a') . ' ' . scalar starts($node, 'b'), '3 2', 'each had its restarts');
};

done_testing;
