# SPDX-License-Identifier: MIT
# Commands on another node, with their input, output and end here.
use strict;
use warnings;
use Digest::SHA qw(sha1_hex);
use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes ();
use Appctl::Test;
use Appctl::Node;

needs_root();

# An appctl that all users can run is found there, as an installed one is.
my $bin = Appctl::Test::scratch_directory();
system('cp', program('appctl'), program('appctl-engine'), $bin) == 0 or die "cp\n";
my ($you, $me) = Appctl::Node->cluster(qw(you me), {
	before => ['unshare', '--mount', 'sh', '-c', "mount --bind $bin /usr/local/bin && exec \"\$@\"", 'sh'],
	settings => qq(remote_user = "nobody";), config => <<'END' });
access = ( { user = "nobody"; level = "read"; } );
applications: { talker: { command = ["sh", "-c", "echo I am $APPCTL_SELF; sleep 1000"]; log = { type = "file"; path = "@DIR@/talker.log"; }; }; };
END

sub on_me { $you->appctl('spawn', '-n', 'me', @_) }

subtest 'runs there, prints here' => sub {
	my $r = on_me('--', 'date', '+%Y-%m-%d');
	is($r->{out}, POSIX::strftime('%Y-%m-%d', localtime) . "\n", 'the date');
	is($r->{exit}, 0);
	$r = on_me('--', 'sh', '-c', 'echo $APPCTL_SELF; echo $APPCTL_CALLER; echo oops >&2; id -un; pwd');
	like($r->{out}, qr{^me/spawn-\w{8}\nyou/~root\nnobody\n/\n$}, 'there, for somebody here, as the user that is set for that');
	is($r->{err}, "oops\n", 'standard error by itself');
	$r = on_me('--name', 'greeter', '--json', '--', 'true');
	like($r->{out}, qr/^\{"name":"greeter","pid":\d+,"self":"me\/greeter","node":"me","last_exit":\{"text":"exit 0","code":0,"reason":"normal"\}\}$/, '--json');
	ok($me->wait_event({ event => 'app_exited', app => 'greeter' }), 'an application of that node');
};

subtest 'argv as it is, a clean environment' => sub {
	my $r = on_me('--', 'printf', '[%s]', 'a b', '$HOME', '*', '', "line\nline", '--', '-n');
	is($r->{out}, "[a b][\$HOME][*][][line\nline][--][-n]", 'no shell has seen it');
	$r = $you->appctl('spawn', '-n', 'me', '-e', 'MINE=yes', '-C', '/tmp', '--', 'sh', '-c', 'env; pwd', { env => { SECRET => 'x', LD_PRELOAD => '' } });
	my %env = map { /^(\w+)=/ ? ($1 => 1) : () } split /\n/, $r->{out};
	is_deeply([sort grep { !/^(PWD|SHLVL|_|OLDPWD)$/ } keys %env], [sort qw(APPCTL_APP APPCTL_CALLER APPCTL_INCARNATION APPCTL_RUNTIME_DIR
		APPCTL_SELF HOME LOGNAME MINE PATH SHELL USER)], 'nothing of either environment but what is meant');
	like($r->{out}, qr{^/tmp$}m, '--directory');
	is(on_me('-e', 'APPCTL_SELF=x/y', '--', 'true')->{exit}, 2, 'who it is cannot be said by the caller');
};

subtest 'input crosses, and its end' => sub {
	is(on_me('--', 'wc', '-c', { stdin => 'x' x 1000 })->{out}, "1000\n", 'a little');
	is(on_me('--', 'cat', { stdin => '' })->{out}, '', 'nothing');
	my $data = join '', map { pack 'N', ($_ * 2654435761) & 0xffffffff } 1 .. 1 << 20;
	my $r = on_me('--', 'perl', '-e', 'while (sysread STDIN, $b, 65536) { for my $h (*STDOUT, *STDERR) { my $n = 0; while ($n < length $b) { $n += syswrite $h, $b, length($b) - $n, $n } } }', { stdin => $data });
	is(length $r->{out}, length $data, '4 MiB come back');
	is(sha1_hex($r->{out}), sha1_hex($data), 'unchanged');
	is(sha1_hex($r->{err}), sha1_hex($data), 'twice');
	is(on_me('--', 'head', '-c', 10, { stdin => $data })->{out}, substr($data, 0, 10), 'a command that reads no further ends all the same');
	is(on_me('--', 'true', { stdin => $data })->{exit}, 0, 'and one that reads nothing');
};

