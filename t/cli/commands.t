# SPDX-License-Identifier: MIT
# Every command against a real appctld, with the exit status that it promises.
use strict;
use warnings;
use JSON::PP;
use Test::More;
use Time::HiRes;
use Appctl::Test;

my $node = Appctl::Test->new(node => 'alice', config => <<'CONF');
default_mode = "normal";
applications:
{
	db: { command = ["sleep", "1000"]; description = "the data"; log = { type = "file"; path = "@DIR@/db.log"; }; };
	web: { command = "echo one; echo two; echo three; exec sleep 1000"; applications = ["db"]; reload_signal = "HUP";
	       log = { type = "file"; path = "@DIR@/web.log"; }; };
	setup: { command = ["true"]; type = "oneshot"; start_before = ["web"]; };
	slow: { command = ["sleep", "1000"]; ready = { type = "exec"; command = ["/usr/bin/test", "-e", "@DIR@/slow-is-ready"]; interval = 0.05; timeout = 60.0; }; };
	broken: { command = ["/nonexistent/program"]; restart = "temporary"; };
	task: { command = ["sh", "-c", "while ! test -e @DIR@/task-may-end; do sleep 0.02; done; exit 0"]; restart = "transient"; };
	fonts: { description = "nothing to run"; };
};
roles: { basic = ["db", "fonts"]; active = ["web", "setup"]; late = ["slow"]; bad = ["broken"]; tasks = ["task"]; };
modes: { normal = ["basic", "active"]; maintenance = ["basic"]; waiting = ["basic", "late"]; failing = ["bad"]; batch = ["tasks"]; };
CONF
$node->start;
$node->wait_event({ event => 'mode_stable', mode => 'normal' });

sub ok_command {
	my ($out, @args) = @_;
	my $r = $node->appctl(@args);
	is($r->{exit}, 0, "appctl @args") or diag($r->{out}, $r->{err});
	like($r->{out}, $out, '  prints what it should');
	is($r->{err}, '', '  and nothing else');
	return $r;
}

sub fails {
	my ($status, $err, @args) = @_;
	my $r = $node->appctl(@args);
	is($r->{exit}, $status, "appctl @args: exit status $status") or diag($r->{out}, $r->{err});
	like($r->{err}, $err, '  and why');
	my $doc = eval { decode_json($node->appctl('--json', @args)->{out}) } // {};
	my $error = $doc->{error} // (map { $_->{error} } grep { $_->{error} } @{ $doc->{applications} // [] })[0];
	is($error->{status}, $status, '  and as a document');
	return $r;
}

subtest 'status' => sub {
	my $r = ok_command(qr/^alice: mode normal, stable; roles active and basic\nAPPLICATION +STATE/, 'status');
	like($r->{out}, qr/^db +running +\S+ s +\d+ +role basic/m, 'a line for each application');
	like($r->{out}, qr/^setup +completed .* exit 0/m, 'with what became of a oneshot');
	like($r->{out}, qr/^broken +stopped +\d/m, 'and one that never was wanted');
	unlike($r->{out}, qr/\e/, 'no colours where there is no terminal');
	$r = ok_command(qr/^web\n +State: running since 20\d\d-/, 'status', 'web');
	my $app = $node->appctl_json('status', 'web')->{applications}[0];
	like($r->{out}, qr/^ +Pid: $app->{pid}$/m, 'the process');
	like($r->{out}, qr/^ +Wanted: yes, role active$/m, 'because of what');
	like($r->{out}, qr/^ +Defined: .*appctld\.conf:5$/m, 'where it is defined');
	like($r->{out}, qr/^ +Log: .*\n\n  one\n  two\n  three\n\z/m, 'the end of its log');
	like(ok_command(qr/^db - the data\n/, 'status', 'db', 'fonts')->{out}, qr/\n\nfonts - nothing to run\n +State: load_only/, 'more than one');
	is_deeply([map { $_->{name} } @{ $node->appctl_json('status')->{applications} }], [qw(broken db fonts setup slow task web)], '--json has all');
	fails(3, qr/no application "wbe"; did you mean "web"/, 'status', 'wbe');
};

