# SPDX-License-Identifier: MIT
# The keeper as PID 1 of a namespace.
use strict;
use warnings;
use Appctl::Keeper;
use Appctl::Test;
use Test::More;

my @unshare = qw(unshare --pid --fork --kill-child --mount-proc --);
plan(skip_all => 'needs a pid namespace of its own') if system("@unshare true >/dev/null 2>&1") != 0;

sub start_as_init {
	my $k = Appctl::Keeper->start(before => \@unshare, @_);
	$k->{pid} = (Appctl::Test::descendants($k->{child}))[0];
	return $k;
}

sub zombies_below {
	my ($pid) = @_;
	return grep { slurp($_) =~ /^\d+ \(.*\) Z $pid /s } glob '/proc/[0-9]*/stat';
}

subtest 'it says so, and reaps every orphan' => sub {
	my $k = start_as_init();
	$k->expect(qr/^hello .* pid1=1 /);
	my $dir = $k->dir;
	spew("$dir/orphans", "i=0\nwhile [ \$i -lt 300 ]; do (true &); i=\$((i+1)); done\necho done > $dir/done\n");
	$k->spawn("1 o -- sh $dir/orphans");
	$k->expect(qr/^exited 1 .* status=0 /);
	is(slurp("$dir/done"), "done\n");
	$k->until_true('no zombies', sub { !zombies_below($k->pid) });
	$k->order('exit 77');
	is($k->wait_end, 77 << 8, 'its status is the engine\'s');
};

subtest 'signals reach it as they reach any process' => sub {
	my $k = start_as_init();
	my $pid = $k->spawn('1 web -- sleep 1000');
	kill $_ => $k->pid for qw(USR1 USR2 ALRM QUIT ABRT SEGV PIPE);
	kill HUP => $k->pid;
	$k->expect(qr/^got_signal 1$/);
	kill 37 => $k->pid;		# SIGRTMIN+3, as containers are asked to halt
	$k->expect(qr/^got_signal 15$/);
	$k->so_far;
	is(scalar(grep { /^got_signal/ } @{ $k->{lines} }), 2, 'and no others mean anything');
	$k->kill_engine;
	$k->expect(qr/^child 1 pid=\d+ exited=0 /);
	is($k->end_by('exit 0'), 0);
};

done_testing;