subtest 'how it ended' => sub {
	is(on_me('--', 'sh', '-c', "exit $_")->{exit}, $_, "exit $_") for 0, 1, 7, 255;
	is(on_me('--', 'sh', '-c', "kill -$_ \$\$")->{exit}, 128 + POSIX->can("SIG$_")->(), "signal $_") for qw(TERM KILL SEGV);
	my $r = on_me('--', '/nonexistent/program');
	is($r->{exit}, 1, 'no such program');
	like($r->{err}, qr/No such file/, 'is said');
	$r = $you->appctl('spawn', '-n', 'nobody-here', '--', 'true');
	is($r->{exit}, 3, 'no such node');
	like($r->{err}, qr/nobody-here/, 'is named');
	is(on_me('--name', 'a b', '--', 'true')->{exit}, 2, 'a name that is none');
	on_me('--detach', '--name', 'taken', '--', 'sleep', 1000);
	$r = on_me('--name', 'taken', '--', 'true');
	is($r->{exit}, 1, 'a name that is taken');
	like($r->{err}, qr/taken/, 'is said');
	$me->appctl('kill', 'taken');
};

subtest 'appctl -n NODE: run, and what needs files of that machine' => sub {
	my $r = $you->appctl('-n', 'me', 'run', '--name', 'ran', '--', 'sh', '-c', 'cat; exit 3', { stdin => "in\n" });
	is_deeply([@$r{qw(out exit)}], ["in\n", 3], 'run');
	$me->wait_event({ event => 'app_exited', app => 'ran' });
	like($you->appctl('-n', 'me', 'run', '--detach', '--', 'true')->{out}, qr{^me/spawn-}, 'run --detach');
	is($you->appctl('-n', 'me', 'run', '--user', 'root', '--', 'true')->{exit}, 2, 'as whom is not for this side to say');
	my $conf = "$bin/wrong.conf";
	spew($conf, 'applications: { a: { comand = "x"; }; };');
	$r = $you->appctl('-n', 'me', 'check', $conf);
	is($r->{exit}, 2, 'check');
	like($r->{err}, qr/wrong\.conf:1: .*comand.*did you mean command/, 'is done there');
	chmod 0644, $me->dir . '/talker.log';
	is($you->appctl('-n', 'me', 'logs', '-n', 1, 'talker')->{out}, "I am me/talker\n", 'logs');
	is($you->appctl('-n', 'me', 'logs', 'nothing')->{exit}, 3, 'with the exit status');
	my $new = "$bin/made-there";
	is($you->appctl('-n', 'me', 'cookie', 'new', $new)->{exit}, $> == 0 ? 5 : 0, 'cookie is for the user that commands run as there');
};

sub spawn_in_background {
	my (@args) = @_;
	my $o = ref $args[-1] eq 'HASH' ? pop @args : {};
	return spawn_program(program('appctl'), '-r', $you->runtime_dir, 'spawn', '-n', 'me', @args, { env => $you->environment, %$o });
}

subtest 'signals are passed on' => sub {
	for my $signal (qw(INT TERM QUIT HUP)) {
		my $out = $you->dir . "/out-$signal";
		spew($out, '');
		my $pid = spawn_in_background('--', 'perl', '-e', '$| = 1; $SIG{$ARGV[0]} = sub { print "got $ARGV[0]\n"; exit 3 }; print "ready\n"; sleep 1 while 1', $signal,
			{ out => $out });
		Time::HiRes::sleep(0.01) until slurp($out) =~ /ready/;
		kill $signal => $pid;
		is(Appctl::Test::wait_child($pid, 10), 3 << 8, "$signal arrives");
		like(slurp($out), qr/got $signal/, 'at the command');
	}
};

subtest '--detach' => sub {
	my $r = on_me('--detach', '--', 'sh', '-c', 'echo to the log; sleep 1000');
	like($r->{out}, qr{^me/(spawn-\w+)$}, 'its address');
	my ($name) = $r->{out} =~ m{/(.*)$}m;
	is($me->appctl_json('status', $name)->{applications}[0]{state}, 'running', 'it runs');
	like($me->appctl_json('status', $name)->{applications}[0]{description}, qr{for you/~root}, 'for somebody');
	like($me->log_text, qr/^to the log$/m, 'what it prints is in its node\'s log');
	$me->appctl('kill', $name);
	is($me->appctl('wait', $name, { timeout => 10 })->{timed_out}, '', 'and it ends');
};

