# SPDX-License-Identifier: MIT
# A running appctld is given configurations that are broken, enormous, or not to be trusted: nothing that runs is touched.
use strict;
use warnings;
use File::Path ();
use Test::More;
use Appctl::Test;

my $whole = 'applications: { web: { command = ["/bin/sleep", "1000"]; /* "é" */ }; db: { command = ["/bin/sleep", "1000"]; }; };
roles: { a = ["web", "db"]; }; modes: { normal = ["a"]; };';
my $node = Appctl::Test->new(config => $whole, dropins => { 'db.conf' => "# nothing\n" })->start;
$node->wait_event({ event => 'mode_stable' });
my @running = $node->events_so_far({ event => 'app_running' });
my $engine = $node->engine_pid;
my ($config, $drop_ins) = ($node->config_file, $node->dir . '/conf.d');
my $control = $node->connect_control;
my $refusals = 0;

sub model { return $node->varlink('Show', { name => $_[0] })->{parameters} }
my %before = map { $_ => model($_) } qw(web db);

sub memory_kib { return slurp("/proc/$engine/status") =~ /^VmHWM:\s+(\d+)/m ? $1 : 0 }

# Asks for a reload that must be refused, with exactly one event.
sub refused {
	my ($what, $message) = @_;
	$node->varlink_send($control, 'Reload');
	my $reply = $node->varlink_read($control);
	is($reply->{error} // 'accepted', 'org.appctl.Control.InvalidConfiguration', "$what: refused") or return 0;
	$refusals++;
	my ($ev) = $node->wait_event({ event => 'config_refused' });
	cmp_ok($ev->{problems}, '>=', 1, '... with an event');
	like($ev->{first}, $message, '... that says why') if $message;
	return 1;
}

sub nothing_is_touched {
	my ($what) = @_;
	is(scalar $node->events_so_far({ event => 'config_refused' }), $refusals, "$what: one event each");
	is(scalar $node->events_so_far({ event => 'config_reloaded' }), 0, '... and no other configuration');
	is_deeply({ map { $_ => model($_) } qw(web db) }, \%before, '... what was in force is in force');
	is_deeply([map { $_->{pid} } $node->events_so_far({ event => 'app_running' })], [map { $_->{pid} } @running], '... nothing was started');
	is(scalar(grep { process_is_alive($_->{pid}) } @running), 2, '... nor stopped');
	is($node->engine_pid, $engine, '... by the same engine');
}

subtest 'cut at every byte' => sub {
	my $first_whole = index($whole, "};\n") + 1;	# from here on a cut between settings is a configuration of its own
	my ($step, @odd) = slow_factor() > 1 ? 7 : 1;
	for (my $n = 0; $n < $first_whole; $n += $step) {
		spew($config, substr $whole, 0, $n);
		$node->varlink_send($control, 'Reload');
		my $reply = $node->varlink_read($control) // last;
		$refusals++;
		push @odd, "$n: " . ($reply->{error} // 'accepted') if ($reply->{error} // '') ne 'org.appctl.Control.InvalidConfiguration';
	}
	is("@odd", '', 'all are refused');
	$node->wait_count({ event => 'config_refused' }, $refusals);
	my @nowhere = grep { !/^\S*appctld\.conf(:1: |: file is empty)/ } map { $_->{first} } $node->events_so_far({ event => 'config_refused' });
	is("@nowhere", '', 'each with its place');
	$node->{cursor} = @{ $node->{events} };
	nothing_is_touched('cut');
};

subtest 'no file, no byte, no text' => sub {
	unlink $config;
	refused('a main file that is gone', qr/appctld\.conf.*cannot open/);
	spew($config, $whole);
	spew("$drop_ins/db.conf", '');
	refused('a drop-in without a byte', qr/db\.conf.*file is empty/);
	spew("$drop_ins/db.conf", "\0" x 100);
	refused('NUL bytes', qr/db\.conf:1: NUL byte/);
	spew("$drop_ins/db.conf", "# \xc3\x28\n");
	refused('bad UTF-8', qr/db\.conf:1: text is no UTF-8/);
	spew("$drop_ins/db.conf", "\@include \"/etc/shadow\"\n");
	refused('@include', qr/db\.conf:1: \@include is not supported/);
	spew($node->dir . '/secret', "root:\$6\$topsecret:1::\nhidden = \"topsecret\n");
	symlink $node->dir . '/secret', "$drop_ins/secret.conf";
	spew("$drop_ins/db.conf", "# nothing\n");
	refused('a link to a secret');
	unlike($_, qr/topsecret/, '... of which nothing is quoted') for $node->log_text, join ' ', map { $_->{first} // '' } $node->events_so_far;
	unlink "$drop_ins/secret.conf";
	nothing_is_touched('what is no text');
};

subtest 'depth and size' => sub {
	my $before = memory_kib();
	for my $case (['a million levels deep', 'a = ' . '(' x 1_000_000, qr/nested too deeply/], ['groups', 'a = ' . '{ a = ' x 500_000, qr/nested too deeply/],
		['a long line', '# ' . 'x' x 4_000_000 . "\n(", qr/./]) {
		spew("$drop_ins/db.conf", $case->[1]);
		refused($case->[0], $case->[2]);
	}
	truncate "$drop_ins/db.conf", 100 * 1024 * 1024;
	refused('100 MB', qr/file is too large/);
	spew("$drop_ins/db.conf", "# nothing\n");
	cmp_ok(memory_kib() - $before, '<', 16 * 1024 * slow_factor(), 'within 16 MiB');
	nothing_is_touched('what is too large');
};

subtest 'files that others can write' => sub {
	needs_root();
	for my $path ($config, "$drop_ins/db.conf", $drop_ins) {
		my ($mode, $uid, $gid) = (stat $path)[2, 4, 5];
		chmod $mode | 0002, $path;
		refused("$path, for all to write", qr/can be written by everyone/);
		chmod $mode | 0020, $path;
		refused("... for its group", qr/can be written by its group/);
		chmod $mode, $path;
		chown 65534, 65534, $path;
		refused("... of somebody else", qr/belongs to someone/);
		chown $uid, $gid, $path;
	}
	nothing_is_touched('what is not to be trusted');
};

subtest 'keys and values' => sub {
	for my $case (['unknown key', 'usr = "nobody";', qr/applications\.x\.usr: unknown key \(did you mean user\?\)/],
		['wrong type', 'user = [1];', qr/applications\.x\.user: /], ['unknown user', 'user = "no-such-user-here";', qr/unknown user/],
		['unknown group', 'group = "no-such-group-here";', qr/unknown group/], ['2^31', 'user = 2147483648;', qr/out of range/],
		['-1', 'user = -1;', qr/applications\.x\.user: /], ['2^32', 'user = 4294967296L;', qr/applications\.x\.user: /],
		['2^32 - 1', 'user = 4294967295L;', qr/applications\.x\.user: /], ['1e99', 'shutdown = 1e99;', qr/must be from 0/],
		['not a number', 'user = 1.5;', qr/applications\.x\.user: /], ['itself', 'applications = ["x"];', qr/"x" refers to itself/],
		['a cycle', 'applications = ["y"]; }; y: { applications = ["x"];', qr/cycle: (x -> y -> x|y -> x -> y)/],
		['twice', '}; x: { ', qr/applications\.x: defined twice/], ['a name with ../', '}; "../x": {', qr/./]) {
		my ($what, $text, $message) = @$case;
		spew("$drop_ins/db.conf", "applications: { x: { command = [\"/bin/true\"]; $text }; };\n");
		refused($what, $message);
	}
	spew("$drop_ins/db.conf", "# nothing\n");
	nothing_is_touched('what means nothing');
};

subtest 'and at the end a good one' => sub {
	spew("$drop_ins/db.conf", "applications: { x: { command = [\"/bin/sleep\", \"1000\"]; }; };\n");
	$node->varlink_send($control, 'Reload');
	is($node->varlink_read($control)->{error}, undef, 'is accepted');
	$node->wait_event({ event => 'app_running', app => 'x' });
	is(scalar(grep { process_is_alive($_->{pid}) } @running), 2, 'and touches nobody else');
};

is($node->stop, 0);

# At the start there is nothing to go back to: appctld ends, and says where.
subtest 'at the start' => sub {
	for my $case (['', qr/appctld\.conf: file is empty/], ["applications: {\n a: {", qr/appctld\.conf:2: /], ["\n\nx y z", qr/appctld\.conf:3: /]) {
		my $node = Appctl::Test->new;
		spew($node->config_file, $case->[0]);
		my $r = $node->run_appctld;
		is($r->{exit}, 2, 'ends with 2');
		like($r->{err}, $case->[1], 'and says where');
	}
};

done_testing;
