# SPDX-License-Identifier: MIT
# appctl reexec with new programs of every kind: what is not good is noticed, and the old one goes on.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep);
use Appctl::Binaries;
use Appctl::Test;
use IO::Socket::UNIX;

my ($real_version, $new_version) = (real_version(), other_version());
my $sleeps = 'applications: { db: { command = ["/bin/sleep", "1000"]; }; web: { command = ["/bin/sleep", "1000"]; applications = ["db"]; }; };';

# A node that runs from a directory of its own.
sub start {
	my (%o) = @_;
	my $dir = delete $o{bin} // Appctl::Test::scratch_directory();
	install($dir);
	my $node = Appctl::Test->new(config => $sleeps, program => "$dir/appctld", %o, env => { APPCTL_LIBEXECDIR => undef, %{ $o{env} // {} } });
	$node->start;
	$node->wait_event({ event => 'mode_stable' });
	return ($node, $dir);
}

sub pids { return { map { $_->{name} => $_->{pid} } @{ $_[0]->appctl_json('status')->{applications} } } }

# The test's own subscription, from the first event again.
sub follow_again {
	my ($node) = @_;
	delete $node->{socket};
	@$node{qw(events cursor buffer)} = ([], 0, '');
	$node->subscribe;
	$node->wait_event({ event => 'hello' });
}

sub until_true {
	my ($what, $code) = @_;
	for (1 .. 1000 * slow_factor()) {
		return 1 if $code->();
		sleep 0.01;
	}
	die "not in time: $what\n";
}

subtest 'a new program that is not good changes nothing' => sub {
	my ($node, $dir) = start();
	my $before = pids($node);
	my $engine = $node->engine_pid;
	my $nothing_else = "#!/bin/sh\n";
	my @bad = (
		['is missing', sub { unlink "$dir/appctld" }, qr{\Q$dir\E/appctld: No such file or directory}],
		['cannot be executed', sub { put($dir, 'appctld', bytes_of('appctld'), 0644) }, qr{cannot execute \Q$dir\E/appctld: Permission denied}],
		['is cut short', sub { put($dir, 'appctld', substr bytes_of('appctld'), 0, 100) }, qr{\Q$dir\E/appctld}],
		['is empty', sub { put($dir, 'appctld', '') }, qr{cannot execute \Q$dir\E/appctld: Exec format error|does not say}],
		['crashes at once', sub { put($dir, 'appctld', $nothing_else . 'kill -SEGV $$') }, qr/was ended by signal 11 \(Segmentation fault\) in its trial run/],
		['fails', sub { put($dir, 'appctld', $nothing_else . 'echo one; echo two >&2; exit 3') }, qr/ended with status 3 in its trial run: two$/m],
		['is another program', sub { put($dir, 'appctld', slurp('/bin/true')) }, qr/does not say in its trial run that it can take over: is it appctld\?/],
		['does not know of reexec', sub { put($dir, 'appctld', bytes_of('appctld') =~ s/--trial\0/--tryal\0/gr) }, qr/ended with status 2 in its trial run: .*--trial.*no such option/],
		['hangs', sub { put($dir, 'appctld', $nothing_else . "sleep 1000\nexit 0") }, qr/did not end its trial run within \d+ s/],
		['has no engine', sub { install($dir); unlink "$dir/appctl-engine" }, qr/ended with status 1 in its trial run: .*appctl-engine/],
		['has an engine that refuses the state', sub { install($dir); put($dir, 'appctl-engine', $nothing_else . 'echo "the state is of another version" >&2; exit 1') },
			qr/ended with status 1 in its trial run: the state is of another version/],
	);
	for my $bad (@bad) {
		my ($what, $make, $message) = @$bad;
		$make->();
		my $r = $node->appctl('reexec');
		is($r->{exit}, 1, "it $what: the command fails");
		like($r->{err}, $message, 'and says so');
		is($node->engine_pid, $engine, 'the same engine is at work');
	}
	is_deeply(pids($node), $before, 'no application has noticed');
	is(scalar(grep { $_ != $engine && !{ reverse %$before }->{$_} } Appctl::Test::descendants($node->pid)), 0, 'no trial is left');
	is($node->appctl_json('status')->{replaced}, 0);

	install($dir, $new_version);
	my $r = $node->appctl('reexec');
	is($r->{exit}, 0, 'a good one takes over') or diag($r->{err});
	is($r->{out}, "appctld $real_version was replaced by $new_version\n", 'and is the new one');
	is_deeply(pids($node), $before, 'under the same applications');
	is(readlink('/proc/' . $node->pid . '/exe'), "$dir/appctld", 'the file that lies there now');
	follow_again($node);
	is($node->stop, 0);
};

subtest 'a binary that is replaced in place does not touch what runs' => sub {
	my ($node, $dir) = start();
	my $before = pids($node);
	install($dir, $new_version);
	like(readlink('/proc/' . $node->pid . '/exe'), qr/ \(deleted\)$/);
	is($node->appctl_json('status')->{version}, $real_version, 'the old one answers');
	is($node->appctl('restart', 'web')->{exit}, 0, 'and works');
	isnt(pids($node)->{web}, $before->{web});
	my $now = pids($node);
	is($node->appctl('reexec')->{exit}, 0);
	is($node->appctl_json('status')->{version}, $new_version, 'until it is replaced');
	is_deeply(pids($node), $now);
	follow_again($node);
	is($node->stop, 0);
};

subtest 'a symbolic link is followed anew' => sub {
	my $dir = Appctl::Test::scratch_directory();
	mkdir "$dir/$_" for qw(old new);
	install("$dir/new", $new_version);
	symlink 'old', "$dir/now";
	my ($node) = start(bin => "$dir/now");
	unlink "$dir/now";
	symlink 'new', "$dir/now";
	my $r = $node->appctl('reexec');
	is($r->{out}, "appctld $real_version was replaced by $new_version\n");
	is(readlink('/proc/' . $node->pid . '/exe'), "$dir/new/appctld");
	follow_again($node);
	is($node->stop, 0);
};

# A wrapper that passes the trial, and then brings in a program that takes no other's handover for one.
subtest 'a new program that does not come up after all gives way to the old one' => sub {
	my ($node, $dir) = start();
	my $before = pids($node);
	my $odd = bytes_of('appctld', $new_version);
	# HANDOVER_MAGIC, as a little-endian machine has it in memory.
	plan(skip_all => 'the compiler has hidden the number') unless $odd =~ s/ndropctl/n0rdpctl/g;
	put($dir, 'good', bytes_of('appctld'));
	put($dir, 'odd', $odd);
	put($dir, 'appctld', "#!/bin/sh\ncase \$1 in --trial) exec $dir/good --trial ;; esac\nexec $dir/odd \"\$@\"\n");
	my $r = $node->appctl('reexec');
	like($node->log_text, qr/appctld $new_version cannot take over: what was handed over is damaged/);
	is($r->{exit}, 1, 'the command fails');
	like($r->{err}, qr/could not be replaced and goes on as \Q$real_version\E: its log says why/);
	is($node->appctl_json('status')->{replaced}, 0);
	is_deeply(pids($node), $before, 'and no application has noticed');
	follow_again($node);
	is($node->stop, 0);
};

# A wrapper that passes the trial, and then hands over what nobody has written: one bit is another.
sub damaging {
	my ($dir) = @_;
	put($dir, 'good', bytes_of('appctld'));
	put($dir, 'appctld', "#!$^X\n" . <<'PERL' =~ s/GOOD/$dir\/good/gr);
exec 'GOOD', '--trial' if $ARGV[0] eq '--trial';
my ($fd, $rest) = shift(@ARGV) =~ /=(\d+),(.*)$/;
open my $in, '<', "/proc/self/fd/$fd" or die;
local $/;
my $text = <$in>;
substr($text, length($text) / 2, 1) ^= "\x10";
my $number = { x86_64 => 319, aarch64 => 279 }->{ `uname -m` =~ s/\n//r };
my $name = "damaged\0";
my $copy = syscall $number, $name, 2;
open my $out, '>&=', $copy or die;
$^F = $copy;
open my $twice, '+<', "/proc/self/fd/$copy" or die;
syswrite $twice, $text;
close $twice;
fcntl $out, 1033, 15 or die "seals: $!";
fcntl $out, 2, 0;
exec 'GOOD', "--take-over=$copy,$rest", @ARGV;
PERL
}

subtest 'what neither program can read is found again' => sub {
	my $config = 'applications: {
		db: { command = "sleep 1002 & exec sleep 1000"; };
		web: { command = ["/bin/sleep", "1000"]; applications = ["db"]; stop_signal = "INT"; };
		ready: { command = "echo >&3; exec sleep 1000"; ready = { type = "fd"; timeout = 1.0; }; applications = ["db"]; };
		probed: { command = ["/bin/sleep", "1000"]; ready = { type = "exec"; command = ["/bin/true"]; }; };
		once: { type = "oneshot"; command = "echo >>@DIR@/once"; }; };';
	my @ways = ([]);
	push @ways, [uid => 65534] if $> == 0;
	for my $way (@ways) {
		my ($node, $dir) = start(config => $config, @$way);
		my $how = join ' ', 'tracking by', my $tracking = $node->appctl_json('status', 'db')->{applications}[0]{tracking};
		my ($before, $hello) = (pids($node), $node->{events}[0]{instance});
		damaging($dir);
		my $r = $node->appctl('reexec', { timeout => 30 });
		until_true('a new beginning', sub { $node->log_text =~ /begins anew, with 4 processes that are there/ });
		my $said = () = $node->log_text =~ /cannot take over: what was handed over is damaged/g;
		is($said, 2, "$how: both have refused");
		unlike($node->log_text, qr/killed \d+ processes/, 'nothing is taken for what an earlier one has left');
		follow_again($node);
		$node->wait_event({ event => 'mode_stable' });
		my $now = pids($node);
		is_deeply({ %$now, once => undef }, { %$before, once => undef }, 'no application has noticed') or diag($node->log_text);
		isnt($node->{events}[0]{instance}, $hello, 'the numbers of events begin anew, which the instance says');
		kill KILL => $now->{web};
		my $exit = $node->wait_event({ event => 'app_exited', app => 'web', pid => $now->{web} });
		is($exit->{signal}, 'KILL', 'it is known how they end');
		$node->wait_event({ event => 'app_running', app => 'web' });
		install($dir);
		is($node->appctl('reexec', { uid => $node->{uid} })->{exit}, 0, 'and reexec is possible again');
		follow_again($node);
		is($node->stop, 0);
	}
};

subtest 'a shutdown is stronger' => sub {
	my ($node, $dir) = start();
	put($dir, 'appctld', "#!/bin/sh\nexec sleep 1000\n");
	my $out = "$dir/said";
	spew($out, '');
	my $command = spawn_program(program('appctl'), '-r', $node->runtime_dir, 'reexec', { out => $out, err => $out });
	until_true('the trial', sub { grep { slurp("/proc/$_/cmdline") =~ /^sleep\0001000\0$/ && slurp("/proc/$_/stat") =~ /^\d+ \(sleep\)/ } Appctl::Test::descendants($node->pid) });
	$node->signal('TERM');
	is($node->wait_end, 0, 'in the middle of a trial');
	my $status = Appctl::Test::wait_child($command, 10);
	isnt($status, 0, 'the command fails');

	($node, $dir) = start(config => 'applications: { deaf: { command = "trap \'\' TERM; touch @DIR@/up; while :; do sleep 0.02; done"; shutdown = 3.0; }; };');
	until_true('its trap', sub { -e $node->dir . '/up' });
	$node->signal('TERM');
	$node->wait_event({ event => 'app_stopping' });
	my $r = $node->appctl('reexec');
	is($r->{exit}, 1);
	like($r->{err}, qr/shutting down/, 'and during one there is no reexec');
	is($node->wait_end, 0);
};

# A trial that waits for a file before it says what the real one says.
sub slow_trial {
	my ($dir) = @_;
	put($dir, 'good', bytes_of('appctld'));
	put($dir, 'appctld', "#!/bin/sh\ncase \$1 in --trial) echo >$dir/on_trial; while [ ! -e $dir/go ]; do sleep 0.02; done ;; esac\nexec $dir/good \"\$@\"\n");
}

sub reexec_in_background {
	my ($node, $dir) = @_;
	spew("$dir/said", '');
	my $command = spawn_program(program('appctl'), '-r', $node->runtime_dir, 'reexec', { out => "$dir/said", err => "$dir/said" });
	until_true('the trial', sub { -e "$dir/on_trial" });
	return $command;
}

subtest 'the client is killed during the trial' => sub {
	my ($node, $dir) = start();
	slow_trial($dir);
	my $command = reexec_in_background($node, $dir);
	kill KILL => $command;
	Appctl::Test::wait_child($command, 10);
	spew("$dir/go", '');
	ok(until_true('a replacement', sub { $node->appctl_json('status')->{replaced} == 1 }), 'it is replaced');
	follow_again($node);
	is($node->stop, 0);
};

subtest 'the engine is killed during the trial' => sub {
	my ($node, $dir) = start();
	my $before = pids($node);
	slow_trial($dir);
	my $command = reexec_in_background($node, $dir);
	kill KILL => $node->engine_pid;
	my $status = Appctl::Test::wait_child($command, 10);
	is($status >> 8, 1, 'the command fails');
	like(slurp("$dir/said"), qr/outcome unknown/, 'and says that it does not know');
	spew("$dir/go", '');
	ok(until_true('a replacement', sub { $node->appctl_json('status')->{replaced} == 1 }), 'it is replaced all the same');
	is_deeply(pids($node), $before, 'no application has noticed');
	follow_again($node);
	is($node->stop, 0);
};

subtest 'many ask at once' => sub {
	my ($node, $dir) = start();
	slow_trial($dir);
	my @sockets = map { $node->connect_control } 1 .. 3;
	$node->varlink_send($_, 'Reexec') for @sockets;
	$node->varlink_send($sockets[0], 'GetMode');
	my $command = reexec_in_background($node, $dir);
	# Until a later call of the same kind is answered, the engine has read all that came before.
	$node->varlink('GetMode', {});
	spew("$dir/go", '');
	is($node->varlink_read($_)->{parameters}{replaced}, 1, 'all are answered') for @sockets;
	is($node->varlink_read($sockets[0]), undef, 'and then the connection ends');
	is(Appctl::Test::wait_child($command, 10), 0);
	follow_again($node);
	is($node->stop, 0);
};

subtest 'as an ordinary user, without control groups' => sub {
	plan(skip_all => 'needs root to become another user') if $> != 0;
	my $node = Appctl::Test->new(uid => 65534, config => <<'END');
applications: { app: { command = "setsid sleep 1001 & echo $! >@DIR@/below; wait"; restart = "temporary"; }; };
END
	$node->start;
	my $running = $node->wait_event({ event => 'app_running' });
	until_true('its descendant', sub { slurp($node->dir . '/below') =~ /\d\n/ });
	chomp(my $below = slurp($node->dir . '/below'));
	my $as_user = sub { $node->appctl(@_, { uid => 65534 }) };
	is($as_user->('reexec')->{exit}, 0) for 1, 2;
	follow_again($node);
	is($node->appctl_json('status')->{applications}[0]{tracking}, 'subreaper');
	kill KILL => $running->{pid};
	$node->wait_event({ event => 'app_exited', app => 'app', pid => $running->{pid} });
	$node->wait_event({ event => 'app_stopped', app => 'app' });
	ok(!process_is_alive($below), 'what an application leaves is still known to be its own');
	is($node->stop, 0);
};

subtest 'what began before goes on after' => sub {
	my $dir = Appctl::Test::scratch_directory();
	my $node = Appctl::Test->new(config => <<'END');
applications:
{
	slow:  { command = "while [ ! -e @DIR@/up ]; do sleep 0.02; done; echo >&3; exec sleep 1000"; ready = { type = "fd"; timeout = 60.0; }; };
	after: { command = ["/bin/sleep", "1000"]; applications = ["slow"]; };
	forks: { command = "setsid sleep 1000 </dev/null & echo $! >@DIR@/pid"; type = "forking"; pidfile = "@DIR@/pid"; };
};
END
	$node->start;
	my $forks = $node->wait_event({ event => 'app_running', app => 'forks' });
	is($node->appctl('reexec')->{exit}, 0) for 1, 2;
	follow_again($node);
	spew($node->dir . '/up', '');
	$node->wait_event({ event => 'app_running', app => 'slow' });
	$node->wait_event({ event => 'app_running', app => 'after' });
	pass('readiness by descriptor');
	kill KILL => $forks->{pid};
	$node->wait_event({ event => 'app_exited', app => 'forks', pid => $forks->{pid} });
	pass('the end of what was adopted');
	is($node->stop, 0);
};

subtest 'a state of another version is refused, and then made anew from what is there' => sub {
	for my $other (0, 2) {
		my ($node, $dir) = start();
		my $before = pids($node);
		my ($state) = grep { (readlink // '') =~ /memfd:appctl-state/ } glob '/proc/' . $node->engine_pid . '/fd/*';
		open my $fh, '+<', $state or die "$state: $!";
		seek $fh, 8, 0;
		print $fh pack 'L', $other;
		close $fh;
		my $r = $node->appctl('reexec');
		is($r->{exit}, 1, "version $other");
		like($r->{err}, qr/the engine refuses: the state is damaged or of another version/);
		my $engine = $node->engine_pid;
		kill KILL => $engine;
		until_true('another engine', sub { my $e = $node->engine_pid; defined $e && $e != $engine });
		is_deeply(pids($node), $before, 'the same applications');
		is($node->appctl('reexec')->{exit}, 0, 'and reexec is possible again');
		is_deeply(pids($node), $before);
		follow_again($node);
		is($node->stop, 0);
	}
};

subtest 'without an engine that stays up, by a signal' => sub {
	my ($node, $dir) = start();
	my $before = pids($node);
	put($dir, 'appctl-engine', "#!/bin/sh\nexit 1\n");
	kill KILL => $node->engine_pid;
	until_true('no engine', sub { $node->log_text =~ /cannot stay up/ });
	install($dir, $new_version);
	kill 34 + 25 => $node->pid;		# SIGRTMIN, as the C library counts
	until_true('the new one', sub { $node->log_text =~ /appctld $new_version has replaced/ });
	is_deeply(pids($node), $before);
	follow_again($node);
	is($node->stop, 0);
};

subtest 'as PID 1' => sub {
	plan(skip_all => 'needs a pid namespace of its own') if system('unshare --pid --fork --kill-child --mount-proc -- true >/dev/null 2>&1') != 0;
	my $node = Appctl::Test->new(config => $sleeps, pid1 => 1);
	$node->start;
	$node->wait_event({ event => 'mode_stable' });
	my ($before, $pid) = (pids($node), $node->pid);
	for (1 .. 3) {
		my $r = $node->appctl('reexec');
		is($r->{exit}, 0) or diag($r->{err});
	}
	is($node->appctl_json('status')->{pid}, 1, 'it is still that');
	is_deeply(pids($node), $before, 'and its applications are its own');
	follow_again($node);
	is($node->stop, 0);
};

subtest 'a service manager above' => sub {
	my $dir = Appctl::Test::scratch_directory();
	my $manager = IO::Socket::UNIX->new(Type => SOCK_DGRAM(), Local => "$dir/notify") or die "notify socket: $!";
	my ($node) = start(env => { NOTIFY_SOCKET => "$dir/notify", WATCHDOG_USEC => 400000 });
	my @heard;
	my $hear = sub {
		my ($what) = @_;
		local $SIG{ALRM} = sub { die "the manager has not heard $what but @heard\n" };
		alarm 20 * slow_factor();
		do { $manager->recv(my $text, 4096); push @heard, $text } until $heard[-1] =~ $what;
		alarm 120 * slow_factor();
	};
	$hear->(qr/^READY=1/);
	is($node->appctl('reexec')->{exit}, 0);
	@heard = ();
	$hear->(qr/^WATCHDOG=1/) for 1, 2;
	pass('hears from the new one that it lives');
	is(scalar(grep { /READY|STOPPING/ } @heard), 0, 'and nothing of a new beginning');
	follow_again($node);
	$node->signal('TERM');
	$hear->(qr/^STOPPING=1/);
	is($node->wait_end, 0);
};

subtest 'what neither program can read: who is above, and the limit of descriptors, are known all the same' => sub {
	needs_program('prlimit');
	my $dir = Appctl::Test::scratch_directory();
	for my $address ("$dir/notify", "\0$dir/notify") {
		my $manager = IO::Socket::UNIX->new(Type => SOCK_DGRAM(), Local => $address) or die "notify socket: $!";
		my $limit = sub { slurp("/proc/$_[0]/limits") =~ /^Max open files\s+(\d+)\s/m ? $1 : undef };
		my ($node, $bin) = start(env => { NOTIFY_SOCKET => $address =~ s/^\0/\@/r, WATCHDOG_USEC => 400000 }, before => ['prlimit', '--nofile=321:']);
		is($limit->(pids($node)->{web}), 321, 'as it was');
		damaging($bin);
		$node->appctl('reexec', { timeout => 30 });
		until_true('a new beginning', sub { $node->log_text =~ /begins anew/ });
		follow_again($node);
		$node->wait_event({ event => 'mode_stable' });
		$manager->blocking(0);
		my ($text, @heard);
		1 while defined $manager->recv($text, 4096);
		until_true('two signs of life', sub { push @heard, $text while defined $manager->recv($text, 4096); 2 <= grep { $_ eq 'WATCHDOG=1' } @heard });
		pass('the manager above hears that it lives');
		my ($web) = $node->appctl_json('status', 'web')->{applications}[0]{pid};
		kill KILL => $web;
		my $again = $node->wait_event({ event => 'app_running', app => 'web', pid => sub { $_[0] != $web } });
		is($limit->($again->{pid}), 321, 'applications get the limit that appctld was started with');
		is_deeply([grep { /^(NOTIFY_SOCKET|WATCHDOG)/ } split /\0/, slurp("/proc/$again->{pid}/environ")], [], 'and nothing of the manager above');
		is_deeply([grep { /^(NOTIFY_SOCKET|WATCHDOG)/ } split /\0/, slurp('/proc/' . $node->engine_pid . '/environ')], [], 'nor has the engine');
		is($node->stop, 0);
	}
};

done_testing;
