# SPDX-License-Identifier: MIT
package Appctl::Producer;

# appctl-producer under test, and a consumer in Perl that does what it likes.
#
#	my $consumer = Appctl::Producer::Consumer->new;		# plain TCP
#	my $producer = Appctl::Producer->new(consumer => $consumer, env => { PRODUCER_TOP => 3 });
#	$producer->start;
#	my $link = $consumer->accept;		# upgrade, challenge, welcome done; $link->{epoch}
#	$link->say({ type => 'resume', epoch => $link->{epoch}, seq => 0 });
#	my $batch = $link->batch('node');	# the next one of that type; batches are noted in $link->{seen}
#	$link->ack($batch->{seq});
use strict;
use warnings;

use Digest::SHA qw(hmac_sha256_hex);
use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes ();

use Appctl::Net;
use Appctl::Test;

my $json = JSON::PP->new->utf8->canonical;
my $secret = 'the secret of all tests';

# keys: consumer or port, env, dir (with the spool), before (a command that becomes it), interval
sub new {
	my ($class, %o) = @_;
	my $self = bless { dir => Appctl::Test::scratch_directory(), %o }, $class;
	$self->{spool} //= "$self->{dir}/spool";
	$self->{secret_file} //= secret_file($secret);
	return $self;
}

sub environment {
	my ($self) = @_;
	return {
		PRODUCER_ENABLE => 'true', PRODUCER_NODE => 'alice', PRODUCER_IP => '127.0.0.1', PRODUCER_USE_TLS => 'false',
		PRODUCER_PORT => $self->{port} // $self->{consumer}->port, PRODUCER_SECRET_FILE => $self->{secret_file},
		PRODUCER_SPOOL => $self->{spool}, PRODUCER_INTERVAL => $self->{interval} // '100ms',
		PRODUCER_EVENTS => 'false', NOTIFY_SOCKET => undef, %{ $self->{env} // {} },
	};
}

sub start {
	my ($self) = @_;
	$self->{log} = "$self->{dir}/log";
	spew($self->{log}, '') unless -e $self->{log};
	$self->{log_from} = -s $self->{log};
	$self->{pid} = spawn_program(@{ $self->{before} // [] }, program('appctl-producer'),
		{ env => $self->environment, out => $self->{log}, err => $self->{log}, %{ $self->{as} // {} } });
	return $self;
}

# To its end, for settings and mistakes.
sub run { my ($self, @args) = @_; return run_program(program('appctl-producer'), @args, { env => $self->environment }) }

sub log_text { slurp("$_[0]{dir}/log") }

sub kill_it {
	my ($self) = @_;
	my $pid = delete $self->{pid} // return;
	kill KILL => $pid;
	waitpid $pid, 0;
}

# SIGTERM; its wait status.
sub stop {
	my ($self) = @_;
	kill TERM => $self->{pid};
	my $status = Appctl::Test::wait_child($self->{pid}, 10);
	delete $self->{pid} if defined $status;
	my $log = $self->log_text;
	if (!defined $status || $log =~ /AddressSanitizer|LeakSanitizer|runtime error:/) {
		fail('the producer ends well');
		diag($log);
	}
	return $status;
}

# Until the one that was started last says it.
sub wait_log {
	my ($self, $what, $timeout) = @_;
	my $end = Time::HiRes::time() + ($timeout // 10) * slow_factor();
	while (Time::HiRes::time() < $end) {
		return 1 if substr($self->log_text, $self->{log_from}) =~ $what;
		Time::HiRes::sleep(0.02);
	}
	diag($self->log_text);
	die "the producer does not say $what\n";
}

package Appctl::Producer::Consumer;

use IO::Select;
use IO::Socket::IP;
use Test::More;
use Appctl::Test;

sub new {
	my ($class, %o) = @_;
	my $socket = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => $o{port} // 0, Listen => 64, ReuseAddr => 1)
		or die "listen: $!\n";
	return bless { socket => $socket, port => $socket->sockport }, $class;
}

sub port { $_[0]{port} }
sub close { CORE::close(delete $_[0]{socket}) }

# The next connection, through upgrade and challenge.
sub accept {
	my ($self, $timeout) = @_;
	IO::Select->new($self->{socket})->can_read(($timeout // 10) * slow_factor()) or die "nobody connects in time\n";
	my $link = Appctl::Net::Raw->over(scalar $self->{socket}->accept, server => 1);
	bless $link, 'Appctl::Producer::Link';
	return $link->welcome ? $link : undef;
}

# The first one that gets through, and is told to go on behind seq (a number, or a sub of the epoch).
sub open {
	my ($self, $seq, $timeout) = @_;
	my $end = Time::HiRes::time() + ($timeout // 20) * slow_factor();
	while (Time::HiRes::time() < $end) {
		my $link = $self->accept // next;
		$link->say({ type => 'resume', epoch => $link->{epoch}, seq => ref $seq ? $seq->($link->{epoch}) : $seq // 0 });
		return $link;
	}
	die "no connection in time\n";
}

package Appctl::Producer::Link;

our @ISA = ('Appctl::Net::Raw');

use Digest::SHA qw(hmac_sha256_hex sha1);
use MIME::Base64;
use Test::More;

sub welcome {
	my ($self) = @_;
	my $head = $self->head // return 0;
	my ($key) = $head =~ /^Sec-WebSocket-Key: (\S+)\r$/mi or die "no upgrade: $head\n";
	my $accept = encode_base64(sha1($key . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'), '');
	$self->send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		. "Sec-WebSocket-Accept: $accept\r\nSec-WebSocket-Protocol: appctl-monitor\r\n\r\n");
	my $c = { type => 'challenge', version => 1, node => 'fake', nonce => 'cd' x 32 };
	$self->say($c);
	my $p = $self->read_json // return 0;
	die "a wrong MAC\n" if $p->{mac} ne Appctl::Net::challenge_mac($secret, 'producer', $c, $p);
	$self->say({ type => 'welcome', mac => Appctl::Net::challenge_mac($secret, 'consumer', $c, $p) });
	@$self{qw(node epoch)} = @$p{qw(node epoch)};
	return 1;
}

sub say { my ($self, $message) = @_; return $self->text($json->encode($message)) }

sub ack { my ($self, $seq) = @_; return $self->say({ type => 'ack', epoch => $self->{epoch}, seq => $seq }) }

# The next batch, of that type where one is asked for; those before it are in $link->{seen} too.  undef: the connection ended.
sub batch {
	my ($self, $type, $timeout) = @_;
	while (my ($opcode, $payload) = $self->frame($timeout)) {
		if ($opcode == 9) {
			$self->send(Appctl::Net::frame(10, $payload, mask => 0));
			next;
		}
		last if $opcode != 1;
		my $batch = $json->decode($payload);
		push @{ $self->{seen} }, $batch;
		return $batch if !defined $type || $batch->{type} eq $type;
	}
	return undef;
}

# Its rows as hashes.
sub rows {
	my ($batch) = @_;
	return map { my %r; @r{ @{ $batch->{columns} } } = @$_; \%r } @{ $batch->{rows} };
}

1;
