# SPDX-License-Identifier: MIT
# What a program with an event loop has appctld run: followed to its end, whatever the engine does meanwhile.
use strict;
use warnings;
use IPC::Open2 ();
use JSON::PP;
use Test::More;
use Time::HiRes ();
use Appctl::Test;

my $json = JSON::PP->new->utf8->canonical;
my $node = Appctl::Test->new(config => qq(node = "here";\n));
$node->start;

my ($to, $from, $program, @lines);
my $rest = '';

sub start_program {
	$program = IPC::Open2::open2($from, $to, program('t/sys/jobs'), $node->runtime_dir);
	$to->autoflush(1);
	$from->blocking(0);
}

sub end_program {
	close $to;
	waitpid $program, 0;
	is($?, 0, 'the program ended well');
	close $from;
}

# The next line that matches; what came before stays for others to find.
sub line {
	my ($pattern, $seconds) = @_;
	my $end = Time::HiRes::time() + ($seconds // 10) * slow_factor();
	while (1) {
		for my $i (0 .. $#lines) {
			return splice @lines, $i, 1 if $lines[$i] =~ $pattern;
		}
		my $left = $end - Time::HiRes::time();
		$node->give_up("no line like $pattern; there are: @lines") if $left <= 0;
		vec(my $bits = '', fileno($from), 1) = 1;
		select($bits, undef, undef, $left);
		my $n = sysread $from, my $data, 65536;
		$rest .= $data if $n;
		push @lines, $1 while $rest =~ s/^(.*)\n//;
		die "the program has ended\n" if defined $n && !$n;
	}
}

sub run {
	my ($name, $command, %more) = @_;
	print $to "run $name ", $json->encode({ restart => 'temporary', command => $command, %more }), "\n";
}

sub kill_engine {
	my $engine = $node->engine_pid;
	kill KILL => $engine;
	@$node{qw(events cursor buffer)} = ([], 0, '');
	$node->subscribe;
}

start_program();

subtest 'started and ended, with code or signal' => sub {
	run('good', ['/bin/echo', 'hello there']);
	like(line(qr/^started good/), qr/ \d+$/, 'it was started');
	ok(line(qr/^hello there$/), 'its output goes where it was told to');
	is(line(qr/^ended good/), 'ended good exit 0 (normal) 0');
	run('bad', [qw(/bin/sh -c), 'exit 7']);
	is(line(qr/^ended bad/), 'ended bad exit 7 (crashed) 7');
	run('shot', [qw(/bin/sh -c), 'kill -USR1 $$']);
	is(line(qr/^ended shot/), 'ended shot signal USR1 (crashed) ' . (128 + POSIX::SIGUSR1()));
};

subtest 'what cannot be started says why' => sub {
	run('absent', ['/nonexistent/program']);
	like(line(qr/^failed absent/), qr/No such file/, 'no such program');
	run('wrong', ['/bin/true'], user => 'no-such-user-at-all');
	like(line(qr/^failed wrong/), qr/user no-such-user-at-all is not known/, 'no such user');
	run('twice', [qw(/bin/sleep 1000)]);
	line(qr/^started twice/);
	run('twice', [qw(/bin/sleep 1000)]);
	ok(line(qr/^refused twice/), 'a name that is followed already');
	is($node->appctl('run', '--detach', '--name', 'other', 'sleep', '1000')->{exit}, 0);
	run('other', ['/bin/true']);
	like(line(qr/^failed other/), qr/there is an application other already/, 'a name that somebody else has');
};

subtest 'signals arrive, also those from before the start; stop ends all of it' => sub {
	run('signalled', [qw(/usr/bin/perl -e), '$SIG{$_} = sub { syswrite STDOUT, "got $_[0]\n"; exit 3 if $_[0] eq "INT" } for qw(USR1 INT); syswrite STDOUT, "set\n"; sleep 100 while 1']);
	line(qr/^set/);
	print $to "kill signalled USR1\n";
	is(line(qr/^got USR1/), 'got USR1');
	print $to "kill signalled INT\n";
	is(line(qr/^ended signalled/), 'ended signalled exit 3 (crashed) 3');
	run('early', [qw(/bin/sleep 1000)]);
	print $to "kill early TERM\n";
	like(line(qr/^ended early/), qr/signal TERM/, 'a signal that was sent before the start');
	run('stopped', [qw(/bin/sh -c), 'trap "" TERM; sleep 1000 & echo child $!; wait; wait'], shutdown => 0.2);
	my ($child) = line(qr/^child/) =~ /(\d+)/;
	print $to "stop stopped\n";
	like(line(qr/^ended stopped/), qr/signal KILL \(killed\)/, 'what does not end is killed');
	ok(!process_is_alive($child), 'with what it started');
};

subtest 'a killed engine costs nothing' => sub {
	run('long', [qw(/bin/sleep 1000)]);
	my ($pid) = line(qr/^started long/) =~ /(\d+)$/;
	kill_engine();
	kill USR1 => $pid;
	is(line(qr/^ended long/), 'ended long signal USR1 (crashed) ' . (128 + POSIX::SIGUSR1()), 'an end while there was no engine');
	run("many$_", [qw(/bin/sh -c), 'exit ' . $_]) for 1 .. 60;
	line(qr/^started many3 /);
	kill_engine();
	my %ended;
	for my $i (1 .. 60) {
		my $line = line(qr/^(ended|failed) many$i /, 20);
		$ended{ $line =~ /^ended many(\d+) exit \1 / ? 'as it was' : $line =~ /nothing was started/ ? 'not started' : $line }++;
	}
	is($ended{'as it was'} + ($ended{'not started'} // 0), 60, 'each of 60 is said to have ended as it did, or not to have been started')
		or diag(explain(\%ended));
	my %starts;
	$starts{ $_->{app} }++ for $node->events_so_far({ event => 'app_exited', app => qr/^many/ });
	is_deeply([grep { $starts{$_} > 1 } keys %starts], [], 'none twice');
	is(scalar keys %starts, $ended{'as it was'}, 'and what is said is true');
};

subtest 'found again by name' => sub {
	run('kept', [qw(/bin/sleep 1000)]);
	my ($pid) = line(qr/^started kept/) =~ /(\d+)$/;
	kill KILL => $program;
	waitpid $program, 0;
	@lines = ();
	$rest = '';
	start_program();
	print $to "find kept\nfind good\nfind nobody\n";
	is(line(qr/^started kept/), "started kept $pid", 'one that runs');
	like(line(qr/^(ended|failed) good/), qr/^(ended good exit 0 \(normal\) 0|failed good there is no application)/, 'one that has ended');
	like(line(qr/^failed nobody/), qr/there is no application/, 'one that never was');
	print $to "stop kept\n";
	like(line(qr/^ended kept/), qr/signal TERM \(operator\)/, 'and it can be stopped');
	run('dropped', [qw(/bin/sleep 1000)]);
	line(qr/^started dropped/);
	print $to "forget dropped\n";
	$node->appctl('kill', 'dropped');
	$node->wait_event({ event => 'app_stopped', app => 'dropped' });
	run('last', ['/bin/true']);
	line(qr/^ended last/);
	is_deeply([grep { /dropped/ } @lines], [], 'of one that was let go nothing is heard');
};

subtest 'one that is started again has not ended' => sub {
	run('again', [qw(/bin/sh -c), 'exit 1'], restart => 'transient', intensity => 2, period => 60, backoff => { min => 0, max => 0 });
	like(line(qr/^ended again/), qr/^ended again exit 1/, 'ended for good');
	is(scalar $node->events_so_far({ event => 'app_exited', app => 'again' }), 3, 'after three runs');
	is_deeply([grep { /^started again/ } @lines], [(grep { /^started again/ } @lines)[0]], 'started is said once');
};

$node->appctl('kill', $_) for qw(twice other);
end_program();
done_testing;
