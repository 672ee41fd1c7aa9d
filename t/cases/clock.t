# SPDX-License-Identifier: MIT
# Clocks that jump, stand still, or have run for years: no timer fires early or late by them.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep time);
use Appctl::Test;

# An application that fails once a `backoff`; one that must be ready within 0.6 s; one that heeds no signal for 0.4 s.
my $config = <<'END';
applications:
{
	loop:  { command = ["/bin/false"]; backoff = { min = 0.5; max = 0.5; jitter = 0; reset_after = 1000; }; };
	late:  { command = ["/bin/sleep", "1000"]; ready = { type = "fd"; timeout = 0.6; }; restart = "temporary"; };
	deaf:  { command = "trap : TERM; echo >&3; while :; do sleep 0.02; done"; ready = { type = "fd"; }; shutdown = 0.4; };
};
END

# Waits for the event, and holds the time since the mark against the limits.
sub comes_after {
	my ($node, $want, $mark, $seconds, $what) = @_;
	my $ev = $node->wait_event($want);
	my $took = time - $mark;
	cmp_ok($took, '>', $seconds - 0.1, "$what: not early");
	cmp_ok($took, '<', $seconds + slow_factor(), "$what: not late");
	return $ev;
}

sub timers_are_right {
	my ($node, $what, $meanwhile) = @_;
	my $mark = time;
	$node->wait_event({ event => 'app_exited', app => 'loop' });
	$mark = time;
	$meanwhile->() if $meanwhile;
	comes_after($node, { event => 'app_starting', app => 'loop' }, $mark, 0.5, "$what: backoff");
	is($node->appctl('start', 'late', '--no-wait')->{exit}, 0);
	$node->wait_event({ event => 'app_starting', app => 'late' });
	$mark = time;
	$meanwhile->() if $meanwhile;
	comes_after($node, { event => 'app_failed', app => 'late' }, $mark, 0.6, "$what: time limit of a start");
}

sub stop_is_right {
	my ($node, $what, $meanwhile) = @_;
	my $mark = time;
	is($node->appctl('stop', 'deaf', '--no-wait')->{exit}, 0);
	$meanwhile->() if $meanwhile;
	comes_after($node, { event => 'app_exited', app => 'deaf', reason => 'killed' }, $mark, 0.4, "$what: time limit of a stop");
}

sub first_moments {
	my ($node) = @_;
	$node->start;
	$node->wait_events([{ event => 'app_running', app => 'deaf' }, { event => 'app_failed', app => 'late' }]);
	return $node;
}

subtest 'the time of day jumps' => sub {
	my ($lib) = grep { -e } glob('/usr/lib/*/faketime/libfaketime.so.1 /usr/lib/faketime/libfaketime.so.1 /usr/lib64/faketime/libfaketime.so.1');
	plan(skip_all => 'needs libfaketime') unless defined $lib && slow_factor() == 1;	# sanitizers want to be loaded first
	my $node = Appctl::Test->new(config => $config);
	my $now = $node->dir . '/now';
	my $set = sub { spew("$now.new", "$_[0]\n"); rename "$now.new", $now or die "$now: $!\n" };
	$set->('+0');
	$node->{env} = { LD_PRELOAD => $lib, FAKETIME_TIMESTAMP_FILE => $now, FAKETIME_NO_CACHE => 1, FAKETIME_DONT_FAKE_MONOTONIC => 1,
		DONT_FAKE_MONOTONIC => 1 };
	first_moments($node);
	for my $case (['+3650d', qr/^203\d-/], ['-3650d', qr/^201\d-/], ['@1970-01-01 00:00:02', qr/^1970-/], ['@2038-01-19 03:14:06', qr/^2038-01-19T03:14/],
		['@2100-02-28 23:59:59', qr/^2100-/]) {
		my ($to, $year) = @$case;
		my $mark;
		$node->wait_event({ event => 'app_exited', app => 'loop' });
		$mark = time;
		$set->($to);
		my $ev = comes_after($node, { event => 'app_starting', app => 'loop' }, $mark, 0.5, "to $to: backoff");
		like($ev->{ts}, $year, 'which the time of the event shows');
	}
	$set->('+0');
	timers_are_right($node, 'back and forth', sub { $set->($_), sleep 0.1 for '-3650d', '+3650d' });
	stop_is_right($node, 'forward', sub { $set->('+3650d') });
	my @seq = map { $_->{seq} } grep { defined $_->{seq} && $_->{event} ne 'hello' } $node->events_so_far;
	is_deeply(\@seq, [1 .. @seq], 'events are in order by their numbers');
	is($node->stop, 0);
};

