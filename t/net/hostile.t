# SPDX-License-Identifier: MIT
# What is no WebSocket, or a bad one, is answered with an error and the end of that connection; nobody else notices.
use strict;
use warnings;
use Test::More;
use IO::Socket::IP;
use Time::HiRes ();
use Appctl::Net;
use Appctl::Test;

my $secret = secret_file();
my $l = Appctl::Net->listen(secret => $secret, quiet => 1, auth_timeout_ms => 1000 * slow_factor());
my $witness = Appctl::Net->connect(secret => $secret, port => $l->port, quiet => 1);
$l->wait_stat(sub { $_[0]{open} == 1 });
my $memory = memory_of($l->pid);
my $served = 0;

sub good_session {
	my $raw = Appctl::Net::Raw->new($l->port);
	$raw->open or die "not taken in\n";
	return $raw;
}

sub still_there {
	my ($what) = @_;
	$witness->say('send still there');
	$l->wait_stat(sub { $_[0]{messages} > $served });
	$served = $l->stat->{messages};
	is($witness->stat->{open}, 1, "after $what another session goes on");
	cmp_ok(memory_of($l->pid) - $memory, '<', 2048 * slow_factor() ** 2, '… and memory is what it was');
}

sub refused_with {
	my ($bytes, $status, $what) = @_;
	my $raw = Appctl::Net::Raw->new($l->port);
	$raw->send($bytes);
	like($raw->rest // '', qr/\AHTTP\/1\.1 $status [^\r]*\r\n(?:[^\r]+\r\n)*\r\n\z/, $what);
}

subtest 'upgrades that are none' => sub {
	refused_with("\0" x 100, 400, 'bytes of nothing');
	refused_with(join('', map { chr int rand 256 } 1 .. 5000), 400, 'bytes of anything');
	refused_with("GET / HTTP/1.1\r\n" . "X: " . 'x' x 5000, 400, 'a head without an end');
	refused_with(upgrade(more => join '', map { "X-$_: 1\r\n" } 1 .. 40), 400, 'too many fields');
	refused_with(upgrade(start => 'GET / HTTP/1.0'), 400, 'HTTP/1.0');
	refused_with(upgrade(more => "Content-Length: 5\r\n") . 'hello', 400, 'a body');
	refused_with(upgrade(more => "Transfer-Encoding: chunked\r\n") . "0\r\n\r\n", 400, 'a body in chunks');
	refused_with(upgrade() . upgrade(), 400, 'a second request behind the first');
	refused_with(upgrade() . frame(1, '{}'), 400, 'a frame before the challenge');
	refused_with(upgrade(more => "Host: other\r\n"), 400, 'Host twice');
	refused_with(upgrade(more => "Origin: http://127.0.0.1:8888\r\n"), 403, 'a browser');
	refused_with("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 426, 'no upgrade at all');
	still_there('all that');
};

subtest 'an answer is not waited for for ever' => sub {
	my @slow = map { Appctl::Net::Raw->new($l->port) } 1 .. 5;
	$slow[1]->send('GET / HTTP/1.1');
	$slow[2]->send("\r\n");
	$slow[3]->send(upgrade());
	my $start = Time::HiRes::time();
	defined $_->rest(10) or fail('it ends') for @slow;
	my $took = Time::HiRes::time() - $start;
	cmp_ok($took, '<', 4 * slow_factor(), 'all of them are ended in time');
	$slow[3]->head;
	is(($slow[3]->close_code)[0], 1008, 'who got as far as the challenge is told');
	still_there('silence');
};

sub closes_with {
	my ($bytes, $code, $what) = @_;
	my $raw = good_session();
	$raw->send($bytes);
	my ($got, $reason) = $raw->close_code;
	is($got, $code, "$what: $code");
	ok(defined $raw->rest, '… and the connection ends');
}

subtest 'frames that are none' => sub {
	closes_with(frame(1, 'hello', mask => 0), 1002, 'a frame that is not masked');
	closes_with(frame(1, 'hello', rsv => $_), 1002, "reserved bits $_") for 1, 2, 4;
	closes_with(frame($_, 'hello'), 1002, "opcode $_") for 3, 7, 11, 15;
	closes_with(frame(2, 'hello'), 1003, 'a binary message');
	closes_with(frame(0, 'hello'), 1002, 'a fragment of nothing');
	closes_with(frame(1, 'a', fin => 0) . frame(1, 'b'), 1002, 'a message within another');
	closes_with(frame(9, 'x' x 126), 1002, 'a ping that is too long');
	closes_with(frame(9, 'x', fin => 0), 1002, 'a ping in fragments');
	closes_with(pack('CCn', 0x81, 0xfe, 5) . 'keyyhello', 1002, 'a length in a longer form than it needs');
	closes_with(frame(1, "\xff\xfe"), 1007, 'a text that is no UTF-8');
	closes_with(frame(1, "\xe2\x82", fin => 0) . frame(0, "\x28"), 1007, 'also over fragments');
	closes_with(frame(1, "\xed\xa0\x80"), 1007, 'half of a surrogate');
	closes_with(frame(8, 'x'), 1002, 'half a close code');
	closes_with(frame(8, pack 'n', $_), 1002, "close code $_") for 0, 999, 1004, 1005, 1006, 1015, 2999, 5000;
	closes_with(frame(8, pack('n', 1000) . "\xff"), 1007, 'a reason that is no UTF-8');
	closes_with(frame(8, pack('n', 1000) . 'bye'), 1000, 'a goodbye is answered as it was said');
	closes_with(frame(8, ''), 1000, 'one without a code by the normal one');
	closes_with(frame(8, pack 'n', 4711), 4711, 'one with a code of its own by that');
	still_there('all that');
};

subtest 'too much' => sub {
	closes_with(frame(1, 'x', length => 2**31), 1009, '2 GiB announced');
	closes_with(frame(1, 'x', length => 2**62), 1009, 'more than there is in the world');
	closes_with(frame(1, 'x', length => 2**63), 1002, 'a length that is negative');
	closes_with(frame(1, 'x' x 1_000_000, fin => 0) . frame(0, 'x' x 100_000), 1009, 'too much in fragments');
	closes_with(frame(1, '', fin => 0) . frame(0, '', fin => 0) x 1_000_000, 1009, 'a million fragments of nothing');
	closes_with(frame(1, 'x', fin => 0) . frame(0, 'x', fin => 0) x 100_000, 1009, 'fragments of one byte');
	closes_with(frame(9, '') x 10_000, 1008, 'a flood of pings');
	still_there('all that');
};

subtest 'who never reads what it asks for' => sub {
	my $raw = good_session();
	my $n = 0;
	$n += $raw->send(frame(9, 'x' x 125) x 50) for 1 .. 3;		# fewer in a second than are a flood
	ok($n >= 1, 'pings go out');
	cmp_ok(memory_of($l->pid) - $memory, '<', 2048 * slow_factor() ** 2, 'answers are not gathered');
};

subtest 'pings in the middle of a message are answered' => sub {
	my $raw = good_session();
	$raw->send(frame(1, 'one', fin => 0) . frame(9, 'now') . frame(0, '', fin => 0) . frame(0, ' message'));
	is_deeply([$raw->frame], [10, 'now'], 'with what they said');
	$served++ if $l->wait_stat(sub { $_[0]{messages} > $served });
	still_there('that');
};

subtest 'a connection that is reset at any moment' => sub {
	for my $n (1 .. 20) {
		my $raw = good_session();
		$raw->send(frame(1, 'x' x ($n * 100), length => 100_000));
		$raw->reset;
	}
	$l->wait_stat(sub { $_[0]{open} == 1 });
	still_there('that');
};

$_->end for $witness, $l;

# The other way round: a listener that is none.
subtest 'one who connects to nonsense says so and goes on living' => sub {
	my $listen = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => 0, Listen => 64) or die;
	my $c = Appctl::Net->connect(secret => $secret, port => $listen->sockport, auth_timeout_ms => 1000 * slow_factor());
	my $switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
	my @answers = (
		[sub { "SSH-2.0-x\r\n" . 'x' x 5000 }, qr/no WebSocket/],
		[sub { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" }, qr/no WebSocket: a body/],
		[sub { "HTTP/1.1 503 Busy\r\n\r\n" }, qr/it answered "HTTP\/1\.1 503 Busy"/],
		[sub { "${switch}Sec-WebSocket-Accept: AAAA\r\n\r\n" }, qr/not that of our key/],
		[sub { "${switch}Sec-WebSocket-Accept: " . accept_key($_[0]) . "\r\n\r\n" }, qr/does not speak appctl-monitor/],
		[sub { '' }, qr/not authenticated: Connection timed out/],
		[sub { undef }, qr/it closed the connection/],
		[sub { $switch . 'Sec-WebSocket-Accept: ' . accept_key($_[0]) . "\r\nSec-WebSocket-Protocol: appctl-monitor\r\n\r\n"
			. frame(1, '{"type":"welcome"}', mask => 0) }, qr/challenge: /],
		[sub { $switch . 'Sec-WebSocket-Accept: ' . accept_key($_[0]) . "\r\nSec-WebSocket-Protocol: appctl-monitor\r\n\r\n"
			. frame(1, '{"type":"challenge","version":1,"node":"x","nonce":"' . 'ab' x 32 . '"}') }, qr/a masked frame/],
	);
	for (@answers) {
		my ($answer, $why) = @$_;
		my $socket = $listen->accept;
		my $raw = Appctl::Net::Raw->over($socket, server => 1);
		my ($key) = $raw->head =~ /^Sec-WebSocket-Key: (.*?)\r$/m;
		my $bytes = $answer->($key);
		defined $bytes ? $raw->send($bytes) : $raw->close;
		like($c->expect(qr/^closed (.*)/), $why, "$why");
		$c->say('connect 1');
	}
	$listen->close;
	$c->expect(qr/^closed/);
	$c->end;
};

done_testing;
