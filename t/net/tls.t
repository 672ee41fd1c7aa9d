# SPDX-License-Identifier: MIT
# TLS 1.3 or nothing; certificates that are not good, on either side, and connections that are cut.
use strict;
use warnings;
use Test::More;
use IO::Socket::IP;
use Time::HiRes ();
use Appctl::Certificates;
use Appctl::Net;
use Appctl::Test;

needs_program('certtool', 'gnutls-cli', 'gnutls-serv');

my $secret = secret_file();
my $ca = Appctl::Certificates->authority('ours');
my %central = $ca->issue('central', names => ['localhost'], addresses => ['127.0.0.1'], for => 'server');
my %alice = $ca->issue('alice', for => 'client');

sub session {
	my ($listen, $connect) = @_;
	my $l = Appctl::Net->listen(secret => $secret, tls => 1, %$listen);
	my $c = Appctl::Net->connect(secret => $secret, tls => 1, port => $l->port, greet => 'hello', %$connect);
	my ($said) = $c->expect(qr/^(opened|closed .*)/);
	$l->expect(qr/^text 5 hello/) if $said eq 'opened';
	my ($refused) = $said eq 'opened' ? '' : $l->expect(qr/^refused \S+ (.*)/);
	my @came = grep { /^(opened|text)/ } $l->lines;
	$_->end for $c, $l;
	return ($said, $refused, scalar @came);
}

sub is_refused {
	my ($listen, $connect, $why, $what) = @_;
	my ($said, $refused, $came) = session($listen, $connect);
	like("$said / $refused", $why, $what);
	is($came, 0, '… and nothing has come in');
}

subtest 'certificates both ways' => sub {
	is((session(\%central, \%alice))[0], 'opened', 'by address');
	is((session(\%central, { %alice, host => 'localhost' }))[0], 'opened', 'by name');
};

subtest 'what is wrong with the listener\'s' => sub {
	my $other = Appctl::Certificates->authority('theirs');
	is_refused({ $ca->issue('expired', addresses => ['127.0.0.1'], from => '2020-01-01', until => '2020-02-01') }, \%alice, qr/expired/, 'expired');
	is_refused({ $ca->issue('future', addresses => ['127.0.0.1'], from => '2040-01-01', until => '2041-01-01') }, \%alice, qr/not yet/, 'not yet valid');
	is_refused({ $ca->issue('elsewhere', names => ['elsewhere.example'], addresses => ['192.0.2.1']) }, \%alice, qr/name|does not match/, 'another name');
	is_refused({ $ca->issue('127.0.0.1', for => 'server') }, { %alice, host => 'localhost' }, qr/name|does not match/, 'no name');
	is_refused({ $ca->issue('selfsigned', addresses => ['127.0.0.1'], self_signed => 1) }, \%alice, qr/issuer|not trusted/, 'signed by itself');
	is_refused({ $other->issue('central', addresses => ['127.0.0.1']), ca => $central{ca} }, \%alice, qr/issuer|not trusted/, 'signed by another authority');
	is_refused({ $ca->issue('purpose', addresses => ['127.0.0.1'], for => 'client') }, \%alice, qr/purpose/, 'for clients');
	is_refused(\%central, { %alice, crl => $ca->revoke($central{cert}) }, qr/revoked/, 'revoked');
};

subtest 'what is wrong with the other\'s' => sub {
	my $other = Appctl::Certificates->authority('theirs');
	is_refused(\%central, { $ca->issue('late', from => '2020-01-01', until => '2020-02-01') }, qr/expired/, 'expired');
	is_refused(\%central, { $ca->issue('self', self_signed => 1) }, qr/issuer|not trusted|Certificate is required/, 'signed by itself');
	is_refused(\%central, { $other->issue('alice'), ca => $alice{ca} }, qr/issuer|not trusted|Certificate is required/, 'signed by another authority');
	is_refused(\%central, { $ca->issue('wrong', for => 'server') }, qr/purpose/, 'for servers');
	is_refused({ %central, crl => $ca->revoke($alice{cert}) }, \%alice, qr/revoked/, 'revoked');
	is_refused(\%central, {}, qr/TLS/, 'none, but a pre-shared key');
	is_refused({}, \%alice, qr/TLS/, 'one where a pre-shared key is asked for');
	is_refused(\%central, { %alice, secret => secret_file('another secret altogether') }, qr/does not know the secret|not authenticated/,
		'a good one does not stand for the secret');
};

