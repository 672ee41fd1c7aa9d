# SPDX-License-Identifier: MIT
package Appctl::Terminal;

# A program on a terminal of its own, as a person would have it.
#
#	my $t = Appctl::Terminal->start(['sh'], rows => 24, columns => 80, env => {…});
#	$t->type("stty size\r"); $t->expect(qr/24 80/); $t->resize(30, 100); my $status = $t->wait;
use strict;
use warnings;

use Fcntl;
use POSIX ();
use Test::More;
use Time::HiRes ();

use Appctl::Test;

use constant { TIOCGPTN => 0x80045430, TIOCSPTLCK => 0x40045431, TIOCSWINSZ => 0x5414, TIOCGPGRP => 0x540f };

sub start {
	my ($class, $argv, %o) = @_;
	my $self = bless { argv => $argv, seen => '' }, $class;
	sysopen $self->{master}, '/dev/ptmx', O_RDWR | O_NOCTTY or die "/dev/ptmx: $!\n";
	ioctl $self->{master}, TIOCSPTLCK, my $no = pack 'i', 0 or die "unlock: $!\n";
	ioctl $self->{master}, TIOCGPTN, my $number = pack 'I', 0 or die "number: $!\n";
	$self->{path} = '/dev/pts/' . unpack 'I', $number;
	$self->resize($o{rows} // 24, $o{columns} // 80);
	# It stays open here, so that its state can be looked at afterwards.
	sysopen $self->{slave}, $self->{path}, O_RDWR | O_NOCTTY or die "$self->{path}: $!\n";
	$self->{before} = $self->modes;
	$self->{pid} = fork // die "fork: $!\n";
	$self->become_program(%o) unless $self->{pid};
	return $self;
}

sub become_program {
	my ($self, %o) = @_;
	POSIX::setsid();
	sysopen my $tty, $self->{path}, O_RDWR or POSIX::_exit(126);	# the first one a session leader opens is its own
	POSIX::dup2(fileno $tty, $_) for 0 .. 2;
	defined $o{env}{$_} ? ($ENV{$_} = $o{env}{$_}) : delete $ENV{$_} for keys %{ $o{env} // {} };
	$SIG{$_} = 'DEFAULT' for qw(INT TERM ALRM PIPE CHLD);
	{ no warnings 'exec'; exec { $self->{argv}[0] } @{ $self->{argv} }; }
	POSIX::_exit(127);
}

sub resize {
	my ($self, $rows, $columns) = @_;
	ioctl $self->{master}, TIOCSWINSZ, my $size = pack 'SSSS', $rows, $columns, 0, 0 or die "size: $!\n";
}

sub type {
	my ($self, $text) = @_;
	syswrite $self->{master}, $text;
}

# All that was shown since the last one, up to what matches.
sub expect {
	my ($self, $pattern, $seconds) = @_;
	my $end = Time::HiRes::time() + ($seconds // 10) * slow_factor();
	while (1) {
		return substr $self->{seen}, 0, $+[0], '' if $self->{seen} =~ $pattern;
		my $left = $end - Time::HiRes::time();
		last if $left <= 0 || !$self->read_more($left);
	}
	diag("on the terminal: $self->{seen}");
	die "no $pattern on the terminal\n";
}

sub read_more {
	my ($self, $seconds) = @_;
	vec(my $bits = '', fileno($self->{master}), 1) = 1;
	return 1 unless select($bits, undef, undef, $seconds) > 0;
	return sysread $self->{master}, $self->{seen}, 65536, length $self->{seen};
}

# How the terminal is set, as one string.
sub modes {
	my ($self) = @_;
	my $t = POSIX::Termios->new;
	$t->getattr(fileno $self->{slave}) or die "termios: $!\n";
	return join ' ', map { sprintf '%x', $_ } $t->getiflag, $t->getoflag, $t->getcflag, $t->getlflag, map { $t->getcc($_) } 0 .. 10;
}

sub is_as_before {
	my ($self) = @_;
	return $self->modes eq $self->{before};
}

# To its end: the wait status; what it shows is kept.
sub wait {
	my ($self, $seconds) = @_;
	my $end = Time::HiRes::time() + ($seconds // 10) * slow_factor();
	while (waitpid($self->{pid}, POSIX::WNOHANG()) == 0) {
		if (Time::HiRes::time() > $end) {
			kill KILL => $self->{pid};
			waitpid $self->{pid}, 0;
			die "@{ $self->{argv} } did not end; on the terminal: $self->{seen}\n";
		}
		$self->read_more(0.02);
	}
	return $?;
}

1;
