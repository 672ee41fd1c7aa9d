# SPDX-License-Identifier: MIT
# Hosts: names that are not found or take their time, several addresses, IPv6, a port that is taken.
use strict;
use warnings;
use Test::More;
use IO::Socket::IP;
use Time::HiRes ();
use Appctl::Net;
use Appctl::Test;

my $secret = secret_file();

subtest 'a name' => sub {
	my $l = Appctl::Net->listen(secret => $secret, host => '127.0.0.1');
	my $c = Appctl::Net->connect(secret => $secret, host => 'localhost', port => $l->port);
	like($c->expect(qr/^opened (.*)/), qr/127\.0\.0\.1:/, 'is looked up; what does not answer at one address is tried at the next');
	$_->end for $c, $l;
};

subtest 'IPv6' => sub {
	plan(skip_all => 'needs IPv6') unless IO::Socket::IP->new(LocalHost => '::1', LocalPort => 0, Listen => 1);
	for my $tls (0, 1) {
		my $l = Appctl::Net->listen(secret => $secret, tls => $tls, host => '::1');
		my $c = Appctl::Net->connect(secret => $secret, tls => $tls, host => '::1', port => $l->port);
		like($c->expect(qr/^opened (.*)/), qr/\[::1\]:\d+$/, 'alone');
		$_->end for $c, $l;
	}
	my $l = Appctl::Net->listen(secret => $secret, host => '::');
	my $c = Appctl::Net->connect(secret => $secret, host => '127.0.0.1', port => $l->port);
	$c->expect(qr/^opened/);
	like($l->expect(qr/^opened (.*)/), qr/ 127\.0\.0\.1:\d+$/, 'and both at once');
	$_->end for $c, $l;
};

subtest 'a name that there is not' => sub {
	my $c = Appctl::Net->connect(secret => $secret, host => 'no-such-host.invalid', port => 1, auth_timeout_ms => 10000 * slow_factor());
	my $start = Time::HiRes::time();
	$c->stat;
	cmp_ok(Time::HiRes::time() - $start, '<', 1, 'stops nothing while it is looked for');
	like($c->expect(qr/^closed (.*)/, 30), qr/look up no-such-host\.invalid: /, 'and says so');
	$c->end;
};

# A name service that never answers: resolv.conf in a mount namespace, at an address where somebody listens and is silent.
SKIP: {
	my $silent = IO::Socket::IP->new(LocalHost => '127.0.0.53', LocalPort => 53, Proto => 'udp');
	skip 'needs root and a mount namespace', 1 if $> != 0 || !$silent || system('unshare -m true 2>/dev/null') != 0;
	subtest 'a name service that does not answer' => sub {
		my $resolv = Appctl::Test::scratch_directory() . '/resolv.conf';
		spew($resolv, "nameserver 127.0.0.53\noptions timeout:30 attempts:1\n");
		my $c = Appctl::Net->connect(secret => $secret, host => 'some.example', port => 1, auth_timeout_ms => 500 * slow_factor(),
			before => ['unshare', '-m', 'sh', '-c', "mount --bind $resolv /etc/resolv.conf && exec \"\$@\"", 'sh']);
		like($c->expect(qr/^closed (.*)/), qr/look up some\.example: Connection timed out/, 'is not waited for');
		for (1 .. 20) {
			my $start = Time::HiRes::time();
			$c->say('connect 1');
			$c->stat;
			cmp_ok(Time::HiRes::time() - $start, '<', 1, 'nor does it stop anything') if $_ == 20;
		}
		my @said = grep { /^error .*has not answered/ } $c->lines;
		cmp_ok(scalar @said, '>=', 3, 'and it is not asked without end');
		$c->wait_stat(sub { $_[0]{pending} == 0 });
		$c->say("quit");
		isnt($c->wait_end(5), undef, 'whoever ends does not wait for it, either');
	};
}

subtest 'nobody there' => sub {
	my $c = Appctl::Net->connect(secret => $secret, port => free_port());
	like($c->expect(qr/^closed (.*)/), qr/connect to 127\.0\.0\.1:\d+: Connection refused/, 'says so');
	$c->end;
};

subtest 'a port that is taken' => sub {
	my $l = Appctl::Net->listen(secret => $secret);
	my $second = Appctl::Net->start('listen', secret => $secret, port => $l->port);
	like($second->expect(qr/^error (.*)/), qr/listen on 127\.0\.0\.1:\d+: Address already in use/, 'is named');
	my $c = Appctl::Net->connect(secret => $secret, port => $l->port);
	$c->expect(qr/^opened/);
	pass('whoever has it goes on');
	$_->end for $c, $l;
};

subtest 'settings that are none' => sub {
	my $error = sub { (Appctl::Net->start(@_, secret => $secret)->expect(qr/^error (.*)/))[0] };
	like($error->('connect', port => 'http'), qr/port "http"/, 'a port by name');
	like($error->('connect', port => 70000), qr/port "70000"/, 'a port beyond the last');
	like($error->('connect', port => 1, host => "a b"), qr/host "a b"/, 'a host with a blank');
	like($error->('listen', node => 'a b'), qr/"a b" as the name of a node/, 'a name that no node has');
	like($error->('listen', host => '192.0.2.1'), qr/listen on 192\.0\.2\.1:0: Cannot assign/, 'an address that is not ours');
};

done_testing;