subtest 'arguments that are none' => sub {
	for my $try (
		[{}, qr/command/], [{ command => [] }, qr/command/], [{ command => 'date' }, qr/command/], [{ command => [1] }, qr/command/],
		[{ command => [''] }, qr/command/], [{ command => ['date'], environment => [] }, qr/environment/],
		[{ command => ['date'], environment => { 'A=B' => 'x' } }, qr/environment/], [{ command => ['date'], environment => { A => 1 } }, qr/environment/],
		[{ command => ['date'], environment => { APPCTL_APP => 'x' } }, qr/APPCTL_/], [{ command => ['date'], tty => 1 }, qr/tty/],
		[{ command => ['date'], name => '../x' }, qr/name/], [{ command => ['date'], name => 'x' x 1000 }, qr/name/],
		[{ command => ['date'], directory => 'here' }, qr/^directory: must be an absolute path/], [{ command => ['date'], linked => 'no' }, qr/linked/],
	) {
		my $r = $you->node_call(Connect => { node => 'me', service => 'spawn', args => $try->[0] });
		is($r->{parameters}{code}, 'invalid', 'refused') or diag(explain($try->[0], $r));
		like($r->{parameters}{message}, $try->[1], 'and why');
	}
	my $r = on_me('--', 'echo', ('x' x 1000) x 250);
	is($r->{exit}, 2, 'too much for one message');
	like($r->{err}, qr/too long/, 'is said');
	is(on_me('--', 'echo', ('x' x 1000) x 1000)->{exit}, 2, 'far too much');
	is(length on_me('--', 'echo', ('x' x 1000) x 150)->{out}, 150150, 'much');
};

