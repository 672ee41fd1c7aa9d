# SPDX-License-Identifier: MIT
# A connection that ends at any byte, goes silent, is reset: both ends learn of it in time, and no message comes in part.
use strict;
use warnings;
use Test::More;
use Time::HiRes ();
use Appctl::Net;
use Appctl::Test;

my $secret = secret_file();
my $batch = '{"type":"prc","rows":[' . join(',', map { "[$_]" } 1 .. 40) . ']}';

for my $way ('client', 'server') {
	subtest "cut at every byte of what comes from the $way" => sub {
		my $l = Appctl::Net->listen(secret => $secret, quiet => 1, $way eq 'server' ? (greet => $batch) : ());
		my @greet = $way eq 'client' ? (greet => $batch) : ();
		my $whole = Appctl::Net::Proxy->new($l->port, sub { $_[2] });
		my $c = Appctl::Net->connect(secret => $secret, quiet => 1, port => $whole->port, @greet);
		my $receiver = sub { $way eq 'client' ? $l : $c };
		$receiver->()->wait_stat(sub { $_[0]{messages} == 1 });
		my $total = length $whole->record($way);
		$c->end;
		cmp_ok($total, '>', length $batch, 'a session has many bytes');
		my $proxy = Appctl::Net::Proxy->new($l->port, sub {
			my ($from, $at, $data, $n) = @_;
			return $data if $from ne $way || $n >= $total;
			my $left = $n - $at;
			return $left <= 0 ? undef : $left < length $data ? substr $data, 0, $left : $data;
		});
		$c = Appctl::Net->connect(secret => $secret, quiet => 1, port => $proxy->port, auth_timeout_ms => 1000 * slow_factor(), @greet);
		for (my $n = 1; $n < $total; $n += 200) {
			$c->say('connect ' . ($n + 200 > $total ? $total - $n : 200));
			$c->wait_stat(sub { $_[0]{pending} == 0 }, 60);
		}
		# Where the last byte has not come there is silence; the next one ends it.
		my $came = $receiver->()->stat->{messages} - ($way eq 'client' ? 1 : 0);
		is($came, 0, "of $total sessions none delivers anything");
		# On a machine with much to do a few of them may not have come as far as the proxy.
		my $stat = $receiver->()->wait_stat(sub {
			return 1 if $_[0]{messages} > ($way eq 'client');
			$c->say('connect 1') if $c->stat->{pending} == 0;
			return 0;
		}, 60);
		is($stat->{bytes}, $stat->{messages} * length $batch, 'the one that is not cut does, whole');
		$_->end for $c, $l;
	};
}

for my $tls (0, 1) {
	my $how = $tls ? ', over TLS' : '';

	subtest "a peer that hangs$how" => sub {
		my $ping = 300 * slow_factor();
		my $l = Appctl::Net->listen(secret => $secret, tls => $tls, ping_ms => $ping);
		my $c = Appctl::Net->connect(secret => $secret, tls => $tls, port => $l->port, ping_ms => $ping);
		$c->expect(qr/^opened/);
		$l->expect(qr/^opened/);
		Time::HiRes::sleep(4 * $ping / 1000);
		is($c->stat->{open} . $l->stat->{open}, '11', 'two who have nothing to say are not taken for dead');
		kill STOP => $c->pid;
		my $start = Time::HiRes::time();
		like($l->expect(qr/^closed (.*)/), qr/nothing was heard of it for \d+ ms/, 'one who says nothing any more is');
		my $took = Time::HiRes::time() - $start;
		cmp_ok($took, '<', (2 * $ping / 1000) * 2 + 1, sprintf 'in time (%.1f s)', $took);
		kill CONT => $c->pid;
		like($c->expect(qr/^closed (.*)/), qr/./, 'and learns of it when it goes on');
		$_->end for $c, $l;
	};

	subtest "a peer that is killed$how" => sub {
		my $l = Appctl::Net->listen(secret => $secret, tls => $tls);
		my $c = Appctl::Net->connect(secret => $secret, tls => $tls, port => $l->port);
		$c->expect(qr/^opened/);
		$l->expect(qr/^opened/);
		kill KILL => $l->pid;
		like($c->expect(qr/^closed (.*)/), qr/closed the connection|cut off|reset/, 'is seen at once');
		my $again = Appctl::Net->listen(secret => $secret, tls => $tls, port => $l->port);
		$c->say('connect 1');
		$c->expect(qr/^opened/);
		pass('who comes in its place is found there: the port is free again');
		$_->end for $c, $again;
	};
}

subtest 'a reset in the middle of a flow' => sub {
	my $l = Appctl::Net->listen(secret => $secret, quiet => 1);
	my $raw = Appctl::Net::Raw->new($l->port);
	$raw->open;
	$l->say('fill 100000 10000');
	Time::HiRes::sleep(0.2);
	$raw->reset;
	$l->wait_stat(sub { $_[0]{open} == 0 });
	pass('is the end of that socket alone');
	ok(Appctl::Net::Raw->new($l->port)->open, 'the next one is taken in');
	$l->end;
};

my ($names, $owner) = ("appctl-$$", $$);
END {
	local $?;
	system "ip netns del $names-$_ 2>/dev/null" for defined $owner && $$ == $owner ? qw(l c) : ();
}

# A link that swallows everything, also what says that it is there.
SKIP: {
	skip 'needs root, ip(8) and network namespaces', 1
		if $> != 0 || system("ip netns add $names-l 2>/dev/null && ip netns add $names-c 2>/dev/null") != 0;
	subtest 'a black hole' => sub {
		my $ok = system("ip link add $names-l netns $names-l type veth peer name $names-c netns $names-c 2>/dev/null"
			. " && ip -n $names-l addr add 10.199.0.1/24 dev $names-l && ip -n $names-c addr add 10.199.0.2/24 dev $names-c"
			. " && ip -n $names-l link set $names-l up && ip -n $names-c link set $names-c up") == 0;
		plan(skip_all => 'needs veth') unless $ok;
		my $ping = 300 * slow_factor();
		my %inside = map { $_ => [qw(ip netns exec), "$names-$_"] } qw(l c);
		my $l = Appctl::Net->listen(before => $inside{l}, secret => $secret, host => '10.199.0.1', ping_ms => $ping);
		my $c = Appctl::Net->connect(before => $inside{c}, secret => $secret, host => '10.199.0.1', port => $l->port, ping_ms => $ping,
			auth_timeout_ms => 1000);
		$c->expect(qr/^opened/);
		$l->expect(qr/^opened/);
		$c->say('fill 1000 1000');		# some of it is under way, some waits
		system "ip -n $names-c route add blackhole 10.199.0.1/32";
		like($c->expect(qr/^closed (.*)/), qr/nothing was heard|unreachable|Invalid|it closed/, 'the one before it notices, or is told');
		like($l->expect(qr/^closed (.*)/), qr/nothing was heard/, 'the one behind it, too');
		$c->say('connect 1');
		like($c->expect(qr/^closed (.*)/), qr/connect to 10\.199\.0\.1/, 'meanwhile nobody gets through');
		system "ip -n $names-c route del blackhole 10.199.0.1/32";
		$c->say('connect 1');
		$c->expect(qr/^opened/);
		pass('afterwards it goes on');
		system "ip -n $names-l link del $names-l";
		like($c->expect(qr/^closed (.*)/), qr/./, 'an interface that goes is noticed as well');
		$_->end for $c, $l;
	};
}

done_testing;
