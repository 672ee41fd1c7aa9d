# SPDX-License-Identifier: MIT
# More than a thousand connections of several users, and a byte a second on each: what they may hold, for how long, and that root gets in.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep time);
use Appctl::Test;

needs_root();

my ($users, $of_each) = (6, 250);	# 1024 in all, 200 of one user, 16 are kept for root
my $node = Appctl::Test->new(config => 'applications: { web: { command = ["/bin/sleep", "1000"]; }; };')->start;
$node->wait_event({ event => 'mode_stable' });
my $engine = $node->engine_pid;
my $idle = descriptors();

sub descriptors { my @all = glob "/proc/$engine/fd/*"; return scalar @all }

# Says how many of its connections were refused, and when the first and the last of the others were closed.
my $program = <<'END';
	use IO::Socket::UNIX;
	use Time::HiRes qw(time);
	my ($path, $n, $uid) = @ARGV;
	$SIG{PIPE} = "IGNORE";
	$) = "$uid $uid"; $( = $uid; $> = $uid; $< = $uid;
	my @all = map { IO::Socket::UNIX->new(Type => SOCK_STREAM(), Peer => $path) || die "$path: $!" } 1 .. $n;
	my ($begin, %left, @closed) = (time, map { fileno $_ => $_ } @all);
	my ($refused, $next) = (0, $begin);
	$_->syswrite("{") for @all;
	while (%left && time - $begin < 60) {
		if (time >= $next) {
			$_->syswrite(" ") for values %left;
			$next += 1;
		}
		my $bits = "";
		vec($bits, $_, 1) = 1 for keys %left;
		my $wait = $next - time;
		next unless select($bits, undef, undef, $wait > 0 ? $wait : 0) > 0;
		for my $fd (grep { vec $bits, $_, 1 } keys %left) {
			my $said = "";
			sysread delete $left{$fd}, $said, 4096;
			$said =~ /Busy/ ? $refused++ : push @closed, time - $begin;
		}
	}
	printf "refused %d closed %d first %.1f last %.1f left %d\n", $refused, scalar @closed, $closed[0] || 0, $closed[-1] || 0, scalar keys %left;
END

sub crowd {
	my ($socket, $uid, $count) = @_;
	my $out = $node->dir . "/$socket.$uid";
	spew($out, '');
	spawn_program($^X, '-e', $program, $node->runtime_dir . "/$socket", $count, $uid, { out => $out });
	return $out;
}

sub said { my ($out) = @_; return slurp($out) =~ /\n/ }

my @control = map { crowd('control.sock', 61000 + $_, $of_each) } 1 .. $users;
my @events = crowd('events.sock', 61000, 1000);
my (@answers, $most);
my $end = time + 60 * slow_factor();
until (!grep({ !said($_) } @control, @events) || time > $end) {
	my $n = descriptors();
	$most = $n if $n > ($most // 0);
	my $start = time;
	my $r = $node->varlink('GetMode');
	push @answers, time - $start;
	last if $r->{error};
	sleep 0.1;
}
@answers = sort { $a <=> $b } @answers;
cmp_ok(scalar @answers, '>', 20, 'root is answered all the while');
cmp_ok($answers[-1], '<', 0.5 * slow_factor(), '... quickly');
is($node->engine_pid, $engine, '... by the same engine');

my ($refused, $held) = (0, 0);
for my $out (@control) {
	my ($r, $c, $first, $last, $left) = slurp($out) =~ /^refused (\d+) closed (\d+) first (\S+) last (\S+) left (\d+)$/ or diag(slurp($out));
	cmp_ok($c, '<=', 200, 'a user has no more than 200 connections');
	is($left, 0, '... and none of them for ever');
	cmp_ok($first, '>', 8, '... though for a while');
	cmp_ok($last, '<', 10 + 5 * slow_factor(), '... but not longer than a message may take');
	$refused += $r;
	$held += $c;
}
is($held + $refused, $users * $of_each, 'each of them is closed, or told that there are too many');
cmp_ok($held, '>=', 1000, 'a thousand are held');
cmp_ok($held, '<=', 1024 - 16, 'and room is left for root');
my ($first, $last) = slurp($events[0]) =~ /^refused 0 closed 1000 first (\S+) last (\S+) left 0$/;
ok(defined $first, 'a thousand who would subscribe, a byte a second, are closed') or diag(slurp($events[0]));
cmp_ok($first // 0, '>', 8, '... after a while');
cmp_ok($last // 99, '<', 10 + 5 * slow_factor(), '... not longer than a request may take');
sleep 0.01 until descriptors() <= $idle || time > $end;
is(descriptors(), $idle, 'nothing of them is left');
diag(sprintf '%d connections at once, root answered within %.0f ms', $most - $idle, 1000 * $answers[-1]);
is($node->stop, 0);
done_testing;
