# SPDX-License-Identifier: MIT
# The keeper by itself: what it owes an engine, and what engines may do to it.
use strict;
use warnings;
use Appctl::Keeper;
use Appctl::Test;
use IO::Socket::UNIX;
use Test::More;
use Time::HiRes ();

sub script_file {
	my ($k, $name, $text) = @_;
	spew($k->dir . "/$name", $text);
	return 'sh ' . $k->dir . "/$name";
}

sub has_line {
	my ($k, $file, $re) = @_;
	return $k->until_true("$re in $file", sub { slurp($k->dir . "/$file") =~ $re });
}

sub is_gone {
	my ($k, $pid) = @_;
	return $k->until_true("the end of $pid", sub { !process_is_alive($pid) });
}

subtest 'an exit is kept until it is acknowledged' => sub {
	my $k = Appctl::Keeper->start;
	$k->spawn('1 bad -- false');
	$k->expect(qr/^exited 1 pid=\d+ status=256 tree=0 oom=0$/);
	$k->kill_engine;
	$k->expect(qr/^child 1 pid=\d+ exited=1 status=256 .*name=bad$/);
	$k->order('ack 1')->so_far;
	$k->kill_engine;
	is(scalar(grep { /^child/ } $k->so_far), 0, 'then it is forgotten');
	is($k->end_by('exit 0'), 0);
};

subtest 'applications do not notice the death of the engine' => sub {
	my $k = Appctl::Keeper->start;
	my ($instance) = $k->expect(qr/^hello last_inc=0 instance=(\d+) starts=1 tracking=\d pid1=0 shutdown=0/);
	my $pid = $k->spawn('5 web kind=2 -- sleep 1000');
	$k->kill_engine;
	$k->expect(qr/^hello last_inc=5 instance=$instance starts=2 /);
	$k->expect(qr/^child 5 pid=$pid exited=0 status=0 tree=0 fd=0 step=0 kind=2 name=web$/);
	$k->expect(qr/^table_end$/);
	ok(process_is_alive($pid), 'it runs on');
	kill TERM => $pid;
	$k->expect(qr/^exited 5 pid=$pid status=15 /);
	$k->kill_engine('STOP');
	$k->expect(qr/^child 5 pid=$pid exited=1 status=15 /);
	like($k->log_text, qr/stopped by a signal/, 'an engine that was stopped is replaced at once');
	is($k->end_by('exit 0'), 0);
};

subtest 'what an engine had ordered when it died is done' => sub {
	my $k = Appctl::Keeper->start;
	$k->order('spawn 1 last -- sleep 1000', 'die 9')->next_engine;
	my $pid = $k->expect(qr/^child 1 pid=(\d+) exited=0 /);
	ok(process_is_alive($pid));
	is($k->end_by('exit 0'), 0);
	ok(!process_is_alive($pid), 'exit leaves nothing');
};

subtest 'an incarnation is spawned once' => sub {
	my $k = Appctl::Keeper->start;
	$k->spawn('7 web -- sleep 1000');
	$k->order('spawn 7 web -- sleep 1000');
	$k->expect(qr/^spawn_failed 7 step=refused /);
	$k->order('spawn 3 old -- sleep 1000');
	$k->expect(qr/^spawn_failed 3 step=refused /);
	$k->kill_engine;
	$k->order('spawn 7 web -- sleep 1000');
	$k->expect(qr/^spawn_failed 7 step=refused /);
	is($k->end_by('exit 0'), 0);
};

subtest 'a step of signals is done once' => sub {
	my $k = Appctl::Keeper->start;
	my $counts = script_file($k, 'counts', "trap 'echo usr1' USR1\ntrap 'echo usr2' USR2\necho up\nwhile :; do sleep 1000 & wait \$!; done\n");
	$k->spawn("1 c stdio=nff log=" . $k->dir . "/c.log -- $counts");
	has_line($k, 'c.log', qr/up/);
	$k->order('signal 1 10 1 0', 'signal 1 10 1 0');
	has_line($k, 'c.log', qr/usr1/);
	$k->kill_engine;
	$k->expect(qr/^child 1 .* step=1 /);
	$k->order('signal 1 10 1 0', 'signal 1 12 2 0');
	has_line($k, 'c.log', qr/usr2/);
	is(slurp($k->dir . '/c.log'), "up\nusr1\nusr2\n", 'not twice, also by the next engine');
	is($k->end_by('exit 0'), 0);
};

