# SPDX-License-Identifier: MIT
# Peers of the sockets who are not who they were, and appctl whose output goes nowhere.
use strict;
use warnings;
use IO::Select;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);
use Appctl::Test;

# Each is a program of its own: it connects as that user, and says what it gets back.
my $library = <<'END';
	use IO::Socket::UNIX;
	sub become { my ($uid) = @_; $) = "$uid $uid"; $( = $uid; $> = $uid; $< = $uid; }
	sub dial { IO::Socket::UNIX->new(Type => SOCK_STREAM(), Peer => $_[0]) or die "$_[0]: $!\n" }
	sub ask {
		my ($s) = @_;
		$s->syswrite("{\"method\":\"org.appctl.Control.Status\"}\0");
		local $/ = "\0";
		my $reply = readline $s;
		$reply =~ s/\0//;
		$reply =~ /"allowed":(\[[^]]*\])/ ? $1 : $reply =~ /"error":"([^"]*)"/ ? $1 : $reply;
	}
END

my $node = Appctl::Test->new(config => 'access = ( { user = "60003"; level = "read"; } );
	applications: { web: { command = ["/bin/sleep", "1000"]; }; };')->start;
$node->wait_event({ event => 'mode_stable' });
my $path = $node->runtime_dir . '/control.sock';

subtest 'a connection that went to others' => sub {
	needs_root();
	my $r = run_program($^X, '-e', $library . <<'END', $path);
		# Opened by root, inherited by a child that is nobody and outlives it; opened by a reader, used by root.
		pipe my $wait, my $go;
		my $root = dial($ARGV[0]);
		my $pid = fork;
		if (!$pid) { close $go; become(60001); sysread $wait, my $x, 1; print "roots: ", ask($root), "\n"; exit }
		close $root;
		close $go;
		waitpid $pid, 0;
		my $s = do { local $> = 60003; dial($ARGV[0]) };
		print "readers: ", ask($s), "\n";
END
	is($r->{err}, '');
	like($r->{out}, qr/^roots: \["read","operate","admin"\]$/m, 'keeps the rights of root who opened it');
	like($r->{out}, qr/^readers: \["read"\]$/m, 'and does not gain those of root who uses it');
};

# The number of a peer that has ended is given to another process: its connection, kept open by a third, has the rights
# of the user who opened it.
subtest 'a process number that is used again' => sub {
	needs_root();
	my $last = '/proc/sys/kernel/ns_last_pid';
	plan(skip_all => 'needs a pid namespace of its own') if run_program('unshare', '--pid', '--fork', '--kill-child', '--mount-proc', 'test', '-w', $last)->{exit};
	my $r = run_program('unshare', '--pid', '--fork', '--kill-child', '--mount-proc', $^X, '-e', $library . <<'END', $path, $last);
		use Socket;
		socketpair my $left, my $right, AF_UNIX, SOCK_STREAM, 0;
		my $reader = fork;
		if (!$reader) {
			become(60003);
			my $s = dial($ARGV[0]);
			exit if fork;
			# Its child keeps the connection until the number has another owner.
			sysread $right, my $x, 1;
			print "kept: ", ask($s), "\n";
			exit;
		}
		waitpid $reader, 0;
		my $again = 0;
		for (1 .. 200) {
			open my $f, ">", $ARGV[1] or die "$ARGV[1]: $!\n";
			print $f $reader - 1;
			close $f;
			$again = fork;
			if (!$again) { print "again: ", ask(dial($ARGV[0])), "\n" if $$ == $reader; exit }
			waitpid $again, 0;
			last if $again == $reader;
		}
		print "same number\n" if $again == $reader;
		syswrite $left, "x";
		1 while wait > 0;
END
	is($r->{err}, '');
	like($r->{out}, qr/^same number$/m, 'the number was used again, by root');
	like($r->{out}, qr/^again: \["read","operate","admin"\]$/m, 'who has the rights of root on a connection of its own');
	like($r->{out}, qr/^kept: \["read"\]$/m, 'and gives none to that which the first one had opened');
};

# What asks for a change and cannot say what became of it: the change is made, or was never asked for.
subtest 'output that goes nowhere' => sub {
	my $appctl = program('appctl') . ' -r ' . $node->runtime_dir;
	my $environment = { env => $node->environment };
	for my $command ('status', 'mode', '--json status', 'show web', 'restart web', 'events --since 0', '--json events --since 0', 'plan', 'reload --dry-run') {
		my $stop = $command =~ /events/ ? 'timeout 20 ' : '';
		SKIP: {
			skip 'needs /dev/full', 1 if !-c '/dev/full';
			my $r = run_program('/bin/sh', '-c', "$stop$appctl $command >/dev/full", $environment);
			is($r->{exit}, 1, "$command, to a full disk: 1") or diag($r->{err});
		}
		my $r = run_program($^X, '-e', 'pipe my $r, my $w; close $r; open STDOUT, ">&", $w; close $w; $SIG{PIPE} = "DEFAULT"; exec @ARGV',
			'/bin/sh', '-c', "$stop$appctl $command", $environment);
		isnt($r->{exit}, 0, "$command, to a pipe that nobody reads: not 0");
		ok(!$r->{timed_out}, '... at once');
	}
	my $web = $node->appctl_json('status', 'web')->{applications}[0];
	is($web->{state}, 'running', 'what was asked for is done');
	is(scalar $node->wait_count({ event => 'app_running', app => 'web' }, 3), 3, '... each time');
};

is($node->stop, 0);
done_testing;
