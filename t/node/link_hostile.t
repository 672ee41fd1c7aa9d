# SPDX-License-Identifier: MIT
# Links and those who mean no good, or cannot be heard any more.
use strict;
use warnings;
use IO::Socket::INET;
use JSON::PP ();
use Test::More;
use Time::HiRes ();
use Appctl::Certificates;
use Appctl::Net;
use Appctl::Node;
use Appctl::Test;

my %test = (node_program => program('t/node/appctl-node'));

sub node { return Appctl::Node->new(%test, @_)->start->wait_node }
sub refused { my ($node, $name) = @_; return $node->node_call(Connect => { node => $name, service => 'echo' })->{parameters} }
sub ups { return scalar $_[0]->events_so_far({ event => 'node_up' }) }

# Without a word to it, nothing has changed at a node that others have called.
sub unimpressed {
	my ($node, $what) = @_;
	is(ups($node), 0, "$what: no link came up");
	is_deeply([grep { $_->{state} !~ /^(down|refused)$/ } values %{ $node->nodes }], [], '… and none is seen');
}

subtest 'a wrong cookie learns nothing and changes nothing' => sub {
	my $bob = node(node => 'bob', peers => [['alice', '127.0.0.1', 1]]);
	my $before = $bob->nodes;
	my $alice = node(node => 'alice', peers => [$bob], cookie => '0123456789abcdef' x 4);
	my $r = refused($alice, 'bob');
	is($r->{code}, 'unreachable', 'no channel');
	like($r->{message}, qr/same cookie, and is the other one called/, 'the one who has it knows why');
	is($alice->nodes->{bob}{state}, 'refused', 'and shows it');
	like($bob->wait_event({ event => 'app_alarm' })->{text}, qr/turned away \S+, which is no node with our cookie/, 'an alarm at the other end');
	like($bob->log_text, qr/turned away/, 'and its log');
	unimpressed($_, $_->name) for $alice, $bob;
	is_deeply($bob->nodes, $before, 'bob knows what he knew');
	my $mallory = node(node => 'mallory', peers => [['carol', $bob->address, $bob->port]]);
	my $wrong_name = refused($mallory, 'carol')->{message};
	s/\S+:\d+// for $wrong_name, $r->{message};
	is($wrong_name, $r->{message}, 'a wrong name is answered like a wrong cookie');
	$alice->{cookie} = $bob->{cookie};
	$alice->write_cookie;
	kill HUP => $alice->node_pid;
	for (1 .. 100) { last if !refused($alice, "bob")->{code}; Time::HiRes::sleep(0.05) }
	is($alice->nodes->{bob}{state}, 'up', 'the right one, read at SIGHUP, is all it takes');
	$_->stop for $alice, $bob, $mallory;
};

subtest 'what was said once is of no use again' => sub {
	my $bob = node(node => 'bob');
	my $proxy = Appctl::Net::Proxy->new($bob->address . ':' . $bob->port, sub { $_[2] });
	my $alice = node(node => 'alice', peers => [['bob', '127.0.0.1', $proxy->port]]);
	my (undef, $socket) = $alice->channel('bob', 'echo');
	syswrite $socket, 'hello';
	sysread $socket, my $data, 5;
	$alice->stop;
	$bob->wait_event({ event => 'node_down' });
	for my $from (qw(client server)) {
		my $again = IO::Socket::INET->new(PeerAddr => $bob->address, PeerPort => $bob->port) or die "connect: $!\n";
		syswrite $again, $proxy->record($from);
		1 while sysread $again, $data, 65536;
		pass("what came from the $from is taken for nothing");
	}
	is(ups($bob), 1, 'no link came up');
	undef $proxy;
	$bob->stop;
};

subtest 'a node is not linked with itself by somebody between' => sub {
	my $alice = Appctl::Node->new(%test, node => 'alice');
	my $mirror = Appctl::Net::Proxy->new($alice->address . ':' . $alice->port, sub { $_[2] });
	$alice->{peers} = [['bob', '127.0.0.1', $mirror->port]];
	$alice->write_settings;
	$alice->start->wait_node;
	is(refused($alice, 'bob')->{code}, 'unreachable', 'what she said to bob, said to her');
	unimpressed($alice, 'alice');
	undef $mirror;
	$alice->stop;
};