# appctld in a time namespace of its own, where the clocks show something else.
sub in_time_namespace {
	my (%clock) = @_;
	return Appctl::Test->new(config => $config, may_leave_processes => 1,
		before => [qw(unshare --fork --kill-child --time), map { ("--$_", $clock{$_}) } sort keys %clock])->start;
}

# What to add so that the clock passes that many seconds in a moment.
sub offset_to { my ($seconds) = @_; return int($seconds - 1.5 - Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC())) }

sub at { my ($ev) = @_; my ($h, $m, $s) = $ev->{ts} =~ /T(\d+):(\d+):([\d.]+)Z$/; return $h * 3600 + $m * 60 + $s }

# From each event of the one kind to the next of the other: it took that long.
sub took {
	my ($node, $app, $from, $to, $seconds, $what) = @_;
	my ($start, @took);
	for my $ev ($node->events_so_far({ app => $app })) {
		if ($ev->{event} eq $to && defined $start) {
			push @took, (at($ev) - $start) - (at($ev) < $start ? -86400 : 0);
			undef $start;
		}
		$start = at($ev) if $ev->{event} eq $from;
	}
	my @wrong = grep { $_ < $seconds - 0.01 || $_ > $seconds + slow_factor() } @took;
	ok(@took && !@wrong, "$what: as configured, each time") or diag("@took");
}

# All at once: each is left alone for a while, and then asked what happened when.
my %node;
my @passes = (['500 days', 500 * 86400], ['2^31 ms', 2**31 / 1000], ['2^32 ms', 2**32 / 1000], ['2^31 s', 2**31]);
my $has_namespaces = system('unshare --fork --time --boottime 1 true >/dev/null 2>&1') == 0;
if ($has_namespaces) {
	for (@passes) {
		my $offset = offset_to($_->[1]);
		$node{ $_->[0] } = in_time_namespace(monotonic => $offset, boottime => $offset);
	}
	# While a machine sleeps, BOOTTIME runs and MONOTONIC does not: as if it had slept for a year.
	$node{asleep} = in_time_namespace(boottime => 365 * 86400);
	$_->wait_events([{ event => 'app_running', app => 'deaf' }, { event => 'app_failed', app => 'late' }]) for values %node;
	$_->appctl('stop', 'deaf', '--no-wait'), $_->appctl('start', 'late', '--no-wait') for values %node;
}

sub times_are_right {
	my ($node) = @_;
	$node->wait_count({ event => 'app_exited', app => 'deaf', reason => 'killed' }, 1);
	$node->wait_count({ event => 'app_failed', app => 'late', reason => 'ended' }, 2);
	$node->wait_count({ event => 'app_starting', app => 'loop' }, 5);
	took($node, 'loop', 'app_exited', 'app_starting', 0.5, 'backoff');
	took($node, 'late', 'app_starting', 'app_failed', 0.6, 'time limit of a start');
	took($node, 'deaf', 'app_stopping', 'app_exited', 0.4, 'time limit of a stop');
	is($node->appctl('explain', 'deaf')->{exit}, 0, 'answers');
	$node->signal('TERM');
	is($node->wait_end, 0);
}

for (@passes) {
	my ($what) = @$_;
	subtest "the clock since the start of the machine passes $what" => sub {
		plan(skip_all => 'needs time namespaces') unless $has_namespaces;
		times_are_right($node{$what});
	};
}

subtest 'the machine was asleep' => sub {
	plan(skip_all => 'needs time namespaces') unless $has_namespaces;
	times_are_right($node{asleep});
};

done_testing;
