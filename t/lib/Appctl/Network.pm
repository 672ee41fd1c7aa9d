# SPDX-License-Identifier: MIT
package Appctl::Network;

# A network of namespaces of a test's own, joined by a switch that breaks when it is told to.
#
#	my $network = Appctl::Network->new(3);			# hosts 0, 1, 2; or skips all where the kernel cannot
#	Appctl::Node->new(before => [$network->inside(0)], address => $network->address(0), …);
#	$network->cut(0, 1);		# nothing goes from 0 to 1; 1 still reaches 0
#	$network->loss(10);		# percent of all frames
#	$network->heal;
#
# The namespaces end with the test.
use strict;
use warnings;

use IO::Handle;
use POSIX ();
use Test::More;
use Time::HiRes ();

use Appctl::Test;

sub new {
	my ($class, $hosts) = @_;
	needs_root();
	needs_program('nsenter', 'unshare', 'ip');
	plan(skip_all => 'no network namespaces with veth and packet sockets here')
		if run_program(qw(unshare --net ip link add name probe0 type veth peer name probe1))->{exit} != 0;
	my $self = bless { hosts => $hosts, hub => holder() }, $class;
	$self->{pids} = [map { holder() } 1 .. $hosts];
	$self->plug_in($_) for 0 .. $hosts - 1;
	$self->start_switch;
	return $self;
}

sub start_switch {
	my ($self) = @_;
	my $dir = Appctl::Test::scratch_directory();
	for my $way (qw(in out)) {
		POSIX::mkfifo("$dir/$way", 0600) or die "mkfifo: $!\n";
		open $self->{$way}, '+<', "$dir/$way" or die "$dir/$way: $!\n";
	}
	$self->{switch} = spawn_program(nsenter($self->{hub}), program('t/node/switch'), (map { "port$_" } 0 .. $self->{hosts} - 1),
		{ stdin_file => "$dir/in", out => "$dir/out" });
	$self->answered;
}

sub nsenter { return ('nsenter', '-t', $_[0], '-n', '--') }

# A process that has a network namespace of its own.
sub holder {
	my $pid = spawn_program(qw(unshare --net sleep 100000));
	my $own = readlink '/proc/self/ns/net';
	for (1 .. 1000) {
		my $its = readlink("/proc/$pid/ns/net") // $own;
		return $pid if $its ne $own && slurp("/proc/$pid/comm") eq "sleep\n";
		Time::HiRes::sleep(0.005);
	}
	die "no namespace came to be\n";
}

sub must {
	my $r = run_program(@_);
	die "@_: $r->{err}\n" if $r->{exit} != 0;
}

sub plug_in {
	my ($self, $i) = @_;
	my $pid = $self->{pids}[$i];
	must(nsenter($self->{hub}), qw(ip link add name), "port$i", qw(type veth peer name), 'eth0', 'netns', $pid);
	must(nsenter($self->{hub}), qw(ip link set), "port$i", 'up');
	must($self->inside($i), qw(ip link set lo up));
	must($self->inside($i), qw(ip addr add), $self->address($i) . '/24', qw(dev eth0));
	must($self->inside($i), qw(ip link set eth0 up));
}

sub address { my ($self, $i) = @_; return '10.77.0.' . ($i + 1) }
sub inside { my ($self, $i) = @_; return nsenter($self->{pids}[$i]) }

sub answered {
	my ($self) = @_;
	my $line = readline $self->{out};
	die "the switch says nothing\n" unless defined $line && $line eq "ok\n";
}

sub order {
	my ($self, $text) = @_;
	syswrite $self->{in}, "$text\n" or die "the switch: $!\n";
	$self->answered;
}

sub cut { my ($self, $from, $to) = @_; $self->order("cut $from $to on"); }
sub cut_both { my ($self, $i, $j) = @_; $self->cut($i, $j); $self->cut($j, $i); }
sub loss { my ($self, $percent) = @_; $self->order("loss $percent"); }

sub heal {
	my ($self) = @_;
	$self->loss(0);
	for my $i (0 .. $self->{hosts} - 1) {
		$self->order("cut $i $_ off") for 0 .. $self->{hosts} - 1;
	}
}

1;
