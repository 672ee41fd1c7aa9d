# SPDX-License-Identifier: MIT
# A child's circumstances: exactly those of its order, and why it could not begin.
use strict;
use warnings;
use Appctl::Keeper;
use Appctl::Test;
use Cwd ();
use POSIX ();
use Test::More;

# What a child sees of itself: its standard output goes to a log.
sub seen_by_child {
	my ($k, $options, $argv) = @_;
	my $inc = ++$k->{last_inc};
	my $log = $k->dir . "/child.$inc";
	$k->order("spawn $inc child stdio=nff log=$log $options -- $argv");
	$k->expect(qr/^exited $inc /);
	$k->order("ack $inc");
	return slurp($log);
}

my $status = 'cat /proc/self/status';

sub failure {
	my ($k, $options, $argv) = @_;
	my $inc = ++$k->{last_inc};
	$k->order("spawn $inc child $options -- $argv");
	my ($step, $error) = $k->expect(qr/^spawn_failed $inc step=(\w+) error=(\d+)$/);
	$! = $error;
	my ($name) = grep { $!{$_} } qw(ENOENT EACCES ENOTDIR ENOEXEC ELOOP ENXIO EPERM EINVAL ENAMETOOLONG EMFILE);
	return "$step " . ($name // $error);
}

subtest 'nothing of the keeper\'s own comes with it' => sub {
	# appctld itself is started with a descriptor too many, signals ignored and blocked.
	my @before = ('perl', '-e', 'use POSIX; $SIG{HUP} = $SIG{USR2} = "IGNORE"; POSIX::dup2(0, 9); $^F = 255;'
		. ' open my $f, "<", "/dev/null"; POSIX::sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGUSR1, SIGTERM));'
		. ' exec @ARGV or die');
	my $k = Appctl::Keeper->start(before => \@before);
	my $text = seen_by_child($k, '', $status);
	like($text, qr/^$_:\s+0+$/m, "$_ is empty") for qw(SigPnd ShdPnd SigBlk SigIgn SigCgt);
	my @open = seen_by_child($k, '', 'ls -l /proc/self/fd') =~ / (\d+) -> (\S+)/g;
	is("@open[0 .. 1]", '0 /dev/null', 'standard input');
	is($open[$_], $k->dir . '/child.2', 'output') for 3, 5;
	like($open[7], qr{^/proc/}, 'and what ls itself opens');
	is(scalar @open, 8, 'are all');
	my %fd = seen_by_child($k, 'ready=5', 'ls -l /proc/self/fd') =~ / (\d+) -> (\S+)/g;
	like($fd{5}, qr/^socket:/, 'but for the descriptor for readiness');
	is(join(' ', sort keys %fd), '0 1 2 3 5');
	%fd = seen_by_child($k, 'ready=40', 'ls -l /proc/self/fd') =~ / (\d+) -> (\S+)/g;
	is(join(' ', sort { $a <=> $b } keys %fd), '0 1 2 3 40', 'at whatever number');
	my ($soft) = `cat /proc/self/limits` =~ /^Max open files\s+(\d+)/m;
	like(seen_by_child($k, '', 'cat /proc/self/limits'), qr/^Max open files\s+$soft\s/m, 'the limit of descriptors is the original one');
	my ($pid, undef, undef, undef, undef, $session) = split ' ', seen_by_child($k, '', 'cat /proc/self/stat');
	is($session, $pid, 'it leads a session');
	my @stat = split ' ', seen_by_child($k, 'session=0', 'cat /proc/self/stat');
	is($stat[4], $stat[0], 'or a process group');
	isnt($stat[5], $stat[0]);
	is(seen_by_child($k, 'env=A=1', 'env'), "PATH=/usr/local/bin:/usr/bin:/bin\nAPPCTL_INCARNATION=" . $k->{last_inc} . "\nA=1\n", 'the environment is the order\'s');
	is($k->end_by('exit 0'), 0);
};

subtest 'a directory in the runtime directory' => sub {
	my $k = Appctl::Keeper->start;
	my $dir = $k->dir;
	my $run = $dir . '/run';
	my $made = sub { my @s = stat "$run/$_[0]"; sprintf '%04o %d:%d', $s[2] & 07777, @s[4, 5] };
	seen_by_child($k, 'rundir=node', 'true');
	is($made->('node'), "0755 $>:" . ($) + 0), 'is made');
	spew("$run/node/kept", 'x');
	chmod 0700, "$run/node";
	seen_by_child($k, 'rundir=node', 'true');
	is($made->('node'), "0755 $>:" . ($) + 0), 'and put right at the next start');
	ok(-e "$run/node/kept", 'with what is in it');
	symlink $dir, "$run/link";
	is(failure($k, 'rundir=link', 'true'), 'runtime_directory ENOTDIR', 'a link is not followed');
	spew("$run/file", '');
	is(failure($k, 'rundir=file', 'true'), 'runtime_directory ENOTDIR', 'nor is a file in its place taken');
	SKIP: {
		skip 'only root gives directories away', 1 if $> != 0;
		seen_by_child($k, 'rundir=node uid=1234 gid=1235', 'true');
		is($made->('node'), '0755 1234:1235', 'it is the user\'s');
	}
	is($k->end_by('exit 0'), 0);
};

