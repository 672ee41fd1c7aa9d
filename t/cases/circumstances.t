# SPDX-License-Identifier: MIT
# What a child inherits, told by the child: exactly what its configuration declares, whatever appctld itself was started with.
use strict;
use warnings;
use POSIX ();
use Test::More;
use Appctl::Test;

# It tells of itself and then runs on.
my $probe = <<'END';
	use POSIX ();
	sub slurp { open my $f, "<", $_[0] or return ""; local $/; my $t = <$f>; close $f; $t }
	my @open = map { my $to = readlink "/proc/self/fd/$_"; defined $to ? "$_=$to" : () } 0 .. 300;
	my %status = slurp("/proc/self/status") =~ /^(\w+):[ \t]*(.*)$/mg;
	my @stat = slurp("/proc/self/stat") =~ /^\d+ \(.*\) (.*)/ ? split(" ", $1) : ();
	my %limit = slurp("/proc/self/limits") =~ /^(Max [a-z ]*[a-z])\s\s+(\S+\s+\S+)/mg;
	open my $out, ">", "$ARGV[0].new" or die;
	print $out "fds=@open\n", (map { "$_=$status{$_}\n" } qw(SigPnd ShdPnd SigBlk SigIgn SigCgt CapInh CapPrm CapEff CapBnd CapAmb Umask Uid Gid
		Groups NoNewPrivs Seccomp)), "tty=$stat[4]\nsession=", $stat[3] == $$ ? "own" : "other", "\ngroup=", $stat[2] == $$ ? "own" : "other",
		"\nnice=$stat[16]\noom=", slurp("/proc/self/oom_score_adj"), "cwd=", readlink("/proc/self/cwd"), "\nroot=", readlink("/proc/self/root"),
		"\nnofile=$limit{'Max open files'}\ncore=$limit{'Max core file size'}\nparent=", slurp("/proc/" . getppid() . "/comm"),
		"slack=", slurp("/proc/self/timerslack_ns"), "sched=", (slurp("/proc/self/sched") =~ /^policy\s*:\s*(\d+)/m)[0] // 0, "\n",
		"env=", join(" ", sort keys %ENV), "\n";
	close $out;
	rename "$ARGV[0].new", $ARGV[0];
	sleep 1000;
END

sub told {
	my ($node, $app) = @_;
	select undef, undef, undef, 0.01 until -e $node->dir . "/$app.told" || $node->events_so_far({ event => 'app_failed', app => $app });
	return { map { /^(\w+)=(.*)$/ } split /\n/, slurp($node->dir . "/$app.told") };
}

sub application {
	my ($name, $keys) = @_;
	return "$name: { command = [\"$^X\", \"\@DIR\@/probe\", \"\@DIR\@/$name.told\"]; $keys };\n";
}

# appctld has a terminal, descriptors too many, signals ignored and blocked, another umask, directory, priority, limits.
my $wrapper = <<'END';
	use POSIX ();
	$SIG{$_} = "IGNORE" for qw(HUP USR1 USR2 PIPE QUIT WINCH);
	POSIX::sigprocmask(POSIX::SIG_BLOCK(), POSIX::SigSet->new(POSIX::SIGUSR1(), POSIX::SIGTERM(), POSIX::SIGALRM(), 34, 64));
	$^F = 255;
	open my $f, "<", "/dev/null";
	POSIX::dup2(fileno $f, $_) for 5, 7, 77, 200;
	umask 0077;
	POSIX::nice(3);
	if (open my $oom, ">", "/proc/self/oom_score_adj") { print $oom 321 }
	chdir "/usr";
	$ENV{LEAKED_BY_DAEMON} = 1;
	exec @ARGV or die;
