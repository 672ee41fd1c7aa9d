# SPDX-License-Identifier: MIT
# Keeper and engine are killed, one or both, in any order, below a service manager that starts appctld again: soon all is as it is wanted.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep time);
use Appctl::Test;

needs_root();
needs_cgroup();
needs_program('flock');

my $rounds = 2;		# no more: an engine that dies again and again at once is started ever later
my @names = qw(db web worker once);
alarm 120 * $rounds * slow_factor();

# Each holds a lock while any process of it lives: one that starts beside another of its name says so.
sub application {
	my ($name, $keys) = @_;
	return "$name: { command = \"exec 9>>\@DIR\@/$name.lock; flock -n 9 || echo $name >>\@DIR\@/twice; echo $name \$\$ >>\@DIR\@/starts;"
		. " sleep 1000 & echo >&3; exec sleep 1000\"; ready = { type = \"fd\"; }; $keys };";
}

my $node = Appctl::Test->new(may_leave_processes => 1,
	before => ['/bin/sh', '-c', 'until "$@"; do :; done 2>>@DIR@/manager', 'manager'],
	config => 'applications: { ' . application('db', '') . application('web', 'applications = ["db"];')
		. application('worker', 'applications = ["web"]; shutdown = "infinity";')
		. 'once: { type = "oneshot"; command = "echo once $$ >>@DIR@/starts"; applications = ["db"]; }; };');
$node->{before}[2] = $node->expand($node->{before}[2]);
spew($node->dir . '/starts', '');
$node->start->wait_event({ event => 'mode_stable' });
delete $node->{socket};

sub starts { my %n; $n{ (split)[0] }++ for split /\n/, slurp($node->dir . '/starts'); return \%n }

sub keeper { slurp($node->runtime_dir . '/appctld.lock') =~ /^(\d+)$/m && process_is_alive($1) ? $1 : undef }

sub engine_of {
	my ($keeper) = @_;
	for my $pid ($keeper ? Appctl::Test::descendants($keeper) : ()) {
		return $pid if slurp("/proc/$pid/comm") =~ /^appctl-engine/;
	}
	return undef;
}

# { name => pid } of what runs, once the mode is stable; undef: not yet.
sub settled {
	my $r = run_program(program('appctl'), '-r', $node->runtime_dir, '--json', 'status', { env => $node->environment, timeout => 5 });
	my $status = eval { JSON::PP::decode_json($r->{out}) } // return undef;
	my %app = map { $_->{name} => $_ } @{ $status->{applications} };
	return undef if grep { ($app{$_}{state} // '') ne ($_ eq 'once' ? 'completed' : 'running') } @names;
	return { map { $_ => $app{$_}{pid} } grep { $app{$_}{pid} && process_is_alive($app{$_}{pid}) } @names };
}

sub wait_for {
	my ($what, $code) = @_;
	my $end = time + 20 * slow_factor();
	while (1) {
		my $r = $code->();
		return $r if defined $r;
		time < $end or $node->give_up("not in time: $what\n" . slurp($node->dir . '/manager'));
		sleep 0.005;
	}
}

# Kills them one after the other, each as soon as there is one that was not killed yet; the time of the last.
sub kill_in_turn {
	my (@which) = @_;
	my %killed;
	for my $which (@which) {
		my $pid = wait_for("there is a $which", sub {
			my $p = $which eq 'keeper' ? keeper() : engine_of(keeper());
			return defined $p && !$killed{$p} ? $p : undef;
		});
		$killed{$pid} = 1;
		kill KILL => $pid;
	}
	return time;
}

# Both are known beforehand: the second is killed in the next instant.
sub kill_at_once {
	my (@which) = @_;
	my %pid = (keeper => keeper(), engine => engine_of(keeper()));
	kill KILL => $pid{$_} for @which;
	return time;
}

sub play {
	my ($what, $kill, @which) = @_;
	my ($before, $starts) = (wait_for('it is settled', \&settled), starts());
	my $keeper_dies = grep { $_ eq 'keeper' } @which;
	my $killed = $kill->(@which);
	my $after = wait_for('all is as it was wanted', sub {
		my $now = settled() // return undef;
		return keys %$now == 3 && (!$keeper_dies || $now->{db} != $before->{db}) ? $now : undef;
	});
	my $took = time - $killed;
	my $now = starts();
	cmp_ok($took, '<', 2 * slow_factor(), "$what: all is as it was wanted");
	is(slurp($node->dir . '/twice'), '', '... nothing ran twice');
	if ($keeper_dies) {
		my @more = grep { ($now->{$_} // 0) - ($starts->{$_} // 0) < 1 } @names;
		is("@more", '', '... what the keeper had left was ended, and begun anew');
		is(scalar(grep { process_is_alive($_) } values %$before), 0, '... none of it is left');
	} else {
		is_deeply($after, $before, '... by the same processes');
		is_deeply($now, $starts, '... and nothing was started');
	}
	return $took;
}

my @cases = (
	['the keeper', \&kill_in_turn, 'keeper'],
	['the engine', \&kill_in_turn, 'engine'],
	['the engine, and the keeper at once', \&kill_at_once, 'engine', 'keeper'],
	['the keeper, and the engine at once', \&kill_at_once, 'keeper', 'engine'],
	['the engine, and the next one as soon as it is there', \&kill_in_turn, 'engine', 'engine'],
	['the engine, and the keeper when there is another engine', \&kill_in_turn, 'engine', 'engine', 'keeper'],
	['the keeper, and the next one as soon as it is there', \&kill_in_turn, 'keeper', 'keeper'],
	['the keeper, and the engine of the next one', \&kill_in_turn, 'keeper', 'engine'],
);
my @took;
for my $case (@cases) {
	my ($what, @how) = @$case;
	subtest $what => sub { push @took, play($what, @how) for 1 .. $rounds };
}
@took = sort { $a <=> $b } @took;
diag(sprintf '%d times keeper and engine were killed: all as wanted after %.0f ms (median), %.0f ms (longest)', scalar @took,
	1000 * $took[@took / 2], 1000 * $took[-1]);
$node->{pid} = keeper();
is($node->stop, 0);
ok(!-s $node->dir . '/twice', 'and until the end nothing ran twice');
done_testing;
