# SPDX-License-Identifier: MIT
# What tells that it is ready: by descriptor as s6 does, by datagram as sd_notify(3) does.
use strict;
use warnings;
use IO::Socket::UNIX;
use POSIX ();
use Test::More;
use Appctl::Test;

sub has { my ($name) = @_; return grep { -x "$_/$name" } split /:/, $ENV{PATH} }

subtest 'descriptor' => sub {
	my $node = Appctl::Test->new(config => <<'END');
applications:
{
	first: { command = "echo not yet >@DIR@/seen; while [ ! -e @DIR@/go ]; do sleep 0.02; done; echo half >&4; echo >&4; exec sleep 1000";
		 ready = { type = "fd"; fd = 4; timeout = 20.0; }; };
	next:  { command = ["/bin/sleep", "1000"]; applications = ["first"]; };
	quiet: { command = "exec 3>&-; exec sleep 1000"; ready = { type = "fd"; timeout = 20.0; }; restart = "temporary"; };
	late:  { command = ["/bin/sleep", "1000"]; ready = { type = "fd"; timeout = 0.3; }; restart = "temporary"; };
};
END
	$node->start;
	my ($quiet, $late) = $node->wait_events([{ event => 'app_exited', app => 'quiet' }, { event => 'app_exited', app => 'late' }]);
	is($quiet->{reason}, 'not_ready', 'a closed descriptor never becomes ready');
	is($late->{reason}, 'start_timeout', 'nor does one that says nothing in time');
	is(scalar(() = $node->events_so_far({ app => 'next' })), 0, 'what comes after waits');
	spew($node->dir . '/go', '');
	$node->wait_event({ event => 'app_running', app => 'first' });
	$node->wait_event({ event => 'app_running', app => 'next' });
	is($node->stop, 0);
};

subtest 'datagram' => sub {
	plan skip_all => 'needs systemd-notify' unless has('systemd-notify');
	my $node = Appctl::Test->new(config => <<'END');
applications:
{
	told: { command = "systemd-notify --ready --status='in service'; exec sleep 1000"; ready = { type = "notify"; timeout = 20.0; }; };
	mute: { command = ["/bin/sleep", "1000"]; ready = { type = "notify"; timeout = 20.0; }; };
};
END
	$node->start;
	$node->wait_event({ event => 'app_running', app => 'told' });
	is($node->appctl_json('status', 'told')->{applications}[0]{status_text}, 'in service', 'STATUS= is shown');
	# A stranger who knows the socket speaks for nobody.
	my $stranger = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $node->runtime_dir . '/notify.sock');
	ok($stranger && $stranger->send("READY=1\n"), 'a stranger sends READY=1');
	$stranger->send($_) for '', "\0\0\0", 'x' x 5000, "READY=1\0READY=1";
	is($node->appctl_json('status', 'mute')->{applications}[0]{state}, 'starting', 'and makes nobody ready');
	is($node->stop, 0);
};

subtest 'the real libsystemd' => sub {
	my $program = top_builddir() . '/t/sys/sd-notify';
	plan skip_all => 'built without libsystemd' unless -x $program;
	my $node = Appctl::Test->new(config => <<"END");
applications:
{
	real:   { command = ["$program", "ready"]; ready = { type = "notify"; timeout = 20.0; }; };
	slow:   { command = ["$program", "extend"]; ready = { type = "notify"; timeout = 0.4; }; };
	worker: { command = ["$program", "from-child"]; ready = { type = "notify"; timeout = 20.0; }; };
};
END
	$node->start;
	$node->wait_events([map { { event => 'app_running', app => $_ } } qw(real slow worker)]);
	pass('READY=1 from the main process, after EXTEND_TIMEOUT_USEC=, and from a child of it, each with a barrier');
	is($node->stop, 0);
};

subtest 'probes' => sub {
	my $port = free_port();
	my $node = Appctl::Test->new(config => <<"END");
applications:
{
	exec: { command = ["/bin/sleep", "1000"]; ready = { type = "exec"; command = "test -e \@DIR\@/go"; interval = 0.05; timeout = 20.0; }; };
	tcp:  { command = ["$^X", "-MIO::Socket::INET", "-e",
		"my \$s = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1:$port', ReuseAddr => 1) or die; while (\$s->accept) {}"];
		ready = { type = "tcp"; host = "127.0.0.1"; port = $port; interval = 0.05; timeout = 20.0; }; };
};
END
	$node->start;
	$node->wait_event({ event => 'app_running', app => 'tcp' });
	is(scalar(() = $node->events_so_far({ event => 'app_running', app => 'exec' })), 0, 'not before its command succeeds');
	spew($node->dir . '/go', '');
	$node->wait_event({ event => 'app_running', app => 'exec' });
	is($node->stop, 0);
};

# Without cgroups a process that lets nobody look at it is known by its number alone.
subtest 'who says so before the keeper has told its pid' => sub {
	needs_root();
	needs_program('strace');
	plan(skip_all => 'strace cannot trace here') if system('strace -f -o /dev/null true >/dev/null 2>&1') != 0;
	my $prctl = { x86_64 => 157, aarch64 => 167 }->{ (POSIX::uname())[4] } // plan(skip_all => 'needs the number of prctl');
	my $node = Appctl::Test->new(uid => 65534, config => 'applications: {
		quick: { command = ["perl", "@DIR@/quick"]; ready = { type = "notify"; timeout = 20.0; }; clear_environment = true; };
		slow: { command = ["/bin/sleep", "1000"]; ionice = "best-effort:5"; clear_environment = true; }; };');
	spew($node->dir . '/quick', "syscall($prctl, 4, 0, 0, 0, 0) == 0 or die; " . 'use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $ENV{NOTIFY_SOCKET}) or die;'
		. ' $s->send("READY=1"); sleep 1000;');
	# Short orders go as one packet, and the answers to them come together.
	$node->{before} = ['strace', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=ioprio_set', '-e', 'inject=ioprio_set:delay_enter=1000000'];
	$node->{env} = { ASAN_OPTIONS => 'detect_leaks=0' };
	$node->start;
	$node->wait_event({ event => 'mode_stable' });
	is(scalar $node->events_so_far({ event => 'app_running' }), 2, 'it is heard all the same');
	is($node->stop, 0);
};

done_testing;
