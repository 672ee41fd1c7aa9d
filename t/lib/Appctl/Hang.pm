# SPDX-License-Identifier: MIT
package Appctl::Hang;

# A file system (FUSE) that mounts and never answers anything else: a process that looks for a file in it waits in
# the kernel, in a state that no signal ends, until the server of the file system does.
#
#     my $hang = Appctl::Hang->new // plan(skip_all => 'needs FUSE');
#     ... $hang->dir . '/file' ...
#     $hang->has_one;
#     $hang->end;
use strict;
use warnings;

use Appctl::Test;
use POSIX ();

use constant { FUSE_LOOKUP => 1, FUSE_INIT => 26, HEADER => 40 };

sub new {
	my ($class) = @_;
	my $self = bless { dir => Appctl::Test::scratch_directory() }, $class;
	return undef unless $> == 0 && sysopen my $fuse, '/dev/fuse', POSIX::O_RDWR();
	local $^F = 255;
	my $fd = fileno $fuse;
	my $flags = fcntl $fuse, 1, 0;		# F_GETFD
	fcntl $fuse, 2, 0;			# F_SETFD: mount(8) finds it
	return undef if system("mount -i -n -t fuse -o fd=$fd,rootmode=40000,user_id=0,group_id=0,allow_other hang $self->{dir} 2>/dev/null") != 0;
	$self->{fuse} = $fuse;
	pipe $self->{asked}, my $asked or die "pipe: $!\n";
	$self->{server} = fork // die "fork: $!\n";
	serve($fuse, $asked) unless $self->{server};
	close delete $self->{fuse};
	return $self;
}

sub dir { $_[0]{dir} }

# Waits until somebody is caught.
sub has_one { sysread($_[0]{asked}, my $byte, 1) == 1 }

# Says what it must for the mount to be usable, and takes what else it is asked without a word.
sub serve {
	my ($fuse, $asked) = @_;
	while (sysread $fuse, my $request, 1 << 20) {
		my (undef, $opcode, $unique) = unpack 'L L Q', $request;
		my ($major, $minor) = unpack 'L L', substr $request, HEADER;
		syswrite $asked, '.' if $opcode == FUSE_LOOKUP;
		next if $opcode != FUSE_INIT;
		my $answer = pack 'L L L L S S L L S S L8', 7, $minor < 31 ? $minor : 31, 4096, 0, 16, 12, 4096, 1, 1, 0, (0) x 8;
		$answer = substr $answer, 0, 64;
		syswrite $fuse, pack('L l Q', 16 + length $answer, 0, $unique) . $answer;
	}
	POSIX::_exit(0);
}

sub end {
	my ($self) = @_;
	return unless defined $self->{server};
	kill KILL => $self->{server};
	waitpid delete $self->{server}, 0;
	system('umount', '-l', $self->{dir});
}

sub DESTROY { $_[0]->end }

1;
