# SPDX-License-Identifier: MIT
package Appctl::Certificates;

# Authorities and certificates for a test, by GnuTLS's certtool.
#
#	my $ca = Appctl::Certificates->authority('ours');
#	my %files = $ca->issue('central', names => ['localhost'], addresses => ['127.0.0.1'], for => 'server');
#	# (ca => FILE, cert => FILE, key => FILE), as t/net/peer takes them
#	my $crl = $ca->revoke($files{cert});
use strict;
use warnings;

use Appctl::Test;

sub certtool {
	my (@args) = @_;
	my $r = run_program('certtool', '--no-text', @args);
	die "certtool @args: $r->{err}\n" if $r->{exit};
}

sub authority {
	my ($class, $name) = @_;
	my $self = bless { dir => Appctl::Test::scratch_directory(), serial => 1 }, $class;
	@$self{qw(cert key)} = map { "$self->{dir}/ca.$_" } qw(cert key);
	$self->make_key('ca');
	spew("$self->{dir}/ca.template", "cn = \"$name\"\nca\ncert_signing_key\ncrl_signing_key\nexpiration_days = 10\n");
	certtool('--generate-self-signed', '--load-privkey', $self->{key}, '--template', "$self->{dir}/ca.template", '--outfile', $self->{cert});
	return $self;
}

sub make_key {
	my ($self, $name) = @_;
	certtool('--generate-privkey', '--key-type', 'ecdsa', '--curve', 'secp256r1', '--outfile', "$self->{dir}/$name.key");
	chmod 0400, "$self->{dir}/$name.key";
}

# for: 'server', 'client' or both; from, until: "2020-01-01"; self_signed: by nobody.
sub issue {
	my ($self, $name, %o) = @_;
	my $base = "$self->{dir}/$name";
	$self->make_key($name);
	my $for = $o{for} // 'server client';
	my $serial = ++$self->{serial};
	spew("$base.template", join '', "cn = \"$name\"\nserial = $serial\nsigning_key\n",
		(map { "dns_name = \"$_\"\n" } @{ $o{names} // [] }), (map { "ip_address = \"$_\"\n" } @{ $o{addresses} // [] }),
		$for =~ /server/ ? "tls_www_server\n" : (), $for =~ /client/ ? "tls_www_client\n" : (),
		$o{until} ? "activation_date = \"$o{from} 00:00:00\"\nexpiration_date = \"$o{until} 00:00:00\"\n" : "expiration_days = 5\n");
	certtool($o{self_signed} ? '--generate-self-signed' : ('--generate-certificate', '--load-ca-certificate', $self->{cert}, '--load-ca-privkey', $self->{key}),
		'--load-privkey', "$base.key", '--template', "$base.template", '--outfile', "$base.cert");
	return (ca => $self->{cert}, cert => "$base.cert", key => "$base.key");
}

sub revoke {
	my ($self, $cert) = @_;
	spew("$self->{dir}/crl.template", "crl_next_update = 5\ncrl_number = 1\n");
	certtool('--generate-crl', '--load-ca-certificate', $self->{cert}, '--load-ca-privkey', $self->{key},
		'--load-certificate', $cert, '--template', "$self->{dir}/crl.template", '--outfile', "$self->{dir}/crl");
	return "$self->{dir}/crl";
}

1;
