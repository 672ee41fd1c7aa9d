# SPDX-License-Identifier: MIT
package Appctl::Mail;

# A connection to a node's mail.sock, as a program without libappctl has it.
#
#	my $mail = Appctl::Mail->new($node);
#	$mail->say({ to => 'bob/chat', text => 'hey' });
#	my $line = $mail->line;			# the next one, decoded; undef at the end
use strict;
use warnings;

use IO::Select;
use Time::HiRes ();
use IO::Socket::UNIX;
use JSON::PP;
use Appctl::Test;

my $json = JSON::PP->new->utf8->canonical;

sub new {
	my ($class, $node) = @_;
	my $path = ref $node ? $node->runtime_dir . '/node/mail.sock' : $node;
	my $socket = IO::Socket::UNIX->new(Type => SOCK_STREAM(), Peer => $path) // die "$path: $!\n";
	return bless { socket => $socket, in => '' }, $class;
}

sub socket { $_[0]{socket} }

# Bytes as they are; -1: the other end has gone.
sub raw {
	my ($self, $bytes) = @_;
	local $SIG{PIPE} = 'IGNORE';
	my $at = 0;
	while ($at < length $bytes) {
		my $n = syswrite $self->{socket}, $bytes, length($bytes) - $at, $at;
		return -1 unless defined $n;
		$at += $n;
	}
	return 0;
}

sub say {
	my ($self, @objects) = @_;
	return $self->raw(join '', map { $json->encode(exists $_->{text} ? { %$_, text => "$_->{text}" } : $_) . "\n" } @objects);
}

# undef: nothing within that time, or the end: then $mail->{ended}.
sub line {
	my ($self, $seconds) = @_;
	my $end = Time::HiRes::time() + ($seconds // 20) * slow_factor();
	while ($self->{in} !~ /\n/) {
		return undef if $self->{ended};
		my $left = $end - Time::HiRes::time();
		return undef if $left <= 0 || !IO::Select->new($self->{socket})->can_read($left);
		sysread($self->{socket}, $self->{in}, 65536, length $self->{in}) or $self->{ended} = 1;
	}
	$self->{in} =~ s/^([^\n]*)\n//;
	return $json->decode($1);
}

# Sends those, and hands back { number => undef or code } of all when all are answered.
sub send_all {
	my ($self, @messages) = @_;
	$self->say(@messages);
	my %answer;
	my $before = $self->{sent} // 0;
	$self->{sent} = $before + @messages;
	while (keys %answer < @messages) {
		my $line = $self->line // die 'no answer to ' . (@messages - keys %answer) . " messages\n";
		if ($line->{sent}) {
			$answer{ $_ - $before } = undef for $line->{sent}[0] .. $line->{sent}[1];
		} else {
			$answer{ $line->{failed} - $before } = $line->{error} // die $json->encode($line) . "\n";
		}
	}
	return \%answer;
}

# What lies in a mailbox now, as objects.
sub present {
	my ($self, $app) = @_;
	$self->say({ receive => JSON::PP::true, wait => JSON::PP::false, defined $app ? (app => $app) : () });
	my @found;
	while (my $line = $self->line) {
		return @found if $line->{empty};
		die $json->encode($line) . "\n" if defined $line->{error};
		push @found, $line;
	}
	die "the mailbox had no end\n";
}

sub done { $_[0]->say({ done => $_[1] }) }

sub close { CORE::close $_[0]{socket} }

1;
