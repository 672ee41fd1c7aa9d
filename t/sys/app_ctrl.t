# SPDX-License-Identifier: MIT
# The app_ctrl document, feature by feature; doc/app_ctrl.md points here by the names of the subtests.
use strict;
use warnings;
use IO::Socket::UNIX;
use Test::More;
use Appctl::Test;

# An application that runs until it is stopped, with further keys.
sub app { my ($name, $keys) = @_; return qq($name: { command = ["/bin/sleep", "1000"]; log = { type = "null"; }; @{[$keys // '']} };\n) }

sub node {
	my ($config, %dropins) = @_;
	return Appctl::Test->new(config => $config, dropins => \%dropins, node => 'alice');
}

sub started {
	my $node = node(@_)->start;
	$node->wait_event({ event => 'mode_stable' });
	return $node;
}

# The effective model, or all that check says against it.
sub model {
	my $node = node(@_);
	my $r = $node->appctl('--json', 'check', $node->config_file);
	return $r->{exit} == 0 ? JSON::PP::decode_json($r->{out}) : undef, $r->{out} . $r->{err};
}

sub status { return { map { $_->{name} => $_ } @{ $_[0]->appctl_json('status')->{applications} } } }
sub running { my $s = status($_[0]); return join ' ', grep { $s->{$_}{state} eq 'running' } sort keys %$s }

my $modes = 'applications: {' . join('', map { app($_) } qw(gproc kv aecore aehttp mining)) . '};
roles: { basic = ["kv"]; active = ["aecore", "aehttp"]; mining_tools = ["mining"]; };
modes: { normal = ["basic", "active"]; maintenance = ["basic"]; };
default_mode = "normal";
';

subtest 'start_before from outside' => sub {
	my $node = started('applications: {' . app('mnesia') . '};', '10-setup.conf' =>
		'applications: { setup: { command = "test -z \"$(ls -A @DIR@/run/nothing 2>/dev/null)\""; type = "oneshot"; start_before = ["mnesia"]; }; };');
	my ($setup) = $node->events_so_far({ event => 'app_exited', app => 'setup' });
	my ($mnesia) = $node->events_so_far({ event => 'app_starting', app => 'mnesia' });
	cmp_ok($setup->{seq}, '<', $mnesia->{seq}, 'setup ended before mnesia was started');
	$node->stop;
};

subtest 'an entry that only orders' => sub {
	my $node = started('applications: {' . app('a') . app('b') . '};', '20-order.conf' => 'applications: { b: { start_before = ["a"]; }; };');
	my ($b) = $node->events_so_far({ event => 'app_running', app => 'b' });
	my ($a) = $node->events_so_far({ event => 'app_starting', app => 'a' });
	cmp_ok($b->{seq}, '<', $a->{seq}, 'b ran before a was started');
	$node->stop;
};

subtest 'roles and modes' => sub {
	my $node = started($modes);
	is(running($node), 'aecore aehttp gproc kv', 'normal is basic and active');
	my $kv = status($node)->{kv}{pid};
	is($node->appctl('mode', 'maintenance', '--wait=10')->{exit}, 0, 'maintenance');
	is(running($node), 'gproc kv', 'is basic alone');
	is(status($node)->{kv}{pid}, $kv, 'what stays is not touched');
	is($node->appctl('mode', 'nosuch')->{exit}, 3, 'a mode that does not exist');
	$node->stop;
};

subtest 'background applications' => sub {
	my $node = started($modes);
	ok(status($node)->{gproc}{background}, 'in no role');
	$node->appctl('mode', 'maintenance', '--wait=10');
	like(running($node), qr/\bgproc\b/, 'runs in every mode');
	$node->stop;
};

subtest 'protected applications' => sub {
	my $node = started("$modes protected = [\"aecore\"];");
	my ($aecore) = $node->events_so_far({ event => 'app_running', app => 'aecore' });
	my ($mode) = $node->events_so_far({ event => 'new_mode' });
	cmp_ok($aecore->{seq}, '<', $mode->{seq}, 'started before the first mode is entered');
	my $pid = status($node)->{aecore}{pid};
	$node->appctl('mode', 'maintenance', '--wait=10');
	is(status($node)->{aecore}{pid}, $pid, 'no mode change stops it');
	$node->stop;
};

subtest 'no default_mode' => sub {
	(my $config = $modes) =~ s/default_mode.*//;
	my $node = started($config);
	is(running($node), 'aecore aehttp gproc kv mining', 'all applications run');
	$node->stop;
};

subtest 'events' => sub {
	my $node = started($modes);
	my ($first) = $node->events_so_far({ event => qr/^(?!hello)/ });
	is($first->{seq}, 1, 'from the first process that is started');
	my ($running) = $node->events_so_far({ event => 'app_running', app => 'kv' });
	is($running->{node}, 'alice', 'app_running names the node');
	$node->appctl('mode', 'maintenance');
	my $mode = $node->wait_event({ event => 'new_mode' });
	is($mode->{mode}, 'maintenance', 'new_mode names the mode');
	$node->wait_event({ event => 'app_stopped', app => 'aecore', node => 'alice' });
	pass('app_stopped');
	$node->wait_event({ event => 'mode_stable' });
	my $socket = IO::Socket::UNIX->new(Peer => $node->runtime_dir . '/events.sock') // die $!;
	$socket->printflush(qq({"categories":["new_mode"],"since":0}\n));
	my @lines = map { JSON::PP::decode_json(scalar readline $socket) } 1 .. 3;
	is_deeply([map { $_->{mode} // $_->{event} } @lines], [qw(hello normal maintenance)], 'by category');
	$node->stop;
};

subtest 'await' => sub {
	my $node = started($modes, '30-slow.conf' => 'applications: { slow: { command = ["/bin/sleep", "1000"]; ready = { type = "notify"; timeout = "infinity"; }; }; };
		modify: { roles: { mining_tools = ("join"); }; modes: { development = ({ add = ["mining_tools"]; }); }; };');
	is($node->appctl('await', 5)->{exit}, 0, 'a stable mode');
	my $r = $node->appctl('mode', 'development', '--wait=0.3');
	is($r->{exit}, 4, 'set and await, out of time');
	like($r->{out} . $r->{err}, qr/\bslow\b/, 'names what is outstanding');
	$r = $node->varlink('AwaitStableMode', { timeout => 0.1 });
	is($r->{error}, 'org.appctl.Control.TimedOut', 'the same by method');
	is($r->{parameters}{outstanding}[0]{name}, 'slow', 'and its outstanding');
	$node->appctl('mode', 'normal', '--wait=10');
	is($node->varlink('IsModeStable')->{parameters}{stable}, JSON::PP::true, 'stable again');
	$node->stop;
};

subtest 'status' => sub {
	my $node = started($modes);
	my $s = $node->appctl_json('status');
	is($s->{current_mode}, 'normal', 'current_mode');
	is_deeply([sort @{ $s->{current_roles} }], [qw(active basic)], 'current_roles');
	is_deeply([sort @{ $s->{running_locally} }], [qw(aecore aehttp gproc kv)], 'running_locally');
	is_deeply($s->{running_remotely}, [], 'running_remotely: no other nodes');
	my %app = map { $_->{name} => $_ } @{ $s->{applications} };
	is_deeply([$app{aecore}{roles}, $app{aecore}{modes}], [['active'], ['normal']], 'roles and modes of an application');
	is_deeply([$app{mining}{wanted}, $app{mining}{why}], [JSON::PP::false, 'not'], 'what is not wanted, and that');
	like($node->appctl('explain', 'mining')->{out}, qr/mode/, 'explain says why it is not started');
	$node->stop;
};

subtest 'dependencies' => sub {
	my $node = started('applications: {' . app('a') . app('b', 'applications = ["a"];') . app('c', 'applications = ["b"];') . '};');
	my $deps = $node->varlink('Dependencies', { name => 'c' })->{parameters}{relations};
	is_deeply({ map { $_->{name} => $_->{depth} } @$deps }, { a => 2, b => 1 }, 'dependencies, direct and further');
	my $rdeps = $node->varlink('Dependents', { name => 'a' })->{parameters}{relations};
	is_deeply({ map { $_->{name} => $_->{depth} } @$rdeps }, { b => 1, c => 2 }, 'dependents');
	like($node->appctl('deps', 'c')->{out}, qr/\ba\b/, 'deps');
	like($node->appctl('rdeps', 'a')->{out}, qr/\bc\b/, 'rdeps');
	$node->stop;
};

subtest 'modify applications' => sub {
	my ($m, $said) = model($modes, '40-setup.conf' => 'modify: { applications = (
		{ add: { gproc: { start_before = ["kv"]; }; new: { command = "true"; type = "oneshot"; }; }; },
		{ del = ["mining", "nosuch"]; },
		{ kv = ({ add: { start_after = ["gproc"]; }; }); } );
		roles: { mining_tools = ({ del = ["mining"]; }); }; };');
	ok($m, 'accepted') or diag($said);
	is_deeply($m->{applications}{gproc}{start_before}, ['kv'], 'add sets keys');
	ok($m->{applications}{new}, 'and creates');
	ok(!$m->{applications}{mining}, 'del removes, and what is absent is no error');
	is_deeply($m->{applications}{kv}{start_after}, ['gproc'], 'one entry changed');
};

subtest 'modify roles' => sub {
	my ($m, $said) = model($modes, '50-tool.conf' => 'applications: {' . app('tool') . '};
		modify: { roles: { basic = ("join"); active = ({ add = ["mining"]; }, { del = ["aehttp"]; }); fresh = ("join"); }; };',
		'60-mining.conf' => 'modify: { roles: { mining_tools = ("leave"); }; };');
	ok($m, 'accepted') or diag($said);
	is_deeply($m->{roles}{basic}, [qw(kv tool)], 'join: the drop-in is named after the application');
	is_deeply($m->{roles}{active}, [qw(aecore mining)], 'add and del');
	is_deeply($m->{roles}{fresh}, ['tool'], 'the first join makes the role');
	is_deeply($m->{roles}{mining_tools}, [], 'leave');
	(undef, $said) = model($modes, '50-kv.conf' => 'modify: { roles: { basic = ("join"); }; };');
	like($said, qr/50-kv\.conf:1/, 'joining twice is an error with its place');
	(undef, $said) = model($modes, '50-kv.conf' => 'modify: { roles: { active = ("leave"); }; };');
	like($said, qr/50-kv\.conf:1/, 'leaving what it is not in, too');
};

subtest 'modify modes and protected' => sub {
	my ($m, $said) = model($modes, '50-kv.conf' => 'modify: { modes: { development = ({ add = ["mining_tools"]; }); normal = ({ del = ["active"]; }); };
		protected = ("join"); };');
	ok($m, 'accepted') or diag($said);
	is_deeply($m->{modes}{development}, ['mining_tools'], 'add makes the mode');
	is_deeply($m->{modes}{normal}, ['basic'], 'del');
	is_deeply($m->{protected}, ['kv'], 'join protected');
};

subtest 'app_ctrl wrapper' => sub {
	my ($m, $said) = model($modes, '50-kv.conf' => 'app_ctrl: { modify: { roles: { active = ("join"); }; }; };');
	ok($m, 'accepted') or diag($said);
	is_deeply($m->{roles}{active}, [qw(aecore aehttp kv)], 'as without it');
};

subtest 'a reload that changes the present mode' => sub {
	my $node = started($modes);
	my $kv = status($node)->{kv}{pid};
	$node->dropin('70-more.conf', 'modify: { modes: { normal = ({ add = ["mining_tools"]; }); }; };');
	is($node->appctl('reload')->{exit}, 0, 'reload');
	is($node->wait_event({ event => 'new_mode' })->{mode}, 'normal', 'new_mode, for its meaning is new');
	$node->wait_event({ event => 'mode_stable' });
	is(running($node), 'aecore aehttp gproc kv mining', 'what entered runs');
	is(status($node)->{kv}{pid}, $kv, 'what stays is not touched');
	$node->stop;
};

subtest 'check_for_new_applications' => sub {
	my $node = started($modes);
	$node->dropin('80-new.conf', 'applications: {' . app('new') . '};');
	is_deeply($node->varlink('CheckForNewApplications')->{parameters}{added}, ['new'], 'finds it');
	$node->wait_event({ event => 'app_running', app => 'new' });
	pass('and starts it');
	$node->stop;
};

subtest 'log levels by module' => sub {
	my $node = started("$modes log_levels = ( { level = \"debug\"; modules = [\"engine\"]; } );");
	my $levels = $node->varlink('SetLogLevel', {})->{parameters}{levels};
	is($levels->{engine}, 'debug', 'from the configuration');
	is($node->appctl('loglevel', 'debug', 'spawn', 'events')->{exit}, 0, 'at run time');
	$levels = $node->varlink('SetLogLevel', {})->{parameters}{levels};
	is($levels->{$_}, 'debug', $_) for qw(spawn events);
	isnt($levels->{config}, 'debug', 'others stay');
	$node->stop;
};

subtest 'load-only applications' => sub {
	my $node = started('applications: { fonts: { }; ' . app('gui', 'applications = ["fonts"];') . '};');
	is(status($node)->{fonts}{state}, 'load_only', 'no command: always satisfied');
	is(running($node), 'gui', 'and what needs it runs');
	$node->stop;
};

done_testing;