subtest 'a controlling terminal' => sub {
	my $k = Appctl::Keeper->start;
	open(my $ptmx, '+<', '/dev/ptmx') or plan(skip_all => "/dev/ptmx: $!");
	my ($unlock, $number) = (pack('i', 0), pack('i', 0));
	ioctl($ptmx, 0x40045431, $unlock) && ioctl($ptmx, 0x80045430, $number) or plan(skip_all => "no pseudo-terminal: $!");
	my $pts = '/dev/pts/' . unpack('i', $number);
	my $tty_of = sub { (split ' ', $_[0])[6] };
	is($tty_of->(seen_by_child($k, "stdio=pff pass=$pts", 'cat /proc/self/stat')), 0, 'is not had by itself');
	my @of = stat $pts;
	my $stat = seen_by_child($k, "stdio=pff pass=$pts terminal=1", 'cat /proc/self/stat');
	is($tty_of->($stat), $of[6], 'standard input is it when asked for');
	is((split ' ', $stat)[7], (split ' ', $stat)[0], 'with the child in its foreground');
	is($tty_of->(seen_by_child($k, 'terminal=1', 'cat /proc/self/stat')), 0, 'without a terminal nothing happens');
	is($k->end_by('exit 0'), 0);
};

subtest 'descriptors 0, 1 and 2' => sub {
	my $k = Appctl::Keeper->start;
	my $dir = $k->dir;
	spew("$dir/script.sh", "echo out\necho err >&2\n");
	spew("$dir/app.log", "before\n");
	my $run = sub { my ($o) = @_; my $i = ++$k->{last_inc}; $k->order("spawn $i c $o -- sh $dir/script.sh"); $k->expect(qr/^exited $i .* status=0 /) };
	$run->("stdio=nff log=$dir/app.log");
	is(slurp("$dir/app.log"), "before\nout\nerr\n", 'a log is appended to');
	$run->("stdio=nff log=$dir/new.log");
	is((stat "$dir/new.log")[2] & 0777, 0640, 'a new one can be read by its group');
	$run->("stdio=npp pass=$dir/out pass=$dir/err");
	is(slurp("$dir/out") . slurp("$dir/err"), "out\nerr\n", 'passed with the order');
	$run->('stdio=nii');
	like($k->log_text, qr/^out\nerr$/m, 'appctld\'s own');
	symlink "$dir/app.log", "$dir/link";
	is(failure($k, "stdio=nff log=$dir/link", 'true'), 'log ELOOP', 'a log may not be a symbolic link');
	POSIX::mkfifo("$dir/fifo", 0600);
	is(failure($k, "stdio=nff log=$dir/fifo", 'true'), 'log ENXIO', 'a fifo that nobody reads stops nothing');
	is($k->end_by('exit 0'), 0);
};

