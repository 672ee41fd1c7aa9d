# SPDX-License-Identifier: MIT
# Random, changed and half-open sessions on a live daemon: it goes on, loses nothing, and answers who behaves well.
use strict;
use warnings;
use Test::More;
use JSON::PP;
use Time::HiRes ();
use Appctl::Test;

my $nightly = $ENV{APPCTL_NIGHTLY};
my $count = $ENV{APPCTL_TEST_SESSIONS} // ($nightly ? 1_000_000 : 1000);
my $seed = $ENV{APPCTL_TEST_SEED} // 1;
my $node = Appctl::Test->new(config => <<'END')->start;
applications: {
	db: { command = ["/bin/sleep", "1000"]; backoff = { min = 0.01; max = 0.1; }; };
	web: { command = ["/bin/sleep", "1000"]; applications = ["db"]; };
	job: { command = ["/bin/true"]; type = "oneshot"; };
};
roles: { base = ["db", "job"]; front = ["web"]; }; modes: { normal = ["base", "front"]; less = ["base"]; };
default_mode = "normal";
END
$node->wait_event({ event => 'mode_stable' });
my %pid = (engine => $node->engine_pid, keeper => $node->pid);

sub descriptors { my @fds = glob "/proc/$pid{$_[0]}/fd/*"; scalar @fds }
my $idle = descriptors('engine') - 1;		# without the test's own subscription
my $keepers = descriptors('keeper');
sub memory_kib { slurp("/proc/$pid{$_[0]}/status") =~ /^VmRSS:\s+(\d+)/m ? $1 : 0 }

# The test itself follows no longer: it could not read as fast.
delete $node->{socket};

# Who stopped sending, waited for an answer and went is missed after five seconds.
sub come_to_rest {
	my $end = Time::HiRes::time() + 20 * slow_factor();
	$node->varlink('SetMode', { mode => 'normal', await => JSON::PP::true });
	$node->varlink('Start', { name => $_, await => JSON::PP::true }) for qw(db web);
	Time::HiRes::sleep(0.02) until descriptors('engine') <= $idle || Time::HiRes::time() > $end;
}

my $program = program('t/fuzz/sessions');
sub attack {
	my ($n) = @_;
	my $r = run_program($program, $node->runtime_dir, $n, $seed, { timeout => 60 + $n / 100 });
	is($r->{exit}, 0, "$n sessions, and who behaves well was always answered") or diag($r->{err}, $node->log_text);
	return $r->{out} =~ /(\w+_us) (\d+)/g;
}

attack($count / 10);
my %before = map { $_ => memory_kib($_) } keys %pid;
my %took = attack($count);
come_to_rest();

is($node->engine_pid, $pid{engine}, 'the engine is the one that it was') or diag($node->log_text);
is(descriptors('engine'), $idle, 'the engine has no more descriptors than before');
is(descriptors('keeper'), $keepers, 'nor has the keeper');
for my $who (sort keys %pid) {
	my $grown = memory_kib($who) - $before{$who};
	# A sanitizer keeps what was freed for a while; at its end it tells what was lost.
	cmp_ok($grown, '<', slow_factor() > 1 ? 400 * 1024 : 1024, "the $who has not grown ($grown KiB)");
}
# A figure and no assertion: it says as much of the machine as of the daemon.
diag(sprintf '%d sessions: who behaves well is answered in %.2f ms (p50), %.2f ms (p99), during the attack %.2f and %.2f ms', $count,
	map { $_ / 1000 } @took{qw(idle_p50_us idle_p99_us attack_p50_us attack_p99_us)});
is($node->stop, 0, 'it ends as it should');
done_testing;
