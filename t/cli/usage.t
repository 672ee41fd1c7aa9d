# SPDX-License-Identifier: MIT
# The command line without a daemon: usage, help, where the socket is looked for, output that cannot be written.
use strict;
use warnings;
use JSON::PP;
use Socket;
use Test::More;
use Appctl::FakeServer;
use Appctl::Test;

my %clean = (APPCTL_RUNTIME_DIR => undef, XDG_RUNTIME_DIR => undef);
sub appctl {
	my $o = ref $_[-1] eq 'HASH' ? pop : {};
	return run_program(program('appctl'), @_, { %$o, env => { %clean, %{ $o->{env} // {} } } });
}

my $help = appctl('--help');
is($help->{exit}, 0, '--help');
my @commands = $help->{out} =~ /^  ([a-z-]+) /mg;
cmp_ok(scalar @commands, '>=', 23, 'lists the commands');
for my $c (@commands) {
	my $r = appctl($c, '--help');
	is($r->{exit}, 0, "$c --help");
	like($r->{out}, qr/^Usage: appctl $c\b.*\n\n[A-Z].*\.\n/, "$c says what it does");
	like(appctl('-h', $c)->{out}, qr/^Usage: appctl $c\b/, "-h $c is the same");
	is(appctl($c, '--no-such-option')->{exit}, 2, "$c refuses unknown options");
}
like($help->{out}, qr/^  task .*\|list run tasks/m, 'what they take stands there whole');
unlike($help->{out}, qr/^  import|poweroff|completion/m, 'nothing is promised that is not there');
like(appctl('--version')->{out}, qr/^appctl \d+\.\d+\.\d+\n$/, '--version');

for (
	[[], qr/which command\?/],
	[['stats'], qr/no command "stats"; did you mean "status"/],
	[['status', '--jsn'], qr/no option --jsn; did you mean --json/],
	[['start'], qr/it needs APP/],
	[['explain', 'a', 'b'], qr/one argument too many: "b"/],
	[['-r'], qr/-r needs a value: DIR/],
	[['--runtime-dir'], qr/--runtime-dir needs a value: DIR/],
	[['--json=yes', 'mode'], qr/--json takes no value/],
	[['-x'], qr/no option -x/],
	[['mode', 'a', '--wait=soon'], qr/"soon" is no length of time/],
	[['await', '-1'], qr/no option -1/],
	[['start', '--wait', '--no-wait', 'a'], qr/contradict/],
	[['start', '--with-dependents', 'a'], qr/no option --with-dependents/],
	[['reload', '--new', '--dry-run'], qr/cannot be tried/],
	[['events', 'app_runing'], qr/no category "app_runing"; did you mean "app_running"/],
	[['events', 'nose'], qr/no category "nose": appctl-events\(7\)/],
	[['loglevel', 'debgu'], qr/no level "debgu"; did you mean "debug"/],
	[['loglevel', 'debug', 'engin'], qr/no module "engin"; did you mean "engine"/],
	[['events', '--since=x'], qr/no number of an event/],
	[['logs', '-n', 'x', 'a'], qr/no number/],
	[['--json', 'logs', '-f', 'a'], qr/no end/],
	[['plan', "\xff"], qr/argument 1 is not valid UTF-8/],
	[['kill', '-s', "\xff", 'a'], qr/value of --signal is not valid UTF-8/],
	[['run'], qr/it needs/],
	[['run', '-e', 'X', 'true'], qr/not NAME=VALUE/],
	[['run', '--nice', '77', 'true'], qr/from -20 to 19/],
	[['run', '--log', 'f', 'true'], qr/goes with --detach/],
	[['--completion', 'fish'], qr/^$/],
) {
	my ($args, $says) = @$_;
	my $r = appctl('-r', '/nonexistent', @$args);
	$r = appctl(@$args) if !@$args || $args->[0] =~ /^-(r|-runtime-dir)$/;
	is($r->{exit}, 2, "appctl @$args: usage error");
	like($r->{err}, $says, 'which says what is wrong');
	is($r->{out}, '', 'and prints nothing else');
}

# Where the socket is looked for.
my $fake = Appctl::FakeServer->new(control => sub { { mode => 'normal' } });
my $dir = $fake->dir;
my $empty = Appctl::Test::scratch_directory();
is(appctl('-r', $dir, 'await')->{exit}, 0, '-r');
is(appctl('await', '-r', $dir)->{exit}, 0, '-r behind the command');
is(appctl('await', "--runtime-dir=$dir")->{exit}, 0, '--runtime-dir=');
is(appctl('await', { env => { APPCTL_RUNTIME_DIR => $dir } })->{exit}, 0, '$APPCTL_RUNTIME_DIR');
is(appctl('-r', $empty, 'await', { env => { APPCTL_RUNTIME_DIR => $dir } })->{exit}, 6, '-r has the last word');
mkdir "$empty/appctl";
rename "$dir/control.sock", "$empty/appctl/control.sock";
is(appctl('await', { env => { XDG_RUNTIME_DIR => $empty } })->{exit}, 0, '$XDG_RUNTIME_DIR/appctl, as there is a socket');
rename "$empty/appctl/control.sock", "$dir/control.sock";
SKIP: {
	skip 'an appctld runs on this machine', 3 if -e '/run/appctl/control.sock';
	my $r = appctl('await', { env => { XDG_RUNTIME_DIR => $empty } });
	is($r->{exit}, 6, 'nobody anywhere');
	like($r->{err}, qr{cannot be reached at /run/appctl/control.sock: No such file.*APPCTL_RUNTIME_DIR is not set, \Q$empty\E/appctl/control.sock is not there.*with -r},
		'says all that was tried');
	is(decode_json(appctl('--json', 'await')->{out})->{error}{status}, 6, 'also as a document');
}
SKIP: {
	skip 'needs root', 3 if $> != 0;
	chown 65534, 65534, $dir;
	my $r = appctl('await', { env => { APPCTL_RUNTIME_DIR => $dir } });
	is($r->{exit}, 5, "another user's directory in the environment");
	like($r->{err}, qr/belongs to user 65534, not to you or root: name it with -r/, 'is not followed');
	is(appctl('-r', $dir, 'await')->{exit}, 0, 'unless it is named with -r');
	chown 0, 0, $dir;
}
{
	my $long = '/tmp/' . 'x' x 200;
	my $r = appctl('-r', $long, 'await');
	is($r->{exit}, 6, 'a path that is too long for a socket');
	like($r->{err}, qr/File name too long/, 'is not cut short');
}
SKIP: {
	skip 'needs root', 1 if $> != 0;
	chmod 0600, "$dir/control.sock";
	chmod 0755, $dir;
	is(appctl('-r', $dir, 'await', { uid => 65534 })->{exit}, 5, 'a socket that may not be opened');
}

# Output that does not arrive.
SKIP: {
	skip 'needs /dev/full', 4 if !-c '/dev/full';
	my $appctl = program('appctl');
	for my $cmd ('await', '--json await', '--help') {
		my $r = run_program('sh', '-c', "$appctl -r $dir $cmd >/dev/full");
		is($r->{exit}, 1, "$cmd to a full disk fails");
		like($r->{err}, qr/standard output: No space left/, 'and says why');
	}
	my $r = run_program('sh', '-c', "trap '' PIPE; $appctl --help | true; { $appctl --help; echo \$? >&2; } | true");
	like($r->{err}, qr/^[01]\n$/, 'a reader that went away is no reason for a message');
	is(run_program('sh', '-c', "$appctl --version >&-")->{exit}, 0, 'closed standard output is /dev/null');
}

done_testing;
