# SPDX-License-Identifier: MIT
# A client that is killed at any of its system calls: its command is done, or was never heard of.
use strict;
use warnings;
use Test::More;
use Appctl::Test;
use JSON::PP;

needs_program('strace');
my $node = Appctl::Test->new(config => <<'END')->start;
applications:
{
  db: { command = ["/bin/sleep", "1000"]; };
  web: { command = ["/bin/sleep", "1000"]; applications = ["db"]; };
};
roles: { storage = ["db"]; active = ["web"]; };
modes: { normal = ["storage", "active"]; less = ["storage"]; };
default_mode = "normal";
END
$node->wait_event({ event => 'mode_stable' });
my $engine = $node->engine_pid;
my $run = run_program('strace', '-o', '/dev/null', 'true');
plan(skip_all => 'strace may not trace here') if $run->{exit} // 1;

# Runs it with a kill at the n-th of those calls; false: it came to its end.
sub killed_at {
	my ($call, $n, @command) = @_;
	my $r = run_program('strace', '-f', '-o', '/dev/null', '-e', "inject=$call:signal=KILL:when=$n", program('appctl'), '-r',
		$node->runtime_dir, @command, { env => { %{ $node->environment }, ASAN_OPTIONS => 'detect_leaks=0' } });
	return $r->{signal};
}

sub state_of { $node->varlink('Status', { names => [$_[0]] })->{parameters}{applications}[0]{state} }

# What is done with it, and what is seen of it, one way or the other.
my @commands = (
	[['restart', 'web'], sub { 'running' eq state_of('web') || $node->varlink('AwaitApplication', { name => 'web' })->{parameters}{state} }],
	[['stop', 'web'], sub { state_of('web') =~ /^(running|stopping|stopped)$/ }],
	[['start', 'web'], sub { state_of('web') =~ /^(running|starting|stopping|stopped)$/ }],
	[['mode', 'less', '--wait'], sub { $node->varlink('GetMode')->{parameters}{mode} =~ /^(normal|less)$/ }],
	[['mode', 'normal', '--wait'], sub { $node->varlink('GetMode')->{parameters}{mode} =~ /^(normal|less)$/ }],
	[['reload'], sub { $node->varlink('GetMode')->{parameters}{mode} }],
	[['status'], sub { 1 }],
);
my $kills = 0;
for my $case (@commands) {
	my ($command, $check) = @$case;
	for my $call ('connect', '/^(send|write)', '/^(recv|read)', '/^p?poll') {
		for my $n (1 .. 40) {
			my $signal = killed_at($call, $n, @$command) or last;
			$kills++;
			ok($check->(), "@$command, killed at its $call $n") unless $n > 3 && $n % 10;
		}
	}
}
cmp_ok($kills, '>', 20, "$kills clients were killed");
is($node->engine_pid, $engine, 'it is the same engine all the time');
my $mode = $node->varlink('SetMode', { mode => 'normal', await => JSON::PP::true });
is($mode->{parameters}{mode}, 'normal', 'and all still works');
is($node->varlink('IsModeStable')->{parameters}{stable}, JSON::PP::true);
is($node->stop, 0);
done_testing;
