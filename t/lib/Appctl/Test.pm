# SPDX-License-Identifier: MIT
package Appctl::Test;

use strict;
use warnings;

use Cwd ();
use Exporter 'import';
use Compress::Raw::Zlib ();
use File::Path ();
use File::Temp ();
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes ();

our @EXPORT = qw(
	program run_program spawn_program free_port needs_root needs_cgroup needs_program in_pid_namespace
	slow_factor top_srcdir top_builddir process_is_alive slurp spew
);

my $json = JSON::PP->new->utf8->canonical;
my (@nodes, %own_children, @scratch);
my $owner = $$;

# --- Where things are -------------------------------------------------------

sub top_srcdir { Cwd::abs_path($ENV{top_srcdir} || '.') }
sub top_builddir { Cwd::abs_path($ENV{top_builddir} || (-e 'config.status' ? '.' : 'build')) }

sub program {
	my ($name) = @_;
	my $path = top_builddir() . "/$name";
	-x $path or die "$path is not there: build first, and run tests by `make check` or with top_builddir set\n";
	return $path;
}

# Sanitizers make everything slower: all time limits are multiplied by this.
sub slow_factor { $ENV{APPCTL_TEST_SLOW} || 1 }

sub slurp {
	my ($path) = @_;
	open my $fh, '<', $path or return '';
	local $/;
	return scalar(<$fh>) // '';
}

sub spew {
	my ($path, $text) = @_;
	open my $fh, '>', $path or die "$path: $!\n";
	print $fh $text or die "$path: $!\n";
	close $fh or die "$path: $!\n";
}

# --- What a test needs ------------------------------------------------------

sub needs_root { plan(skip_all => 'needs root') if $> != 0 }

sub needs_program {
	for my $name (@_) {
		next if grep { -x "$_/$name" } split(/:/, $ENV{PATH}), '/usr/sbin', '/sbin';
		plan(skip_all => "needs $name");
	}
}

# A version 2 hierarchy (alone or beside version 1) in which this process may make groups.
sub cgroup_directory {
	my ($mount) = map { (split ' ')[4] } grep { / - cgroup2 / } split /\n/, slurp('/proc/self/mountinfo');
	my ($path) = slurp('/proc/self/cgroup') =~ /^0::(.*)$/m;
	return undef unless defined $mount && defined $path;
	my $try = "$mount$path/appctl-test-$$";
	return undef unless mkdir $try;
	rmdir $try;
	return "$mount$path";
}

sub needs_cgroup {
	my $dir = cgroup_directory() // plan(skip_all => 'needs a cgroup v2 directory to make groups in');
	return $dir;
}

# Runs the test program again as a child of a reaping PID 1 in a namespace of its own.
sub in_pid_namespace {
	return if $ENV{APPCTL_TEST_IN_NAMESPACE};
	my @unshare = qw(unshare --pid --fork --kill-child --mount-proc --);
	plan(skip_all => 'needs a pid namespace of its own') if system("@unshare true >/dev/null 2>&1") != 0;
	my $init = 'my $t = fork // die; exec @ARGV or exit 127 unless $t; my $s;'
		. ' while ((my $p = wait) > 0) { $s = $? if $p == $t; last if defined $s } exit($s >> 8 || $s & 127)';
	$ENV{APPCTL_TEST_IN_NAMESPACE} = 1;
	exec(@unshare, $^X, '-e', $init, $^X, (map { "-I$_" } @INC), $0, @ARGV) or die "unshare: $!\n";
}

# Nobody else listens there now; what the kernel gave a moment ago it does not give again at once.
sub free_port {
	my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', LocalPort => 0) or die "free_port: $!\n";
	return $s->sockport;
}

# --- Processes --------------------------------------------------------------

# Orphans below this test become its children, so that none escapes cleaning up.
sub become_subreaper {
	my ($machine) = (POSIX::uname())[4];
	my $prctl = { x86_64 => 157, aarch64 => 167 }->{$machine} // return;
	syscall($prctl, 36, 1, 0, 0, 0);
}

