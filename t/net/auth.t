# SPDX-License-Identifier: MIT
# Only who knows the secret gets in, to the end that he means, once; and nothing that is changed on the way arrives.
use strict;
use warnings;
use Test::More;
use IO::Socket::IP;
use JSON::PP;
use Time::HiRes ();
use Appctl::Net;
use Appctl::Test;

my $bytes = 'the secret of all tests';
my $secret = secret_file($bytes);

sub replay {
	my ($port, $recorded) = @_;
	my $raw = Appctl::Net::Raw->new($port);
	$raw->send($recorded);
	return $raw->rest;
}

subtest 'a session that was recorded is good for nothing' => sub {
	for my $tls (0, 1) {
		my $l = Appctl::Net->listen(secret => $secret, tls => $tls);
		my $proxy = Appctl::Net::Proxy->new($l->port, sub { $_[2] });
		my $c = Appctl::Net->connect(secret => $secret, tls => $tls, port => $proxy->port, greet => 'recorded');
		is($l->expect(qr/^text (.*)/), '8 recorded', 'the session itself');
		$c->end;
		my $recorded = $proxy->record('client');
		cmp_ok(length $recorded, '>', 300, 'is recorded');
		my $answer = replay($l->port, $recorded);
		ok(defined $answer, 'played at once, it is closed');
		if (!$tls) {
			my ($head, $rest) = $recorded =~ /\A(.*?\r\n\r\n)(.*)\z/s;
			my $raw = Appctl::Net::Raw->new($l->port);
			$raw->send($head);
			$raw->head;
			ok($raw->read_json->{nonce}, 'played step by step, it gets a new challenge');
			$raw->send($rest);
			is(($raw->close_code)[0], 1008, 'which the old response does not answer');
		}
		is(scalar(grep { /^text/ } $l->lines), 1, 'nothing is delivered again');
		$l->end;
	}
};

subtest 'a MAC is good in one direction, for one pair of nonces' => sub {
	my $listen = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => 0, Listen => 5) or die;
	my $c = Appctl::Net->connect(secret => $secret, port => $listen->sockport, greet => 'a batch');
	my $raw = Appctl::Net::Raw->over(scalar $listen->accept, server => 1);
	$raw->answer_upgrade;
	my $challenge = { type => 'challenge', version => 1, node => 'x', nonce => 'cd' x 32 };
	$raw->text(encode_json($challenge));
	my $response = $raw->read_json;
	is($response->{mac}, challenge_mac($bytes, 'producer', $challenge, $response), 'one who connects shows that it knows the secret');
	$raw->text(encode_json({ type => 'welcome', mac => $response->{mac} }));
	is(($raw->close_code)[0], 1008, 'its own MAC sent back is not taken for a welcome');
	like($c->expect(qr/^closed (.*)/), qr/does not know the secret/, 'it says why');
	unlike(join("\n", $c->lines), qr/^opened/m, 'and sends nothing');
	$c->end;

	my $l = Appctl::Net->listen(secret => $secret);
	my ($first, $second) = map { Appctl::Net::Raw->new($l->port) } 1, 2;
	$_->send(upgrade()), $_->head for $first, $second;
	my ($c1, $c2) = map { $_->read_json } $first, $second;
	isnt($c1->{nonce}, $c2->{nonce}, 'every challenge is another');
	my $p = { type => 'response', node => 'a', epoch => 1, nonce => 'ef' x 32 };
	$p->{mac} = challenge_mac($bytes, 'producer', $c1, $p);
	$second->text(encode_json($p));
	is(($second->close_code)[0], 1008, 'an answer to another one is refused');
	$first->text(encode_json($p));
	is($first->read_json->{mac}, challenge_mac($bytes, 'consumer', $c1, $p), 'where it belongs it is good');
	my $third = Appctl::Net::Raw->new($l->port);
	$third->send(upgrade());
	$third->head;
	my $c3 = $third->read_json;
	$p->{mac} = challenge_mac($bytes, 'consumer', $c3, $p);
	$third->text(encode_json($p));
	is(($third->close_code)[0], 1008, 'the MAC of the other role is refused');
	$l->end;
};

subtest 'a relay between two TLS sessions is found out' => sub {
	my $l = Appctl::Net->listen(secret => $secret, tls => 1);
	my $plain = Appctl::Net->connect(secret => $secret, tls => 0, port => $l->port);
	like($plain->expect(qr/^closed (.*)/), qr/./, 'who comes without TLS is not taken in');
	unlike(join("\n", $l->lines), qr/^opened/m, 'not even with the secret');
	$plain->end;
	$l->end;
};

