# SPDX-License-Identifier: MIT
# SIGHUP reads the configuration again: a good one is applied as far as it differs, a bad one changes nothing.
use strict;
use warnings;
use Test::More;
use Time::HiRes 'sleep';
use Appctl::Test;

my $node = Appctl::Test->new(config => <<'END');
applications:
{
	web: { command = ["/bin/sleep", "1000"]; };
	old: { command = ["/bin/sleep", "1000"]; };
};
END
$node->start;
$node->wait_event({ event => 'mode_stable' });
my ($web) = $node->events_so_far({ event => 'app_running', app => 'web' });

sub wait_log {
	my ($text) = @_;
	for (1 .. 500 * slow_factor()) { return 1 if $node->log_text =~ $text; sleep 0.02 }
	return 0;
}

subtest 'a bad one' => sub {
	$node->config("applications:\n{\n\tweb: { comand = [\"/bin/sleep\", \"1000\"]; };\n\tx: { command = [\"/bin/true\"]; restart = \"never\"; };\n};\n");
	$node->signal('HUP');
	ok(wait_log(qr/appctld\.conf:3: applications\.web\.comand/), 'all of what is wrong is said');
	ok(wait_log(qr/appctld\.conf:4: applications\.x\.restart/), 'with file and line');
	my $refused = $node->wait_event({ event => 'config_refused' });
	is($refused->{problems}, 2, 'an event says that it was refused');
	like($refused->{first}, qr/appctld\.conf:3: applications\.web\.comand: /, 'and where to look');
	is(scalar(() = $node->events_so_far({ event => 'config_reloaded' })), 0, 'nothing is reloaded');
	ok(process_is_alive($web->{pid}), 'nothing is touched');
};

subtest 'an unknown user' => sub {
	$node->config("applications:\n{\n\tweb: { command = [\"/bin/sleep\", \"1000\"]; user = \"no-such-user-here\"; };\n};\n");
	$node->signal('HUP');
	ok(wait_log(qr/appctld\.conf:3: applications\.web\.user: unknown user "no-such-user-here"/), 'is refused');
	ok(process_is_alive($web->{pid}), 'nothing is touched');
};

subtest 'an unknown user among other mistakes' => sub {
	$node->config("applications:\n{\n\tweb: { command = [\"/bin/sleep\", \"1000\"]; user = \"nobody-of-that-name\"; nice = 100; };\n};\n");
	my $r = $node->appctl('reload');
	is($r->{exit}, 2, 'is refused');
	like($r->{err}, qr/web\.user: unknown user "nobody-of-that-name"/, 'the user');
	like($r->{err}, qr/web\.nice: /, 'and the rest in one answer');
};

subtest 'a good one' => sub {
	$node->config(<<'END');
applications:
{
	web: { command = ["/bin/sleep", "1000"]; };
	new: { command = ["/bin/sleep", "1000"]; applications = ["web"]; };
};
END
	$node->signal('HUP');
	$node->wait_event({ event => 'config_reloaded' });
	$node->wait_events([{ event => 'app_running', app => 'new' }, { event => 'app_stopped', app => 'old' }]);
	ok(process_is_alive($web->{pid}), 'what is as it was goes on');
};

subtest 'the next engine knows it' => sub {
	my ($new) = $node->events_so_far({ event => 'app_running', app => 'new' });
	# The file changes, but nobody asked for it to be read.
	$node->config("this is no configuration");
	kill KILL => $node->engine_pid;
	delete $node->{socket};
	@$node{qw(events cursor buffer)} = ([], 0, '');
	$node->subscribe;
	$node->wait_event({ event => 'app_running', app => 'new', pid => $new->{pid} });
	$node->signal('TERM');
	$node->wait_event({ event => 'app_stopped', app => 'new' });
	$node->wait_event({ event => 'app_stopped', app => 'web' });
	is($node->wait_end, 0, 'what was accepted, not what stands there now');
};

# The state is rewritten when it has grown by a megabyte: the files in force lie somewhere else then.
subtest 'what is new comes beside the files in force, wherever they lie in the state' => sub {
	my $padding = '#' . 'x' x 200_000 . "\n";
	my $node = Appctl::Test->new(config => $padding . 'applications: { web: { command = ["/bin/sleep", "1000"]; }; };');
	$node->start;
	$node->wait_event({ event => 'app_running', app => 'web' });
	my $number = 0;
	my $finds = sub {
		my ($when) = @_;
		my $name = 'new' . ++$number;
		$node->dropin("$name.conf", "applications: { $name: { command = [\"/bin/sleep\", \"1000\"]; }; };");
		is_deeply($node->varlink('CheckForNewApplications')->{parameters}{added}, [$name], $when);
	};
	my $state = sub { (map { -s $_ } grep { (readlink($_) // '') =~ /appctl-state/ } glob '/proc/' . $node->engine_pid . '/fd/*')[0] };

	$finds->('after the start');
	my ($before, $after) = ($state->()) x 2;
	for (1 .. 20) {
		$node->varlink('Reload');
		($before, $after) = ($after, $state->());
		last if $after < $before;
	}
	cmp_ok($after, '<', $before, 'the state was rewritten');
	$finds->('after that');
	kill KILL => $node->engine_pid;
	$finds->('by the next engine');
	$node->varlink('Reload');
	$finds->('and after a reload by it');
	is($node->stop, 0);
};

done_testing;
