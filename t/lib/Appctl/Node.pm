# SPDX-License-Identifier: MIT
package Appctl::Node;

# Nodes: each an appctld with appctl-node as its application "appctl-node", on an address of 127.0.0.0/8 that is this test's own.
#
#	my ($alice, $bob) = Appctl::Node->cluster(qw(alice bob));	# started, each knows the others, one cookie
#	my $bob = Appctl::Node->new(node => 'bob', peers => [$alice], …)->start;	# by oneself
#
# Keys of new(), beside those of Appctl::Test: peers (nodes, or [NAME, ADDRESS, PORT]), cookie (bytes), heartbeat, allow, settings
# (more of node.conf), app (more keys of the application), node_program (a path: t/node/appctl-node has services for tests), no_node_app (none is defined).
# A node is an Appctl::Test: wait_event() and the rest work on it.
use strict;
use warnings;

use parent -norequire, 'Appctl::Test';

use Exporter ();
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP;
use Test::More;
use Time::HiRes ();

use Appctl::Test;

my $json = JSON::PP->new->canonical;
my $cookie = join '', map { sprintf '%08x', int rand 2**32 } 1 .. 8;
my (@guards, $next);

# 127.A.B.C:4370 that no other test uses: whoever has the port 59999 of an address has the address.
sub own_address {
	$next //= ($$ << 2) ^ int Time::HiRes::time() * 1000;
	for (1 .. 1000) {
		my $n = $next++ & 0xffffff;
		next if $n < 0x010000 || ($n & 0xff) == 0 || ($n & 0xff) == 255;
		my $address = join '.', 127, $n >> 16, $n >> 8 & 255, $n & 255;
		my $guard = IO::Socket::INET->new(Listen => 1, LocalAddr => $address, LocalPort => 59999) or next;
		push @guards, $guard;
		return $address;
	}
	die "no address of 127.0.0.0/8 is free\n";
}

sub new {
	my ($class, %o) = @_;
	my $self = $class->SUPER::new(%o);
	$self->{address} //= own_address();
	$self->{port} //= 4370;
	$self->{cookie} //= $cookie;
	$self->write_cookie;
	$self->write_settings;
	$self->define_app unless $o{no_node_app};
	return $self;
}

sub cluster {
	my ($class, @names) = @_;
	my %o = ref $names[-1] eq 'HASH' ? %{ pop @names } : ();
	my @nodes = map { $class->new(%o, node => $_) } @names;
	for my $node (@nodes) {
		$node->{peers} = [grep { $_ != $node } @nodes];
		$node->write_settings;
	}
	$_->start for @nodes;
	$_->wait_node for @nodes;
	return @nodes;
}

sub name { $_[0]{node} }
sub address { $_[0]{address} }
sub port { $_[0]{port} }
sub node_file { "$_[0]{dir}/node.conf" }
sub node_socket { $_[0]->runtime_dir . '/node/node.sock' }

sub write_cookie {
	my ($self) = @_;
	unlink "$self->{dir}/cookie";
	spew("$self->{dir}/cookie", "$self->{cookie}\n");
	chmod 0400, "$self->{dir}/cookie";
	chown $self->{uid}, $self->{uid}, "$self->{dir}/cookie" if defined $self->{uid};
}

sub peer_text {
	my ($peer) = @_;
	my ($name, $address, $port, $more) = ref $peer eq 'ARRAY' ? @$peer : ($peer->name, $peer->address, $peer->port);
	return sprintf '{ name = "%s"; address = "%s"; port = %d; %s }', $name, $address, $port, $more // '';
}