# A zombie is not alive; one that is being traced may be (state t).
sub process_is_alive {
	my ($pid) = @_;
	return slurp("/proc/$pid/stat") =~ /^\d+ \(.*\) ([A-Za-z])/s && $1 !~ /[ZX]/;
}

sub descendants {
	my @roots = @_;
	my (%children, @found);
	for my $stat (glob '/proc/[0-9]*/stat') {
		push @{ $children{$3} }, $1 if slurp($stat) =~ /^(\d+) \(.*\) ([A-Za-z]) (\d+) /s && $2 !~ /[ZX]/;
	}
	while (defined(my $pid = shift @roots)) {
		my @c = @{ $children{$pid} // [] };
		push @found, @c;
		push @roots, @c;
	}
	return @found;
}

sub command_line {
	my ($pid) = @_;
	my $text = slurp("/proc/$pid/cmdline");
	$text =~ tr/\0/ /;
	return "$pid: $text";
}

sub exec_child {
	my ($argv, $o, $in, $out, $err) = @_;
	POSIX::setpgid(0, 0) if $o->{new_group};
	open STDIN, '<', $in or POSIX::_exit(126);
	open STDOUT, '>>', $out or POSIX::_exit(126);
	open STDERR, '>>', $err or POSIX::_exit(126);
	if (defined $o->{uid}) {
		$) = "$o->{uid} $o->{uid}";
		POSIX::setgid($o->{uid});
		POSIX::setuid($o->{uid});
	}
	chdir $o->{directory} or POSIX::_exit(126) if defined $o->{directory};
	my %env = %{ $o->{env} // {} };
	defined $env{$_} ? ($ENV{$_} = $env{$_}) : delete $ENV{$_} for keys %env;
	$SIG{$_} = 'DEFAULT' for qw(INT TERM ALRM PIPE CHLD);
	{ no warnings 'exec'; exec { $argv->[0] } @$argv; }
	POSIX::_exit(127);
}

# In the background; ended with the test.
sub spawn_program {
	my $o = ref $_[-1] eq 'HASH' ? pop : {};
	my @argv = @_;
	my $pid = fork // die "fork: $!\n";
	exec_child(\@argv, $o, $o->{stdin_file} // '/dev/null', $o->{out} // '/dev/null', $o->{err} // '/dev/null') unless $pid;
	$own_children{$pid} = 1;
	return $pid;
}

sub wait_child {
	my ($pid, $timeout) = @_;
	my $end = Time::HiRes::time() + $timeout * slow_factor();
	while (Time::HiRes::time() < $end) {
		if (waitpid($pid, POSIX::WNOHANG()) == $pid) {
			delete $own_children{$pid};
			return $?;
		}
		Time::HiRes::sleep(0.005);
	}
	return undef;
}

# To its end: { exit, signal, out, err, timed_out }.
sub run_program {
	my $o = ref $_[-1] eq 'HASH' ? pop : {};
	my $dir = scratch_directory();
	my %file = map { $_ => "$dir/$_" } qw(in out err);
	spew($file{in}, $o->{stdin} // '');
	spew($file{$_}, '') for qw(out err);
	chmod 0666, values %file;
	my $pid = spawn_program(@_, { %$o, stdin_file => $file{in}, out => $file{out}, err => $file{err} });
	my $status = wait_child($pid, $o->{timeout} // 20);
	my %r = (out => slurp($file{out}), err => slurp($file{err}), timed_out => !defined $status);
	if (!defined $status) {
		kill KILL => $pid;
		waitpid $pid, 0;
		delete $own_children{$pid};
		diag("no end within its time: @_\n$r{out}$r{err}");
		$status = 9;
	}
	@r{qw(exit signal)} = ($status & 127 ? undef : $status >> 8, $status & 127);
	File::Path::remove_tree($dir);
	return \%r;
}

sub scratch_directory {
	my $dir = File::Temp::tempdir('appctl-XXXXXXXX', DIR => length($ENV{TMPDIR} // '') && length $ENV{TMPDIR} < 40 ? $ENV{TMPDIR} : '/tmp');
	chmod 0755, $dir;
	push @scratch, $dir;
	return $dir;
}

# --- A node: one appctld with its scratch directory -------------------------

sub new {
	my ($class, %o) = @_;
	my $self = bless { %o, events => [], cursor => 0, buffer => '' }, $class;
	$self->{dir} = scratch_directory();
	mkdir "$self->{dir}/$_" for qw(conf.d run);
	$self->config($o{config} // "#\n");
	$self->dropin($_, $o{dropins}{$_}) for keys %{ $o{dropins} // {} };
	push @nodes, $self;
	return $self;
}

sub dir { $_[0]{dir} }
sub runtime_dir { "$_[0]{dir}/run" }
sub config_file { "$_[0]{dir}/appctld.conf" }
sub pid { $_[0]{pid} }
sub log_text { slurp("$_[0]{dir}/appctld.log") }

sub config {
	my ($self, $text) = @_;
	spew($self->config_file, $self->expand($text));
}

sub dropin {
	my ($self, $name, $text) = @_;
	my $path = "$self->{dir}/conf.d/$name";
	return unlink $path unless defined $text;
	spew($path, $self->expand($text));
}

sub expand {
	my ($self, $text) = @_;
	$text =~ s/\@DIR\@/$self->{dir}/g;
	return $text;
}

sub environment {
	my ($self) = @_;
	return { APPCTL_LIBEXECDIR => top_builddir(), NOTIFY_SOCKET => undef, WATCHDOG_USEC => undef,
		APPCTL_RUNTIME_DIR => undef, %{ $self->{env} // {} } };
}

sub command {
	my ($self, @args) = @_;
	my @argv = ($self->{program} // program('appctld'), '-c', $self->config_file, '-r', $self->runtime_dir);
	push @argv, '-m', $self->{mode} if defined $self->{mode};
	push @argv, '-n', $self->{node} if defined $self->{node};
	return (@argv, @{ $self->{args} // [] }, @args);
}

# appctld to its end, for --check and for what cannot start.
sub run_appctld {
	my ($self, @args) = @_;
	return run_program($self->command(@args), { env => $self->environment, uid => $self->{uid} });
}

# Starts appctld and subscribes to all its events from the first one.
sub start {
	my ($self) = @_;
	my @argv = $self->command;
	unshift @argv, @{ $self->{before} // [] };
	unshift @argv, qw(unshare --pid --fork --kill-child --mount-proc --) if $self->{pid1};
	chown $self->{uid}, $self->{uid}, $self->{dir}, map { "$self->{dir}/$_" } qw(run conf.d appctld.conf) if defined $self->{uid};
	my $log = "$self->{dir}/appctld.log";
	spew($log, '');
	chmod 0666, $log;
	$self->{child} = spawn_program(@argv, { env => $self->environment, uid => $self->{uid}, out => $log, err => $log });
	@$self{qw(events cursor buffer)} = ([], 0, '');
	$self->subscribe;
	($self->{pid}) = grep { slurp("/proc/$_/comm") eq "appctld\n" } $self->{child}, descendants($self->{child});
	return $self;
}

sub subscribe {
	my ($self) = @_;
	my $end = Time::HiRes::time() + 10 * slow_factor();
	my $path = $self->runtime_dir . '/events.sock';
	until ($self->{socket} = IO::Socket::UNIX->new(Type => SOCK_STREAM(), Peer => $path)) {
		if (waitpid($self->{child}, POSIX::WNOHANG()) == $self->{child}) {
			delete $own_children{ $self->{child} };
			$self->give_up(sprintf 'appctld ended with wait status 0x%x before it listened', $?);
		}
		$self->give_up("nobody listens on $path: $!") if Time::HiRes::time() > $end;
		Time::HiRes::sleep(0.01);
	}
	$self->{socket}->print(qq({"since":0}\n));
	$self->{socket}->flush;
	$self->{socket}->blocking(0);
}

sub give_up {
	my ($self, $why) = @_;
	my $seen = join '', map { '  ' . $json->encode($_) . "\n" } @{ $self->{events} };
	diag("$why\nevents so far:\n$seen" . 'what appctld said:', "\n", $self->log_text);
	die "$why\n";
}

# Reads what has come; waits up to `seconds` for more.  False: the connection has ended.
sub read_events {
	my ($self, $seconds) = @_;
	return 0 unless $self->{socket};
	vec(my $bits = '', fileno($self->{socket}), 1) = 1;
	return 1 unless select($bits, undef, undef, $seconds) > 0;
	my $n = sysread $self->{socket}, my $data, 65536;
	return 1 if !defined $n && ($!{EAGAIN} || $!{EINTR});
	if (!$n) {
		delete $self->{socket};
		return 0;
	}
	$self->{buffer} .= $data;
	push @{ $self->{events} }, $json->decode($1) while $self->{buffer} =~ s/^(.*)\n//;
	return 1;
}

sub event_matches {
	my ($ev, $want) = @_;
	for my $key (keys %$want) {
		my ($v, $w) = ($ev->{$key}, $want->{$key});
		return 0 unless ref $w eq 'CODE' ? $w->($v) : !defined $w ? !defined $v
			: defined $v && (ref $w eq 'Regexp' ? $v =~ $w : $v eq $w);
	}
	return 1;
}

sub wait_event {
	my ($self, $want, $timeout) = @_;
	my $end = Time::HiRes::time() + ($timeout // 10) * slow_factor();
	my $open = 1;
	while (1) {
		while ($self->{cursor} < @{ $self->{events} }) {
			my $ev = $self->{events}[ $self->{cursor}++ ];
			return $ev if event_matches($ev, $want);
		}
		my $left = $end - Time::HiRes::time();
		last if !$open || $left <= 0;
		$open = $self->read_events($left);
	}
	$self->give_up('no event ' . $json->encode({ map { $_ => defined $want->{$_} ? "$want->{$_}" : undef } keys %$want })
		. ($open ? ' in time' : ' before appctld closed the connection'));
}

# All of them, in any order, after what wait_event() returned last; in the order asked for.
sub wait_events {
	my ($self, $wants, $timeout) = @_;
	my $from = $self->{cursor};
	my (@found, $last);
	for my $want (@$wants) {
		$self->{cursor} = $from;
		push @found, $self->wait_event($want, $timeout);
		$last = $self->{cursor} if $self->{cursor} > ($last // 0);
	}
	$self->{cursor} = $last;
	return @found;
}

# Until that many of them have come since the start; all of them.
sub wait_count {
	my ($self, $want, $count, $timeout) = @_;
	my $end = Time::HiRes::time() + ($timeout // 10) * slow_factor();
	while (1) {
		my @found = $self->events_so_far($want);
		return @found if @found >= $count;
		my $left = $end - Time::HiRes::time();
		$self->give_up(scalar(@found) . " and not $count of " . $json->encode($want)) if $left <= 0 || !$self->read_events($left);
	}
}

sub events_so_far {
	my ($self, $want) = @_;
	while ($self->{socket}) {
		my $before = @{ $self->{events} };
		last if !$self->read_events(0) || @{ $self->{events} } == $before;
	}
	return grep { event_matches($_, $want // {}) } @{ $self->{events} };
}

sub appctl {
	my $o = ref $_[-1] eq 'HASH' ? pop : {};
	my ($self, @args) = @_;
	return run_program(program('appctl'), '-r', $self->runtime_dir, @args,
		{ %$o, env => { %{ $self->environment }, %{ $o->{env} // {} } } });
}

# With --json: the decoded document.
sub appctl_json {
	my ($self, @args) = @_;
	my $r = $self->appctl('--json', @args);
	my $doc = eval { $json->decode($r->{out}) };
	defined $doc or $self->give_up("appctl --json @args: exit " . ($r->{exit} // "signal $r->{signal}") . ": $r->{out}$r->{err}");
	return $doc;
}

sub connect_control {
	my ($self) = @_;
	my $path = $self->runtime_dir . '/control.sock';
	return IO::Socket::UNIX->new(Type => SOCK_STREAM(), Peer => $path) // $self->give_up("$path: $!");
}

sub varlink_send {
	my ($self, $socket, $method, $parameters, %flags) = @_;
	$method = "org.appctl.Control.$method" unless $method =~ /\./;
	$socket->print($json->encode({ method => $method, parameters => $parameters // {}, map { $_ => JSON::PP::true } keys %flags }) . "\0");
	$socket->flush;
}

# The next reply on that connection; undef: it was closed.
sub varlink_read {
	my ($self, $socket) = @_;
	local $/ = "\0";
	my $line = readline $socket;
	return undef unless defined $line && chomp $line;
	return $json->decode($line);
}

# { parameters => … } or { error => …, parameters => … }
sub varlink {
	my ($self, $method, $parameters) = @_;
	my $socket = $self->connect_control;
	$self->varlink_send($socket, $method, $parameters);
	return $self->varlink_read($socket) // $self->give_up("$method: the connection was closed without a reply");
}

sub signal {
	my ($self, $name) = @_;
	kill $name => $self->{pid} or die "kill $name $self->{pid}: $!\n";
}

sub engine_pid {
	my ($self) = @_;
	for my $pid (descendants($self->{pid})) {
		return $pid if slurp("/proc/$pid/comm") =~ /^appctl-engine/;
	}
	return undef;
}

# Waits for appctld's end; its wait status.
sub wait_end {
	my ($self, $timeout) = @_;
	my $child = $self->{child} // return $self->{status};
	my $end = Time::HiRes::time() + ($timeout // 10) * slow_factor();
	# Reading on keeps the last events, and keeps appctld from a full socket.
	while ($self->{socket} && Time::HiRes::time() < $end) { $self->read_events(0.1) }
	my $left = $end - Time::HiRes::time();
	my $status = wait_child($child, ($left > 0.1 ? $left : 0.1) / slow_factor());
	$self->give_up('appctld did not end in time') unless defined $status;
	$self->{status} = $status;
	delete @$self{qw(child pid)};
	$self->check_what_is_left;
	return $status;
}

# SIGTERM, unless it has ended; then its wait status.
sub stop {
	my ($self, $timeout) = @_;
	$self->signal('TERM') if defined $self->{child};
	return $self->wait_end($timeout);
}

# After every end: no process may be left, no sanitizer may have spoken.
sub check_what_is_left {
	my ($self) = @_;
	my $log = $self->log_text;
	if ($log =~ /AddressSanitizer|LeakSanitizer|runtime error:/) {
		fail('a sanitizer found something');
		diag($log);
	}
	return if $self->{may_leave_processes} || grep { defined $_->{child} } @nodes;
	reap_orphans();
	my %own = map { $_ => 1 } map { $_, descendants($_) } keys %own_children;
	my @left = grep { !$own{$_} } descendants($$);
	return unless @left;
	fail('appctld left processes behind');
	diag(command_line($_)) for @left;
}

# --- The end of the test, good or bad ---------------------------------------

sub reap_orphans {
	for my $stat (glob '/proc/[0-9]*/stat') {
		next unless slurp($stat) =~ /^(\d+) \(.*\) [A-Z] (\d+) /s && $2 == $$ && !$own_children{$1};
		waitpid $1, POSIX::WNOHANG();
	}
}

sub kill_everything {
	for (1 .. 100) {
		my @left = descendants($$) or last;
		kill KILL => @left;
		1 while waitpid(-1, POSIX::WNOHANG()) > 0;
		Time::HiRes::sleep(0.01);
	}
	1 while waitpid(-1, POSIX::WNOHANG()) > 0;
}

# A keeper that was killed, and that no other followed, left its control group: it is named after its runtime directory.
sub remove_control_groups {
	my $base = cgroup_directory() // return;
	for my $node (@nodes) {
		my ($device, $inode) = stat $node->runtime_dir or next;
		my $group = sprintf '%s/appctl-%08x', $base, Compress::Raw::Zlib::crc32(pack('QQ', $device, $inode));
		rmdir for glob("$group/*/"), $group;
	}
}

sub END {
	return if $$ != $owner;
	my $status = $?;
	local $@;
	for my $node (grep { defined $_->{child} } @nodes) {
		next if $status || eval { $node->stop; 1 };
		$status ||= 1;
	}
	kill_everything();
	remove_control_groups();
	File::Path::remove_tree(@scratch, { error => \my $ignored }) unless $ENV{APPCTL_TEST_KEEP};
	$? = $status;
}

sub out_of_time {
	diag('the whole test took too long');
	for my $node (@nodes) { diag($node->log_text) }
	exit 1;
}

become_subreaper();
$SIG{ALRM} = \&out_of_time;
$SIG{INT} = $SIG{TERM} = sub { exit 1 };
$SIG{PIPE} = 'IGNORE';
alarm(($ENV{APPCTL_TEST_TIMEOUT} || 120) * slow_factor());

1;

__END__

=encoding utf8

=head1 NAME

Appctl::Test - whole-system tests of appctl

=head1 SYNOPSIS

    use Test::More;
    use Appctl::Test;

    my $node = Appctl::Test->new(config => <<'END');
    applications: { web: { command = ["/bin/sleep", "1000"]; }; };
    END
    $node->start;
    my $ev = $node->wait_event({ event => 'app_running', app => 'web' });
    is($node->appctl('status', 'web')->{exit}, 0);
    kill KILL => $ev->{pid};
    $node->wait_event({ event => 'app_running', app => 'web', pid => qr/^(?!$ev->{pid}$)/ });
    is($node->stop, 0);
    done_testing;

=head1 DESCRIPTION

Every object is one appctld with a scratch directory of its own; a test may have several.  What a test
started is ended with it by pid and its directories are removed, also when it fails, is interrupted or takes
longer than C<APPCTL_TEST_TIMEOUT> seconds (120).  C<APPCTL_TEST_KEEP=1> keeps the directories.  All limits are
multiplied by C<APPCTL_TEST_SLOW>, which C<make check> sets where sanitizers are built in.

Needed from the environment, set by C<make check>: C<top_srcdir>, C<top_builddir>.

=head2 A node

=over

=item new(config => TEXT, dropins => { NAME => TEXT }, mode, node, args => [...], env => {...}, uid, pid1, before => [...])

Writes F<appctld.conf> and F<conf.d/NAME>; C<@DIR@> in a text becomes the scratch directory.  C<uid>: runs as that
user (needs root).  C<pid1>: appctld is PID 1 of a namespace.  C<program>: another appctld than the one built.  C<before>: a command that becomes or starts appctld.
C<may_leave_processes>: do not check for them.

=item config(TEXT), dropin(NAME, TEXT)

Writes them anew, for a reload.  C<undef> removes the drop-in.

=item start, stop([SECONDS]), wait_end([SECONDS]), signal(NAME)

C<start> returns when the event socket answers.  C<stop> and C<wait_end> return appctld's wait status, and fail the
test if a process is left or a sanitizer spoke.

=item run_appctld(ARGS)

Runs it to its end: for C<--check> and for configurations that are refused.

=item wait_event({ KEY => VALUE }, [SECONDS])

The next event, after the one returned last, in which all keys match: by C<eq>, by a regular expression, by a
function, or (C<undef>) by being absent.  Dies with all events and appctld's log when it does not come (10 s).

=item wait_events([{...}, {...}], [SECONDS])

All of these, in whatever order they come.

=item wait_count({...}, COUNT, [SECONDS])

Until that many of them have come since the start, wherever C<wait_event> stands; all of them.

=item events_so_far([{...}])

All that have come and match, from the first one.

=item appctl(ARGS, [{ stdin, env, uid, timeout }]), appctl_json(ARGS)

The command line: C<{ exit, signal, out, err }>, or the decoded document of C<--json>.

=item varlink(METHOD, PARAMETERS)

One call on a connection of its own: C<{ parameters }>, with C<error> if it failed.  C<connect_control>,
C<varlink_send(SOCKET, METHOD, PARAMETERS, more =E<gt> 1)> and C<varlink_read(SOCKET)> are its parts.

=item dir, runtime_dir, config_file, log_text, pid, engine_pid

=back

=head2 Functions

=over

=item needs_root, needs_program(NAME...), needs_cgroup

Skip the test, or the subtest, with the reason.

=item in_pid_namespace

Runs the test program again in a pid namespace whose PID 1 reaps.

=item program(NAME), run_program(ARGV, [{...}]), spawn_program(ARGV, [{...}])

=item free_port, process_is_alive(PID), slurp(PATH), spew(PATH, TEXT), top_srcdir, top_builddir, slow_factor

=back

=cut
