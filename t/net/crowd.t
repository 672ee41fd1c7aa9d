# SPDX-License-Identifier: MIT
# Many at once: those who may come in do, at a rate that leaves the machine to others, and cost little; those who may not cost less.
use strict;
use warnings;
use Test::More;
use IO::Socket::IP;
use Time::HiRes ();
use Appctl::Net;
use Appctl::Test;

my $secret = secret_file();
my @more_descriptors = ('sh', '-c', 'ulimit -n 20000 2>/dev/null; exec "$@"', 'sh');
plan(skip_all => 'needs 2,500 descriptors') if `sh -c 'ulimit -n 2500 2>/dev/null && echo yes'` !~ /yes/;

sub connect_all {
	my ($c, $count) = @_;
	my $most = 0;
	# Whoever is turned away tries again, as a producer does.
	for (1 .. 600) {
		my $stat = $c->stat;
		return 1 if $stat->{open} >= $count;
		my $missing = $count - $stat->{open} - $stat->{pending};
		$c->say("connect $missing") if $missing > 0;
		Time::HiRes::sleep(0.1);
	}
	return 0;
}

for my $tls (0, 1) {
	subtest '1,000 ' . ($tls ? 'over TLS' : 'over plain TCP') => sub {
		my $count = 1000;
		my $l = Appctl::Net->listen(before => \@more_descriptors, secret => $secret, tls => $tls, quiet => 1, per_address_max => 200, auth_timeout_ms => 20000 * slow_factor());
		my $c = Appctl::Net->connect(before => \@more_descriptors, secret => $secret, tls => $tls, quiet => 1, port => $l->port,
			auth_timeout_ms => 20000 * slow_factor());
		$c->wait_stat(sub { $_[0]{open} == 1 });
		my $before = memory_of($l->pid);
		my $start = Time::HiRes::time();
		ok(connect_all($c, $count), 'all are let in in the end');
		my $took = Time::HiRes::time() - $start;
		cmp_ok($took, '>', ($count - 200) / 200 - 0.5, sprintf 'not faster than handshakes are allowed (%.1f s)', $took);
		my $stat = $l->wait_stat(sub { $_[0]{open} == $count });
		SKIP: {
			skip 'sanitizers keep memory of their own', 1 if slow_factor() > 1;
			my $each = (memory_of($l->pid) - $before) / $count;
			cmp_ok($each, '<', 64, sprintf 'each costs less than 64 KiB while it is idle (%.1f)', $each);
		}
		$c->say('send ' . 'x' x 1000);
		is($l->wait_stat(sub { $_[0]{messages} >= $count })->{messages}, $count, 'and none of them is starved');
		$_->end for $c, $l;
	};
}

subtest 'guesses' => sub {
	my $l = Appctl::Net->listen(secret => $secret);
	my $good = Appctl::Net->connect(secret => $secret, port => $l->port);
	$good->expect(qr/^opened/);
	my ($guesses, $start) = (0, Time::HiRes::time());
	while (Time::HiRes::time() < $start + 4) {
		my $raw = Appctl::Net::Raw->new($l->port, from => '127.0.0.77');
		$guesses++ if defined $raw->open(secret => 'a guess that is long enough') || defined $raw->{challenge};
	}
	cmp_ok($guesses, '>=', 3, 'a few are judged');
	cmp_ok($guesses, '<', 12, 'but whoever guesses has to wait longer and longer');
	ok(Appctl::Net::Raw->new($l->port, from => '127.0.0.78')->open, 'somebody from another address does not');
	$good->say('send still there');
	is($l->expect(qr/^text (.*)/), '11 still there', 'nor does who is in');
	$_->end for $good, $l;
};

subtest 'who connects and says nothing, thousands of times' => sub {
	needs_root();	# nobody else may count the descriptors of one who holds a secret
	my $l = Appctl::Net->listen(before => \@more_descriptors, secret => $secret, quiet => 1, auth_timeout_ms => 60000);
	my $good = Appctl::Net->connect(secret => $secret, port => $l->port, quiet => 1);
	$l->wait_stat(sub { $_[0]{open} == 1 });
	my $before = memory_of($l->pid);
	my (@idle, $closed);
	for my $n (1 .. 2000) {
		push @idle, IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $l->port, LocalHost => sprintf('127.2.%d.%d', $n % 40, 1 + $n % 40),
			Blocking => 0) // last;
	}
	$l->wait_stat(sub { open_descriptors($l->pid) >= 250 });
	Time::HiRes::sleep(2);
	cmp_ok(open_descriptors($l->pid), '<', 300, 'few of them are kept');
	cmp_ok(memory_of($l->pid) - $before, '<', 256 * 40 * slow_factor() ** 2, 'in memory that has a limit');
	$good->say('send hello');
	is($l->wait_stat(sub { $_[0]{messages} == 1 })->{messages}, 1, 'who is in does not notice');
	my $in;
	for (1 .. 100) {
		$in = Appctl::Net::Raw->new($l->port);
		last if $in->open;
		$in = undef;
	}
	ok($in, 'and who has business here still comes in');
	$_->end for $good, $l;
};

sub open_descriptors { scalar(my @all = glob "/proc/$_[0]/fd/*") }

subtest 'no descriptor left' => sub {
	my $l = Appctl::Net->listen(before => ['sh', '-c', 'ulimit -n 40; exec "$@"', 'sh'], secret => $secret, quiet => 1);
	my $good = Appctl::Net->connect(secret => $secret, port => $l->port, quiet => 1);
	$l->wait_stat(sub { $_[0]{open} == 1 });
	my @idle = map { IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $l->port, LocalHost => "127.3.0.$_") } 1 .. 60;
	$good->say('send hello');
	is($l->wait_stat(sub { $_[0]{messages} == 1 })->{messages}, 1, 'who is in does not notice');
	my $cpu = sub { my @f = split ' ', slurp('/proc/' . $l->pid . '/stat'); $f[13] + $f[14] };
	my $used = $cpu->();
	Time::HiRes::sleep(1);
	cmp_ok($cpu->() - $used, '<', 30, 'nothing spins');
	@idle = ();
	ok(Appctl::Net::Raw->new($l->port)->open, 'when they are gone others come in');
	$_->end for $good, $l;
};

done_testing;