subtest 'mode, await, plan' => sub {
	ok_command(qr/^mode normal, stable\n\n +MODE +ROLES\n(?s:.*)^\* normal +active and basic\n(?s:.*)^\* basic +db and fonts\n/m, 'mode');
	is($node->appctl_json('mode')->{mode}, 'normal', '--json');
	ok_command(qr/^STEP +WHY.*\nstops, wave 1.*\n.*stop web +\S.*\n/, 'plan', 'maintenance');
	ok_command(qr/^nothing to do\n/, 'plan');
	my @before = map { $_->{pid} } @{ $node->appctl_json('status', 'db')->{applications} };
	ok_command(qr/^mode maintenance is stable\n/, 'mode', 'maintenance', '--wait=10');
	is($node->appctl_json('status', 'web')->{applications}[0]{state}, 'stopped', 'web has left');
	is_deeply([map { $_->{pid} } @{ $node->appctl_json('status', 'db')->{applications} }], \@before, 'db was not touched');
	ok_command(qr/^mode maintenance is stable\n/, 'await');
	ok_command(qr/^$/, 'mode', 'normal');
	ok_command(qr/^mode normal is stable\n/, 'await', '10');
	fails(3, qr/no mode "norml"; did you mean "normal"/, 'mode', 'norml');
	fails(3, qr/no mode/, 'plan', 'nope');
	my $r = fails(4, qr/timed out waiting for slow\n  slow: starting/, 'mode', 'waiting', '--wait=0.3');
	fails(4, qr/timed out/, 'await', '0.1');
	$r = fails(1, qr/mode failing cannot be reached.*\n +broken: failed/, 'mode', 'failing', '--wait=10');
	fails(1, qr/broken: failed/, 'await');
	ok_command(qr/stable/, 'mode', 'normal', '--wait=10');
};