subtest 'every message in every state before' => sub {
	my $l = Appctl::Net->listen(secret => $secret, auth_timeout_ms => 300 * slow_factor());
	my $good = sub {
		my ($c) = @_;
		my $p = { type => 'response', node => 'a', epoch => 1, nonce => 'ef' x 32 };
		return encode_json({ %$p, mac => challenge_mac($bytes, 'producer', $c, $p) });
	};
	my %message = (
		'a batch' => sub { frame(1, '{"type":"prc","node":"a","epoch":1,"seq":1,"ts":"2026-11-25T10:53:20Z","columns":[],"rows":[]}') },
		'an ack' => sub { frame(1, '{"type":"ack","epoch":1,"seq":1}') },
		'a welcome' => sub { frame(1, encode_json({ type => 'welcome', mac => 'ab' x 32 })) },
		'the challenge itself' => sub { frame(1, encode_json($_[0])) },
		'a wrong MAC' => sub { my $r = decode_json($good->($_[0])); $r->{mac} =~ tr/0-9a-f/1-9a-f0/; frame(1, encode_json($r)) },
		'half a MAC' => sub { my $r = decode_json($good->($_[0])); $r->{mac} = substr $r->{mac}, 0, 32; frame(1, encode_json($r)) },
		'a MAC and more' => sub { my $r = decode_json($good->($_[0])); $r->{mac} .= '00'; frame(1, encode_json($r)) },
		'a MAC in capitals' => sub { my $r = decode_json($good->($_[0])); $r->{mac} = uc $r->{mac}; frame(1, encode_json($r)) },
		'no MAC' => sub { my $r = decode_json($good->($_[0])); delete $r->{mac}; frame(1, encode_json($r)) },
		'another name' => sub { my $r = decode_json($good->($_[0])); $r->{node} = 'b'; frame(1, encode_json($r)) },
		'another epoch' => sub { my $r = decode_json($good->($_[0])); $r->{epoch} = 2; frame(1, encode_json($r)) },
		'another nonce' => sub { my $r = decode_json($good->($_[0])); $r->{nonce} = 'ff' x 32; frame(1, encode_json($r)) },
		'a ping' => sub { frame(9, 'x') },
		'a pong' => sub { frame(10, 'x') },
		'binary' => sub { frame(2, $good->($_[0])) },
		'nothing' => sub { frame(1, '') },
		'no JSON' => sub { frame(1, 'x' x 500) },
		'deep JSON' => sub { frame(1, '[' x 1000) },
		'too much' => sub { frame(1, ' ' x 2000 . $good->($_[0])) },
		'much more' => sub { frame(1, 'x', length => 2**40) },
		'a goodbye' => sub { frame(8, pack 'n', 1000) },
		'a second upgrade' => sub { upgrade() },
	);
	for my $what (sort keys %message) {
		my $raw = Appctl::Net::Raw->new($l->port);
		$raw->send(upgrade());
		$raw->head;
		$raw->send($message{$what}->($raw->read_json));
		my $code = ($raw->close_code)[0];
		ok(defined $code && $code =~ /^(1000|1002|1003|1008|1009)$/ && defined $raw->rest, "$what: " . ($code // 'nothing'));
		$raw = Appctl::Net::Raw->new($l->port);
		$raw->send($message{$what}->({ node => 'x', nonce => 'ab' x 32 }));
		$raw->close if $what eq 'a second upgrade';		# here it is the first
		ok($what eq 'a second upgrade' || defined $raw->rest, '… also in place of the upgrade');
	}
	unlike(join("\n", $l->lines), qr/^(opened|text)/m, 'nobody has come in');
	$l->end;
};

# One byte of each session is changed, every fifth of them in turn.  TLS covers everything but the head of a record or two.
subtest 'a flipped bit anywhere' => sub {
	my $timeout = 1000 * slow_factor();
	for my $way ('client', 'server') {
		my $l = Appctl::Net->listen(secret => $secret, tls => 1, auth_timeout_ms => $timeout, $way eq 'server' ? (greet => 'hello') : ());
		my $plain = Appctl::Net::Proxy->new($l->port, sub { $_[2] });
		my @greet = $way eq 'client' ? (greet => 'hello') : ();
		my $c = Appctl::Net->connect(secret => $secret, tls => 1, quiet => 1, port => $plain->port, @greet);
		my $receiver = $way eq 'client' ? $l : $c;
		$receiver->wait_stat(sub { $_[0]{messages} == 1 });
		my $total = length $plain->record($way);
		$c->end;
		my $proxy = Appctl::Net::Proxy->new($l->port, sub {
			my ($from, $at, $data, $n) = @_;
			my $i = $n * 5 - $at;
			substr($data, $i, 1) ^= chr(1 << $n % 8) if $from eq $way && $i >= 0 && $i < length $data;
			return $data;
		});
		$c = Appctl::Net->connect(secret => $secret, tls => 1, port => $proxy->port, auth_timeout_ms => $timeout, @greet);
		my $count = int($total / 5);
		for (my $n = 1; $n < $count; $n += 100) {
			$c->say('connect ' . ($n + 100 > $count ? $count - $n : 100));
			$c->wait_stat(sub { $_[0]{pending} == 0 }, 60);
		}
		$receiver = $way eq 'client' ? $l : $c;
		Time::HiRes::sleep(0.2);
		$receiver->stat;
		my @texts = grep { /^text/ } $receiver->lines;
		shift @texts if $way eq 'client';
		cmp_ok(scalar @texts, '<=', 3, "$count sessions with a byte changed of what comes from the $way: hardly one goes on");
		is_deeply([grep { $_ ne 'text 5 hello' } @texts], [], '… and if so, unchanged');
		$_->end for $c, $l;
	}
};

subtest 'files that hold no secret' => sub {
	my $dir = Appctl::Test::scratch_directory();
	my $n = 0;
	my $try = sub {
		my ($content, $mode, $prepare) = @_;
		my $file = "$dir/" . ++$n;
		spew($file, $content);
		chmod $mode, $file;
		$file = $prepare->($file) if $prepare;
		my $peer = Appctl::Net->start('listen', secret => $file);
		return ($peer->expect(qr/^(error .*|listening .*)/))[0];
	};
	like($try->('x' x 16 . "\n", 0400), qr/^listening/, '16 bytes are');
	like($try->('x' x 16, 0600), qr/^listening/, 'also without a newline');
	like($try->("\0" x 16 . "\n", 0400), qr/^listening/, 'whatever bytes they are');
	like($try->('', 0400), qr/no secret/, 'nothing');
	like($try->("x\n", 0400), qr/no secret/, 'one byte');
	like($try->('x' x 15 . "\n", 0400), qr/no secret/, '15 bytes');
	like($try->("\n" . 'x' x 32, 0400), qr/no secret/, 'a newline before it');
	like($try->('x' x 8 . "\n" . 'x' x 8, 0400), qr/no secret/, 'a newline in the middle');
	like($try->('x' x 5000 . "\n", 0400), qr/no secret/, 'too much');
	like($try->('x' x 32 . "\n", $_), qr/open to others/, sprintf 'mode %04o', $_) for 0644, 0440, 0604, 0420;
	like($try->('x' x 32 . "\n", 0400, sub { symlink $_[0], "$_[0].link"; "$_[0].link" }), qr/^error open/, 'a symbolic link');
	like($try->('x' x 32 . "\n", 0400, sub { "$dir" }), qr/no regular file/, 'a directory');
	like($try->('x' x 32 . "\n", 0400, sub { POSIX::mkfifo("$_[0].fifo", 0400); "$_[0].fifo" }), qr/no regular file/, 'a FIFO');
	like($try->('x' x 32 . "\n", 0400, sub { "$_[0].none" }), qr/^error open .*No such file/, 'none at all');
	SKIP: {
		skip 'needs root', 1 if $> != 0;
		like($try->('x' x 32 . "\n", 0400, sub { chown 1, 1, $_[0]; $_[0] }), qr/belongs to somebody else/, 'somebody else\'s');
	}
	unlike($try->('hush-hush-hush', 0400), qr/hush/, 'no message quotes what stands there');
};

subtest 'the secret is nowhere to be found' => sub {
	my $word = 'Xyzzy-' . join '', map { ('a' .. 'z')[rand 26] } 1 .. 20;
	my $l = Appctl::Net->listen(secret => secret_file($word), tls => 1);
	my $c = Appctl::Net->connect(secret => secret_file($word), tls => 1, port => $l->port, greet => 'hello');
	$l->expect(qr/^text/);
	my $wrong = Appctl::Net->connect(secret => secret_file('another secret entirely'), tls => 1, port => $l->port);
	$wrong->expect(qr/^closed/);
	for my $peer ($l, $c) {
		my $pid = $peer->pid;
		my $seen = join "\n", map { slurp("/proc/$pid/$_") } qw(environ cmdline status comm limits);
		unlike($seen, qr/\Q$word\E/, 'not in what /proc says');
		like($seen, qr/^Max core file size +0 +0 /m, 'no core file would hold it');
		unlike(join("\n", $peer->lines), qr/\Q$word\E/, 'not in what is said');
	}
	$_->end for $c, $wrong, $l;
	SKIP: {
		skip 'needs root', 1 if $> != 0;
		my $file = secret_file($word);
		chown 65534, 65534, $file;
		my $peer = Appctl::Net->start('listen', secret => $file, before => ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']);
		$peer->expect(qr/^listening/);
		is((stat '/proc/' . $peer->pid . '/mem')[4], 0, 'others of its user may not look into it');
		$peer->end;
	}
};

done_testing;