SKIP: {
	skip 'needs gnutls-cli and certtool', 3 unless grep { -x "$_/gnutls-cli" } split /:/, $ENV{PATH};

	subtest 'nothing less than TLS 1.3 with a key of its own and an ephemeral exchange' => sub {
		my $bob = node(node => 'bob');
		my $cookie = $bob->{cookie};
		my %try = (
			'TLS 1.2' => ['NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-PSK:+PSK', 1],
			'no pre-shared key' => ['NORMAL:-VERS-ALL:+VERS-TLS1.3', 0],
			'a pre-shared key alone' => ['NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+PSK', 1],
		);
		for my $what (sort keys %try) {
			my ($priority, $psk) = @{ $try{$what} };
			my $r = run_program('gnutls-cli', '--insecure', '--port', $bob->port, '--priority', $priority,
				$psk ? ('--pskusername', 'appctl-node alice bob', '--pskkey', unpack 'H*', $cookie) : (), $bob->address);
			isnt($r->{exit}, 0, "$what is refused");
			unlike($r->{out}, qr/Handshake was completed/, '… before anything else');
		}
		unimpressed($bob, 'bob');
		$bob->stop;
	};

	subtest 'certificates name their node' => sub {
		my $ca = Appctl::Certificates->authority('ours');
		my $tls = sub {
			my ($name, %o) = @_;
			my %f = $ca->issue($name, %o);
			return qq(tls = { ca_file = "$f{ca}"; cert_file = "$f{cert}"; key_file = "$f{key}"; };);
		};
		my $bob = node(node => 'bob', settings => $tls->('bob'));
		my $alice = node(node => 'alice', peers => [$bob], settings => $tls->('whatever', names => ['alice']));
		$alice->channel('bob', 'echo');
		is(ups($_->wait_event({ event => 'node_up' }) && $_), 1, $_->name . ' is linked') for $alice, $bob;
		my $eve = node(node => 'eve', peers => [$bob], settings => $tls->('mallory'));
		is(refused($eve, 'bob')->{code}, 'unreachable', 'one of another node is refused');
		like($bob->wait_event({ event => 'app_alarm' })->{text}, qr/its certificate is not one of node eve/, 'for that');
		my $carol = node(node => 'carol', peers => [['dave', $bob->address, $bob->port]], settings => $tls->('carol'));
		like(refused($carol, 'dave')->{message}, qr/not one of node dave|this is node bob/, 'and so is a listener that is another one');
		my $frank = node(node => 'frank', peers => [$bob], settings => $tls->('frank'), cookie => 'fedcba9876543210' x 4);
		is(refused($frank, 'bob')->{code}, 'unreachable', 'a good one does not stand for the cookie');
		is($bob->wait_count({ event => 'node_up' }, 1), 1, 'nobody else was linked');
		$_->stop for $alice, $bob, $eve, $carol, $frank;
	};

	subtest 'certificates are read again at SIGHUP' => sub {
		my ($old, $ca) = map { Appctl::Certificates->authority($_) } qw(old ours);
		my $place = Appctl::Test::scratch_directory();
		my $tls = sub { my %f = @_; join ' ', map { qq(${_}_file = "$f{$_}";) } sort keys %f };
		my $put = sub { my %f = @_; for (keys %f) { unlink "$place/$_"; spew("$place/$_", slurp($f{$_})); chmod 0400, "$place/$_" } };
		my %here = map { $_ => "$place/$_" } qw(ca cert key);
		$put->($old->issue('bob'));
		my $bob = node(node => 'bob', settings => 'tls = { ' . $tls->(%here) . ' };');
		my $hup = sub {
			my $seen = () = $bob->log_text =~ /is in force/g;
			kill HUP => $bob->node_pid;
			for (1 .. 200 * slow_factor()) { last if (() = $bob->log_text =~ /is in force/g) > $seen; Time::HiRes::sleep(0.05) }
		};
		my %of_carol = $ca->issue('carol');
		my ($alice, $carol) = map { node(node => $_->[0], peers => [$bob], settings => "tls = { $_->[1] };") }
			['alice', $tls->($ca->issue('alice'))], ['carol', $tls->(%of_carol)];
		is(refused($alice, 'bob')->{code}, 'unreachable', 'of another authority');
		$put->($ca->issue('bob'));
		$hup->();
		for (1 .. 100) { last if !refused($alice, 'bob')->{code}; Time::HiRes::sleep(0.05) }
		is($alice->nodes->{bob}{state}, 'up', 'of the same one, by who listens, too');
		$put->(crl => $ca->revoke($of_carol{cert}));
		$bob->{settings} = 'tls = { ' . $tls->(%here, crl => "$place/crl") . ' };';
		$bob->write_settings;
		$hup->();
		is(refused($carol, 'bob')->{code}, 'unreachable', 'one that was revoked meanwhile is refused');
		is($alice->nodes->{bob}{state}, 'up', 'links go on');
		$put->(ca => "$place/key");
		kill HUP => $bob->node_pid;
		my $alarm;
		do { $alarm = $bob->wait_event({ event => 'app_alarm' })->{text} } until $alarm =~ /not reloaded/;
		like($alarm, qr{not reloaded: .*\Q$place\E/ca: }, 'what is no certificate changes nothing');
		my $dave = node(node => 'dave', peers => [$bob], settings => 'tls = { ' . $tls->($ca->issue('dave')) . ' };');
		is(refused($dave, 'bob')->{code}, undef, 'who comes now is taken with the ones before');
		$_->stop for $alice, $bob, $carol, $dave;
	};
}