subtest 'a hundred at once' => sub {
	my @pids = map { spawn_in_background('--', 'sh', '-c', "echo $_; cat >/dev/null; exit " . ($_ % 50), { out => $you->dir . "/many-$_" }) } 1 .. 100;
	my @bad;
	for my $i (1 .. 100) {
		my $status = Appctl::Test::wait_child($pids[$i - 1], 60);
		my $out = slurp($you->dir . "/many-$i");
		push @bad, "$i: " . ($status // 'no end') . " $out" unless defined $status && $status == ($i % 50) << 8 && $out eq "$i\n";
	}
	is_deeply(\@bad, [], 'each has its own output and exit status');
};

# KiB; a sanitizer keeps what was freed.
my $little = (slow_factor() > 1 ? 512 : 16) * 1024;

subtest 'five hundred calls at once, in one program' => sub {
	my $limit = `sh -c 'ulimit -Hn'` + 0;
	plan(skip_all => "needs 4096 descriptors, the hard limit is $limit") if $limit > 0 && $limit < 4096;
	my @calls = map {
		my $socket = $you->node_connect;
		$you->varlink_send($socket, 'org.appctl.Node.Connect', { node => 'me', service => 'spawn', framed => JSON::PP::true,
			args => { command => ['sh', '-c', "read x; echo \$x $_; exit 3"] } });
		[$_, $socket];
	} 1 .. 500;
	my %refused;
	$refused{ $_->{parameters}{message} }++ for grep { $_->{error} } map { $you->varlink_read($_->[1]) } @calls;
	is_deeply(\%refused, {}, 'all run');
	syswrite $_->[1], Appctl::Node::record('data', "hey\n") for @calls;
	my @bad;
	for my $call (@calls) {
		my $got = '';
		while (my $r = Appctl::Node::read_record($call->[1])) {
			$got .= $r->{payload} if $r->{type} =~ /^(data|close)$/;
			last if $r->{type} eq 'close';
		}
		push @bad, $got unless $got eq qq(hey $call->[0]\n{"exit":{"text":"exit 3","code":3,"reason":"crashed"}});
	}
	is_deeply(\@bad, [], 'and each gets its own');
};

# Pages that are in memory and are a process's own.
sub memory {
	my ($pid) = @_;
	my ($size) = slurp("/proc/$pid/status") =~ /^RssAnon:\s+(\d+)/m;
	return $size;
}

subtest 'who reads slowly, or not at all, stops who writes, and memory is bounded' => sub {
	my @all = map { $_->node_pid } $you, $me;
	pipe my $reader, my $writer or die "pipe: $!\n";
	my $pid = fork // die "fork: $!\n";
	if (!$pid) {
		POSIX::dup2(fileno $writer, 1);
		close $reader;
		%ENV = (%ENV, %{ $you->environment }, APPCTL_RUNTIME_DIR => $you->runtime_dir);
		exec program('appctl'), 'spawn', '-n', 'me', '--name', 'writer', '--', 'sh', '-c',
			'i=0; while :; do head -c 100000 /dev/zero || exit; i=$((i+1)); echo $i >/tmp/never 2>/dev/null; done';
	}
	close $writer;
	my $there = $me->wait_event({ event => 'app_running', app => 'writer' })->{pid};
	# It has written all that it can once it does no more system calls that take time: its parent waits for a blocked head.
	my ($last, $same) = ('', 0);
	for (1 .. 500) {
		my $now = join ' ', map { slurp("/proc/$_/io") =~ /^rchar: (\d+)/m } @all;
		$same = $now eq $last ? $same + 1 : 0;
		last if $same >= 10;
		$last = $now;
		Time::HiRes::sleep(0.05);
	}
	cmp_ok($same, '>=', 10, 'nothing moves any more');
	cmp_ok(memory($_), '<', $little, 'memory is bounded') for @all, $pid;
	my $got = 0;
	while ($got < 20_000_000) {
		my $n = sysread $reader, my $data, 1 << 16 or last;
		$got += $n;
	}
	cmp_ok($got, '>=', 20_000_000, 'and it goes on when somebody reads');
	close $reader;
	waitpid $pid, 0;
	is($? >> 8, 128 + POSIX::SIGPIPE(), 'whose reader went away ends');
	$me->wait_event({ event => 'app_stopped', app => 'writer' });
	ok(!process_is_alive($there), 'and the command with it');
	on_me('--', 'cat', { stdin => 'x' x 100 });
	cmp_ok(memory($_), '<', $little, 'still') for @all;
};

subtest 'input that nobody reads waits here' => sub {
	my $pid = fork // die "fork: $!\n";
	if (!$pid) {
		open STDIN, '<', '/dev/zero';
		open STDOUT, '>', '/dev/null';
		%ENV = (%ENV, %{ $you->environment }, APPCTL_RUNTIME_DIR => $you->runtime_dir);
		exec program('appctl'), 'spawn', '-n', 'me', '--name', 'deaf', '--', 'sleep', 1000;
	}
	$me->wait_event({ event => 'app_running', app => 'deaf' });
	my ($last, $same) = (-1, 0);
	for (1 .. 500) {
		my ($now) = slurp("/proc/$pid/io") =~ /^rchar: (\d+)/m;
		$same = $now == $last ? $same + 1 : 0;
		last if $same >= 10;
		$last = $now;
		Time::HiRes::sleep(0.02);
	}
	cmp_ok($same, '>=', 10, 'no more is read');
	cmp_ok($last, '<', 2 << 20, 'than fits between');
	kill TERM => $pid;
	waitpid $pid, 0;
	is($? >> 8, 128 + POSIX::SIGTERM(), 'a signal overtakes it');
};

subtest 'what a node does not allow' => sub {
	$me->{allow} = 'spawn = ["date", "/bin/echo"];';
	$me->write_settings;
	$me->appctl('kill', '-s', 'HUP', 'appctl-node');
	Time::HiRes::sleep(0.01) until $me->log_text =~ /is in force/;
	is(on_me('--', 'date')->{exit}, 0, 'a command that is named');
	is(on_me('--', '/bin/echo', 'x')->{out}, "x\n", 'one that is named by its path');
	for my $try (['echo', 'x'], ['/usr/bin/date'], ['./date'], ['sh', '-c', 'date'], ['date '], ['/bin/../bin/echo'], ['']) {
		my $r = on_me('-C', '/tmp', '--', @$try);
		is($r->{exit}, $try->[0] eq '' ? 2 : 5, "\"@$try\" is refused");
	}
	for my $variable (qw(PATH LD_PRELOAD LD_LIBRARY_PATH BASH_ENV ENV IFS PERL5OPT)) {
		is(on_me('-e', "$variable=/tmp", '--', 'date')->{exit}, 5, "with $variable nothing is run");
	}
	is(on_me('-e', 'LC_ALL=C', '-e', 'TERM=vt100', '--', 'date')->{exit}, 0, 'what changes no command may be set');
	$me->{allow} = 'spawn = false;';
	$me->write_settings;
	$me->appctl('kill', '-s', 'HUP', 'appctl-node');
	Time::HiRes::sleep(0.01) until on_me('--', 'date')->{exit} == 5;
	like(on_me('--', 'date')->{err}, qr/does not let/, 'nothing at all');
	is(scalar $me->events_so_far({ event => 'app_starting', reason => 'operator', app => qr/date/ }), 0, 'nothing was started');
};

subtest 'never as root unless it is said' => sub {
	$me->{allow} = undef;
	$me->{settings} = '';
	$me->write_settings;
	$me->appctl('kill', '-s', 'HUP', 'appctl-node');
	my $r;
	do { Time::HiRes::sleep(0.02); $r = on_me('--', 'id', '-u') } until $r->{err} !~ /does not let/;
	is($r->{exit}, 5, 'appctl-node itself runs as root here, and is not asked to');
	like($r->{err}, qr/remote_user/, 'what would say so is named');
	$me->{settings} = 'remote_user = "root";';
	$me->write_settings;
	$me->appctl('kill', '-s', 'HUP', 'appctl-node');
	do { Time::HiRes::sleep(0.02); $r = on_me('--', 'id', '-u') } until $r->{exit} != 5;
	is($r->{out}, "0\n", 'then it does');
};

$_->stop for $you, $me;
done_testing;
