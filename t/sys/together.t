# SPDX-License-Identifier: MIT
# Many that start at once: each goes its way to its program by itself.
use strict;
use warnings;
use POSIX ();
use Test::More;
use Appctl::Test;

sub config_of { return join "\n", 'applications: {', (map { "$_->[0]: { $_->[1] };" } @_), '};' }

my $sleep = 'command = ["/bin/sleep", "1000"];';

subtest 'who is slow on the way keeps nobody waiting' => sub {
	needs_program('strace');
	plan(skip_all => 'strace cannot trace here') if system('strace -f -o /dev/null true >/dev/null 2>&1') != 0;
	plan(skip_all => 'one after the other on this machine') if (POSIX::uname())[4] ne 'x86_64';
	my $node = Appctl::Test->new(env => { ASAN_OPTIONS => 'detect_leaks=0' }, config => config_of(map { ["a$_", $sleep] } 1 .. 30));
	my $trace = $node->dir . '/trace';
	$node->{before} = ['strace', '-f', '-qq', '-o', $trace, '-e', 'trace=clone3,setsid,execve', '-e', 'inject=setsid:delay_exit=100000'];
	$node->start;
	$node->wait_event({ event => 'mode_stable' });
	is(scalar $node->events_so_far({ event => 'app_running' }), 30, 'all run');
	my @lines = split /\n/, slurp($trace);
	# How many have begun and not got their program yet, at the best of times: how many orders come at once is the engine's affair.
	my ($under_way, $most, %begun) = (0, 0);
	for (@lines) {
		my ($pid) = /^(\d+)/;
		$under_way++, $begun{$pid} = 1 if /setsid\(/ && !$begun{$pid};
		$under_way--, delete $begun{$pid} if /execve\("/ && $begun{$pid};
		$most = $under_way if $under_way > $most;
	}
	cmp_ok($most, '>', 1, 'several are on their way at once') or diag(join "\n", @lines);
	is($node->stop, 0);
};

subtest 'some of many cannot begin, each for its own reason' => sub {
	my @reasons = (['exec', POSIX::ENOENT(), 'command = ["/nonexistent/program"];'], ['exec', POSIX::EACCES(), 'command = ["/"];'],
		['directory', POSIX::ENOENT(), "$sleep directory = \"/nonexistent\";"], ['directory', POSIX::ENOTDIR(), "$sleep directory = \"/dev/null\";"],
		['log', POSIX::ELOOP(), "$sleep log = { type = \"file\"; path = \"\@DIR\@/link\"; };"]);
	my $node = Appctl::Test->new(config => config_of(map { my $i = $_;
		["good$i", $sleep], map { ["bad$i-$_", "$reasons[$_][2] restart = \"temporary\";"] } 0 .. $#reasons } 1 .. 20));
	symlink '/dev/null', $node->dir . '/link';
	$node->start;
	$node->wait_event({ event => 'mode_failed' });
	my %exit = map { $_->{app} => $_ } $node->wait_count({ event => 'app_exited' }, 20 * @reasons);
	my @wrong;
	for my $i (1 .. 20) {
		for my $r (0 .. $#reasons) {
			my ($step, $error) = @{ $reasons[$r] };
			local $! = $error;
			my $e = $exit{"bad$i-$r"} // {};
			push @wrong, $e if ($e->{step} // '') ne $step || ($e->{error} // '') ne "$!";
		}
	}
	is(scalar @wrong, 0, 'every one says why') or diag(explain($wrong[0]));
	my @good = $node->wait_count({ event => 'app_running' }, 20);
	is(scalar(keys %{ { map { $_->{app} => 1 } @good } }), 20, 'all the others run');
	is(scalar(grep { process_is_alive($_->{pid}) } @good), 20, 'and stay so');
	is($node->stop, 0);
};

subtest 'what one asks for is not had by others' => sub {
	my $node = Appctl::Test->new(config => config_of(map { ["plain$_", $sleep], ["scored$_", "$sleep oom_score_adj = 567;"] } 1 .. 10))->start;
	$node->wait_event({ event => 'mode_stable' });
	my $ours = slurp("/proc/$$/oom_score_adj");
	for my $e ($node->events_so_far({ event => 'app_running' })) {
		is(slurp("/proc/$e->{pid}/oom_score_adj"), $e->{app} =~ /plain/ ? $ours : "567\n", $e->{app});
	}
	is(slurp('/proc/' . $node->pid . '/oom_score_adj'), $ours, 'nor by appctld');
	is($node->stop, 0);
};

done_testing;
