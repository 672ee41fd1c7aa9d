# SPDX-License-Identifier: MIT
# The demo, as its user meets it: what it prints to type works, its page is there, Ctrl-C stops everything in order.
use strict;
use warnings;
use Test::More;
use Time::HiRes ();
use Appctl::Test;

needs_program('python3');

# Below a runtime directory of its own, so that one that runs here is not met.
my $scratch = Appctl::Test::scratch_directory();
chmod 0700, $scratch;
my $out = "$scratch/out";
my $demo = spawn_program(top_srcdir() . '/contrib/demo/run', top_builddir(),
	{ env => { XDG_RUNTIME_DIR => $scratch, APPCTL_RUNTIME_DIR => undef }, out => $out, err => $out, new_group => 1 });

sub wait_output {
	my ($pattern, $what) = @_;
	my $end = Time::HiRes::time() + 20 * slow_factor();
	Time::HiRes::sleep(0.02) while slurp($out) !~ $pattern && Time::HiRes::time() < $end;
	like(slurp($out), $pattern, $what);
}

# As printed, but for the words that are this build's.
sub typed {
	my ($command) = @_;
	my ($line) = slurp($out) =~ /^  (\S+ -r \S+ \Q$command\E)$/m;
	return fail("it prints \"$command\" to type") unless defined $line;
	my $r = run_program('sh', '-c', $line);
	is($r->{exit}, 0, $command) or diag($r->{err});
	return $r->{out};
}

wait_output(qr/mode_stable +mode=normal$/m, 'events are shown from the first one on');
like(slurp($out), qr/^1 .*app_starting +prepare/m, '  which is this');
like(typed('status'), qr/mode normal, stable.*\nAPPLICATION/, '  which tells the mode');
like(typed('plan maintenance'), qr/stop visitor/, '  and what a change would do');
typed('explain site');
typed('status --json');
like(typed('mode maintenance --wait'), qr/is stable/, '  and back');
wait_output(qr/mode_stable +mode=maintenance$/m, 'the other terminal shows it');
typed('mode normal --wait');
my ($url) = slurp($out) =~ /^Its page: (\S+)$/m;
my $page = run_program('python3', '-c', 'import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())', $url);
like($page->{out}, qr/<title>load/, 'the page is there');

# The monitor collects from the first moment on; its first rows take a sample or two.
my ($database) = slurp($out) =~ /^  \S+ -r \S+ monitor top --database (\S+)$/m;
my $end = Time::HiRes::time() + 30 * slow_factor();
my $top = { out => '' };
while (Time::HiRes::time() < $end && $top->{out} !~ /^ *\d+ +site .*$/m) {
	Time::HiRes::sleep(0.2);
	$top = run_program(program('appctl'), 'monitor', 'top', '--database', $database);
}
like($top->{out}, qr/^demo: .* processors.*\n *PID APPLICATION .*\n/, 'the monitor has rows');
like(typed("monitor apps --database $database"), qr/^site +\d/m, '  for each application');
like(typed("monitor events --database $database"), qr/ demo +mode_stable/, '  and the events');
like(typed("monitor top --database $database"), qr/^ *\d+ /m, '  as it says');

# What a terminal does: everything in the foreground gets it.
kill INT => -$demo;
my $status = Appctl::Test::wait_child($demo, 20);
is($status, 0, 'Ctrl-C ends it well');
my @stopped = grep { !/^appctl-/ } slurp($out) =~ /app_stopped +(\S+) reason=shutdown$/mg;
is_deeply(\@stopped, [qw(visitor site page sampler)], '  everything stopped, dependents first, and was shown');
like(slurp($out), qr/Stopped, exit status 0/, '  it says so');

done_testing;
