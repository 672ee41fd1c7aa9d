# SPDX-License-Identifier: MIT
package Appctl::Net;

# Both ends of a WebSocket of src/net (t/net/peer), an end in Perl that does what it likes, and a proxy between them.
#
#	my $peer = Appctl::Net->listen(secret => $file, tls => 1);	# or connect; keys as t/net/peer has them
#	$peer->expect(qr/^opened (\S+)/);	$peer->say('send hello');	$peer->stat->{messages};
#
#	my $raw = Appctl::Net::Raw->new($peer->port);	# plain TCP
#	$raw->open(secret => $bytes);			# upgrade and challenge
#	$raw->send(frame(1, 'text'));	my ($opcode, $payload) = $raw->frame;	# () at the end of the connection
#
#	my $proxy = Appctl::Net::Proxy->new($port, sub { my ($from, $at, $bytes, $n) = @_; … });
# The sub returns what is passed on of what came `from` 'client' or 'server', where `at` bytes went before, on the n-th
# connection (from 0); undef ends it.  $port may be HOST:PORT.  What came is in $proxy->record($from, $n).
use strict;
use warnings;

use Digest::SHA qw(hmac_sha256_hex sha1_base64);
use Exporter 'import';
use IO::Handle;
use IO::Select;
use IO::Socket::IP;
use JSON::PP;
use MIME::Base64;
use POSIX ();
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;
use Time::HiRes ();

use Appctl::Test;

our @EXPORT = qw(secret_file frame upgrade accept_key challenge_mac memory_of);

my $json = JSON::PP->new->canonical;

