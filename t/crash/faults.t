# SPDX-License-Identifier: MIT
# Each system call of keeper and engine fails once, with each error that it may have: nothing crashes or hangs, no
# descriptor is lost, and all ends as it was wanted.
use strict;
use warnings;
use Appctl::Crash;
use Appctl::Test;
use Test::More;

needs_tracing();
alarm(0);

# What the kernel may say; close(2) is left out, for it has closed whatever it says.
my %may_fail = (
	EINTR => [qw(read pread64 write pwrite64 open openat accept4 connect sendmsg sendto recvmsg recvfrom wait4 epoll_wait epoll_pwait
		poll ftruncate flock dup2 dup3 futex)],
	EAGAIN => [qw(read write sendmsg sendto recvmsg recvfrom accept4 clone clone3 vfork fork mmap mprotect getrandom)],
	ENOMEM => [qw(mmap mprotect clone clone3 vfork open openat socket socketpair epoll_create1 epoll_ctl memfd_create sendmsg sendto
		recvmsg accept4 inotify_init1 inotify_add_watch mkdir mkdirat timerfd_create signalfd4 eventfd2 pipe2 stat newfstatat readlink
		readlinkat)],
	EMFILE => [qw(open openat socket socketpair accept4 epoll_create1 signalfd4 eventfd2 timerfd_create memfd_create inotify_init1 pipe2
		fcntl dup pidfd_open)],
	ENOSPC => [qw(write pwrite64 ftruncate mkdir mkdirat epoll_ctl inotify_add_watch bind)],
	EIO => [qw(read pread64 write pwrite64 open openat mkdir mkdirat unlink unlinkat rmdir getdents64 readlink readlinkat stat newfstatat
		fstat ftruncate)],
);

# A sanitizer maps memory of its own, and ends where it may not.
if (slow_factor() > 1) {
	@$_ = grep { !/^m(?:map|protect)$/ } @$_ for values %may_fail;
}

my %errors;
for my $error (sort keys %may_fail) {
	push @{ $errors{$_} }, $error for @{ $may_fail{$error} };
}

my ($keeper, $d) = count_calls('keeper');
my ($engine) = count_calls('engine');
for (['keeper', $keeper], ['engine', $engine]) {
	my ($which, $calls) = @$_;
	my @all = map { my $point = $_; map { [@$point, $_] } @{ $errors{ $point->[0] } // [] } } each_call($calls);
	my @points = evenly(24, @all);
	my @failed;
	for (@points) {
		my ($call, $n, $error) = @$_;
		my $r = play("${which}_below" => ['strace', '-D', '-qq', '-o', '/dev/null', '-e', "trace=$call", '-e', "inject=$call:error=$error:when=$n"],
			descriptors => [$d->[0], $d->[1] + ($call eq 'eventfd2')], faults => 1);	# else libev takes a pipe
		next unless defined $r->{error};
		push @failed, "$call $n $error";
		fail("the $which\'s $call $n fails with $error");
		diag(trouble_of($r));
	}
	is(join(', ', @failed), '', sprintf 'the %s outlives %d of %d faults', $which, scalar @points, scalar @all);
	diag(sprintf '%d faults of the %s', scalar @points, $which);
}
done_testing;
