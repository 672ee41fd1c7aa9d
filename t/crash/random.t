# SPDX-License-Identifier: MIT
# The engine is killed at random moments, with clients, subscribers and applications that end meanwhile.
use strict;
use warnings;
use Appctl::Crash;
use Appctl::Test;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

alarm(0);
my $kills = long_form() ? 1000 : 20;
my $seed = $ENV{APPCTL_TEST_SEED} // time;
srand $seed;
my $json = JSON::PP->new->utf8;

my @apps = map { sprintf 'a%d', $_ } 1 .. 8;
my $node = Appctl::Test->new(config => 'applications: {' . join('', map {
	my $ready = $_ % 2 ? 'echo >&3; ' : '';
	my $keys = $_ % 2 ? 'ready = { type = "fd"; timeout = 30.0; };' : '';
	$keys .= sprintf ' applications = ["a%d"];', $_ - 1 if $_ % 4 > 1;
	qq(a$_: { command = "echo a$_ \$\$ >>\@DIR\@/starts; ${ready}exec sleep 1000"; backoff = { min = 0.0; max = 0.0; }; $keys log = { type = "null"; }; };\n);
} 1 .. 8) . '}; roles: { core = ["a1", "a2", "a3", "a4"]; extra = ["a5", "a6", "a7", "a8"]; };
	modes: { full = ["core", "extra"]; less = ["core"]; }; default_mode = "full";')->start;
$node->wait_event({ event => 'mode_stable' });

# Those who follow it all, each by libappctl.
my @followers;
for my $i (1 .. 4) {
	my $out = $node->dir . "/follower$i";
	spew($out, '');
	push @followers, { out => $out, err => "$out.err", pid => spawn_program(program('appctl'), '-r', $node->runtime_dir, '--json', 'events', '--since', '0',
		{ env => $node->environment, out => $out, err => "$out.err" }) };
}

# Those who ask, again and again, each in a process of its own; whatever goes wrong with them is in their file.
sub client {
	my ($name, @commands) = @_;
	my $list = join '; ', map { "'" . program('appctl') . "' -r '" . $node->runtime_dir . "' $_ || echo \$? >>" . $node->dir . "/$name.bad" } @commands;
	return spawn_program('sh', '-c', "while :; do $list; done", { err => $node->dir . "/$name.err" });
}
my @clients = (client('status', 'status', 'status a1', 'await 20'), client('mode', 'mode less --wait=20', 'mode full --wait=20'));

# The newest pid by what the processes say, so that one that lives is hit.
sub newest {
	my %pid = map { split ' ' } split /\n/, slurp($node->dir . '/starts');
	return \%pid;
}

# The answer that all is as it should be, from an engine after the one that is dead.
sub wanted_again {
	my ($since) = @_;
	my $end = time + 10 * slow_factor();
	while (time < $end) {
		my $socket = IO::Socket::UNIX->new(Type => Socket::SOCK_STREAM(), Peer => $node->runtime_dir . '/control.sock') or next;
		$node->varlink_send($socket, 'AwaitStableMode', { timeout => 10 });
		my $reply = $node->varlink_read($socket) // next;
		return time - $since unless $reply->{error};
	}
	$node->give_up('the wanted state did not come again');
}

my (@recovery, %killed);
for my $n (1 .. $kills) {
	# Two more soon after the first; then it stays up for long enough to be thought well.
	sleep($n % 3 ? rand 0.1 : 1.05 + rand 0.2);
	my $engine = $node->engine_pid // do { sleep 0.01; redo };
	my $pids = newest();
	my $victim = $apps[rand 4];
	# A sanitizer would take the other one for a finding.
	kill $n % 3 || slow_factor() > 1 ? 'KILL' : 'SEGV', $engine;
	my $at = time;
	if ($n % 4 == 0 && kill 0, $pids->{$victim}) {
		kill USR2 => $pids->{$victim};
		$killed{ $pids->{$victim} } = $victim;
	}
	push @recovery, 1000 * wanted_again($at);
}
Appctl::Test::wait_child($_, 0.001) // kill TERM => $_ for @clients;
Appctl::Test::wait_child($_, 5) for @clients;
is($node->appctl('mode', 'full', '--wait=20')->{exit}, 0, 'and all still works');
my %lives = %{ newest() };
ok(process_is_alive($lives{$_}), "$_ lives") for @apps;
delete $node->{socket};
$node->signal('TERM');
is($node->wait_end, 0, 'ends well');
Appctl::Test::wait_child($_->{pid}, 5) for @followers;

# What the followers saw: all of them the same, without a gap or a repeat.
my (@seen, $first);
for my $f (@followers) {
	my $text = slurp($f->{out});
	$first //= $text;
	my @events = map { $json->decode($_) } split /\n/, $text;
	my @seqs = map { $_->{seq} } grep { $_->{event} ne 'hello' } @events;
	my ($wrong) = grep { $seqs[$_] != $_ + 1 } 0 .. $#seqs;
	ok(!defined $wrong, scalar(@seqs) . ' events without a gap or a repeat') or diag("after $seqs[$wrong - 1] comes $seqs[$wrong]");
	@seen = @events if @events > @seen;
}

# One process an application at a time, so starts and ends have one order; a process number may come again in a long run.
my (%starts, %ends, %running, @twice);
for (split /\n/, slurp($node->dir . '/starts')) {
	my ($app, $pid) = split ' ';
	push @{ $starts{$app} }, $pid;
}
for my $ev (@seen) {
	push @twice, "$ev->{app} $ev->{pid}" if $ev->{event} eq 'app_running' && $running{ $ev->{app} }++;
	$running{ $ev->{app} } = 0 if $ev->{event} eq 'app_stopped';
	push @{ $ends{ $ev->{app} } }, $ev if $ev->{event} eq 'app_exited' && $ev->{pid};
}
is("@twice", '', 'nothing runs twice');
# One that is stopped early may not have come to say that it began; but then it was told to end.
my ($processes, %killed_by, @wrong) = (0);
for my $app (@apps) {
	my @said = @{ $starts{$app} // [] };
	my $last = 0;
	$processes += @said;
	for my $end (@{ $ends{$app} // [] }) {
		push @wrong, "$app $end->{pid}: told twice" if $end->{pid} == $last;
		$last = $end->{pid};
		$killed_by{ $end->{pid} } .= ($end->{signal} // $end->{status}) . ' ';
		if (@said && $said[0] == $end->{pid}) {
			shift @said;
		} elsif (($end->{signal} // '') !~ /^(?:TERM|KILL)$/) {
			push @wrong, "$app $end->{pid}: ended by itself and never began";
		}
	}
	push @wrong, map { "$app $_: lost" } @said;
}
is("@wrong[0 .. ($#wrong > 9 ? 9 : $#wrong)]", '', "$processes processes: no exit is lost or told twice");
is(join(' ', grep { ($killed_by{$_} // '') !~ /\b(?:USR2|TERM)\b/ } keys %killed), '', 'and what was killed is told as killed');
my %left = map { $_ => 1 } Appctl::Test::descendants($$);
is(join(' ', grep { $left{$_} } map { @$_ } values %starts), '', 'no orphan is left');

# A client may hear that the outcome is not known, or that nobody answers in time, and what was still to come; nothing else.
for my $name (qw(status mode)) {
	my @odd = grep { !/^  / && !/outcome|unknown|cannot be reached|not reached|ended|timed out|not stable/ } split /\n/, slurp($node->dir . "/$name.err");
	is(join("\n", @odd), '', "what the $name client heard");
}
diag(sprintf '%d kills at random (seed %s): wanted state again after %.0f ms (median), %.0f ms (p99)', scalar @recovery, $seed,
	percentile(50, @recovery), percentile(99, @recovery));
done_testing;
