# SPDX-License-Identifier: MIT
# README's first configuration and the commands after it do what README shows.
use strict;
use warnings;
use Test::More;
use Time::HiRes ();
use Appctl::Postgres;
use Appctl::Test;

needs_program('python3');

my $readme = slurp(top_srcdir() . '/README.md');
my ($config) = $readme =~ /^```conf\n(.*?)^```$/ms or die "README.md shows no configuration\n";
my ($console) = $readme =~ /^```console\n(.*?)^```$/ms or die "README.md shows no commands\n";
my @steps = $console =~ /^\$ (appctl .*\n(?:(?!\$ ).*\n)*)/mg;
my $node = Appctl::Test->new(node => 'vm');
my $port = free_port();
$config =~ s{/tmp/hello}{\@DIR\@/hello}g;
$config =~ s{\b8000\b}{$port}g;
$node->config($config);
$node->start;
$node->wait_event({ event => 'mode_stable' });

# Numbers, times and the width of columns differ from run to run.
sub shape {
	my ($text) = @_;
	my $path = $node->config_file;
	$text =~ s/\Q$path\E/appctld.conf/g;
	$text =~ s/\d+(\.\d+)? m?s\b/N s/g;
	$text =~ s/(?<=[ ])\d+(?=\s)/N/g;
	$text =~ s/ +/ /g;
	$text =~ s/ $//mg;
	return $text;
}

ok(@steps > 3, 'commands are found');
for my $step (@steps) {
	my ($line, $expected) = $step =~ /^appctl ([^\n]*)\n(.*)\z/s;
	my @args = map { $_ eq 'appctld.conf' ? $node->config_file : $_ } split ' ', $line;
	my $r = $node->appctl(@args, { env => { LC_ALL => 'C.UTF-8' } });
	is($r->{exit}, 0, "appctl $line") or diag($r->{err});
	is(shape($r->{out}), shape($expected), '  prints what is shown');
}

# It goes on for ever: as much of it as README shows.
my ($shown) = $readme =~ /^`appctl events --since 0` .*?^```\n(.*?)^```$/ms or die "README.md shows no events\n";
my $log = $node->dir . '/events';
my $follower = spawn_program(program('appctl'), '-r', $node->runtime_dir, qw(events --since 0), { env => $node->environment, out => $log });
my $lines = () = $shown =~ /\n/g;
my $end = Time::HiRes::time() + 10 * slow_factor();
Time::HiRes::sleep(0.01) until (() = slurp($log) =~ /\n/g) >= $lines || Time::HiRes::time() > $end;
kill TERM => $follower;
my ($seen) = slurp($log) =~ /\A((?:.*\n){0,$lines})/;
sub event_shape { my ($text) = @_; $text =~ s/\b\d+:\d+:[\d.]+Z/TIME/g; $text =~ s/pid=\d+/pid=N/g; $text =~ s/instance=\w+/instance=N/; $text =~ s/ +/ /g; return $text }
is(event_shape($seen), event_shape($shown), 'appctl events --since 0 prints what is shown');

# The monitor's set-up, line by line, with places of this test, no user made, and this build's programs.
my @blocks = $readme =~ /^```sh\n(.*?)^```$/msg;
is(scalar @blocks, 3, 'blocks for a shell are found');
my $dir = $node->dir;
my $state = "$dir/state";
mkdir "$dir/conf.d";
mkdir "$dir/contrib";
run_program('cp', '-r', top_srcdir() . '/contrib/monitor', "$dir/contrib/monitor");
my $own = top_builddir();
my $monitor_port = free_port();
for my $file ("$dir/contrib/monitor/monitor.conf") {
	my $text = slurp($file);
	$text =~ s/^\t\t(?:user|capabilities) = .*\n//mg;
	$text =~ s{"(appctl-\w+)"}{"$own/$1"}g;
	$text =~ s{/var/lib/appctl-monitor}{$state}g;
	spew($file, $text);
}

# A block as a script; its directory stays the one of the block before.
sub shell {
	my ($block, %env) = @_;
	$block =~ s{/etc/appctl/conf\.d}{$dir/conf.d}g;
	$block =~ s{/var/lib/appctl-monitor}{$state}g;
	my $prelude = "set -e\nuseradd() { :; }\nsudo() { shift 2; \"\$@\"; }\ninstall() { for directory; do :; done; mkdir -p -m 0700 \"\$directory\"; }\n";
	return run_program('sh', '-c', "$prelude$block", { directory => $dir, timeout => 60,
		env => { PATH => "$own:$ENV{PATH}", APPCTL_LIBEXECDIR => $own, APPCTL_RUNTIME_DIR => $node->runtime_dir, TZ => 'UTC', %env } });
}

my %here = (CONSUMER_LISTEN_PORT => $monitor_port, PRODUCER_PORT => $monitor_port, CONSUMER_SQLITE => "$state/monitor.db",
	PRODUCER_RUNTIME_DIR => $node->runtime_dir, PRODUCER_INTERVAL => '500ms');
my ($setup) = $blocks[0] =~ /\A(.*)^appctl monitor top$/ms;
my $r = shell($setup, %here);
is($r->{exit}, 0, 'one machine: the commands work as shown') or diag($r->{err}, $r->{out});
$node->wait_event({ event => 'app_running', app => 'appctl-producer' });
$end = Time::HiRes::time() + 30 * slow_factor();
my $top;
do {
	Time::HiRes::sleep(0.2);
	$top = shell("appctl monitor top --database $state/monitor.db");
} until ($top->{out} =~ /^ +PID /m || Time::HiRes::time() > $end);
like($top->{out}, qr/^vm: .*\n *PID /, '  and rows arrive');
$r = shell($blocks[1]);
is($r->{exit}, 0, 'two machines: the commands work as shown') or diag($r->{err});
like(slurp("$dir/contrib/monitor/monitor.conf"), qr/^\t\tenabled = true;.*^\t\tenabled = true;/ms, '  and enable both');

SKIP: {
	skip('needs PostgreSQL', 3) unless Appctl::Postgres::bin() && ($> != 0 || defined getpwnam('postgres'));
	my $pg = Appctl::Postgres->new;
	my ($createdb, @other) = split /^/, $blocks[2];
	my %server = (PGHOST => $pg->dir, PGUSER => Appctl::Postgres::user());
	my $commands = join '', $createdb, @other;
	$commands =~ s{/run/postgresql}{$pg->{dir}}g;
	$commands =~ s{createdb}{"@{[Appctl::Postgres::bin()]}/createdb"};
	# The drop-in names SQLite's file, which the commands of a fresh one do not.
	my $file = "$dir/conf.d/monitor.conf";
	spew($file, slurp($file) =~ s/^\s*CONSUMER_SQLITE = .*\n//mr);
	$r = shell($commands, %server, map { $_ => $here{$_} } grep { $_ ne 'CONSUMER_SQLITE' } keys %here);
	is($r->{exit}, 0, 'PostgreSQL: the commands work as shown') or diag($r->{err}, $r->{out});
	my $conninfo = "host=$pg->{dir} dbname=appctl user=appctl_reader";
	$end = Time::HiRes::time() + 30 * slow_factor();
	do {
		Time::HiRes::sleep(0.2);
		$top = shell("appctl monitor top --database '$conninfo'");
	} until ($top->{out} =~ /^ +PID /m || Time::HiRes::time() > $end);
	like($top->{out}, qr/^vm: .*\n *PID /, '  and rows arrive') or diag($top->{err});
	$pg->kill_all;
}

done_testing;
