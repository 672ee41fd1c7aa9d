# SPDX-License-Identifier: MIT
# The monitor's drop-in as it is shipped: set up by the script, run as an ordinary user with what the file allows, and no more.
use strict;
use warnings;
use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes ();
use Appctl::Test;

needs_root();

my ($uid, $gid) = (getpwnam('nobody'))[2, 3];
my $node = Appctl::Test->new(node => 'alice', config => 'applications: { idle: { command = ["sleep", "1000"]; }; };');
my $dir = $node->dir;
my $state = "$dir/state";
my $file = "$dir/conf.d/monitor.conf";
my $port = free_port();
mkdir $state, 0700;
chown $uid, $gid, $state;

# Nothing is changed but the user, who has to be one that is here, and where the programs and their files lie.
my $text = slurp(top_srcdir() . '/contrib/monitor/monitor.conf');
$text =~ s/"appctl-monitor"/"nobody"/g;
$text =~ s{/var/lib/appctl-monitor}{$state}g;
my $build = top_builddir();
$text =~ s{command = \["(appctl-\w+)"\]}{command = ["$build/$1"]}g;
spew($file, $text);
my %env = (CONSUMER_ENABLE => 'true', CONSUMER_LISTEN_PORT => $port, CONSUMER_SQLITE => "$state/monitor.db", PRODUCER_ENABLE => 'true',
	PRODUCER_PORT => $port, PRODUCER_INTERVAL => '200ms', PRODUCER_RUNTIME_DIR => $node->runtime_dir, PRODUCER_VIPS => 'sleep');

$node->start;
$node->wait_event({ event => 'mode_stable' });
is(join(' ', map { $_->{state} } grep { $_->{name} =~ /^appctl-/ } @{ $node->appctl_json('status')->{applications} }), 'stopped stopped', 'off until enabled');
my $r = run_program(top_srcdir() . '/contrib/monitor/script/setup_consumer_producer', $file, { env => { APPCTL_LIBEXECDIR => $build, %env } });
is($r->{exit}, 0, 'set up') or diag($r->{err});
is((stat "$dir/conf.d/consumer_secret")[4], $uid, 'the secret is its user\'s');
is($node->appctl('reload')->{exit}, 0, 'reload') or diag($node->appctl('check', $node->config_file)->{err});
$node->wait_event({ event => 'app_running', app => $_ }) for qw(appctl-consumer appctl-producer);

my %pid = map { $_->{name} => $_->{pid} } @{ $node->appctl_json('status')->{applications} };
my %status = map { my $text = slurp("/proc/$pid{$_}/status"); ($_ => { $text =~ /^(\w+):\s+(.*)$/mg }) } grep { $pid{$_} } keys %pid;
for my $name (qw(appctl-consumer appctl-producer)) {
	is((split ' ', $status{$name}{Uid})[1], $uid, "$name is no root");
	is($status{$name}{NoNewPrivs}, 1, '  and gains no privileges');
}
is($status{$_}{Seccomp}, 2, "$_ makes the system calls it needs alone") for qw(appctl-consumer appctl-producer);
my $ptrace = 1 << 19;
is(hex $status{'appctl-producer'}{CapPrm}, $ptrace, 'the producer has SYS_PTRACE alone');
is(hex $status{'appctl-consumer'}{CapPrm}, 0, 'the consumer nothing');

# Until it shows that; the rows that it does not show are those of samples to come.
sub shown {
	my ($what, $good) = @_;
	my $end = Time::HiRes::time() + 30 * slow_factor();
	my $doc;
	do {
		my $r = run_program(program('appctl'), 'monitor', $what, '--json', '--database', "$state/monitor.db", { env => { APPCTL_LIBEXECDIR => $build } });
		$doc = eval { decode_json($r->{out}) };
		return $doc if $doc && $good->($doc);
		Time::HiRes::sleep(0.1);
	} while (Time::HiRes::time() < $end);
	return $doc;
}

my $sleeps = sub { grep { ($_->{application} // '') eq 'idle' } map { @{ $_->{rows} } } @{ $_[0]{nodes} } };
my ($row) = $sleeps->(shown('top', sub { grep { defined $_->{descriptors} } $sleeps->(@_) }));
is($row->{pid}, $pid{idle}, 'a process of root\'s is seen, with its application');
is($row->{descriptors}, scalar(my @fds = glob "/proc/$pid{idle}/fd/*"), 'and its descriptors, which takes that capability');
my $events = shown('events', sub { grep { $_->{event} eq 'app_running' && ($_->{application} // '') eq 'appctl-producer' } @{ $_[0]{events} } });
ok((grep { $_->{event} eq 'app_running' && ($_->{application} // '') eq 'appctl-producer' } @{ $events->{events} }), 'appctld\'s events have come, which its user may read');
ok((grep { ($_->{application} // '') eq 'idle' } @{ $events->{events} }), 'those before it too');

spew($file, slurp($file) =~ s/^\t\tenabled = true/\t\tenabled = false/gmr);
is($node->appctl('reload')->{exit}, 0);
$node->wait_event({ event => 'app_stopped', app => 'appctl-producer' });
is($node->appctl('await', '20')->{exit}, 0, 'and off again');
$node->stop;
done_testing;