subtest 'nobody speaks for another node, nor in a name that is none' => sub {
	my ($alice, $bob) = Appctl::Node->cluster(qw(alice bob), { %test });
	my $claim = sub { $alice->node_call(Connect => { node => 'bob', service => 'claim', args => { as => $_[0] } })->{parameters} };
	is($claim->("bob/$_")->{reply}{caller}, "bob/$_", $_) for 'app', '~joe', '~joe@a.example';
	is($claim->($_)->{code}, 'invalid', JSON::PP->new->allow_nonref->encode($_) . ' is not taken')
		for 'eve/app', 'alice/app', 'bob', 'bob/', 'bob/~', 'bobby/app', "bob/app\neve/app", "bob/\e[2J", 'bob/' . 'x' x 1000, 7, [];
	$_->stop for $alice, $bob;
};

subtest 'a cable that is cut without a word' => sub {
	my $heartbeat = 0.4 * slow_factor();
	my $bob = node(node => 'bob', heartbeat => $heartbeat . 's');
	my $proxy = Appctl::Net::Proxy->new($bob->address . ':' . $bob->port, sub { $_[2] });
	my $alice = node(node => 'alice', peers => [['bob', '127.0.0.1', $proxy->port]], heartbeat => $heartbeat . 's');
	my (undef, $socket) = $alice->channel('bob', 'echo');
	$_->wait_event({ event => 'node_up' }) for $alice, $bob;
	Time::HiRes::sleep(3 * $heartbeat);
	is(ups($alice), 1, 'heartbeats keep it');
	is($alice->nodes->{bob}{state}, 'up', 'as it is');
	$proxy->cut;
	my $start = Time::HiRes::time();
	like($_->wait_event({ event => 'node_down' })->{reason}, qr/nothing was heard/, $_->name . ' notices') for $alice, $bob;
	my $took = Time::HiRes::time() - $start;
	cmp_ok($took, '<', 2 * $heartbeat + 1 * slow_factor(), 'within two heartbeats');
	is(sysread($socket, my $rest, 1), 0, 'its channels have ended');
	$proxy->mend;
	$alice->channel('bob', 'echo');
	$alice->wait_event({ event => 'node_up' });
	pass('it is made again when it is needed');
	undef $proxy;
	$_->stop for $alice, $bob;
};

subtest 'a bit that was turned ends the link' => sub {
	my $bob = node(node => 'bob');
	my $proxy = Appctl::Net::Proxy->new($bob->address . ':' . $bob->port, sub {
		my ($from, $at, $bytes, $n) = @_;
		return $bytes unless $from eq 'client' && length $bytes > 4000;		# all before is shorter
		substr($bytes, 1000 + 500 * $n, 1) ^= chr(1 << $n % 8);
		return $bytes;
	});
	my $alice = node(node => 'alice', peers => [['bob', '127.0.0.1', $proxy->port]], heartbeat => '1s');
	for my $round (1 .. 3) {
		my (undef, $socket) = $alice->channel('bob', 'sink');
		$socket->blocking(0);
		syswrite $socket, 'x' x 200_000;
		$_->wait_event({ event => 'node_down' }) for $alice, $bob;
	}
	is(ups($bob), 3, 'three times');
	undef $proxy;
	$_->stop for $alice, $bob;
};