subtest 'why it could not begin' => sub {
	my $k = Appctl::Keeper->start;
	my $dir = $k->dir;
	spew("$dir/text", "no program\n");
	chmod 0755, "$dir/text";
	spew("$dir/plain", "#!/bin/sh\n");
	my $long = 'x' x 300;
	is(failure($k, '', 'nosuchprogram'), 'exec ENOENT');
	is(failure($k, '', '/nosuch/program'), 'exec ENOENT');
	is(failure($k, '', "$dir/plain"), 'exec EACCES');
	is(failure($k, '', "$dir/text"), 'exec ENOEXEC');
	is(failure($k, '', $long), 'exec ENOENT');
	is(failure($k, "env=PATH=/nosuch:$dir", 'plain'), 'exec ENOENT', 'the first PATH counts');
	is(failure($k, "dir=$dir/nosuch", 'true'), 'directory ENOENT');
	is(failure($k, "dir=$dir/text", 'true'), 'directory ENOTDIR');
	is(failure($k, "root=$dir/nosuch", 'true'), 'root ENOENT') if $> == 0;
	is(failure($k, "stdio=nff log=$dir/nosuch/log", 'true'), 'log ENOENT');
	is(failure($k, 'limit=99:1:1', 'true'), 'limits EINVAL');
	is(failure($k, 'limit=7:2:1', 'true'), 'limits EINVAL');
	is(failure($k, 'affinity=0', 'true'), 'cpu_affinity EINVAL');
	is(failure($k, 'oom=1001', 'true'), 'oom_score_adj EINVAL');
	$k->so_far;
	is($k->end_by('exit 0'), 0);
};

subtest 'as whom and where' => sub {
	needs_root();
	my $k = Appctl::Keeper->start;
	my $dir = $k->dir;
	my $text = seen_by_child($k, 'uid=1234 gid=1235 groups=5,7,9 umask=027 nnp=1 nice=7 oom=500 affinity=1', $status);
	like($text, qr/^Uid:\s+1234\s+1234\s+1234\s+1234$/m, 'user');
	like($text, qr/^Gid:\s+1235\s+1235\s+1235\s+1235$/m, 'group');
	like($text, qr/^Groups:\s+5 7 9 $/m, 'groups');
	like($text, qr/^Umask:\s+0027$/m, 'umask');
	like($text, qr/^NoNewPrivs:\s+1$/m, 'no_new_privs');
	like($text, qr/^Cpus_allowed_list:\s+0$/m, 'cpu_affinity');
	like($text, qr/^CapEff:\s+0+$/m, 'no capabilities');
	like(seen_by_child($k, 'uid=1234 gid=1235 groups=', $status), qr/^Groups:\s*$/m, 'no groups at all');
	is((split ' ', seen_by_child($k, 'nice=7', 'cat /proc/self/stat'))[18], 7, 'nice');
	is(seen_by_child($k, 'oom=789', 'cat /proc/self/oom_score_adj'), "789\n", 'oom_score_adj');
	SKIP: {
		skip 'needs CAP_SYS_RESOURCE', 1 unless hex(substr((slurp('/proc/self/status') =~ /^CapEff:\s+(\w+)/m)[0], 8)) >> 24 & 1;
		is(seen_by_child($k, 'oom=-500', 'cat /proc/self/oom_score_adj'), "-500\n", 'oom_score_adj below 0');
	}
	is(seen_by_child($k, '', 'cat /proc/self/oom_score_adj'), slurp("/proc/$$/oom_score_adj"), 'which stays the child\'s alone');
	is(slurp('/proc/' . $k->pid . '/oom_score_adj'), slurp("/proc/$$/oom_score_adj"));
	like(seen_by_child($k, 'limit=7:77:88', 'cat /proc/self/limits'), qr/^Max open files\s+77\s+88\s/m, 'limits');
	is(seen_by_child($k, "dir=$dir", 'pwd'), Cwd::abs_path($dir) . "\n", 'directory');
	chmod 0700, $dir;
	is(failure($k, "uid=1234 dir=$dir", 'true'), 'directory EACCES', 'entered as the user');
	chmod 0755, $dir;
	my ($busybox) = grep { -x } '/bin/busybox', '/usr/bin/busybox';
	SKIP: {
		skip 'needs busybox', 1 unless defined $busybox && `ldd $busybox 2>&1` =~ /not a dynamic/;
		mkdir "$dir/root";
		system('cp', $busybox, "$dir/root/box");
		is(seen_by_child($k, "root=$dir/root uid=1234", '/box ls /'), "box\n", 'root');
	}
	is($k->end_by('exit 0'), 0);
};

