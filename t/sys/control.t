# SPDX-License-Identifier: MIT
# control.sock: introspection, and every method with right and with wrong input.
use strict;
use warnings;
use Test::More;
use Appctl::Test;

my $config = <<'END';
applications:
{
  db: { command = ["/bin/sleep", "1000"]; description = "storage"; environment = ["SECRET=hidden"]; };
  web: { command = ["/bin/sleep", "1000"]; applications = ["db"]; reload_signal = "WINCH"; };
  job: { command = ["/bin/true"]; type = "oneshot"; start_before = ["web"]; };
  late: { command = ["/bin/sleep", "1000"]; ready = { type = "unix"; path = "@DIR@/late.sock"; timeout = 60.0; }; };
  behind: { command = ["/bin/sleep", "1000"]; applications = ["late"]; };
  bad: { command = ["@DIR@/no-such-program"]; restart = "temporary"; };
  always: { command = ["/bin/sleep", "1000"]; };
  load: { };
};
roles: { storage = ["db"]; active = ["web", "job"]; waiting = ["behind", "late"]; broken = ["bad"]; };
modes: { normal = ["storage", "active"]; maintenance = ["storage"]; stuck = ["waiting"]; failing = ["broken"]; };
default_mode = "normal";
END

my $node = Appctl::Test->new(config => $config, node => 'alice')->start;
$node->wait_event({ event => 'mode_stable' });

sub ok_reply {
	my ($method, $parameters) = @_;
	my $r = $node->varlink($method, $parameters);
	is($r->{error}, undef, "$method is answered") or diag(explain($r));
	return $r->{parameters};
}

sub error_of {
	my ($error, $method, $parameters) = @_;
	my $r = $node->varlink($method, $parameters);
	$error = "org.appctl.Control.$error" unless $error =~ /\./;
	is($r->{error}, $error, "$method: $error") or diag(explain($r));
	return $r->{parameters};
}

sub text_of { slurp(top_srcdir() . "/doc/$_[0].varlink") }

subtest 'introspection' => sub {
	my $info = ok_reply('org.varlink.service.GetInfo');
	is_deeply($info->{interfaces}, [qw(org.varlink.service org.appctl.Control)]);
	is($info->{product}, 'appctld');
	for my $name (@{ $info->{interfaces} }) {
		my $r = ok_reply('org.varlink.service.GetInterfaceDescription', { interface => $name });
		utf8::encode(my $text = $r->{description});
		is($text, text_of($name), "$name is described as in doc/");
	}
	is(error_of('org.varlink.service.InterfaceNotFound', 'org.varlink.service.GetInterfaceDescription',
		{ interface => 'org.example' })->{interface}, 'org.example');
	is(error_of('org.varlink.service.InterfaceNotFound', 'org.example.Do')->{interface}, 'org.example');
	is(error_of('org.varlink.service.MethodNotFound', 'NoSuchMethod')->{method}, 'org.appctl.Control.NoSuchMethod');
	is(error_of('org.varlink.service.InvalidParameter', 'Status', { nmaes => [] })->{parameter}, 'nmaes');
};

# The table of methods and the interface description say the same.
subtest 'every method of the description is there, with its parameters' => sub {
	my %have = (slurp(top_srcdir() . '/src/core/control.h') =~ /X\("(\w+)", \w+, [A-Z]+, "([^"]*)"\)/g,
		slurp(top_srcdir() . '/src/engine/methods.c') =~ /"(\w+)", ACCESS_\w+, "([^"]*)"/g);
	my %said;
	for my $name (qw(org.appctl.Control org.varlink.service)) {
		my $text = text_of($name);
		$said{$1} = $2 while $text =~ /^method (\w+)\(([^)]*)\)/mg;
	}
	is_deeply(\%have, \%said);
	my %errors = map { $_ => 1 } text_of('org.appctl.Control') =~ /^error (\w+)/mg;
	my %used;
	for my $file (glob(top_srcdir() . '/src/engine/{call,methods,methods_read,methods_change,control}.c')) {
		my $text = slurp($file);
		$used{$1} = 1 while $text =~ /(?:call_begin_error|call_fail|unknown)\(c, "(\w+)"/g;
	}
	is_deeply([grep { !$errors{$_} } sort keys %used], [], 'every error is described');
};

