# SPDX-License-Identifier: MIT
# Why a program could not begin: step and errno reach the event, and nobody else is touched.
use strict;
use warnings;
use Fcntl ();
use POSIX ();
use Test::More;
use Appctl::Test;

# An application that is tried once; beside it lives `other`.
sub tried {
	my (%app) = @_;
	return join "\n", 'applications: {', 'other: { command = ["/bin/sleep", "1000"]; };',
		(map { "$_: { restart = \"temporary\"; $app{$_} };" } sort keys %app), '};';
}

sub failure_is {
	my ($node, $app, $step, $errno) = @_;
	my ($exit) = $node->wait_count({ event => 'app_exited', app => $app }, 1);
	is("$exit->{reason} $exit->{step}", "spawn_failed $step", "$app: reason and step");
	local $! = $errno;
	is($exit->{error}, "$!", "$app: errno");
	$node->wait_count({ event => 'app_failed', app => $app }, 1);
	my ($running) = $node->events_so_far({ event => 'app_running', app => $app });
	is($running, undef, "$app: was never running");
}

sub others_are_untouched {
	my ($node) = @_;
	my @starts = $node->wait_count({ event => 'app_running', app => 'other' }, 1);
	ok(@starts == 1 && process_is_alive($starts[0]{pid}), 'the other application is as it was');
	is($node->stop, 0);
}

subtest 'exec fails: errno and step' => sub {
	# A directory of PATH that may not be searched would make it EACCES.
	my $node = Appctl::Test->new(env => { PATH => '/usr/bin:/bin' }, config => tried(
		missing => 'command = ["/nonexistent/program"];', nowhere => 'command = ["no-such-program-here"];',
		plain => 'command = ["@DIR@/plain"];', text => 'command = ["@DIR@/text"];', busy => 'command = ["@DIR@/busy"];',
		interpreter => 'command = ["@DIR@/interpreter"];', loop => 'command = ["@DIR@/loop"];',
		directory => 'command = ["@DIR@"];', long => 'command = ["/' . 'x' x 300 . '"];'));
	my $dir = $node->dir;
	spew("$dir/$_->[0]", $_->[1]) for ['plain', "#!/bin/sh\n"], ['text', "no program\n"], ['interpreter', "#!/nonexistent/sh\n"];
	chmod 0755, "$dir/text", "$dir/interpreter";
	symlink "$dir/loop", "$dir/loop";
	system('cp', '/bin/sleep', "$dir/busy");
	open my $writer, '+<', "$dir/busy" or die "$dir/busy: $!\n";
	$node->start;
	failure_is($node, $_->[0], 'exec', $_->[1]) for ['missing', POSIX::ENOENT()], ['nowhere', POSIX::ENOENT()], ['plain', POSIX::EACCES()],
		['text', POSIX::ENOEXEC()], ['busy', POSIX::ETXTBSY()], ['interpreter', POSIX::ENOENT()], ['loop', POSIX::ELOOP()],
		['directory', POSIX::EACCES()], ['long', POSIX::ENAMETOOLONG()];
	close $writer;
	like($node->appctl('explain', 'busy')->{out}, qr/Text file busy/, 'explain says so too');
	others_are_untouched($node);
};

subtest 'it ends before exec' => sub {
	my $node = Appctl::Test->new(config => tried(
		directory => 'command = ["/bin/true"]; directory = "/nonexistent";', log => 'command = ["/bin/true"]; log = { type = "file"; path = "/nonexistent/log"; };',
		environment => 'command = ["/bin/true"]; environment_files = ["/nonexistent/env"];'))->start;
	failure_is($node, $_->[0], $_->[1], POSIX::ENOENT())
		for ['directory', 'directory'], ['log', 'log'], ['environment', 'environment_files'];
	others_are_untouched($node);
};