# node.conf anew, from what the object says now.
sub write_settings {
	my ($self) = @_;
	my $text = qq(cookie_file = "$self->{dir}/cookie";\nlisten = "$self->{address}";\nport = $self->{port};\n);
	$text .= qq(heartbeat = "$self->{heartbeat}";\n) if defined $self->{heartbeat};
	$text .= "allow = { $self->{allow} };\n" if defined $self->{allow};
	$text .= $self->expand($self->{settings} // '') . "\n";
	$text .= 'peers = ( ' . join(', ', map { peer_text($_) } @{ $self->{peers} // [] }) . " );\n";
	spew($self->node_file, $text);
}

sub define_app {
	my ($self) = @_;
	my $program = $self->{node_program} // program('appctl-node');
	my $app = $self->{app} // "";
	$self->dropin('appctl-node.conf', <<"END");
applications: { appctl-node: {
	command = ["$program", "-c", "\@DIR\@/node.conf"]; ready = { type = "notify"; }; runtime_directory = "node"; announces_nodes = true;
	$app
}; };
END
}

# The task supervisor, as application "appctl-tasks"; its tasks run as nobody.
sub define_tasks {
	my ($self, %o) = @_;
	my $program = program('appctl-tasks');
	my $settings = join ' ', map { qq(TASKS_$_ = "$o{$_}";) } keys %o;
	$settings = "TASKS_USER = \"nobody\"; $settings" if $> == 0 && !defined $self->{uid} && !defined $o{USER};
	$self->dropin('appctl-tasks.conf', <<"END");
applications: { appctl-tasks: { command = ["$program"]; ready = { type = "notify"; }; runtime_directory = "tasks"; environment: { $settings }; }; };
END
}

# appctl-node is ready.
sub wait_node {
	my ($self) = @_;
	$self->wait_event({ event => 'app_running', app => 'appctl-node' });
	return $self;
}

sub node_pid {
	my ($self) = @_;
	return $self->appctl_json('status', 'appctl-node')->{applications}[0]{pid};
}

# --- node.sock ---------------------------------------------------------------

sub node_connect {
	my ($self) = @_;
	return IO::Socket::UNIX->new(Type => SOCK_STREAM(), Peer => $self->node_socket) // $self->give_up($self->node_socket . ": $!");
}

# As of Appctl::Test, but nothing behind the reply is read: it may be a channel's.
sub varlink_read {
	my ($self, $socket) = @_;
	my $text = '';
	while ($text !~ s/\0$//) {
		sysread $socket, $text, 1, length $text or return undef;
	}
	return $json->decode($text);
}

# { parameters => … } or { error => …, parameters => … }; the socket that it went over comes second.
sub node_call {
	my ($self, $method, $parameters) = @_;
	my $socket = $self->node_connect;
	$self->varlink_send($socket, $method =~ m{\.} ? $method : "org.appctl.Node.$method", $parameters);
	my $reply = $self->varlink_read($socket) // $self->give_up("$method: the connection was closed without a reply");
	return wantarray ? ($reply, $socket) : $reply;
}

# A channel to that service: its reply and the socket; dies where it is refused.
sub channel {
	my ($self, $node, $service, $args, %o) = @_;
	$node = $node->name if ref $node;
	my ($reply, $socket) = $self->node_call(Connect => { node => $node, service => $service, args => $args // {},
		$o{framed} ? (framed => JSON::PP::true) : () });
	$self->give_up('Connect: ' . $json->encode($reply)) if defined $reply->{error};
	return ($reply->{parameters}{reply}, $socket);
}

# As ListNodes has it: { NAME => {…} }
sub nodes {
	my ($self) = @_;
	return { map { $_->{name} => $_ } @{ $self->node_call('ListNodes')->{parameters}{nodes} } };
}

# --- records (src/wire/record.h) ----------------------------------------------

my %type = (hello => 1, ok => 2, refuse => 3, open => 4, accept => 5, data => 6, end => 7, tell => 8, credit => 9, close => 10);
my %name = reverse %type;

sub record {
	my ($type, $payload, %o) = @_;
	$payload = $json->encode($payload) if ref $payload;
	return pack('VCCvV', length($payload // ''), $type{$type} // $type, $o{stream} // 0, 0, $o{channel} // 0) . ($payload // '');
}

# The next one on a socket: { type, stream, channel, payload }; undef at the end.
sub read_record {
	my ($socket) = @_;
	local $SIG{ALRM} = sub { die "no record in time\n" };
	alarm 20 * slow_factor();
	my $head = '';
	while (length $head < 12) { sysread $socket, $head, 12 - length $head, length $head or (alarm 0), return undef }
	my ($len, $type, $stream, undef, $channel) = unpack 'VCCvV', $head;
	my $payload = '';
	while (length $payload < $len) { sysread $socket, $payload, $len - length $payload, length $payload or (alarm 0), return undef }
	alarm 0;
	return { type => $name{$type} // $type, stream => $stream, channel => $channel, payload => $payload };
}

1;
