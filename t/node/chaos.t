# SPDX-License-Identifier: MIT
# Three nodes in network namespaces whose ways break, lose, and come back, and whose processes are stopped and killed, while
# messages and tasks flow between all of them: nothing twice, nothing out of order, nothing lost without a word to who sent
# it, no task left behind, no link that is only half there.  NODE_CHAOS_SECONDS, NODE_CHAOS_SEED; nightly: for long.
use strict;
use warnings;

use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

use Appctl::Test;
use Appctl::Network;
use Appctl::Node;

my $seconds = $ENV{NODE_CHAOS_SECONDS} // ($ENV{APPCTL_NIGHTLY} ? 600 : 12);
my $seed = $ENV{NODE_CHAOS_SEED} // int(time * 1000) % 2**31;
my $heartbeat = 1;
my @names = qw(alice bob carol);

my $network = Appctl::Network->new(scalar @names);
alarm $seconds + 240 * slow_factor();
srand $seed;
$network->order("seed $seed");

# What flows: each node sends to the others as fast as answers come, and keeps what became of each message; each keeps what
# came, by the number that it has in the mailbox, so that what is told again because nobody had taken it counts once.
my $sender = <<'END';
use strict; use warnings; use IO::Socket::UNIX; use IO::Handle; $SIG{PIPE} = 'IGNORE';
my ($to, $file) = @ARGV;
open my $log, '>>', $file or die; $log->autoflush(1);
my $i = 0;
while (1) {
	my $s = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => "$ENV{APPCTL_RUNTIME_DIR}/node/mail.sock");
	unless ($s) { select undef, undef, undef, 0.02; next }
	my ($base, %open) = ($i);
	select undef, undef, undef, 0.02;
	while (1) {
		while (keys %open < 20) {
			$i++;
			$open{$i} = 1;
			print $log "try $i\n";
			last unless syswrite $s, qq({"to":"$to","text":"$i"}\n);
		}
		my $line = <$s>;
		last unless defined $line && $line =~ /\n\z/;
		select undef, undef, undef, 0.001;
		if ($line =~ /"sent":\[(\d+),(\d+)\]/) { for my $n ($1 .. $2) { print $log "sent ", $base + $n, "\n"; delete $open{$base + $n} } }
		elsif ($line =~ /"failed":(\d+).*"error":"(\w+)"/) { print $log "failed ", $base + $1, " $2\n"; delete $open{$base + $1}; select undef, undef, undef, 0.01 }
		else { print $log "what $line" }
	}
	print $log "unknown $_\n" for sort { $a <=> $b } keys %open;
}
END

my $sink = <<'END';
use strict; use warnings; use IO::Socket::UNIX; use IO::Handle; $SIG{PIPE} = 'IGNORE';
open my $log, '>>', $ARGV[0] or die; $log->autoflush(1);
while (1) {
	my $s = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => "$ENV{APPCTL_RUNTIME_DIR}/node/mail.sock");
	unless ($s) { select undef, undef, undef, 0.02; next }
	syswrite $s, qq({"receive":true}\n);
	while (my $line = <$s>) {
		if ($line =~ /"error":"busy"/) { select undef, undef, undef, 0.02; last }
		my ($n) = $line =~ /"n":(\d+)/ or next;
		my ($from) = $line =~ /"from":"([^"]*)"/; my ($text) = $line =~ /"text":"([^"]*)"/;
		print $log "$n $from $text\n";
		syswrite $s, qq({"done":$n}\n);
	}
}
END

# Commands and tasks on the others, one after the other, linked: how each ended, and what it printed.
my $spawner = <<'END';
use strict; use warnings; use IO::Handle;
my ($file, $appctl, @nodes) = @ARGV;
open my $log, '>>', $file or die; $log->autoflush(1);
while (1) {
	my $node = $nodes[rand @nodes];
	my $seconds = rand() < 0.2 ? 30 : 0.1;
	my $how = rand() < 0.5 ? 'spawn' : 'task run';
	my $pid = open my $out, '-|', "exec timeout 1 $appctl -n $node $how -- sh -c 'echo of \$APPCTL_CALLER; exec sleep $seconds' 2>&1" or die;
	my $text = join '', <$out>;
	close $out;
	print $log $? >> 8, ' ', $text =~ s/\n/ /gr, "\n";
	select undef, undef, undef, 0.05;
}
END