subtest 'what an ordinary user may not have' => sub {
	needs_root();
	my ($hard) = slurp('/proc/self/limits') =~ /^Max open files\s+\d+\s+(\d+)/m;
	plan(skip_all => 'needs a hard limit on descriptors') unless defined $hard;
	my $true = 'command = ["/bin/true"]; ';
	my $node = Appctl::Test->new(uid => 65534, config => tried(
		limit => $true . 'limits = { nofile = ' . ($hard + 1) . '; };', nice => "$true nice = -10;", oom => "$true oom_score_adj = -500;",
		user => "$true user = 0;", group => "$true group = 0;", groups => "$true groups = [0];", root => "$true root = \"/usr\";",
		capabilities => "$true capabilities = [\"NET_BIND_SERVICE\"];", realtime => "$true ionice = \"realtime:0\";"))->start;
	# Who becomes another gives up groups first.
	my %step = (limit => 'limits', nice => 'priority', oom => 'oom_score_adj', realtime => 'priority', user => 'groups', group => 'groups');
	for my $app (qw(limit nice oom user group groups root capabilities realtime)) {
		failure_is($node, $app, $step{$app} // $app, $app eq 'nice' || $app eq 'oom' ? POSIX::EACCES() : POSIX::EPERM());
	}
	others_are_untouched($node);
};

subtest 'without CAP_SYS_RESOURCE' => sub {
	needs_root();
	needs_program('setpriv');
	my $node = Appctl::Test->new(config => tried(limit => 'command = ["/bin/true"]; limits = { nofile = [100, 5000]; };',
		within => 'command = ["/bin/true"]; limits = { nofile = 50; }; type = "oneshot";'));
	$node->{before} = ['prlimit', '--nofile=1000:1000', 'setpriv', '--bounding-set=-sys_resource', '--inh-caps=-sys_resource'];
	$node->start;
	failure_is($node, 'limit', 'limits', POSIX::EPERM());
	is($node->wait_event({ event => 'app_exited', app => 'within' })->{status}, 0, 'what is within the limit is granted');
	others_are_untouched($node);
};

subtest 'it never becomes ready' => sub {
	my $node = Appctl::Test->new(config => tried(
		mute => 'command = ["/bin/sleep", "1000"]; ready = { type = "fd"; timeout = 0.2; };',
		gone => 'command = "sleep 0.05 & exit 3"; ready = { type = "notify"; timeout = 20.0; };')
		=~ s/\};\z/again: { command = "exec sleep 1000"; ready = { type = "fd"; timeout = 0.2; }; backoff = { min = 0.01; max = 0.01; }; }; };/r)->start;
	$node->wait_event({ event => 'app_failed', app => 'mute' });
	my ($exit) = $node->events_so_far({ event => 'app_exited', app => 'mute' });
	is($exit->{reason}, 'start_timeout', 'its time is over');
	ok(!process_is_alive($exit->{pid}), 'and it has gone');
	my ($gone) = $node->wait_count({ event => 'app_exited', app => 'gone' }, 1);
	is($gone->{status}, 3, 'an end before that is no readiness');
	$node->wait_count({ event => 'app_starting', app => 'again' }, 3);
	is(scalar $node->events_so_far({ event => 'app_running', app => 'again' }), 0, 'a permanent one is tried again');
	others_are_untouched($node);
};

# READY=1 in the name of a process that has ended makes nobody ready.
subtest 'readiness of the dead is ignored' => sub {
	needs_root();
	needs_program('systemd-notify');
	my $node = Appctl::Test->new(config => tried(late => 'command = "exec sleep 1000"; ready = { type = "notify"; timeout = 30.0; };'))->start;
	my $late = sub { $node->appctl_json('status', 'late')->{applications}[0] };
	my $notify = sub { run_program('systemd-notify', '--ready', "--pid=$_[0]", { env => { NOTIFY_SOCKET => $node->runtime_dir . '/notify.sock' } }) };
	$node->wait_event({ event => 'app_starting', app => 'late' });
	select undef, undef, undef, 0.01 until defined $late->()->{pid};
	my $first = $late->()->{pid};
	is($node->appctl('restart', 'late', '--no-wait')->{exit}, 0);
	$node->wait_event({ event => 'app_exited', app => 'late', pid => $first });
	$node->wait_event({ event => 'app_starting', app => 'late' });
	select undef, undef, undef, 0.01 until defined $late->()->{pid};
	is($notify->($first)->{exit}, 0, 'said for the one that has ended');
	is($late->()->{state}, 'starting', 'the new one is still starting');
	is($notify->($late->()->{pid})->{exit}, 0, 'said for itself');
	$node->wait_event({ event => 'app_running', app => 'late' });
	others_are_untouched($node);
};

done_testing;