END
my $node = Appctl::Test->new(before => [$^X, '-e', $wrapper],
	config => "applications: {\n" . application('plain', '') . application('declared', 'umask = "027"; directory = "/tmp"; nice = 7; oom_score_adj = 654;
		clear_environment = true; no_new_privileges = true; limits = { nofile = [100, 200]; core = 0; }; ready = { type = "fd"; fd = 9; };')
	. '};');
spew($node->dir . '/probe', $probe);
my @before = slurp('/proc/self/limits') =~ /^Max open files\s+(\d+)\s+(\d+)/m;
$node->start;
$node->wait_event({ event => 'app_running', app => 'plain' });

subtest 'with no key at all' => sub {
	my $t = told($node, 'plain');
	is($t->{fds}, '0=/dev/null ' . join(' ', map { "$_=" . $node->dir . '/appctld.log' } 1, 2), 'descriptors 0, 1 and 2, and no other');
	is($t->{$_}, '0' x 16, "$_ is empty") for qw(SigPnd ShdPnd SigBlk);
	# perl ignores floating point exceptions.
	is(hex($t->{SigIgn}) & ~(1 << 7), 0, 'no signal is ignored');
	is($t->{session}, 'own', 'it leads a session');
	is($t->{tty}, 0, '... without a terminal');
	is($t->{parent}, 'appctld', 'the keeper is its parent');
	is($t->{nice}, 3, 'the priority is that of appctld');
	is($t->{oom}, 321, '... and the OOM score');
	is($t->{cwd}, '/usr', '... and the directory');
	is($t->{Umask}, '0077', '... and the umask');
	is($t->{nofile} =~ s/\s+/ /r, "@before", 'the limit of descriptors is that which appctld was started with');
	my %own = slurp('/proc/self/status') =~ /^(Cap\w+):\s+(\S+)$/mg;
	is($t->{$_}, $own{$_}, "$_ is that of appctld") for qw(CapInh CapPrm CapEff CapBnd CapAmb);
	is($t->{NoNewPrivs}, 0, 'and it may gain others');
	unlike($t->{env}, qr/\b(NOTIFY_SOCKET|APPCTL_LIBEXECDIR|LISTEN_\w+)\b/, 'nothing of appctld\'s own is in its environment');
	like($t->{env}, qr/\bLEAKED_BY_DAEMON\b/, 'what appctld was given is');
};

subtest 'with what is declared' => sub {
	my $t = told($node, 'declared');
	is($t->{fds} =~ s/socket:\[\d+\]/socket/r, '0=/dev/null ' . join(' ', map { "$_=" . $node->dir . '/appctld.log' } 1, 2) . ' 9=socket',
		'descriptors 0, 1, 2 and the one that says that it is ready');
	is($t->{Umask}, '0027', 'umask');
	is($t->{cwd}, '/tmp', 'directory');
	is($t->{nice}, 7, 'nice');
	is($t->{oom}, 654, 'oom_score_adj');
	is($t->{NoNewPrivs}, 1, 'no_new_privileges');
	is($t->{nofile} =~ s/\s+/ /r, '100 200', 'limits');
	is($t->{env}, 'APPCTL_APP APPCTL_INCARNATION APPCTL_RUNTIME_DIR APPCTL_SELF' . ($> == 0 ? ' HOME LOGNAME PATH SHELL USER' : ' PATH'), 'environment');
};

subtest 'as another user' => sub {
	needs_root();
	my $node = Appctl::Test->new(before => [$^X, '-e', $wrapper], config => "applications: {\n"
		. application('user', 'user = 1234; group = 1235; groups = [1236]; umask = "022";')
		. application('able', 'user = 1234; group = 1235; groups = []; capabilities = ["NET_BIND_SERVICE"];')
		. application('unable', 'capabilities = [];') . "};\n");
	chmod 0777, $node->dir;
	spew($node->dir . '/probe', $probe);
	$node->start;
	my $t = told($node, 'user');
	is($t->{Uid} =~ s/\s+/ /gr, '1234 1234 1234 1234', 'user, all four');
	is($t->{Gid} =~ s/\s+/ /gr, '1235 1235 1235 1235', 'group, all four');
	is($t->{Groups} =~ s/\s+$//r, '1236', 'groups');
	is($t->{$_}, '0' x 16, "$_ is empty") for qw(CapInh CapPrm CapEff CapAmb SigBlk);
	$t = told($node, 'able');
	is($t->{Groups} =~ s/\s+$//r, '', 'no groups');
	is($t->{$_}, sprintf('%016x', 1 << 10), "$_ holds the one capability") for qw(CapPrm CapEff CapBnd CapAmb);
	$t = told($node, 'unable');
	is($t->{$_}, '0' x 16, "root without any: $_") for qw(CapPrm CapEff CapBnd CapAmb);
	is($node->stop, 0);
};

subtest 'under a terminal' => sub {
	needs_program('script');
	my $node = Appctl::Test->new(may_leave_processes => 1, config => "applications: {\n" . application('plain', 'log = { type = "null"; };') . '};');
	spew($node->dir . '/probe', $probe);
	my $command = join ' ', map { "'$_'" } $node->command;
	my $environment = $node->environment;
	$node->{child} = spawn_program('script', '-qec', $command, $node->dir . '/typescript', { env => $environment, out => $node->dir . '/appctld.log' });
	$node->subscribe;
	my $running = $node->wait_event({ event => 'app_running', app => 'plain' });
	($node->{pid}) = grep { slurp("/proc/$_/comm") eq "appctld\n" } Appctl::Test::descendants($node->{child});
	my @daemon = split ' ', slurp('/proc/' . $node->pid . '/stat') =~ s/^\d+ \(.*\) //r;
	isnt($daemon[4], 0, 'appctld has a terminal');
	my $t = told($node, 'plain');
	is($t->{tty}, 0, 'its children have none');
	is($t->{fds}, '0=/dev/null 1=/dev/null 2=/dev/null', 'not by a descriptor either');
	is($node->stop, 0);
};

is($node->stop, 0);
done_testing;