my @nodes = map { Appctl::Node->new(node => $_, before => [$network->inside($_ eq 'alice' ? 0 : $_ eq 'bob' ? 1 : 2)],
	address => $network->address($_ eq 'alice' ? 0 : $_ eq 'bob' ? 1 : 2), heartbeat => "${heartbeat}s", settings => q(remote_user = "nobody";)) } @names;
for my $i (0 .. $#nodes) {
	my $node = $nodes[$i];
	$node->{peers} = [grep { $_ != $node } @nodes];
	$node->write_settings;
	spew($node->dir . '/sender.pl', $sender);
	spew($node->dir . '/sink.pl', $sink);
	spew($node->dir . '/spawner.pl', $spawner);
	my @apps = qq(sink: { command = ["perl", "\@DIR\@/sink.pl", "\@DIR\@/sunk"]; };);
	push @apps, map { qq(to-$_: { command = ["perl", "\@DIR\@/sender.pl", "$_/sink", "\@DIR\@/to-$_"]; };) } grep { $_ ne $names[$i] } @names;
	push @apps, sprintf 'spawner: { command = ["perl", "@DIR@/spawner.pl", "@DIR@/spawned", "%s", %s]; };', program('appctl'),
		join ', ', map { qq("$_") } grep { $_ ne $names[$i] } @names;
	$node->dropin('flow.conf', "applications: { @apps };\n");
	$node->define_tasks;
	$node->start;
}
$_->wait_node for @nodes;

# --- what is done to them ------------------------------------------------------

my %done;

sub process_of {
	my ($node, $app) = @_;
	my ($pid) = map { $_->{pid} } grep { $_->{name} eq $app } @{ $node->appctl_json('status')->{applications} };
	return $pid;
}

sub pause_process {
	my ($pid) = @_;
	return unless $pid && kill STOP => $pid;
	sleep rand 3 * $heartbeat;
	kill CONT => $pid;
}

my @trouble = (
	[cut_both => sub { my ($i, $j) = @_; $network->cut_both($i, $j); sleep rand 4 * $heartbeat; $network->heal }],
	[cut_one_way => sub { my ($i, $j) = @_; $network->cut($i, $j); sleep rand 4 * $heartbeat; $network->heal }],
	[loss => sub { $network->loss(5 + int rand 25); sleep rand 2; $network->heal }],
	[pause_node => sub { my ($i) = @_; pause_process(process_of($nodes[$i], 'appctl-node')) }],
	[pause_engine => sub { my ($i) = @_; pause_process($nodes[$i]->engine_pid) }],
	[kill_node => sub { my ($i) = @_; my $pid = process_of($nodes[$i], 'appctl-node'); kill KILL => $pid if $pid }],
	[kill_tasks => sub { my ($i) = @_; my $pid = process_of($nodes[$i], 'appctl-tasks'); kill KILL => $pid if $pid }],
	[kill_engine => sub { my ($i) = @_; kill KILL => $nodes[$i]->engine_pid }],
	[restart_sink => sub { my ($i) = @_; $nodes[$i]->appctl('restart', 'sink') }],
);

my $end = time + $seconds;
my $turn = 0;
while (time < $end || $turn < @trouble) {
	my ($name, $do) = @{ $trouble[$turn < @trouble ? $turn : int rand @trouble] };
	my $i = int rand @nodes;
	$do->($i, ($i + 1 + int rand(@nodes - 1)) % @nodes);
	$done{$name}++;
	$turn++;
	sleep rand 0.5;
}
$network->heal;

# --- quiet: all goes again ------------------------------------------------------

my $json = JSON::PP->new;