# By cgroups, or without them as a user who may make none.
for my $uid (undef, 65534) {
	next if $> != 0 && defined $uid;
	subtest 'descendants are known, as user ' . ($uid // $>) => sub {
		my $k = Appctl::Keeper->start(uid => $uid);
		my $tracking = $k->expect(qr/^hello .*tracking=(\d)/);
		my $leaves = script_file($k, 'leaves', "setsid sleep 1001 &\necho \$! > \$1/pid\nwait\n");
		my $main = $k->spawn("1 app -- $leaves " . $k->dir);
		has_line($k, 'pid', qr/\d\n/);
		chomp(my $below = slurp($k->dir . '/pid'));
		kill KILL => $main;
		$k->expect(qr/^exited 1 pid=$main status=9 tree=1 /);
		ok(process_is_alive($below), "tracking=$tracking: it is still there");
		$k->order('signal 1 15 1 1');
		is_gone($k, $below);
		$k->order('ack 1');

		$main = $k->spawn("2 app -- $leaves " . $k->dir);
		$k->until_true('another pid', sub { slurp($k->dir . '/pid') =~ /^(\d+)\n/ && $1 != $below });
		chomp($below = slurp($k->dir . '/pid'));
		$k->order('signal 2 9 1 1');
		$k->expect(qr/^exited 2 pid=$main status=9 /);
		is_gone($k, $below);

		$k->spawn('3 alone -- true');
		$k->expect(qr/^exited 3 .* status=0 tree=0 /);
		is($k->end_by('exit 0'), 0);
	};
}

subtest 'an application\'s cgroup goes with it' => sub {
	needs_cgroup();
	my $k = Appctl::Keeper->start;
	my $dir = $k->expect(qr/^hello .*tracking=1 .*cgroup=(.+)$/);
	my $pid = $k->spawn('1 web cgroup=web/main -- sleep 1000');
	is(slurp("$dir/web/main/cgroup.procs"), "$pid\n", 'it begins there');
	kill KILL => $pid;
	$k->expect(qr/^exited 1 /);
	$k->order('ack 1');
	$k->so_far;
	$k->until_true('the end of the directory', sub { !-d "$dir/web/main" });
	$k->order('spawn 2 bad cgroup=../web -- true');
	$k->expect(qr/^spawn_failed 2 step=cgroup error=22$/);
	is($k->end_by('exit 0'), 0);
	ok(!-d $dir, 'and the daemon\'s with the daemon');
};

subtest 'what an earlier daemon left is ended' => sub {
	needs_cgroup();
	my $k = Appctl::Keeper->start;
	my $pid = $k->spawn('1 web -- sleep 1000');
	kill KILL => $k->pid;
	my @again = (program('appctld'), '-c', $k->dir . '/script', '-r', $k->dir . '/run');
	Appctl::Test::wait_child(delete $k->{child}, 10);
	ok(process_is_alive($pid), 'it outlives a keeper that is killed');
	$k->script("now quit 2\n");
	my $r = run_program(@again, { env => { APPCTL_LIBEXECDIR => top_builddir() . '/t/sys' } });
	like($r->{err}, qr/killed 1 processes that an earlier appctld had left/);
	is_gone($k, $pid);
};

subtest 'readiness is lent to each engine until it is seen' => sub {
	my $k = Appctl::Keeper->start;
	my $says = script_file($k, 'says', "echo >&7\nexec sleep 1000\n");
	$k->order("spawn 1 r ready=7 -- $says");
	$k->expect(qr/^spawned 1 pid=\d+ fd=1$/);
	$k->until_true('the newline', sub { $k->order('readyfd 1'); $k->expect(qr/^readyfd 1 (-?\d+)/) == 1 });
	$k->kill_engine;
	$k->expect(qr/^child 1 .* fd=1 /);
	$k->order('readyfd 1');
	is(scalar $k->expect(qr/^readyfd 1 (-?\d+)/), 1, 'the next engine sees it too');
	$k->order('seen 1')->so_far;
	$k->kill_engine;
	$k->expect(qr/^child 1 .* fd=0 /);
	is($k->end_by('exit 0'), 0);
};

