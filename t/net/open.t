# SPDX-License-Identifier: MIT
# Two ends that know the secret: what one sends the other gets, in order and whole, in bounded memory.
use strict;
use warnings;
use Test::More;
use Time::HiRes ();
use Appctl::Net;
use Appctl::Test;

my $secret = secret_file();

for my $tls (0, 1) {
	my $how = $tls ? 'over TLS with a pre-shared key' : 'over plain TCP';

	subtest "messages both ways, $how" => sub {
		my $l = Appctl::Net->listen(secret => $secret, tls => $tls, node => 'central');
		my $c = Appctl::Net->connect(secret => $secret, tls => $tls, node => 'alice', epoch => 1764068000123456, port => $l->port);
		like($l->expect(qr/^opened (.*)/), qr/^alice 1764068000123456 127\.0\.0\.1:\d+$/, 'who connected is known');
		like($c->expect(qr/^opened (.*)/), qr/^central 0 127\.0\.0\.1:\d+$/, 'so is who listens');
		$c->say('send hello');
		is($l->expect(qr/^text (.*)/), '5 hello', 'one way');
		$l->say('send {"type":"ack"}');
		is($c->expect(qr/^text (.*)/), '14 {"type":"ack"}', 'and the other');
		$c->say('close 1000 the work is done');
		is($l->expect(qr/^closed (.*)/), 'the peer closed: 1000 the work is done', 'a goodbye has a code and a reason');
		is($c->expect(qr/^closed (.*)/), 'closed here: 1000 the work is done', 'and is heard of on both sides');
		$_->end for $l, $c;
	};

	subtest "a million and more bytes, $how" => sub {
		my $l = Appctl::Net->listen(secret => $secret, tls => $tls, quiet => 1);
		my $c = Appctl::Net->connect(secret => $secret, tls => $tls, port => $l->port);
		$c->expect(qr/^opened/);
		$c->say('fill 3 1048576');
		my $stat = $l->wait_stat(sub { $_[0]{messages} == 3 });
		is($stat->{bytes}, 3 * 1048576, 'messages of 1 MiB');
		$c->say('fill 3000 5000');
		$stat = $l->wait_stat(sub { $_[0]{messages} == 3003 });
		is($stat->{bytes}, 3 * 1048576 + 3000 * 5000, 'many smaller ones');
		cmp_ok($c->stat->{most}, '<', 1.5 * 1048576, 'the queue stays short');
		cmp_ok($l->stat->{memory}, '<', 16384 * slow_factor() ** 2, 'so does memory');
		$_->end for $l, $c;
	};

	subtest "who does not read is waited for, $how" => sub {
		my $l = Appctl::Net->listen(secret => $secret, tls => $tls, quiet => 1, ping_ms => 1000 * slow_factor());
		my $c = Appctl::Net->connect(secret => $secret, tls => $tls, port => $l->port, ping_ms => 1000 * slow_factor());
		$c->expect(qr/^opened/);
		$l->wait_stat(sub { $_[0]{open} == 1 });
		$l->say('read off');
		$l->stat;
		$c->say('fill 4000 10000');
		my ($before, $now) = (-1, 0);
		while ($before != $now) {		# until nothing moves any more
			$before = $now;
			Time::HiRes::sleep(0.3);
			$now = $c->stat->{queued};
		}
		cmp_ok($now, '>', 0, 'what the kernel does not take stays in the queue');
		cmp_ok($now, '<', 300 * 1024, 'which its owner keeps short');
		is($l->stat->{messages}, 0, 'nothing is delivered meanwhile');
		cmp_ok($l->stat->{memory}, '<', 16384 * slow_factor() ** 2, 'nor gathered');
		Time::HiRes::sleep(3.5 * slow_factor());
		is($c->stat->{open} . $l->stat->{open}, '11', 'neither is taken for dead, after three heartbeats');
		$l->say('read on');
		is($l->wait_stat(sub { $_[0]{messages} == 4000 })->{bytes}, 4000 * 10000, 'then everything comes');
		$_->end for $l, $c;
	};
}

subtest 'the order is kept and nothing is changed' => sub {
	my %crc;
	for my $tls (0, 1) {
		my $l = Appctl::Net->listen(secret => $secret, tls => $tls, quiet => 1);
		my $c = Appctl::Net->connect(secret => $secret, tls => $tls, port => $l->port);
		$c->expect(qr/^opened/);
		for my $i (1 .. 20) {
			$l->say('read off') if $i % 3 == 0;
			$c->say("fill 50 $i" . '00');
			$c->expect(qr/^filled/);
			$l->say('read on') if $i % 3 == 0;
		}
		$crc{ $l->wait_stat(sub { $_[0]{messages} == 1000 })->{crc} }++;
		$_->end for $l, $c;
	}
	is(scalar(keys %crc), 1, 'the same sum of all bytes');
};

subtest 'many at once' => sub {
	my $l = Appctl::Net->listen(secret => $secret, tls => 1, quiet => 1, echo => 1);
	my $c = Appctl::Net->connect(secret => $secret, tls => 1, quiet => 1, port => $l->port);
	$c->say('connect 19');
	$c->wait_stat(sub { $_[0]{open} == 20 });
	$c->say('send ' . 'x' x 2000);
	is($c->wait_stat(sub { $_[0]{messages} == 20 })->{bytes}, 40000, 'each has its answer');
	$l->say('stop');
	$l->expect(qr/^stopped/);
	$c->say('send again');
	is($c->wait_stat(sub { $_[0]{messages} == 40 })->{bytes}, 40100, 'also when nobody is taken in any more');
	$_->end for $c, $l;
};

done_testing;