sub links_of { my ($node) = @_; return eval { $node->nodes } // {} }

# Every way is there again, and messages of the last second come through.
sub until_true {
	my ($what, $limit, $test) = @_;
	my $last = time + $limit * slow_factor();
	sleep 0.05 until $test->() || time > $last;
	ok($test->(), $what);
}

sub lines_of { my ($node, $name) = @_; return split /\n/, slurp($node->dir . "/$name") }

for my $node (@nodes) {
	for my $to (grep { $_ ne $node->name } @names) {
		my $before = () = slurp($node->dir . "/to-$to") =~ /^sent/mg;
		until_true($node->name . " reaches $to again", 60, sub { (() = slurp($node->dir . "/to-$to") =~ /^sent/mg) > $before + 100 });
	}
}
for my $node (@nodes) {
	$node->appctl('stop', $_) for 'spawner', map { "to-$_" } grep { $_ ne $node->name } @names;
}
# What is in the mailboxes is read to its end.
for my $node (@nodes) {
	my $size = -1;
	my $same = 0;
	for (1 .. 1000) {
		my $now = -s $node->dir . '/sunk' // 0;
		$same = $now == $size ? $same + 1 : 0;
		$size = $now;
		last if $same > 20;
		sleep 0.05;
	}
}

my ($sent, $failed, $unknown) = (0, 0, 0);
for my $to (@nodes) {
	my (%by, %number);
	for (lines_of($to, 'sunk')) {
		my ($n, $from, $text) = split ' ';
		$by{$from}{$n} = $text;
	}
	for my $from (grep { $_ != $to } @nodes) {
		my $pair = $from->name . ' to ' . $to->name;
		my $got = $by{ $from->name . '/to-' . $to->name } // {};
		my @came = @$got{ sort { $a <=> $b } keys %$got };
		my (%times, @wrong_order, @lost, %fate, %tried);
		$times{$_}++ for @came;
		for my $k (1 .. $#came) { push @wrong_order, "$came[$k - 1] $came[$k]" if $came[$k] <= $came[$k - 1] }
		for (lines_of($from, 'to-' . $to->name)) {
			my ($word, $i) = split ' ';
			$word eq 'try' ? ($tried{$i} = 1) : ($fate{$i} = $word);
		}
		my @twice = grep { $times{$_} > 1 } keys %times;
		push @lost, grep { $fate{$_} eq 'sent' && !$times{$_} } keys %fate;
		my @never = grep { !$tried{$_} } keys %times;
		is_deeply([[@twice], [@wrong_order], [@lost], [@never]], [[], [], [], []], "$pair: none twice, out of order, lost, or from nowhere");
		$sent += grep { $_ eq 'sent' } values %fate;
		$failed += grep { $_ eq 'failed' } values %fate;
		$unknown += grep { $_ eq 'unknown' } values %fate;
	}
}

# Commands and tasks: who was told that all went well had all of it; nothing runs on whose caller has gone.
my %ends;
for my $node (@nodes) {
	my @bad;
	for (lines_of($node, 'spawned')) {
		my ($status, $text) = split ' ', $_, 2;
		$ends{$status}++;
		push @bad, $_ if $status == 0 && $text ne 'of ' . $node->name . '/spawner ';
	}
	is_deeply(\@bad, [], $node->name . ': no command ended well without its output');
	until_true('no command of others is left on ' . $node->name, 30, sub {
		!grep { $_->{transient} && $_->{state} =~ /running|starting|stopping/ } @{ $node->appctl_json('status')->{applications} } });
}
ok($ends{0}, 'commands came through: ' . join ', ', map { "$ends{$_} with status $_" } sort { $a <=> $b } keys %ends);

# A link that broke is known to be broken within the heartbeat's limit, on both sides.
$network->cut_both(0, 1);
for my $pair ([0, 'bob'], [1, 'alice']) {
	my ($i, $other) = @$pair;
	until_true("$names[$i] sees within two heartbeats that $other is gone", 2 * $heartbeat + 1,
		sub { (links_of($nodes[$i])->{$other}{state} // '') ne 'up' });
}
$network->heal;

note(sprintf '%d messages: %d arrived, %d failed, %d of unknown outcome; %s (seed %d)', $sent + $failed + $unknown, $sent, $failed, $unknown,
	join(', ', map { "$_ $done{$_}" } sort keys %done), $seed);
done_testing;