# A file with that secret; the bytes are the default of Raw->open, too.
sub secret_file {
	my ($bytes) = @_;
	my $file = Appctl::Test::scratch_directory() . '/secret';
	spew($file, ($bytes // 'the secret of all tests') . "\n");
	chmod 0400, $file;
	return $file;
}

sub memory_of { (slurp("/proc/$_[0]/statm") =~ /^\d+ (\d+)/)[0] * POSIX::sysconf(POSIX::_SC_PAGESIZE()) / 1024 }	# KiB

# --- t/net/peer --------------------------------------------------------------

sub listen { my $class = shift; my $self = $class->start('listen', @_); ($self->{port}) = $self->expect(qr/^listening (\d+)/); return $self }
sub connect { my $class = shift; return $class->start('connect', @_) }

sub start {
	my ($class, $how, %o) = @_;
	my $self = bless { how => $how, buffer => '', lines => [], at => 0 }, $class;
	my @before = @{ delete $o{before} // [] };
	$o{secret} //= secret_file();
	pipe my $in, $self->{in} or die "pipe: $!\n";
	pipe $self->{out}, my $out or die "pipe: $!\n";
	$self->{pid} = fork // die "fork: $!\n";
	if (!$self->{pid}) {
		open STDIN, '<&', $in;
		open STDOUT, '>&', $out;
		$SIG{PIPE} = 'DEFAULT';
		exec @before, program('t/net/peer'), $how, map { "$_=$o{$_}" } sort keys %o or POSIX::_exit(127);
	}
	$self->{in}->autoflush(1);
	$self->{out}->blocking(0);
	return $self;
}

sub port { $_[0]{port} }
sub pid { $_[0]{pid} }

sub say {
	my ($self, $command) = @_;
	local $SIG{PIPE} = 'IGNORE';
	print { $self->{in} } "$command\n";
}

# Reads on; false at the end.
sub more {
	my ($self, $seconds) = @_;
	return 1 unless IO::Select->new($self->{out})->can_read($seconds);
	my $n = sysread $self->{out}, $self->{buffer}, 65536, length $self->{buffer};
	return 1 if !defined $n && $!{EAGAIN};
	push @{ $self->{lines} }, $1 while $self->{buffer} =~ s/^(.*)\n//;
	return $n;
}

# The next line that matches: what its parentheses took, or the line.  Those before it are passed over.
sub expect {
	my ($self, $what, $timeout) = @_;
	my $end = Time::HiRes::time() + ($timeout // 10) * slow_factor();
	my $open = 1;
	while (1) {
		while ($self->{at} < @{ $self->{lines} }) {
			my $line = $self->{lines}[ $self->{at}++ ];
			my @got = $line =~ $what or next;
			@got = ($line) unless defined $1;
			return wantarray ? @got : $got[0];
		}
		my $left = $end - Time::HiRes::time();
		last if !$open || $left <= 0;
		$open = $self->more($left);
	}
	diag("what the peer that should $self->{how} said:\n", map { "  $_\n" } @{ $self->{lines} });
	die "no line like $what " . ($open ? 'in time' : 'before its end') . "\n";
}

# All lines so far, without waiting.
sub lines { my ($self) = @_; $self->more(0); return @{ $self->{lines} } }

sub stat {
	my ($self) = @_;
	$self->say('stat');
	my ($line) = $self->expect(qr/^stat (.*)/);
	return { map { /(\w+)=(\w+)/ } split / /, $line };
}

# Waits until stat has that many messages, or whatever `what` says.
sub wait_stat {
	my ($self, $what, $timeout) = @_;
	my $end = Time::HiRes::time() + ($timeout // 20) * slow_factor();
	my $stat;
	while (Time::HiRes::time() < $end) {
		$stat = $self->stat;
		return $stat if $what->($stat);
		Time::HiRes::sleep(0.02);
	}
	diag($json->encode($stat));
	die "the peer that should $self->{how} did not come to that in time\n";
}

# Quits; its wait status, 0 where all was well (sanitizers, leaks).
sub end {
	my ($self) = @_;
	return 0 unless $self->{pid};
	$self->say("quit");	# a proxy may have our end of the pipe, too
	close $self->{in};
	my $status = $self->wait_end(10);
	is($status, 0, "the peer that should $self->{how} ended well");
	return $status;
}

sub wait_end {
	my ($self, $timeout) = @_;
	my $end = Time::HiRes::time() + $timeout * slow_factor();
	while (Time::HiRes::time() < $end) {
		$self->more(0);
		next if waitpid($self->{pid}, POSIX::WNOHANG()) != $self->{pid} && Time::HiRes::sleep(0.01);
		delete $self->{pid};
		return $?;
	}
	return undef;
}

sub DESTROY {
	my ($self) = @_;
	local ($?, $!);
	return unless $self->{pid};
	kill CONT => $self->{pid};
	kill KILL => $self->{pid};
	waitpid $self->{pid}, 0;
}

# --- Bytes -------------------------------------------------------------------

# One frame; mask => 0 leaves it unmasked; fin, rsv, length override what it says of itself.
sub frame {
	my ($opcode, $payload, %o) = @_;
	my $len = $o{length} // length $payload;
	my $masked = $o{mask} // 1;
	my $head = pack 'C', (($o{fin} // 1) << 7) | (($o{rsv} // 0) << 4) | $opcode;
	my $bit = $masked ? 0x80 : 0;
	$head .= $len < 126 ? pack('C', $bit | $len) : $len < 65536 ? pack('Cn', $bit | 126, $len) : pack('CQ>', $bit | 127, $len);
	return $head . $payload unless $masked;
	my $key = pack 'N', int rand 2**32;
	return $head . $key . ($payload ^ substr $key x (length($payload) / 4 + 1), 0, length $payload);
}

sub upgrade {
	my (%o) = @_;
	my @fields = (['Host', '127.0.0.1:8888'], ['Upgrade', 'websocket'], ['Connection', 'Upgrade'], ['Sec-WebSocket-Version', 13],
		['Sec-WebSocket-Key', encode_base64('0123456789abcdef', '')], ['Sec-WebSocket-Protocol', 'appctl-monitor']);
	return ($o{start} // 'GET / HTTP/1.1') . "\r\n" . join('', map { "$_->[0]: $_->[1]\r\n" } @fields) . ($o{more} // '') . "\r\n";
}

sub accept_key { sha1_base64($_[0] . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11') . '=' }

sub challenge_mac {
	my ($secret, $role, $c, $p) = @_;	# the challenge, the response
	my $text = join '', map { "$_\n" } 'appctl-monitor 1', $role, $c->{node}, $p->{node}, $p->{epoch}, $c->{nonce}, $p->{nonce}, '';
	return hmac_sha256_hex($text, $secret);
}

# --- An end in Perl ----------------------------------------------------------
package Appctl::Net::Raw;

use Test::More;
use Appctl::Test;


my $connections = 0;

# Each from an address of its own, for one that has failed has to wait; `from` says which.
sub new {
	my ($class, $port, %o) = @_;
	my $n = ++$connections;
	my $from = $o{from} // sprintf '127.1.%d.%d', $n / 250, 1 + $n % 250;
	my $socket = IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $port, LocalHost => $from, Timeout => 10 * slow_factor())
		or die "connect: $!\n";
	return $class->over($socket);
}

# An end over a socket that is there; server => 1: what it sends is not masked.
sub over {
	my ($class, $socket, %o) = @_;
	return bless { socket => $socket, in => '', %o }, $class;
}

sub send {
	my ($self, $bytes) = @_;
	local $SIG{PIPE} = 'IGNORE';
	my $end = Time::HiRes::time() + 20 * slow_factor();
	while (length $bytes) {
		my $n = syswrite $self->{socket}, $bytes;
		return 0 unless defined $n;
		substr $bytes, 0, $n, '';
		return 0 if Time::HiRes::time() > $end;
	}
	return 1;
}

sub text { my ($self, $text) = @_; return $self->send(Appctl::Net::frame(1, $text, mask => !$self->{server})) }

# More bytes into `in`; false at the end of the connection, or of the time.
sub more {
	my ($self, $timeout) = @_;
	$self->{timed_out} = !IO::Select->new($self->{socket})->can_read(($timeout // 10) * slow_factor());
	return 0 if $self->{timed_out};
	return sysread $self->{socket}, $self->{in}, 65536, length $self->{in};
}

# Everything up to the end of the connection; undef: there was none in time.
sub rest {
	my ($self, $timeout) = @_;
	1 while $self->more($timeout);
	return $self->{timed_out} ? undef : $self->{in};
}

sub head {
	my ($self) = @_;
	$self->more or return undef until $self->{in} =~ s/\A(.*?\r\n\r\n)//s;
	return $1;
}

sub frame_bytes {
	my ($self) = @_;
	my $in = $self->{in};
	return undef if length $in < 2;
	my ($first, $len) = unpack 'CC', $in;
	my ($masked, $at) = ($len & 0x80, 2);
	$len &= 0x7f;
	return undef if length $in < 14 && $len > 125 && length $in < ($len == 126 ? 4 : 10);
	($len, $at) = $len == 126 ? (unpack('x2 n', $in), 4) : $len == 127 ? (unpack('x2 Q>', $in), 10) : ($len, 2);
	$at += 4 if $masked;
	return undef if length $in < $at + $len;
	my $payload = substr $in, $at, $len;
	$payload ^= substr substr($in, $at - 4, 4) x ($len / 4 + 1), 0, $len if $masked;
	substr $self->{in}, 0, $at + $len, '';
	return ($first, $payload, $masked);
}

# The next frame: (opcode, payload); () at the end.
sub frame {
	my ($self, $timeout) = @_;
	while (1) {
		my ($first, $payload) = $self->frame_bytes;
		return ($first & 0x0f, $payload) if defined $first;
		$self->more($timeout) or return ();
	}
}

# The next close frame's code and reason; undef: the connection ended without one.
sub close_code {
	my ($self, $timeout) = @_;
	while (my ($opcode, $payload) = $self->frame($timeout)) {
		return unpack 'n a*', $payload if $opcode == 8;
	}
	return undef;
}

# What a text says; undef: something else came, or nothing.
sub read_json { my ($self) = @_; my ($opcode, $payload) = $self->frame or return undef; return $opcode == 1 ? $json->decode($payload) : undef }

# As one that listens: the answer to an upgrade.
sub answer_upgrade {
	my ($self) = @_;
	my ($key) = $self->head =~ /^Sec-WebSocket-Key: (.*?)\r$/m;
	$self->send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
		. Appctl::Net::accept_key($key) . "\r\nSec-WebSocket-Protocol: appctl-monitor\r\n\r\n");
}

# As one that connects: upgrade, challenge, response; the welcome.
sub open {
	my ($self, %o) = @_;
	$self->send(Appctl::Net::upgrade());
	$self->head // return undef;
	my $c = $self->read_json // return undef;
	my $p = { type => 'response', node => $o{node} // 'raw', epoch => $o{epoch} // 1, nonce => $o{nonce} // 'ab' x 32 };
	$p->{mac} = Appctl::Net::challenge_mac($o{secret} // 'the secret of all tests', 'producer', $c, $p);
	@$self{qw(challenge response)} = ($c, $p);
	$self->text($json->encode($p));
	return $self->{welcome} = $self->read_json;
}

sub close { my ($self) = @_; CORE::close(delete $self->{socket}) }
sub reset { my ($self) = @_; setsockopt $self->{socket}, Socket::SOL_SOCKET(), Socket::SO_LINGER(), pack 'ii', 1, 0; $self->close }

# --- In between --------------------------------------------------------------
package Appctl::Net::Proxy;

use Appctl::Test;

sub new {
	my ($class, $target, $change) = @_;
	my $self = bless { dir => Appctl::Test::scratch_directory() }, $class;
	my $listen = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => 0, Listen => 1024, ReuseAddr => 1) or die "listen: $!\n";
	$self->{port} = $listen->sockport;
	$self->{pid} = fork // die "fork: $!\n";
	if (!$self->{pid}) {
		$SIG{PIPE} = 'IGNORE';
		$SIG{CHLD} = 'IGNORE';
		setpgrp;
		for (my $n = 0; my $client = $listen->accept; $n++) {
			my $pid = fork // die "fork: $!\n";
			if (!$pid) {
				$self->pass($client, $target, $change, $n);
				POSIX::_exit(0);
			}
			CORE::close $client;
		}
		POSIX::_exit(0);
	}
	return $self;
}

sub port { $_[0]{port} }
# The cable is cut, and nobody is told; it is mended.
sub cut { kill STOP => -$_[0]{pid} }
sub mend { kill CONT => -$_[0]{pid} }
sub record { slurp("$_[0]{dir}/$_[1]." . ($_[2] // 0)) }

# One connection, to its end; from an address of its own, as one that fails has to wait.
sub pass {
	my ($self, $client, $target, $change, $n) = @_;
	my ($host, $port) = $target =~ /^(.*):(\d+)$/ ? ($1, $2) : ('127.0.0.1', $target);
	my $server = IO::Socket::IP->new(PeerHost => $host, PeerPort => $port,
		LocalHost => sprintf '127.4.%d.%d', $n / 250, 1 + $n % 250) or return;
	my %way = ($client => ['client', $server, 0], $server => ['server', $client, 0]);
	my $select = IO::Select->new($client, $server);
	while ($select->count) {
		for my $from ($select->can_read) {
			my ($name, $to, $at) = @{ $way{$from} };
			if (!sysread $from, my $bytes, 65536) {
				$select->remove($from);
				shutdown $to, 1;
			} else {
				CORE::open my $f, '>>', "$self->{dir}/$name.$n";
				print $f $bytes;
				CORE::close $f;
				$way{$from}[2] += length $bytes;
				$bytes = $change->($name, $at, $bytes, $n);
				return unless defined $bytes;
				pour($to, $bytes) or return;
			}
		}
	}
}

sub pour {
	my ($to, $bytes) = @_;
	while (length $bytes) {
		my $n = syswrite($to, $bytes) // return 0;
		substr $bytes, 0, $n, '';
	}
	return 1;
}

sub DESTROY {
	my ($self) = @_;
	local ($?, $!);
	return unless $self->{pid};
	kill KILL => -$self->{pid}, $self->{pid};
	waitpid $self->{pid}, 0;
}

1;