subtest 'a daemon that forks is adopted' => sub {
	my $k = Appctl::Keeper->start;
	my $forks = script_file($k, 'forks', "setsid sleep 1000 </dev/null &\necho \$! > \$1/pid\n");
	$k->spawn("1 d -- $forks " . $k->dir);
	$k->expect(qr/^exited 1 .* status=0 tree=1 /);
	chomp(my $pid = slurp($k->dir . '/pid'));
	$k->order("adopt 1 $pid")->so_far;
	$k->kill_engine;
	$k->expect(qr/^child 1 pid=$pid exited=0 /);
	kill KILL => $pid;
	$k->expect(qr/^exited 1 pid=$pid status=9 tree=0 /);
	$k->order('adopt 1 ' . $$);
	$k->expect(qr/^exited 1 pid=$pid status=65280 /);
	like($k->log_text, qr/pid $$ is no process that it left/, 'a stranger is not');
	is($k->end_by('exit 0'), 0);
};

subtest 'the state is lent on' => sub {
	my $k = Appctl::Keeper->start;
	for my $text ('one', 'two') {
		$k->order("state $text")->so_far;
		$k->kill_engine->order('readstate');
		is(scalar $k->expect(qr/^state (.*)$/), $text);
	}
	is($k->end_by('exit 0'), 0);
};

subtest 'who doubts the engine, knocks' => sub {
	my $k = Appctl::Keeper->start;
	my $knock = sub { IO::Socket::UNIX->new(Type => SOCK_STREAM(), Peer => $k->dir . '/run/keeper.sock') or die "knock: $!" };
	$k->expect(qr/^table_end$/);
	my $engine = $k->engine_pid;
	# Once the keeper has heard that the engine is ready.
	$k->until_true('a ping', sub { $knock->(); grep { $_ eq 'ping' } $k->so_far });
	$k->so_far;
	is($k->engine_pid, $engine, 'one that answers stays');
	$k->order('pings 0');
	$k->so_far;
	$knock->();
	$k->next_engine->so_far;
	isnt($k->engine_pid, $engine, 'one that does not is replaced');
	like($k->log_text, qr/it does not answer/);
	is($k->end_by('exit 0'), 0);
};

# As a container is paused.
subtest 'what stood still together is not dead' => sub {
	my $cgroup = needs_cgroup() . "/appctl-test-$$";
	mkdir $cgroup or plan(skip_all => "cannot make $cgroup: $!");
	plan(skip_all => 'this cgroup cannot be frozen'), rmdir $cgroup unless -e "$cgroup/cgroup.freeze";
	my $k = Appctl::Keeper->start;
	my $knock = sub { IO::Socket::UNIX->new(Type => SOCK_STREAM(), Peer => $k->dir . '/run/keeper.sock') or die "knock: $!" };
	$k->expect(qr/^table_end$/);
	my $engine = $k->engine_pid;
	$k->until_true('a ping', sub { $knock->(); grep { $_ eq 'ping' } $k->so_far });
	spew("$cgroup/cgroup.procs", "$_\n") for $k->pid, $engine;
	$k->order('pings 0');
	$k->so_far;
	$knock->();
	spew("$cgroup/cgroup.freeze", "1\n");
	sleep 4;	# more than an engine has to answer a knock
	spew("$cgroup/cgroup.freeze", "0\n");
	$k->so_far;
	is($k->engine_pid, $engine, 'it has its time to answer after that');
	unlike($k->log_text, qr/it does not answer/);
	$k->next_engine->so_far;
	isnt($k->engine_pid, $engine, 'and is replaced where it does not');
	is($k->end_by('exit 0'), 0);
	rmdir $cgroup;
};

subtest 'an engine that talks nonsense is replaced' => sub {
	my $k = Appctl::Keeper->start;
	my $pid = $k->spawn('1 web -- sleep 1000');
	for my $junk ('00', '01000000000000000000000000000000', '010a0000ffffffff0100000000000000', 'ff' x 300) {
		$k->order("raw $junk")->next_engine;
		$k->expect(qr/^child 1 pid=$pid exited=0 /);
		$k->so_far;
	}
	like($k->log_text, qr/sent what is no message/);
	is($k->end_by('exit 0'), 0);
};