subtest 'capabilities: all that it may ever have' => sub {
	needs_root();
	my $k = Appctl::Keeper->start;
	my $has = sub {
		my ($options, $want) = @_;
		my %set = seen_by_child($k, $options, $status) =~ /^(Cap\w+):\s+([0-9a-f]+)$/mg;
		is($set{$_}, sprintf('%016x', $want), "$options: $_") for qw(CapPrm CapEff CapBnd);
		return \%set;
	};
	my $net = 1 << 10;	# CAP_NET_BIND_SERVICE
	my $set = $has->(sprintf('uid=1234 gid=1234 groups= caps=%x', $net), $net);
	is($set->{CapAmb}, sprintf('%016x', $net), 'it outlives the exec of an ordinary program');
	$has->(sprintf('caps=%x', $net), $net);
	$has->('uid=1234 gid=1234 groups= caps=0', 0);
	$has->('caps=0', 0);
	my $both = 1 << 7 | 1 << 21;
	$has->(sprintf('uid=1234 nnp=1 caps=%x', $both), $both);
	is($k->end_by('exit 0'), 0);
};

subtest 'for an ordinary user' => sub {
	needs_root();
	my $k = Appctl::Keeper->start(uid => 1234);
	like(seen_by_child($k, 'uid=1234 gid=1234 groups=1234', $status), qr/^Uid:\s+1234\s/m, 'what it is already needs no rights');
	is(failure($k, 'uid=0', 'true'), 'user EPERM');
	is(failure($k, 'gid=0', 'true'), 'group EPERM');
	is(failure($k, 'groups=0', 'true'), 'groups EPERM');
	is(failure($k, 'root=/usr', 'true'), 'root EPERM');
	is(failure($k, 'caps=0', 'true'), 'capabilities EPERM', 'a promise that cannot be kept is not made');
	like(seen_by_child($k, 'caps=0 nnp=1', $status), qr/^CapEff:\s+0+$/m, 'no_new_privileges keeps it');
	is($k->end_by('exit 0'), 0);
};

subtest 'without clone3 and close_range' => sub {
	needs_program('strace');
	plan(skip_all => 'strace cannot trace here') if system('strace -f -o /dev/null true >/dev/null 2>&1') != 0;
	my $k = Appctl::Keeper->start(env => { ASAN_OPTIONS => 'detect_leaks=0' }, before => ['strace', '-f', '-o', '/dev/null', '-e', 'trace=clone3,close_range',
		'-e', 'inject=clone3,close_range:error=ENOSYS']);
	my $tracking = $k->expect(qr/^hello .*tracking=(\d)/);
	my $text = seen_by_child($k, 'cgroup=old ready=5', 'cat /proc/self/cgroup');
	like($text, qr{^0::/.*/old$}m, 'it enters its cgroup by itself') if $tracking;
	my %fd = seen_by_child($k, 'ready=5', 'ls -l /proc/self/fd') =~ / (\d+) -> (\S+)/g;
	is(join(' ', sort keys %fd), '0 1 2 3 5', 'its descriptors are the same');
	is(failure($k, '', 'nosuchprogram'), 'exec ENOENT');
	$k->order('exit 0');
	is($k->wait_end, 0);
};

subtest 'when the kernel refuses' => sub {
	needs_program('strace');
	plan(skip_all => 'strace cannot trace here') if system('strace -f -o /dev/null true >/dev/null 2>&1') != 0;
	# The 1st clone3 is the trial of the cgroup (where there is one), then come the engine, and children.
	for my $case (['clone3', 'EAGAIN', 'clone'], ['socketpair', 'EMFILE', 'descriptors']) {
		my ($call, $error, $step) = @$case;
		my $k = Appctl::Keeper->start(env => { ASAN_OPTIONS => 'detect_leaks=0' }, before => ['strace', '-o', '/dev/null', '-e', "trace=$call", '-e', "inject=$call:error=$error:when=4..5"]);
		my %seen;
		for my $inc (1 .. 6) {
			$k->order("spawn $inc c ready=9 -- true");
			my ($failed) = $k->expect(qr/^(?:spawned|spawn_failed) $inc (?:step=(\w+))?/);
			$seen{ $failed // 'none' }++;
		}
		ok($seen{$step}, "$call: $error is told as $step") or diag(explain(\%seen));
		ok($seen{none}, 'and the next one is spawned');
		is($k->end_by('exit 0'), 0);
	}
};

done_testing;
