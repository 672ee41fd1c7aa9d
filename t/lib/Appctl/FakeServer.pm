# SPDX-License-Identifier: MIT
package Appctl::FakeServer;

# What answers on control.sock and events.sock when it is not appctld: for what a good server never does.
#
#	my $fake = Appctl::FakeServer->new(
#		control => sub { my ($call, $n) = @_; return { mode => 'normal' } },	# the parameters of the reply
#		events => sub { my ($filter, $n) = @_; return ({ event => 'hello' }, 'close') });
#
# A handler gets what was asked and the number of this connection (1: the first).  Besides replies or events it may return
#	\"bytes"	sent as they are
#	'close'		the connection ends here
#	[ 'org.…Error', { … } ]		an error reply
#	seconds		a pause, as a number
# `unread => N` closes the first N control connections without reading what came on them.
use strict;
use warnings;

use IO::Select;
use IO::Socket::UNIX;
use JSON::PP;
use POSIX ();
use Time::HiRes ();

use Appctl::Test;

my $json = JSON::PP->new->utf8->canonical;

sub new {
	my ($class, %o) = @_;
	my $self = bless { %o, dir => Appctl::Test::scratch_directory() }, $class;
	my %listen = map { $_ => IO::Socket::UNIX->new(Type => SOCK_STREAM(), Local => "$self->{dir}/$_.sock", Listen => 64) }
		grep { $_ eq 'keeper' || $self->{$_} } qw(control events keeper);
	defined $_ or die "listen: $!\n" for values %listen;
	spew("$self->{dir}/seen", '');
	$self->{pid} = fork // die "fork: $!\n";
	if (!$self->{pid}) {
		$SIG{TERM} = sub { POSIX::_exit(0) };
		$SIG{PIPE} = 'IGNORE';
		eval { $self->serve(\%listen) };
		print STDERR "fake server: $@" if $@;
		POSIX::_exit(1);
	}
	return $self;
}

sub DESTROY { $_[0]->stop }

sub stop {
	my ($self) = @_;
	my $pid = delete $self->{pid} or return;
	local $?;
	kill TERM => $pid;
	waitpid $pid, 0;
}

sub dir { $_[0]{dir} }

sub appctl {
	my $o = ref $_[-1] eq 'HASH' ? pop : {};
	my ($self, @args) = @_;
	return run_program(program('appctl'), '-r', $self->{dir}, @args, $o);
}

# All that was asked: { socket => 'control', n => connection, call => … }; for keeper a knock has no call.
sub seen { map { $json->decode($_) } split /\n/, slurp("$_[0]{dir}/seen") }

sub note {
	my ($self, $socket, $n, $call) = @_;
	open my $f, '>>', "$self->{dir}/seen" or die;
	print $f $json->encode({ socket => $socket, n => $n, call => $call }), "\n";
}

sub answer {
	my ($connection, $socket, @answers) = @_;
	for my $a (@answers) {
		if (ref $a eq 'SCALAR') {
			$connection->print($$a);
		} elsif (!ref $a && $a eq 'close') {
			return 0;
		} elsif (!ref $a) {
			Time::HiRes::sleep($a);
		} elsif ($socket eq 'events') {
			$connection->print($json->encode($a), "\n");
		} elsif (ref $a eq 'ARRAY') {
			$connection->print($json->encode({ error => $a->[0], parameters => $a->[1] // {} }), "\0");
		} else {
			my $continues = delete $a->{continues};
			$connection->print($json->encode({ parameters => $a, $continues ? (continues => JSON::PP::true) : () }), "\0");
		}
		$connection->flush;
	}
	return 1;
}

sub serve {
	my ($self, $listen) = @_;
	my %of = map { fileno($listen->{$_}) => $_ } keys %$listen;
	my $select = IO::Select->new(values %$listen);
	my (%count, %buffer, %number);
	while (my @ready = $select->can_read) {
		for my $s (@ready) {
			my $fd = fileno $s;
			if ($listen->{ $of{$fd} } == $s) {
				my $c = $s->accept or next;
				my $socket = $of{$fd};
				my $n = ++$count{$socket};
				if ($socket eq 'keeper') {
					$self->note('keeper', $n);
					next;
				}
				if ($socket eq 'control' && $n <= ($self->{unread} // 0)) {
					IO::Select->new($c)->can_read;
					next;
				}
				($of{ fileno $c }, $buffer{ fileno $c }, $number{ fileno $c }) = ($socket, '', $n);
				$select->add($c);
				next;
			}
			my $open = sysread $s, $buffer{$fd}, 65536, length $buffer{$fd};
			my $end = $of{$fd} eq 'control' ? "\0" : "\n";
			while ($open && $buffer{$fd} =~ s/^([^$end]*)$end//) {
				my $call = $json->decode($1);
				$self->note($of{$fd}, $number{$fd}, $call);
				$open = answer($s, $of{$fd}, $self->{ $of{$fd} }->($call, $number{$fd}));
			}
			next if $open;
			$select->remove($s);
			delete $of{$fd};
			close $s;
		}
	}
}

1;
