# SPDX-License-Identifier: MIT
# appctl reexec: appctld is replaced in its process; no application notices, no event is lost, and a
# new program that is not good changes nothing.
#
# REEXEC_ROUNDS, REEXEC_APPLICATIONS, REEXEC_SUBSCRIBERS: make nightly asks for more of each.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep time);
use Appctl::Test;
use JSON::PP;

my $rounds = $ENV{REEXEC_ROUNDS} // 20;
my $applications = $ENV{REEXEC_APPLICATIONS} // 20;
my $figure;
my $subscribers = $ENV{REEXEC_SUBSCRIBERS} // 5;

sub pids {
	my ($node) = @_;
	return { map { $_->{name} => $_->{pid} } grep { $_->{name} =~ /^a\d/ } @{ $node->appctl_json('status')->{applications} } };
}

sub open_descriptors { return scalar(() = glob "/proc/$_[0]/fd/*") }

sub until_true {
	my ($what, $code) = @_;
	for (1 .. 1000 * slow_factor()) {
		return 1 if $code->();
		sleep 0.01;
	}
	die "not in time: $what\n";
}

# Somebody asks all the time: the longest wait for an answer is the pause.
sub reexec_and_ask {
	my ($node, $file) = @_;
	my ($socket, $longest, $status) = ($node->connect_control, 0);
	spew($file, '');
	my $command = spawn_program(program('appctl'), '-r', $node->runtime_dir, 'reexec', { out => $file, err => $file });
	until (defined($status = Appctl::Test::wait_child($command, 0.0001))) {
		my $asked = time;
		my $reply;
		until ($reply) {
			$node->varlink_send($socket, 'GetMode');
			$reply = $node->varlink_read($socket);
			$socket = $node->connect_control unless $reply;
		}
		my $waited = time - $asked;
		$longest = $waited if $waited > $longest;
	}
	return ($longest, $status, slurp($file));
}

# The test's own subscription, from the first event again.
sub follow_on {
	my ($node) = @_;
	delete $node->{socket};
	@$node{qw(events cursor buffer)} = ([], 0, '');
	$node->subscribe;
	$node->wait_event({ event => 'hello' });
}

subtest "$rounds times under load" => sub {
	my $dir = Appctl::Test::scratch_directory();
	my $stable = join "\n", map { "a$_: { command = [\"/bin/sleep\", \"1000\"]; };" } 1 .. $applications;
	my $node = Appctl::Test->new(config => <<"END");
applications:
{
$stable
	crash1: { command = "echo x >>\@DIR\@/crash1; sleep 0.03; exit 3"; backoff = { min = 0.02; max = 0.05; }; };
	crash2: { command = "echo x >>\@DIR\@/crash2; sleep 0.05; kill -9 \$\$"; backoff = { min = 0.02; max = 0.05; }; };
	busy: { command = "echo x >>\@DIR\@/busy; exec sleep 1000"; };
	what: { command = "ulimit -n; umask; grep -E 'Sig[PBIC]|Cap|NoNew|Groups' /proc/self/status; ls /proc/self/fd | wc -l"; type = "oneshot";
	        log = { type = "file"; path = "\@DIR\@/what"; }; };
};
END
	$node->start;
	$node->wait_event({ event => 'app_running', app => "a$applications" });
	until_true('the oneshot', sub { slurp($node->dir . '/what') =~ /^\d+\n\z/m });
	my $before = pids($node);
	my @files = map { "$dir/events$_" } 1 .. $subscribers;
	my @subscribers = map { spawn_program(program('appctl'), '-r', $node->runtime_dir, '--json', 'events', '--since', 0,
		{ out => $_, err => "$dir/err" }) } @files;
	my $keeper = $node->pid;
	my ($descriptors) = sort { $a <=> $b } map { sleep 0.005; open_descriptors($keeper) } 1 .. 20;
	my (@pauses, @failed);
	for my $round (1 .. $rounds) {
		my $restart = spawn_program(program('appctl'), '-r', $node->runtime_dir, 'restart', 'busy', { err => "$dir/restart" });
		my ($pause, $status, $said) = reexec_and_ask($node, "$dir/said");
		push @failed, "round $round: $said" if $status || $said !~ /^appctld \S+ was replaced by \S+$/;
		push @pauses, $pause;
		push @failed, "round $round: restart" if !defined Appctl::Test::wait_child($restart, 10);
	}
	is("@failed", '', 'each time it is replaced');
	is($node->appctl_json('status')->{replaced}, $rounds, 'and counts');
	is($node->appctl_json('status')->{pid}, $keeper, 'in the same process');
	is_deeply(pids($node), $before, 'applications go on under their pids');
	# One more may be open for the moment that a start takes.
	ok(until_true('as few descriptors as before', sub { open_descriptors($keeper) <= $descriptors }), 'no descriptor is left open');
	my $what = slurp($node->dir . '/what');
	spew($node->dir . '/what', '');
	$node->appctl('restart', 'what');
	until_true('the oneshot', sub { slurp($node->dir . '/what') =~ /^\d+\n\z/m });
	is(slurp($node->dir . '/what'), $what, 'a child finds all as before: limits, masks, descriptors');

	follow_on($node);
	is($node->stop(30), 0, 'and appctld ends as ever');
	Appctl::Test::wait_child($_, 10) for @subscribers;
	for my $file (@files) {
		my @events = map { decode_json($_) } grep { /^\{/ } split /\n/, slurp($file);
		my @seqs = map { $_->{seq} } grep { defined $_->{seq} && $_->{event} ne 'hello' } @events;
		my $expected = 1;
		my @wrong = grep { $_ != $expected++ } @seqs;
		is("@wrong[0 .. ($#wrong > 5 ? 5 : $#wrong)]", '', scalar(@seqs) . ' events, none lost, none twice');
		is(scalar(grep { $_->{event} eq 'lost' } @events), 0, 'nor said to be lost');
		next if $file ne $files[0];
		for my $app ('crash1', 'crash2', 'busy') {
			my %n;
			$n{ $_->{event} }++ for grep { ($_->{app} // '') eq $app } @events;
			my $started = () = slurp($node->dir . "/$app") =~ /x/g;
			is($n{app_exited}, $n{app_starting}, "$app: every start has its exit");
			cmp_ok($n{app_starting} - $started, '<=', 1, "$app: and was one start");
			cmp_ok($n{app_starting} - $started, '>=', 0, "$app: no more");
		}
	}
	@pauses = sort { $a <=> $b } @pauses;
	$figure = sprintf('%d times, %d applications, %d subscribers: pause p50 %.1f ms, p99 %.1f ms', $rounds, $applications,
		$subscribers, $pauses[@pauses / 2] * 1000, $pauses[int(@pauses * 0.99)] * 1000);
};
diag($figure) if $ENV{REEXEC_ROUNDS};

done_testing;