subtest 'signals to appctld are told or mean nothing' => sub {
	my $k = Appctl::Keeper->start;
	$k->expect(qr/^table_end$/);
	kill HUP => $k->pid;
	$k->expect(qr/^got_signal 1$/);
	kill $_ => $k->pid for qw(USR1 USR2 WINCH ALRM PIPE QUIT TSTP TTOU CONT SEGV 35 40);
	kill PWR => $k->pid;
	$k->expect(qr/^got_signal 15$/);
	$k->so_far;
	kill INT => $k->pid;
	$k->expect(qr/^got_signal 2$/);
	is(scalar(grep { /^got_signal/ } @{ $k->{lines} }), 3, 'and no others');
	$k->kill_engine;
	$k->expect(qr/^hello .* shutdown=1 /);
	is(scalar(grep { /^got_signal/ } $k->so_far), 0, 'the next engine hears of the shutdown once');
	is($k->end_by('exit 9'), 9 << 8, 'the status is the engine\'s choice');
	is(join(' ', map { s{.*/}{}r } glob($k->dir . '/run/*.sock')), '', 'no socket is left');
};

subtest 'an engine that cannot begin ends appctld' => sub {
	my $run = sub {
		my ($script, %env) = @_;
		my $k = Appctl::Keeper->start(script => $script, no_connect => 1, env => \%env);
		my $status = $k->wait_end;
		return ($status >> 8, $k->log_text);
	};
	my ($status, $log) = $run->("now quit 2\n");
	is($status, 2, 'a bad configuration');
	like($log, qr/the configuration cannot be used/);
	is(($run->("now quit 1\n"))[0], 1, 'any other reason');
	($status, $log) = $run->('', APPCTL_LIBEXECDIR => '/nonexistent');
	is($status, 1, 'an engine that is not there');
	like($log, qr{/nonexistent/appctl-engine.*No such file});

	my $k = Appctl::Keeper->start;
	$k->expect(qr/^table_end$/);
	$k->order('quit 2')->next_engine;
	$k->expect(qr/^hello .*starts=2 /);
	is($k->end_by('exit 0'), 0, 'later the same status is a death like another');
};

subtest '--check is the engine\'s answer' => sub {
	my $dir = Appctl::Test::scratch_directory();
	for my $status (0, 2) {
		spew("$dir/script", "$status\n");
		my $r = run_program(program('appctld'), '--check', '-c', "$dir/script", { env => { APPCTL_LIBEXECDIR => top_builddir() . '/t/sys' } });
		is($r->{exit}, $status);
	}
};

subtest 'the command line' => sub {
	for my $wrong (['-x'], ['-c'], ['--bogus'], ['argument'], ['-m']) {
		my $r = run_program(program('appctld'), @$wrong);
		is($r->{exit}, 2, "@$wrong");
		like($r->{err}, qr/^appctld: .*--help$/);
	}
	like(run_program(program('appctld'), '--help')->{out}, qr/--runtime-dir DIR/);
	like(run_program(program('appctld'), '--version')->{out}, qr/^appctld \d/);
};

subtest 'one daemon a runtime directory' => sub {
	my $k = Appctl::Keeper->start;
	$k->so_far;
	my $again = sub { run_program(program('appctld'), '-c', $k->dir . '/script', '-r', $k->dir . '/run',
		{ env => { APPCTL_LIBEXECDIR => top_builddir() . '/t/sys' } }) };
	my $r = $again->();
	is($r->{exit}, 1);
	like($r->{err}, qr/already running as pid @{[$k->pid]} /);
	$k->so_far;
	chmod 0777, $k->dir . '/run';
	is($k->end_by('exit 0'), 0);
	$r = $again->();
	is($r->{exit}, 1);
	like($r->{err}, qr/can be written by others/, 'nor one that others can write to');
};