subtest 'a certificate names its node' => sub {
	my %listen = (%central, verify_node => 1);
	is((session(\%listen, { $ca->issue('some', names => ['other', 'alice'], for => 'client') }))[0], 'opened', 'as a subjectAltName');
	is((session(\%listen, { %alice }))[0], 'opened', 'as its common name');
	my %bob = $ca->issue('bob', names => ['bob.example'], for => 'client');
	is_refused(\%listen, \%bob, qr/closed .*the certificate is not one of this node .* its certificate is not one of node alice/, 'another node\'s is refused, with the reason');
	is_refused(\%listen, { $ca->issue("wild", names => ['*'], for => 'client') }, qr/not one of node alice/, 'one for everybody too');
	is((session({ %listen, verify_node => 0 }, \%bob))[0], 'opened', 'unless that is switched off');
	is((session({ verify_node => 1 }, {}))[0], 'opened', 'a pre-shared key has no name');
};

subtest 'another secret makes another pre-shared key' => sub {
	is_refused({}, { secret => secret_file('another secret altogether') }, qr/do both ends have the same secret/, 'it says what to look at');
};

subtest 'files that are not good' => sub {
	my $say = sub {
		my (%files) = @_;
		return (Appctl::Net->start('listen', secret => $secret, tls => 1, %files)->expect(qr/^error (.*)/))[0];
	};
	my %copy = $ca->issue('copy');
	chmod 0644, $copy{key};
	like($say->(%copy), qr/open to others/, 'a key that others may read');
	like($say->(%central, key => $alice{key}), qr/central\.cert with key/, 'a key of another certificate');
	like($say->(%central, ca => '/dev/null'), qr/there are none|authorities/, 'no authority');
	like($say->(%central, crl => $secret), qr/revoked/, 'a list that is none');
	like($say->(ca => $central{ca}), qr/needs all of/, 'only some of them');
};

# What gnutls-cli ends with when it offers only that.
sub offers {
	my ($port, $priority) = @_;
	return run_program('gnutls-cli', '--no-ca-verification', '--x509certfile', $alice{cert}, '--x509keyfile', $alice{key},
		'--priority', $priority, '-p', $port, '127.0.0.1', { stdin => '' });
}

# A server that speaks 1.2 alone, and its port.  Who connects to a port that nobody has may be connected with
# itself, and has then taken the port away: that is no server, and the next port is tried.
sub old_server {
	for (1 .. 10) {
		my $port = free_port();
		my $pid = spawn_program('gnutls-serv', '--echo', '--priority', 'NORMAL:-VERS-ALL:+VERS-TLS1.2', '-p', $port,
			'--x509certfile', $central{cert}, '--x509keyfile', $central{key});
		for (1 .. 100) {
			my $s = IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $port);
			return ($pid, $port) if $s && $s->sockport != $port;
			Time::HiRes::sleep(0.05);
		}
		kill KILL => $pid;
	}
	die "gnutls-serv does not come up\n";
}

subtest 'nothing older than TLS 1.3' => sub {
	my $l = Appctl::Net->listen(secret => $secret, tls => 1, %central);
	is(offers($l->port, 'NORMAL')->{exit}, 0, 'one who speaks 1.3 is spoken with');
	isnt(offers($l->port, "NORMAL:-VERS-ALL:+VERS-TLS$_")->{exit}, 0, "one who speaks $_ alone is not") for '1.2', '1.1', '1.0';
	$l->end;
	my ($old, $port) = old_server();
	my $c = Appctl::Net->connect(secret => $secret, tls => 1, port => $port, %alice);
	like($c->expect(qr/^closed (.*)/), qr/TLS/, 'nor is one who answers by 1.2 alone');
	$c->end;
	kill TERM => $old;
};

# Without close_notify, at the end of each record and in the middle: whoever waits for more is told that it was cut off.
subtest 'a connection that is cut is no end' => sub {
	my $l = Appctl::Net->listen(secret => $secret, tls => 1);
	my $proxy = Appctl::Net::Proxy->new($l->port, sub {
		my ($from, $at, $data, $n) = @_;
		return $data if $from eq 'server';
		my $left = 2000 + $n * 700 - $at;
		return $left <= 0 ? undef : substr $data, 0, $left;
	});
	for my $n (0 .. 9) {
		my $c = Appctl::Net->connect(secret => $secret, tls => 1, port => $proxy->port);
		$c->expect(qr/^opened/);
		$l->expect(qr/^opened/);
		$c->say('fill 200 1000');
		like($l->expect(qr/^closed (.*)/), qr/cut off|reset|decoding/, "connection $n: the one who listens says so");
		like($c->expect(qr/^closed (.*)/), qr/cut off|reset|Broken pipe/, '… so does the other');
		$c->end;
	}
	is_deeply([grep { /^text/ && !/^text 1000 / } $l->lines], [], 'no message has come in part');
	$l->end;
};

done_testing;