subtest 'a second node of a name' => sub {
	my $alice = node(node => 'alice');
	my ($first, $second) = map { node(node => 'bob', peers => [$alice]) } 1, 2;
	my (undef, $socket) = $first->channel('alice', 'echo');
	$alice->wait_event({ event => 'node_up' });
	like(refused($second, 'alice')->{message}, qr/second node of the name bob/, 'is refused');
	is($second->nodes->{alice}{state}, 'refused', 'and shows that');
	like($alice->wait_event({ event => 'app_alarm' })->{text}, qr/second node of the name bob.*refused/, 'an alarm there');
	syswrite $socket, 'x';
	is(sysread($socket, my $data, 1), 1, 'the first one goes on');
	is($alice->events_so_far({ event => 'node_down' }) + 0, 0, 'as if nothing had been');
	my $pid = $first->node_pid;
	kill STOP => $pid;
	$second->channel('alice', 'echo');
	pass('once the first one does not answer, the second one is taken');
	$alice->wait_event({ event => 'node_down', peer => 'bob' });
	$alice->wait_event({ event => 'node_up', peer => 'bob' });
	kill CONT => $pid;
	$first->wait_event({ event => 'node_down', peer => 'alice' });
	pass('and the first one knows when it wakes up');
	$_->stop for $alice, $first, $second;
};

subtest 'who says nothing costs little, and for a short time' => sub {
	my ($alice, $bob) = (node(node => 'alice'), undef);
	$bob = node(node => 'bob', peers => [$alice]);
	$bob->channel('alice', 'echo');
	my $memory = memory_of($alice->node_pid);
	my @silent = map { IO::Socket::INET->new(PeerAddr => $alice->address, PeerPort => $alice->port,
		LocalAddr => sprintf '127.7.%d.%d', $_ / 200, 1 + $_ % 200) // () } 1 .. 600;
	my @talk = splice @silent, 0, 100;
	syswrite $_, join '', map { chr int rand 256 } 1 .. 500 for @talk;
	my $start = Time::HiRes::time();
	local $SIG{ALRM} = sub { die "a connection is not ended\n" };
	alarm 60 * slow_factor();
	for my $s (@talk, @silent) { 1 while sysread $s, my $data, 4096 }
	alarm 0;
	cmp_ok(Time::HiRes::time() - $start, '<', 20 * slow_factor(), 'all are ended');
	cmp_ok(memory_of($alice->node_pid) - $memory, '<', 16384 * slow_factor(), 'and memory is bounded');
	my (undef, $socket) = $bob->channel('alice', 'echo');
	syswrite $socket, 'x';
	is(sysread($socket, my $data, 1), 1, 'a linked node has noticed nothing');
	is($alice->events_so_far({ event => 'node_down' }) + 0, 0, 'its link neither');
	$_->stop for $alice, $bob;
};

subtest 'a configuration or cookie that is not good changes nothing' => sub {
	my ($alice, $bob) = Appctl::Node->cluster(qw(alice bob), { %test });
	$alice->channel($bob, 'echo');
	my $good = slurp($alice->node_file);
	spew($alice->node_file, 'peers = ( { name = "x y"; } );');
	kill HUP => $alice->node_pid;
	like($alice->wait_event({ event => 'app_alarm' })->{text}, qr/not reloaded: .*node\.conf:1:/, 'an alarm says where');
	is($alice->nodes->{bob}{state}, 'up', 'the link is as it was');
	spew($alice->node_file, $good);
	chmod 0444, $alice->dir . '/cookie';
	kill HUP => $alice->node_pid;
	like($alice->wait_event({ event => 'app_alarm' })->{text}, qr/not reloaded: .*chmod 0400/, 'nor with a cookie that others may read');
	is($alice->nodes->{bob}{state}, 'up', 'the link is as it was');
	$alice->write_cookie;
	$alice->{peers} = [$bob, ['carol', '192.0.2.1', 4370]];
	$alice->write_settings;
	kill HUP => $alice->node_pid;
	for (1 .. 200) { last if $alice->nodes->{carol}; Time::HiRes::sleep(0.05) }
	is($alice->nodes->{carol}{address}, '192.0.2.1:4370', 'a good one adds a peer');
	is($alice->nodes->{bob}{state}, 'up', 'and the link goes on');
	$_->stop for $alice, $bob;
};

done_testing;