subtest 'alone, the keeper stops what runs in reverse order' => sub {
	my $k = Appctl::Keeper->start;
	my $dir = $k->dir;
	my $polite = script_file($k, 'polite', "trap 'echo \$2 \$3 >> \$1/order; exit 0' \$3\necho up >> \$1/up\nwhile :; do sleep 1000 & wait \$!; done\n");
	my $deaf = script_file($k, 'deaf', "trap '' TERM\necho up >> \$1/up\nwhile :; do sleep 1000; done\n");
	$k->spawn("1 first -- $polite $dir first TERM");
	$k->spawn("2 second stop=2 -- $polite $dir second INT");
	$k->spawn("3 deaf shutdown=100 -- $deaf $dir");
	$k->spawn("4 third -- $polite $dir third TERM");
	$k->order('relabel 4 12 5000');
	$k->spawn("5 fourth -- $polite $dir fourth USR2");
	$k->order('relabel 5 12 5000');
	$k->until_true('all are up', sub { slurp("$dir/up") eq "up\n" x 5 });
	$k->script("now quit 3\n");
	$k->order('relabel 4 15 5000', 'die 9');
	$k->until_true('the keeper says so', sub { $k->log_text =~ /cannot stay up/ });
	kill TERM => $k->pid;
	is($k->wait_end, 0);
	is(slurp("$dir/order"), "fourth USR2\nthird TERM\nsecond INT\nfirst TERM\n");
	like($k->log_text, qr/no engine: appctld itself stops what runs/);
	like($k->log_text, qr/deaf .*did not end in time: killed/);
};

subtest 'a second wish to end is heard while no engine is ready' => sub {
	my $k = Appctl::Keeper->start(script => '');
	my $pid = $k->spawn('1 web shutdown=60000 -- sleep 1000');
	kill TERM => $k->pid;
	$k->expect(qr/^got_signal 15$/);
	kill TERM => $k->pid;
	is($k->wait_end, 0);
	ok(!process_is_alive($pid));
};

# With a service manager above, by path and in the abstract space.
for my $kind ('path', 'abstract') {
	subtest "a service manager is told, by $kind" => sub {
		my $dir = Appctl::Test::scratch_directory();
		my $name = $kind eq 'path' ? "$dir/notify" : "\0$dir/notify";
		my $manager = IO::Socket::UNIX->new(Type => SOCK_DGRAM(), Local => $name) or die "notify socket: $!";
		my $hear = sub { local $SIG{ALRM} = sub { die "the manager heard nothing\n" }; $manager->recv(my $text, 4096); $text };
		my $k = Appctl::Keeper->start(env => { NOTIFY_SOCKET => $name =~ s/^\0/\@/r, WATCHDOG_USEC => 200000 });
		$k->order('env NOTIFY_SOCKET', 'env WATCHDOG_USEC');
		$k->expect(qr/^env \(none\)$/);
		$k->expect(qr/^env \(none\)$/);
		is($hear->(), 'WATCHDOG=1', 'the engine answers');
		$k->order('pings 0');
		$k->so_far;
		$k->next_engine->so_far;
		like($k->log_text, qr/it does not answer/, 'without an answer nothing is said');
		$k->order('status 2/3');
		my $text;
		do { $text = $hear->() } while $text eq 'WATCHDOG=1';
		is($text, 'STATUS=2/3');
		$k->order('stable', 'stable', 'stopping');
		my @heard;
		do { push @heard, grep { $_ ne 'WATCHDOG=1' } $hear->() } until "@heard" =~ /STOPPING/;
		is("@heard", 'READY=1 STOPPING=1', 'ready once, then stopping');
		is($k->end_by('exit 0'), 0);
	};
}

subtest 'many exits at once reach an engine that was not reading' => sub {
	my $k = Appctl::Keeper->start;
	my $n = 600;
	$k->order(map { "spawn $_ n$_ -- true" } 1 .. $n);
	my %exited;
	while (keys %exited < $n) {
		my $inc = $k->expect(qr/^exited (\d+) .* status=0 /);
		$exited{$inc}++;
		$k->order("ack $inc");
	}
	is(scalar(grep { $_ != 1 } values %exited), 0, 'each once');
	$k->so_far;
	$k->kill_engine;
	$k->expect(qr/^hello last_inc=$n /);
	$k->expect(qr/^table_end$/);
	is(scalar(grep { /^child/ } @{ $k->{lines} }), 0, 'and none is left');
	is($k->end_by('exit 0'), 0);
};

# Not killed on the way: its status is what it says.
subtest 'an engine that refuses the configuration ends by itself' => sub {
	my $node = Appctl::Test->new(config => 'nod = 1;');
	for (1 .. 20) {
		my $r = $node->run_appctld;
		is($r->{exit}, 2, 'status 2') if $r->{exit} != 2;
		next if $r->{err} !~ /killing/;
		fail("not killed: $r->{err}");
		last;
	}
	like($node->run_appctld->{err}, qr/appctld\.conf:1: nod: unknown key.*\n.*nothing was started/, 'which is said');
};

done_testing;