subtest 'explain, deps, rdeps, graph, show' => sub {
	ok_command(qr/^web.*\n/, 'explain', 'web');
	ok_command(qr/^slow: not wanted in mode normal .*\nbecause slow is in role late/, 'explain', 'slow');
	ok_command(qr/^APPLICATION +KIND +STATE *\nweb *\n.*db +requires +running\n(?s:.*)setup +order +completed/, 'deps', 'web');
	ok_command(qr/\ndb *\n.*web +requires +running\n/, 'rdeps', 'db');
	ok_command(qr/^fonts comes after nothing\n/, 'deps', 'fonts');
	ok_command(qr/^nothing comes after fonts\n/, 'rdeps', 'fonts');
	ok_command(qr/^BEFORE +AFTER +KIND\n(?s:.*)^setup +web +order\n/m, 'graph');
	my $dot = ok_command(qr/^digraph appctl \{\n(?s:.*)\t"db" -> "web";\n(?s:.*)\}\n$/, 'graph', '--dot')->{out};
	like($dot, qr/"setup" -> "web" \[style=dotted\];/, 'order is dotted');
	ok_command(qr/^# .*appctld\.conf:5\nweb: \{\n    command = "echo one(?s:.*)    applications = \["db"\];\n/, 'show', 'web');
	fails(3, qr/no application "nope"/, $_, 'nope') for qw(explain deps rdeps show);
	is_deeply($node->appctl_json('show', 'web')->{definition}{applications}, ['db'], 'show --json');
	is($node->appctl_json('deps', 'web')->{relations}[0]{name}, 'db', 'deps --json');
};

subtest 'start, stop, restart, reload-app, kill, wait' => sub {
	fails(1, qr/db is needed by web: stop all of them with --with-dependents/, 'stop', 'db');
	ok_command(qr/^(web: stopped\ndb: stopped|db: stopped\nweb: stopped)\n/, 'stop', '--with-dependents', 'db');
	fails(1, qr/web.*waits for db/, 'start', 'web');
	ok_command(qr/^db: running\nweb: running\n/, 'start', 'db', 'web');
	ok_command(qr/^db: stopped\nweb: stopped\n|^web: stopped\ndb: stopped\n/, 'stop', 'db', 'web');
	my $doc = $node->appctl_json('start', 'db', 'web');
	is_deeply($doc, { applications => [ { name => 'db', state => 'running' }, { name => 'web', state => 'running' } ] }, 'start --json');
	my $pid = $node->appctl_json('status', 'web')->{applications}[0]{pid};
	ok_command(qr/^web: running\n/, 'restart', 'web');
	isnt($node->appctl_json('status', 'web')->{applications}[0]{pid}, $pid, 'it is another process');
	ok_command(qr/^setup: completed\n/, 'start', 'setup');
	ok_command(qr/^$/, 'start', '--no-wait', 'slow');
	fails(4, qr/slow/, 'start', '--wait=0.2', 'slow');
	spew($node->dir . '/slow-is-ready', '');
	ok_command(qr/^slow: running\n/, 'start', 'slow');
	ok_command(qr/^slow: stopped\n/, 'stop', 'slow', '--wait=10');
	fails(1, qr/broken.*No such file/, 'start', 'broken');
	fails(3, qr/no application/, $_, 'nope') for qw(start stop restart reload-app kill wait);
	my $r = $node->appctl('start', 'nope', 'db');
	is("$r->{exit} $r->{out}", "3 db: running\n", 'one that is not there does not hold up the others');
	ok_command(qr/^$/, 'reload-app', 'web');
	fails(1, qr/neither reload_signal nor reload_command/, 'reload-app', 'db');
	ok_command(qr/^$/, 'kill', '-s', 'CONT', 'db');
	fails(2, qr/no signal "NOSIG"/, 'kill', '-s', 'NOSIG', 'db');
	ok_command(qr/^slow: stopped/, 'wait', 'slow');
	fails(1, qr/slow is not running/, 'kill', 'slow');
	fails(4, qr/timed out/, 'wait', '--timeout=0.2', 'db');
	ok_command(qr/^task: running\n/, 'start', 'task');
	spew($node->dir . '/task-may-end', '');
	ok_command(qr/^task: completed, exit 0 \(normal\)\n/, 'wait', 'task');
	is($node->appctl('wait', 'broken')->{exit}, 1, 'wait for one that failed');
	ok_command(qr/stable/, 'mode', 'maintenance', '--wait=10');
	ok_command(qr/stable/, 'mode', 'normal', '--wait=10');
};

subtest 'run' => sub {
	my $r = $node->appctl('run', '--', 'sh', '-c', 'echo out; echo err >&2; cat; exit 7', { stdin => "in\n" });
	is("$r->{exit}|$r->{out}|$r->{err}", "7|out\nin\n|err\n", 'descriptors and exit status are the caller\'s');
	is($node->appctl('run', 'sh', '-c', 'kill -KILL $$')->{exit}, 128 + 9, 'a signal');
	is($node->appctl('run', '--name', 'here', '-C', '/', '-e', 'A=1', '-e', 'B=x=y', '--', 'sh', '-c', 'echo "$PWD $A $B $HOME"')->{out} =~ s/ \S*$//r,
		"/ 1 x=y\n", 'directory and environment');
	my $here = sub { run_program('sh', '-c', 'cd / && exec "$@"', 'sh', program('appctl'), '-r', $node->runtime_dir, 'run', @_) };
	is($here->('-C', 'usr/..//tmp', 'pwd')->{out}, "/tmp\n", 'a directory relative to the caller\'s');
	is($here->('-d', '-n', 'relative', '-l', $node->dir =~ s{^/}{}r . '/relative.log', 'echo', 'there')->{exit}, 0, 'a log file, too');
	$node->wait_event({ event => 'app_exited', app => 'relative' });
	is(slurp($node->dir . '/relative.log'), "there\n", '  is that one');
	is($node->appctl('run', 'sh', '-c', 'exit 0')->{exit}, 0, 'and nothing of it makes the mode fail');
	is($node->appctl_json('mode')->{state}, 'stable', 'the mode is stable');
	$r = $node->appctl('run', '--', '/nonexistent/program');
	is($r->{exit}, 1, 'what cannot be started');
	like($r->{err}, qr{exec /nonexistent/program: No such file}, 'is told with what it was');
	like($node->appctl('run', '-u', 'no-such-user-here', 'true')->{err}, qr/user no-such-user-here is not known/, 'a user who is none');
	like($node->appctl('run', '-n', '9x', 'true')->{err}, qr/"name": it must begin with a letter/, 'a name that cannot be');
	my $row = qr/^run-\d/m;
	like($node->appctl('status')->{out}, qr/^was run, and has ended: .*run-1/m, 'what has ended is named');
	unlike($node->appctl('status')->{out}, $row, '  and has no row');
	$r = ok_command(qr/^night\n/, 'run', '--detach', '-n', 'night', '--log', $node->dir . '/night.log', '--', 'sh', '-c', 'echo dark; exec sleep 1000');
	is($node->appctl_json('status', 'night')->{applications}[0]{state}, 'running', 'a detached one runs on');
	ok_command(qr/^dark\n/, 'logs', 'night');
	fails(1, qr/night/, 'run', '--detach', '-n', 'night', '--', 'true');
	ok_command(qr/^$/, 'kill', '-s', 'KILL', 'night');
	is($node->appctl('wait', '--timeout=10', 'night')->{exit}, 1, 'until it is killed');
	# Signals are passed on, by name, once the command is there.
	for my $signal (qw(INT TERM QUIT HUP)) {
		my $out = $node->dir . "/caught-$signal";
		my $pid = spawn_program(program('appctl'), '-r', $node->runtime_dir, 'run', '-n', "catch$signal", '--', 'sh', '-c',
			"trap 'echo got $signal; exit 5' $signal; echo ready; while :; do sleep 0.01; done", { out => $out });
		my $end = Time::HiRes::time() + 10 * slow_factor();
		Time::HiRes::sleep(0.01) until slurp($out) =~ /ready/ || Time::HiRes::time() > $end;
		kill $signal => $pid;
		waitpid $pid, 0;
		is(($? >> 8) . slurp($out), "5ready\ngot $signal\n", "$signal is passed on");
	}
	SKIP: {
		skip 'needs root', 1 if $> != 0;
		is($node->appctl('run', '-u', 'nobody', '--', 'id', '-un')->{out}, "nobody\n", 'as another user');
	}
};

# What a subscription prints, to where it matches; then it is ended.
sub events_until {
	my ($until, @args) = @_;
	my $out = $node->dir . '/events-out';
	my $pid = spawn_program(program('appctl'), '-r', $node->runtime_dir, @args, { out => $out });
	my $end = Time::HiRes::time() + 10 * slow_factor();
	Time::HiRes::sleep(0.01) until slurp($out) =~ $until || Time::HiRes::time() > $end;
	kill TERM => $pid;
	waitpid $pid, 0;
	my $text = slurp($out);
	unlink $out;
	return $text;
}

# It may be ended in the middle of a line.
sub whole_lines { events_until(@_) =~ /^(.*)\n/mg }

subtest 'events' => sub {
	my @events = map { decode_json($_) } whole_lines(qr/"seq":9,.*\n/, '--json', 'events', '--since', '0');
	is($events[0]{event}, 'hello', 'hello is first');
	is_deeply([map { $_->{seq} } @events[1 .. 9]], [1 .. 9], 'then all from the first on');
	my ($hello, @lines) = whole_lines(qr/mode_stable +mode=maintenance(?s:.*)mode=normal\n/, 'events', '--since', '0', 'mode_stable');
	like($lines[0], qr/^\d+ +\d\d:\d\d:\d\d\.\d{6}Z mode_stable +mode=normal$/, 'one category, for people');
	is(scalar(grep { !/ mode_stable / } @lines), 0, 'and no other');
	@events = map { decode_json($_) } whole_lines(qr/snapshot_end.*\n/, '--json', 'events', '--snapshot');
	is($events[-1]{event}, 'snapshot_end', 'a snapshot');
	ok((grep { ($_->{app} // '') eq 'db' && $_->{state} eq 'running' } @events), 'has the applications');
	my $r = $node->appctl('events', '--since', 1 << 40);
	is($r->{exit}, 2, 'an event that is not there yet');
	like($r->{err}, qr/there is no event/, 'is refused');
	my $other = events_until(qr/"seq":2,.*\n/, '--json', 'events', '--instance', '0123456789abcdef', '--since', 1 << 40);
	like($other, qr/"seq":1,/, 'of another instance all are new');
};

subtest 'logs' => sub {
	ok_command(qr/^three\n$/, 'logs', '-n', '1', 'web');
	ok_command(qr/^$/, 'logs', '-n0', 'web');
	is_deeply([@{ $node->appctl_json('logs', '-n2', 'web')->{lines} }], [qw(two three)], '--json');
	fails(1, qr/setup has no log file/, 'logs', 'setup');
	fails(3, qr/no application/, 'logs', 'nope');
	my ($log, $out) = map { $node->dir . "/$_" } 'web.log', 'followed';
	my $pid = spawn_program(program('appctl'), '-r', $node->runtime_dir, 'logs', '-f', '-n', '1', 'web', { out => $out });
	my $until = sub {
		my ($what) = @_;
		my $end = Time::HiRes::time() + 10 * slow_factor();
		Time::HiRes::sleep(0.01) until slurp($out) eq $what || Time::HiRes::time() > $end;
		is(slurp($out), $what, $_[1]);
	};
	$until->("three\n", 'logs -f begins with the last lines');
	open my $f, '>>', $log;
	print $f "four\n";
	close $f;
	$until->("three\nfour\n", 'goes on with what is added');
	rename $log, "$log.1";
	spew($log, "five\n");
	$until->("three\nfour\nfive\n", 'and into a new file');
	truncate $log, 0;
	open $f, '>>', $log;
	print $f "6\n";
	close $f;
	$until->("three\nfour\nfive\n6\n", 'and in a file that was cut');
	kill TERM => $pid;
	waitpid $pid, 0;
};

subtest 'a reader that goes away ends what has no end' => sub {
	for my $command ('events --since 0', 'logs -f web') {
		my $line = program('appctl') . ' -r ' . $node->runtime_dir . " $command | head -n 1";
		my $r = run_program('sh', '-c', $line);
		ok(!$r->{timed_out} && $r->{out} =~ /^.+\n\z/, "$command | head");
		is($r->{err}, '', '  without a word');
	}
};

subtest 'reload, diff, check' => sub {
	ok_command(qr/^nothing changes\n/, 'diff');
	$node->dropin('50-more.conf', 'applications: { more: { command = ["sleep", "1000"]; }; };');
	ok_command(qr/^more: added/, 'diff');
	ok_command(qr/^more: added/, 'reload', '--dry-run');
	ok_command(qr/^added: more\n/, 'reload', '--new');
	ok_command(qr/^no new applications: no drop-in with one was added/, 'reload', '--new');
	$node->dropin('50-more.conf', 'applications: { more: { command = ["sleep", "1001"]; }; };');
	ok_command(qr/^more: changed, restart follows\n  command: \["sleep", ?"1000"\] -> \["sleep", ?"1001"\]\n/, 'reload');
	$node->wait_event({ event => 'config_reloaded' });
	$node->dropin('50-more.conf', "applications: {\n more: { comand = 1; restart = \"often\"; }; };");
	my $r = fails(2, qr/2 errors; nothing was changed\n.*50-more\.conf:2: .*command.*\n.*50-more\.conf:2: /, 'reload');
	fails(2, qr/errors/, 'diff');
	$r = $node->appctl('check', $node->config_file);
	is($r->{exit}, 2, 'check');
	like("$r->{out}$r->{err}", qr/50-more\.conf:2: .*\n.*50-more\.conf:2: /, 'shows the same without appctld');
	$r = $node->appctl_json('check', $node->config_file)->{error};
	is($r->{status}, 2, 'check --json has a document of it');
	is_deeply([map { "$_->{line} $_->{path}" } @{ $r->{parameters}{problems} }],
		['2 applications.more.comand', '2 applications.more.restart'], '  with each of them');
	$node->dropin('50-more.conf', undef);
	ok_command(qr/./, 'check', $node->config_file);
	is_deeply($node->appctl_json('check', $node->config_file)->{roles}{basic}, ['db', 'fonts'], 'check --json is the model');
	ok_command(qr/^more: removed, stop follows\n/, 'reload');
};

subtest 'loglevel' => sub {
	ok_command(qr/^MODULE +LEVEL\n(?s:.*)^spawn +info\n/m, 'loglevel');
	ok_command(qr/^$/, 'loglevel', 'debug', 'spawn');
	is($node->appctl_json('loglevel')->{levels}{spawn}, 'debug', 'is set');
	is($node->appctl('loglevel', 'loud')->{exit}, 2, 'no such level');
	is($node->appctl('loglevel', 'debug', 'nose')->{exit}, 2, 'no such module');
};

subtest 'on a terminal' => sub {
	plan(skip_all => 'needs script') unless -x '/usr/bin/script';
	my $tty = sub {
		my ($command, %env) = @_;
		return run_program('/usr/bin/script', '-qefc', program('appctl') . ' -r ' . $node->runtime_dir . " $command", '/dev/null',
			{ env => { TERM => 'xterm', NO_COLOR => undef, %env } });
	};
	like($tty->('status')->{out}, qr/\e\[32mrunning/, 'states have colours');
	unlike($tty->('status', NO_COLOR => '1')->{out}, qr/\e\[\d/, 'not with NO_COLOR');
	unlike($tty->('status', TERM => 'dumb')->{out}, qr/\e\[\d/, 'not on a dumb terminal');
	like($tty->('--json mode')->{out}, qr/^\{\r?\n  "\w+": /, 'JSON is indented');
	unlink $node->dir . '/slow-is-ready';
	my $r = $tty->('mode waiting --wait=1');
	like($r->{out}, qr/waiting for slow \(starting\).*timed out/s, 'a wait says what for');
	is($r->{exit}, 4, 'and has its exit status');
	is($node->appctl('mode', 'normal', '--wait=10')->{exit}, 0, 'back');
};

subtest 'a new engine' => sub {
	unlink $node->dir . '/slow-is-ready';
	my %out = map { $_ => $node->dir . "/out-$_" } qw(start mode events run);
	my @appctl = (program('appctl'), '-r', $node->runtime_dir);
	my %pid = (events => spawn_program(@appctl, 'events', 'app_running', { out => $out{events} }));
	my $end = Time::HiRes::time() + 10 * slow_factor();
	Time::HiRes::sleep(0.01) until slurp($out{events}) =~ /hello/ || Time::HiRes::time() > $end;
	%pid = (%pid,
		start => spawn_program(@appctl, 'start', 'slow', { out => $out{start} }),
		run => spawn_program(@appctl, 'run', '-n', 'long', '--', 'sh', '-c',
			'echo begun; while ! test -e ' . $node->dir . '/long-may-end; do sleep 0.02; done; exit 9', { out => $out{run} }),
	);
	$node->wait_event({ event => 'app_starting', app => 'slow' });
	$node->wait_event({ event => 'app_running', app => 'long' });
	$end = Time::HiRes::time() + 10 * slow_factor();
	Time::HiRes::sleep(0.01) until slurp($out{events}) =~ /long/ || Time::HiRes::time() > $end;
	kill KILL => $node->engine_pid;
	spew($node->dir . '/slow-is-ready', '');
	waitpid $pid{start}, 0;
	is($? >> 8, 0, 'a start that waited');
	is(slurp($out{start}), "slow: running\n", 'goes on waiting');
	spew($node->dir . '/long-may-end', '');
	waitpid $pid{run}, 0;
	is($? >> 8, 9, 'a run learns how its command ended');
	Time::HiRes::sleep(0.01) until slurp($out{events}) =~ /slow/ || Time::HiRes::time() > $end + 10;
	my @seqs = slurp($out{events}) =~ /^(\d+) .* app_running /mg;
	is(scalar @seqs, 2, 'a subscription goes on, without a gap or a repeat') or diag(slurp($out{events}));
	kill TERM => $pid{events};
	waitpid $pid{events}, 0;
};

subtest 'access' => sub {
	plan(skip_all => 'needs root') if $> != 0;
	for my $c (['status'], ['mode', 'normal'], ['start', 'db'], ['reload'], ['shutdown'], ['events'], ['run', 'true']) {
		my $r = $node->appctl(@$c, { uid => 65534 });
		is($r->{exit}, 5, "appctl @$c by someone else: not permitted") or diag($r->{out}, $r->{err});
		like($r->{err}, qr/permitted|Permission/, 'it says');
	}
};

subtest 'shutdown' => sub {
	my $pid = $node->pid;
	my $events = spawn_program(program('appctl'), '-r', $node->runtime_dir, 'events', { out => $node->dir . '/last-events' });
	my $end = Time::HiRes::time() + 10 * slow_factor();
	Time::HiRes::sleep(0.01) until slurp($node->dir . '/last-events') =~ /hello/ || Time::HiRes::time() > $end;
	ok_command(qr/^$/, 'shutdown', '--wait');
	ok(!process_is_alive($pid), 'appctld has ended when it returns');
	waitpid $events, 0;
	is($? >> 8, 0, 'a subscription ends well with it');
	$node->wait_end;
	fails(6, qr/cannot be reached at .*control\.sock/, 'status');
	is($node->appctl('events')->{exit}, 6, 'events too');
};

subtest 'a reload without the mode that is set' => sub {
	my $other = Appctl::Test->new(config => 'roles: { r = []; }; modes: { day = ["r"]; night = ["r"]; }; default_mode = "day";')->start;
	$other->wait_event({ event => 'mode_stable' });
	$other->config('roles: { r = []; }; modes: { night = ["r"]; }; default_mode = "night";');
	my $file = $other->config_file;
	my $r = $other->appctl('reload');
	is($r->{exit}, 2, 'is refused');
	like($r->{err}, qr/^\Q$file\E: mode day, which is set, is not defined any more: set another mode first$/m, 'and says what to do');
	is($other->appctl('mode', 'night', '--wait')->{exit}, 0, 'which can be done');
	is($other->appctl('reload')->{exit}, 0, 'and then it is taken');
	$other->stop;
};

done_testing;