# What a type of the description says about the value of a reply; what is wrong, or nothing.
my %types;
{
	my $text = text_of('org.appctl.Control');
	$text =~ s/#.*//g;
	while ($text =~ /^type (\w+) \(([^)]*)\)/mg) { $types{$1} = fields($2) }
	while ($text =~ /^method (\w+)\([^)]*\) -> \(([^)]*)\)/mg) { $types{"reply $1"} = fields($2) }
}
sub fields {
	my ($text) = @_;
	return { map { /(\w+):\s*(\S+)/ ? ($1 => $2) : () } split /,/, $text };
}
sub misfit {
	my ($v, $type, $where) = @_;
	if ($type =~ s/^\?//) { return () unless defined $v }
	return "$where is missing" unless defined $v;
	if ($type =~ s/^\[\]//) {
		return "$where is no list" unless ref $v eq 'ARRAY';
		return map { misfit($v->[$_], $type, "$where\[$_]") } 0 .. $#$v;
	}
	if ($type =~ s/^\[string\]//) {
		return "$where is no map" unless ref $v eq 'HASH';
		return map { misfit($v->{$_}, $type, "$where.$_") } keys %$v;
	}
	if (my $fields = $types{$type}) {
		return "$where is no $type" unless ref $v eq 'HASH';
		return ((map { misfit($v->{$_}, $fields->{$_}, "$where.$_") } keys %$fields),
			map { "$where.$_ is not described" } grep { !$fields->{$_} } keys %$v);
	}
	return () if $type eq 'object' && ref $v eq 'HASH' || $type eq 'bool' && JSON::PP::is_bool($v);
	return "$where: $v is no $type" if ref $v || $type eq 'int' && $v !~ /^-?\d+$/ || $type eq 'float' && $v !~ /^-?[\d.e+-]+$/;
	return ();
}

sub fits {
	my ($method, $parameters) = @_;
	my $reply = ok_reply($method, $parameters);
	is_deeply([misfit($reply, "reply $method", $method)], [], "$method replies as described");
	return $reply;
}

subtest 'Status' => sub {
	my $s = fits('Status');
	is($s->{node}, 'alice');
	is($s->{current_mode}, 'normal');
	is_deeply($s->{current_roles}, [qw(active storage)]);
	is($s->{pid}, $node->pid);
	ok($s->{stable});
	is_deeply([sort @{ $s->{running_locally} }], [qw(always db job web)]);
	is_deeply($s->{running_remotely}, []);
	is_deeply($s->{allowed}, [qw(read operate admin)]);
	is_deeply([sort @{ $s->{allowed_applications} }], [qw(always db job load web)]);
	my %app = map { $_->{name} => $_ } @{ $s->{applications} };
	is(scalar keys %app, 8);
	is($app{web}{state}, 'running');
	is_deeply($app{web}{roles}, ['active']);
	is_deeply($app{web}{modes}, ['normal']);
	is($app{web}{why}, 'role');
	is($app{web}{why_by}, 'active');
	ok($app{web}{running_locally});
	is($app{db}{description}, 'storage');
	is_deeply($app{db}{modes}, [qw(maintenance normal)]);
	ok($app{always}{background});
	is($app{load}{state}, 'load_only');
	is($app{job}{state}, 'completed');
	is($app{job}{last_exit}{text}, 'exit 0');
	is($app{job}{last_exit}{code}, 0);
	is($app{bad}{state}, 'stopped');
	is($app{bad}{wanted}, JSON::PP::false);
	like($app{web}{origin}, qr{appctld\.conf:4$});
	my $one = fits('Status', { names => ['web', 'db'] });
	is_deeply([map { $_->{name} } @{ $one->{applications} }], ['web', 'db'], 'those named, in that order');
	my $e = error_of('NoSuchApplication', 'Status', { names => ['web', 'wbe'] });
	is_deeply($e, { name => 'wbe', nearest => 'web' });
	is(error_of('org.varlink.service.InvalidParameter', 'Status', { names => 'web' })->{parameter}, 'names');
};

subtest 'modes' => sub {
	is_deeply(fits('GetMode'), { mode => 'normal', state => 'stable', roles => [qw(active storage)] });
	is_deeply(fits('IsModeStable'), { stable => JSON::PP::true, outstanding => [] });
	my $all = fits('ListModes');
	is_deeply($all->{mode_roles}{normal}, [qw(active storage)]);
	is_deeply($all->{roles}{active}, [qw(job web)]);
	is_deeply(error_of('UnknownMode', 'SetMode', { mode => 'nromal' }), { mode => 'nromal', nearest => 'normal' });
	is_deeply(error_of('UnknownMode', 'Plan', { mode => 'zzzzzz' }), { mode => 'zzzzzz' });

	my $plan = fits('Plan', { mode => 'maintenance' });
	is_deeply([map { "$_->{action} $_->{name} $_->{wave}" } @{ $plan->{steps} }], ['stop web 1']);
	like($plan->{steps}[0]{why}, qr/role active/);
	is_deeply(fits('SetMode', { mode => 'maintenance', await => JSON::PP::true }), { mode => 'maintenance' });
	is(fits('GetMode')->{mode}, 'maintenance');
	is_deeply([map { "$_->{action} $_->{name} $_->{wave}" } @{ fits('Plan', { mode => 'normal' })->{steps} }],
		['start job 1', 'start web 2']);
	is_deeply(fits('Plan')->{steps}, []);
	fits('SetMode', { mode => 'normal' });
	is(fits('AwaitStableMode', { timeout => 20 })->{mode}, 'normal');
	$node->wait_event({ event => 'mode_stable', mode => 'normal' });

	my $db = fits('Status', { names => ['db'] })->{applications}[0];
	fits('SetMode', { mode => 'stuck' });
	my $late = error_of('TimedOut', 'AwaitStableMode', { timeout => 0.05 });
	my %why = map { $_->{name} => $_->{why} } @{ $late->{outstanding} };
	like($why{behind}, qr/^waits for late, which is starting/);
	like($why{late}, qr{late\.sock does not accept connections yet});
	my $chain = fits('Explain', { name => 'behind' })->{chain};
	is($chain->[0]{fact}, 'behind waits for late, which it requires');
	like($chain->[0]{origin}, qr{appctld\.conf:\d+$});
	like($chain->[1]{fact}, qr/^late: starting/);
	is_deeply(fits('Status', { names => ['behind'] })->{applications}[0]{waits_for}, ['late']);

	my $failed = error_of('ModeFailed', 'SetMode', { mode => 'failing', await => JSON::PP::true });
	is($failed->{mode}, 'failing');
	is($failed->{outstanding}[0]{name}, 'bad');
	like($failed->{outstanding}[0]{why}, qr/could not be started \(exec \S+: No such file or directory\)/);
	like(fits('Status', { names => ['bad'] })->{applications}[0]{failure}, qr/^exec \S+: No such file/);

	# A newer mode ends the wait for the older one.
	my $socket = $node->connect_control;
	$node->varlink_send($socket, 'SetMode', { mode => 'stuck', await => JSON::PP::true });
	$node->wait_event({ event => 'new_mode', mode => 'stuck', previous => 'failing' });
	fits('SetMode', { mode => 'normal', await => JSON::PP::true });
	is($node->varlink_read($socket)->{error}, 'org.appctl.Control.ModeReplaced');
	error_of('org.varlink.service.InvalidParameter', 'SetMode', {});
	error_of('org.varlink.service.InvalidParameter', 'SetMode', { mode => 7 });
	error_of('org.varlink.service.InvalidParameter', 'AwaitStableMode', { timeout => -1 });
};

subtest 'one application' => sub {
	is_deeply(error_of('HasDependents', 'Stop', { name => 'db' }), { name => 'db', dependents => ['web'] });
	is_deeply(fits('Stop', { name => 'db', with_dependents => JSON::PP::true, await => JSON::PP::true })->{stopped},
		['web', 'db']);
	is(fits('Status', { names => ['db'] })->{applications}[0]{operator}, 'down');
	my $chain = fits('Explain', { name => 'web' })->{chain};
	like($chain->[0]{fact}, qr/stopped by an operator/);
	my $held = error_of('ApplicationFailed', 'Start', { name => 'web', await => JSON::PP::true });
	is($held->{why}, 'waits for db, which was stopped by an operator');
	fits('Start', { name => 'db' });
	fits('Start', { name => 'web', await => JSON::PP::true, timeout => 20 });
	is(fits('Status', { names => ['web'] })->{applications}[0]{state}, 'running');
	my $before = fits('Status', { names => ['web'] })->{applications}[0]{pid};
	fits('Restart', { name => 'web', await => JSON::PP::true });
	isnt(fits('Status', { names => ['web'] })->{applications}[0]{pid}, $before, 'another process');
	fits('AwaitApplication', { name => 'web' });
	fits('ReloadApplication', { name => 'web' });
	error_of('Failed', 'ReloadApplication', { name => 'db' });
	error_of('NotRunning', 'ReloadApplication', { name => 'bad' });
	error_of('NotRunning', 'Kill', { name => 'job' });
	error_of('org.varlink.service.InvalidParameter', 'Kill', { name => 'web', signal => 'NOSUCH' });
	my $pid = fits('Status', { names => ['web'] })->{applications}[0]{pid};
	fits('Kill', { name => 'web', signal => 'KILL' });
	$node->wait_event({ event => 'app_exited', app => 'web', signal => 'KILL' });
	$node->wait_event({ event => 'app_running', app => 'web' });
	my $web = fits('Status', { names => ['web'] })->{applications}[0];
	is($web->{restarts}, 1);
	is($web->{last_exit}{signal}, 'KILL');
	my $failed = error_of('ApplicationFailed', 'Start', { name => 'bad', await => JSON::PP::true });
	is($failed->{name}, 'bad');
	like($failed->{why}, qr/exec \S+: No such file/);
	error_of('TimedOut', 'Start', { name => 'late', await => JSON::PP::true, timeout => 0.02 });
	fits('Stop', { name => 'late', await => JSON::PP::true });
	fits('Stop', { name => 'bad' });
	is(fits('Wait', { name => 'job' })->{last_exit}{text}, 'exit 0');
	error_of('TimedOut', 'Wait', { name => 'web', timeout => 0.01 });
	for my $method (qw(Start Stop Restart ReloadApplication Kill Wait AwaitApplication Explain Dependencies Dependents Show)) {
		is_deeply(error_of('NoSuchApplication', $method, { name => 'wed' }), { name => 'wed', nearest => 'web' });
		error_of('org.varlink.service.InvalidParameter', $method, {});
	}
};

subtest 'whose a process is' => sub {
	my $pid = fits('Status', { names => ['db'] })->{applications}[0]{pid};
	is_deeply(fits('FindApplication', { pid => $pid }), { name => 'db' }, 'a main process');
	fits('Run', { name => 'family', definition => { command => 'sleep 1000 & echo $! >' . $node->dir . '/child; wait' } });
	select undef, undef, undef, 0.02 until -s $node->dir . '/child';
	is_deeply(fits('FindApplication', { pid => 0 + slurp($node->dir . '/child') }), { name => 'family' }, 'one of its descendants');
	is_deeply(fits('FindApplication', { pid => $_ }), {}, "$_: of none") for $$, 0, -1, 2147483648, 9223372036854775807;
	error_of('org.varlink.service.InvalidParameter', 'FindApplication', { pid => '1' });
	fits('Stop', { name => 'family', await => JSON::PP::true });
};

subtest 'relations' => sub {
	my @deps = @{ fits('Dependencies', { name => 'web' })->{relations} };
	is_deeply([sort map { "$_->{name} $_->{kind} $_->{depth} $_->{by}" } @deps], ['db requires 1 web', 'job order 1 web']);
	my @rdeps = @{ fits('Dependents', { name => 'db' })->{relations} };
	is_deeply([map { "$_->{name} $_->{kind} $_->{depth}" } @rdeps], ['web requires 1']);
	my $graph = fits('Graph');
	is(scalar(grep { $_ ne "family" } @{ $graph->{applications} }), 8, "all but a command that has ended");
	is_deeply([sort map { "$_->{before} $_->{after} $_->{kind}" } @{ $graph->{edges} }],
		['db web requires', 'job web order', 'late behind requires']);
	my $show = fits('Show', { name => 'db' });
	is_deeply($show->{definition}{command}, ['/bin/sleep', '1000']);
	like(JSON::PP->new->encode($show->{definition}), qr/hidden/, 'an admin sees the environment');
};

subtest 'reload' => sub {
	is_deeply(fits('Diff'), { changes => [], settings => [] });
	(my $changed = $config) =~ s/(web: \{ command = \["\/bin\/sleep", ")1000/${1}1001/;
	$changed =~ s/maintenance = \["storage"\]/maintenance = ["storage", "broken"]/;
	$node->config($changed);
	my $diff = fits('Reload', { dry_run => JSON::PP::true });
	is_deeply([map { "$_->{name} $_->{change} $_->{follows}" } @{ $diff->{changes} }], ['web changed restart']);
	is($diff->{changes}[0]{keys}[0]{key}, 'command');
	ok($diff->{changes}[0]{keys}[0]{needs_restart});
	is($diff->{settings}[0]{key}, 'modes.maintenance');
	is_deeply(fits('Diff'), $diff, 'Diff says the same');
	is_deeply(fits('Reload'), $diff, 'and so does Reload of what it did');
	$node->wait_event({ event => 'app_running', app => 'web' });
	is_deeply(fits('Diff')->{changes}, []);

	$node->config($changed . "\nnonsense = 1;\napplications_ = { };\n");
	my $bad = error_of('InvalidConfiguration', 'Reload');
	cmp_ok(scalar @{ $bad->{problems} }, '>=', 2, 'all problems');
	like($bad->{problems}[0]{file}, qr/appctld\.conf$/);
	ok($bad->{problems}[0]{line});
	error_of('InvalidConfiguration', 'Diff');
	$node->dropin('extra.conf', 'applications: { extra: { comand = ["/bin/sleep", "1000"]; }; };');
	error_of('InvalidConfiguration', 'CheckForNewApplications');

	$node->config($changed);
	$node->dropin('extra.conf', 'applications: { extra: { command = ["/bin/sleep", "1000"]; }; };');
	is_deeply(fits('CheckForNewApplications'), { added => ['extra'] });
	$node->wait_event({ event => 'app_running', app => 'extra' });
	is_deeply(fits('CheckForNewApplications'), { added => [] });
};

subtest 'log levels' => sub {
	my $levels = fits('SetLogLevel')->{levels};
	is($levels->{control}, 'info');
	is(fits('SetLogLevel', { level => 'debug', modules => ['control', 'spawn'] })->{levels}{spawn}, 'debug');
	is(fits('SetLogLevel')->{levels}{engine}, 'info');
	is(fits('SetLogLevel', { level => 'warning' })->{levels}{engine}, 'warning');
	fits('SetLogLevel', { level => 'info' });
	# Both processes are one daemon: what the keeper says of its work is asked for alike.
	unlike($node->log_text, qr/keeper: engine: signal/, 'info: the keeper does not tell of each order');
	fits('SetLogLevel', { level => 'debug', modules => ['keeper'] });
	fits('Restart', { name => 'always' });
	like($node->log_text, qr/keeper: engine: signal/, 'debug: it does');
	fits('SetLogLevel', { level => 'info' });
	is(error_of('org.varlink.service.InvalidParameter', 'SetLogLevel', { level => 'loud' })->{parameter}, 'level');
	is(error_of('org.varlink.service.InvalidParameter', 'SetLogLevel', { level => 'debug', modules => ['nose'] })->{parameter},
		'modules');
};

subtest 'Subscribe' => sub {
	error_of('org.varlink.service.ExpectedMore', 'Subscribe');
	my $socket = $node->connect_control;
	$node->varlink_send($socket, 'Subscribe', { categories => ['app_stopped'], snapshot => JSON::PP::true }, more => 1);
	my (@first, $r);
	do {
		$r = $node->varlink_read($socket);
		ok($r->{continues}, 'more follow') if !@first;
		push @first, $r->{parameters}{event};
	} until $first[-1]{event} eq 'snapshot_end';
	is($first[0]{event}, 'hello');
	ok((grep { ($_->{app} // '') eq 'web' } @first), 'a snapshot of all applications');
	fits('Restart', { name => 'always' });
	$r = $node->varlink_read($socket);
	is($r->{parameters}{event}{event}, 'app_stopped');
	is($r->{parameters}{event}{app}, 'always');
	my $again = $node->connect_control;
	$node->varlink_send($again, 'Subscribe', { since => 0, categories => ['new_mode'] }, more => 1);
	$node->varlink_read($again);
	is($node->varlink_read($again)->{parameters}{event}{mode}, 'normal', 'since: from the first one');
	for my $wrong ({ categories => ['no_such'] }, { since => 'x' }, { snapshot => 1 }) {
		my $s = $node->connect_control;
		$node->varlink_send($s, 'Subscribe', $wrong, more => 1);
		is($node->varlink_read($s)->{error}, 'org.varlink.service.InvalidParameter');
	}
};

subtest 'Run' => sub {
	my $socket = $node->connect_control;
	$node->varlink_send($socket, 'Run', { definition => { command => ['/bin/sh', '-c', 'exit 3'] } }, more => 1);
	my $first = $node->varlink_read($socket);
	my $last = $first->{continues} ? $node->varlink_read($socket) : $first;
	ok(!$last->{continues});
	like($last->{parameters}{name}, qr/^run-\d+$/);
	is($last->{parameters}{last_exit}{code}, 3);
	ok(fits('IsModeStable')->{stable}, 'what was run is not what the mode asks for');
	$node->varlink_send($socket, 'Run', { name => 'task', definition => { command => ['/bin/sleep', '1000'] } }, more => 1);
	$first = $node->varlink_read($socket);
	ok($first->{continues}, 'a reply at the start');
	is($first->{parameters}{name}, 'task');
	ok(process_is_alive($first->{parameters}{pid}));
	ok(fits('Status', { names => ['task'] })->{applications}[0]{transient});
	error_of('Failed', 'Run', { name => 'task', definition => { command => ['/bin/true'] } });
	error_of('Failed', 'Run', { name => 'web', definition => { command => ['/bin/true'] } });
	fits('Stop', { name => 'task' });
	$last = $node->varlink_read($socket);
	is($last->{parameters}{last_exit}{signal}, 'TERM');
	my $named = fits('Run', { name => 'brief', definition => { command => ['/bin/sh', '-c', 'exit 4'] } });
	is($named->{name}, 'brief', 'without more: one reply, at the start');
	is(fits('Wait', { name => 'brief' })->{last_exit}{code}, 4);
	error_of('org.varlink.service.InvalidParameter', 'Run', { name => '../x', definition => { command => ['/bin/true'] } });
	my $bad = error_of('InvalidConfiguration', 'Run', { definition => { comand => ['/bin/true'] } });
	like(JSON::PP->new->encode($bad), qr/comand/);
	my $r = $node->varlink('Run', { definition => { command => ["@{[$node->dir]}/nothing"], restart => 'temporary' } });
	is($r->{error}, 'org.appctl.Control.ApplicationFailed');
	like($r->{parameters}{why}, qr/No such file/);
};

subtest 'Shutdown' => sub {
	my $waiting = $node->connect_control;
	fits('SetMode', { mode => 'stuck' });
	$node->varlink_send($waiting, 'AwaitStableMode');
	is_deeply(fits('Shutdown'), {}, 'replies before it happens');
	is($node->varlink_read($waiting)->{error}, 'org.appctl.Control.ShuttingDown');
	is($node->wait_end, 0);
};

done_testing;
