# SPDX-License-Identifier: MIT
# What a program finds in its environment: all that was asked for and nothing of appctld's own.
use strict;
use warnings;
use POSIX ();
use Test::More;
use Appctl::Test;

needs_root();

sub environment_of {
	my ($node, $app) = @_;
	$node->wait_event({ event => 'app_exited', app => $app });
	return { map { /^([^=]+)=(.*)$/s } split /\0/, slurp($node->dir . "/$app.env") };
}

my $node = Appctl::Test->new(env => { SEEN => 'yes', LISTEN_FDS => 3, WATCHDOG_USEC => 1, NOTIFY_SOCKET => '/nowhere' },
	config => <<'END');
node = "alice@a.example";
applications:
{
	plain: { command = "cat /proc/self/environ >@DIR@/plain.env"; type = "oneshot"; };
	clean: { command = "cat /proc/self/environ >@DIR@/clean.env"; type = "oneshot"; applications = ["plain"];
		 clear_environment = true; user = "daemon"; environment = ["A=set", "PATH=/bin:/usr/bin"];
		 environment_files = ["@DIR@/a.env", "-@DIR@/missing.env"]; };
	given: { command = "cat /proc/self/environ >@DIR@/given.env"; type = "oneshot"; applications = ["clean"];
		 ready = { type = "none"; }; environment = ["HOME=/srv", "SEEN=no",
		 "APPCTL_RUNTIME_DIR=/elsewhere", "APPCTL_SELF=other/one"]; };
	absent: { command = ["/bin/true"]; type = "oneshot"; environment_files = ["@DIR@/missing.env"]; applications = ["given"];
		 intensity = 0; period = 1; };
	pipe:  { command = ["/bin/true"]; type = "oneshot"; environment_files = ["@DIR@/fifo"]; applications = ["given"];
		 intensity = 0; period = 1; };
};
END
spew($node->dir . '/a.env', qq(# a comment\nB="two words" \nA=overridden\n\nnot an assignment\nC='it is'\n));
chmod 0777, $node->dir;
POSIX::mkfifo($node->dir . '/fifo', 0644);
$node->start;

my $e = environment_of($node, 'plain');
is($e->{SEEN}, 'yes', "the daemon's environment goes on");
is($e->{APPCTL_APP}, 'plain', 'APPCTL_APP');
like($e->{APPCTL_INCARNATION}, qr/^\d+$/, 'APPCTL_INCARNATION');
is($e->{APPCTL_SELF}, 'alice@a.example/plain', 'APPCTL_SELF: its node and itself');
is($e->{APPCTL_RUNTIME_DIR}, $node->runtime_dir, 'APPCTL_RUNTIME_DIR');
is_deeply([grep { /^(NOTIFY_SOCKET|WATCHDOG_|LISTEN_|APPCTL_LIBEXEC)/ } keys %$e], [], 'but not what is its own');

$e = environment_of($node, 'clean');
my $incarnation = delete $e->{APPCTL_INCARNATION};
delete @$e{qw(PWD SHLVL _ OLDPWD)};	# the shell's
my @daemon = getpwnam 'daemon';
is_deeply($e, { A => 'set', B => 'two words', C => 'it is', PATH => '/bin:/usr/bin', HOME => $daemon[7], USER => 'daemon',
	LOGNAME => 'daemon', SHELL => $daemon[8], APPCTL_APP => 'clean', APPCTL_SELF => 'alice@a.example/clean',
	APPCTL_RUNTIME_DIR => $node->runtime_dir }, 'a cleared one holds exactly what it should')
	or diag(explain($e));

$e = environment_of($node, 'given');
is($e->{HOME}, '/srv', 'what is set wins');
is($e->{SEEN}, 'no', 'also over what is inherited');
is($e->{APPCTL_RUNTIME_DIR}, '/elsewhere', 'and where another appctld is');
is($e->{APPCTL_SELF}, 'alice@a.example/given', 'but not who it is');

for my $app (qw(absent pipe)) {
	my ($ev) = $node->wait_events([{ event => 'app_exited', app => $app }]);
	is($ev->{reason}, 'spawn_failed', "$app: not started");
	is($ev->{step}, 'environment_files', 'for its environment file');
	$node->{cursor} = 0;
}

# A user that does not exist is a configuration error, with its place.
my $wrong = Appctl::Test->new(config => qq(applications: {\n\ta: { command = ["/bin/true"];\n\t\tuser = "no-such-user-here"; };\n};\n));
my $r = $wrong->run_appctld;
is($r->{exit}, 2, 'an unknown user: exit 2');
like($r->{err}, qr/appctld\.conf:3: applications\.a\.user: unknown user "no-such-user-here"/, 'with file, line and key');

is($node->stop, 0);
done_testing;
