# SPDX-License-Identifier: MIT
package Appctl::Keeper;

# appctld with an engine that does what the test tells it (t/sys/fake-engine.c), a line at a time.
#
#     my $k = Appctl::Keeper->start(script => "ready\n");
#     $k->order('spawn 1 web -- sleep 1000');
#     my ($pid) = $k->expect(qr/^spawned 1 pid=(\d+)/);
#     $k->kill_engine;                        # and talk to the next one
#     $k->expect(qr/^child 1 pid=$pid /);
#     is($k->end_by('exit 3'), 3 << 8);

use strict;
use warnings;
use Appctl::Test;
use IO::Socket::UNIX;
use Test::More;
use Time::HiRes ();

sub start {
	my ($class, %o) = @_;
	my $self = bless { buffer => '', lines => [], %o }, $class;
	$self->{dir} = Appctl::Test::scratch_directory();
	$self->{log} = "$self->{dir}/appctld.log";
	spew($self->{log}, '');
	chmod 0666, $self->{log};
	$self->script($o{script} // "ready\n");
	my $run = "$self->{dir}/run";
	mkdir $run;
	chown $o{uid}, $o{uid}, $self->{dir}, $run if defined $o{uid};
	my @argv = (@{ $o{before} // [] }, program('appctld'), '-c', "$self->{dir}/script", '-r', $run, @{ $o{args} // [] });
	$self->{child} = spawn_program(@argv, { uid => $o{uid}, out => $self->{log}, err => $self->{log}, env => {
		APPCTL_LIBEXECDIR => top_builddir() . '/t/sys', NOTIFY_SOCKET => undef, WATCHDOG_USEC => undef, %{ $o{env} // {} } } });
	$self->connect unless $o{no_connect};
	return $self;
}

sub dir { $_[0]{dir} }
sub pid { $_[0]{pid} // $_[0]{child} }
sub log_text { slurp($_[0]{log}) }
sub script { spew("$_[0]{dir}/script", $_[1]) }

sub give_up {
	my ($self, $why) = @_;
	diag("$why\nsaid so far:\n", map("  $_\n", @{ $self->{lines} }), 'appctld said:', "\n", $self->log_text);
	die "$why\n";
}

# Waits until the code says something true.
sub until_true {
	my ($self, $what, $code) = @_;
	my $end = Time::HiRes::time() + 10 * slow_factor();
	while (Time::HiRes::time() < $end) {
		my $r = $code->();
		return $r if $r;
		Time::HiRes::sleep(0.01);
	}
	$self->give_up("not in time: $what");
}

# To the engine, the present one or the next that comes.
sub connect {
	my ($self) = @_;
	$self->{socket} = $self->until_true('a connection to control.sock', sub {
		IO::Socket::UNIX->new(Type => SOCK_STREAM(), Peer => "$self->{dir}/run/control.sock") });
	$self->{buffer} = '';
	$self->{first_line} = @{ $self->{lines} };
	return $self;
}

sub order {
	my ($self, @lines) = @_;
	$self->{socket}->syswrite("$_\n") for @lines;
	return $self;
}

# The next line; undef: the engine has ended.
sub line {
	my ($self, $end) = @_;
	my $at;
	while (($at = index $self->{buffer}, "\n") < 0) {
		my $left = $end - Time::HiRes::time();
		$self->give_up('no more lines in time') if $left <= 0;
		vec(my $bits = '', fileno($self->{socket}), 1) = 1;
		next unless select($bits, undef, undef, $left) > 0;
		return undef unless sysread $self->{socket}, $self->{buffer}, 65536, length $self->{buffer};
	}
	push @{ $self->{lines} }, substr $self->{buffer}, 0, $at;
	substr $self->{buffer}, 0, $at + 1, '';
	return $self->{lines}[-1];
}

# Reads on to the line that matches; what the expression catches, or 1.
sub expect {
	my ($self, $re) = @_;
	my $end = Time::HiRes::time() + 10 * slow_factor();
	while (defined(my $line = $self->line($end))) {
		my @caught = $line =~ $re or next;
		return wantarray ? @caught : $caught[0];
	}
	$self->give_up("the engine ended before it said $re");
}

# All lines up to an answer that comes after whatever the keeper has said by now.
sub so_far {
	my ($self) = @_;
	my $mark = 'mark' . ++$self->{marks};
	my $from = @{ $self->{lines} };
	# The first thing that a keeper says ends so; the engine may be asked before it has heard that.
	my @lines = @{ $self->{lines} };
	$self->expect(qr/^table_end$/) unless grep { $_ eq 'table_end' } @lines[$self->{first_line} .. $#lines];
	$self->order("echo $mark");
	$self->expect(qr/^\Q$mark\E$/);
	return @{ $self->{lines} }[$from .. $#{ $self->{lines} } - 1];
}

sub spawn {
	my ($self, $order) = @_;
	my ($inc) = $order =~ /^(\d+)/;
	$self->order("spawn $order");
	return scalar $self->expect(qr/^spawned $inc pid=(\d+)/);
}

sub engine_pid {
	my ($self) = @_;
	my ($pid) = grep { slurp("/proc/$_/comm") =~ /^appctl-engine$/ } Appctl::Test::descendants($self->{child});
	return $pid;
}

# Waits for the end of this engine, and connects to the next one.
sub next_engine {
	my ($self) = @_;
	my $end = Time::HiRes::time() + 10 * slow_factor();
	1 while defined $self->line($end);
	return $self->connect;
}

sub kill_engine {
	my ($self, $signal) = @_;
	kill $signal // 'KILL', $self->engine_pid;
	return $self->next_engine;
}

sub wait_end {
	my ($self) = @_;
	my $status = Appctl::Test::wait_child(delete $self->{child}, 10);
	$self->give_up('appctld did not end in time') unless defined $status;
	fail('a sanitizer found something'), diag($self->log_text) if $self->log_text =~ /Sanitizer|runtime error:/;
	my @left = grep { slurp("/proc/$_/cmdline") =~ m{\Q$self->{dir}\E|t/sys/appctl-engine} } Appctl::Test::descendants($$);
	is("@left", '', 'nothing is left behind');
	return $status;
}

# By that order, or by SIGTERM and then that.
sub end_by {
	my ($self, $order) = @_;
	$self->order($order);
	return $self->wait_end;
}

1;
