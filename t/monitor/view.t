# SPDX-License-Identifier: MIT
# appctl monitor: what it shows of a database, SQLite and PostgreSQL alike.
use strict;
use warnings;
use JSON::PP;
use POSIX ();
use Test::More;
use Appctl::MonitorData;
use Appctl::Postgres;
use Appctl::Test;

my $now = time;
my $file = sqlite_database(Appctl::Test::scratch_directory() . '/monitor.db', $now);
my %database = (SQLite => $file);
if (Appctl::Postgres::bin() && ($> != 0 || defined getpwnam('postgres'))) {
	my $pg = Appctl::Postgres->new;
	$pg->init_db;
	fill_postgres($pg, $now);
	$database{PostgreSQL} = $pg->conninfo('appctl_reader');
}

sub monitor {
	my ($database, @argv) = @_;
	return run_program(program('appctl'), 'monitor', @argv, defined $database ? ("--database=$database") : (),
		{ env => { TZ => 'UTC', APPCTL_LIBEXECDIR => top_builddir(), XDG_STATE_HOME => '/nonexistent' } });
}

sub at { return POSIX::strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $_[0]) }
sub document { my $r = monitor(@_, '--json'); is($r->{exit}, 0, "@_[1 .. $#_] --json") or diag($r->{err}); return decode_json($r->{out}) }

for my $kind (sort keys %database) {
	my $db = $database{$kind};
	subtest $kind => sub {
		my $r = monitor($db, 'top', '--node=alice');
		is($r->{exit}, 0, 'top') or diag($r->{err});
		like($r->{out}, qr/^alice: 20\d\d-\S+ \S+, .* ago; 4 processors, 19 % busy, load 0\.50 0\.40 0\.30; memory 2\.0G of 8\.0G; 230 processes\n/, 'its head');
		like($r->{out}, qr/^ *PID APPLICATION NAME +S +CPU% +MEMORY.*\n *200 +it's\\x09me +R +150\.0 +1\.0M.*\n *100 web +nginx +S +30\.0 +40\.0M .* ep_poll +cpu memory/m,
			'its processes, by processor');
		my $doc = document($db, 'top');
		is_deeply([map { $_->{node} } @{ $doc->{nodes} }], ['alice', 'bob'], 'all nodes');
		my ($row) = grep { $_->{pid} == 100 } @{ $doc->{nodes}[1]{rows} };
		is_deeply([@$row{qw(application name uid cpu memory descriptors waits_in io_read)}], ['web', 'nginx', 33, 0.3, 40 * 2**20, 50, 'ep_poll', 0], 'values');
		is($row->{ts}, $now, 'and the time');
		is($doc->{nodes}[0]{rows}[0]{application}, undef, 'null is null');
		$row = document($db, 'top', '--until=' . at($now - 95), '-n', 'alice')->{nodes}[0]{rows}[1];
		is_deeply([@$row{qw(pid ts cpu)}], [100, $now - 100, 0.2], 'as it was then');

		$r = monitor($db, 'apps', '--node', 'bob');
		like($r->{out}, qr/^bob: .*\nAPPLICATION +PROCESSES.*\nweb +5 +20 +60\.0 +50\.0M +1B\/s +2B\/s *\n +190 +300 +30\.0 +900M/m, 'apps');
		$r = monitor($db, 'nodes');
		like($r->{out}, qr/^NODE +LAST .*\nalice +.* 4 +18\.8 +0\.50 +2\.0G +8\.0G +512M .* all is well on alice *\nbob .* 4 +100\.0 /, 'nodes, busy to 100 %');
		is(document($db, 'nodes')->{nodes}[0]{mem_available}, 6 * 2**30);
		$r = monitor($db, 'events', '--node=alice');
		like($r->{out}, qr/^TIME +NODE.*\n\S+ \S+ +alice app_running +web +100 *\n\S+ \S+ +alice app_failed +db +gave_up *\n\z/, 'events, in order');
		is_deeply([map { $_->{number} } @{ document($db, 'events')->{events} }], [1, 1, 2, 2]);
		is_deeply(document($db, 'events', '--until', '10m')->{events}, [], 'none before');
		like(monitor($db, 'events', '--until', '10m')->{out}, qr/^no events$/);

		$r = monitor($db, 'history', 100, '--node=alice');
		like($r->{out}, qr/^alice: pid 100, nginx of application web; 30 samples from \S+ \S+ to \S+ \S+\n  \/usr\/sbin\/nginx -g\n/, 'history');
		like($r->{out}, qr/^cpu +\S.* 1\.0 % to 30\.0 %, last 30\.0 %$/m, 'its course');
		like($r->{out}, qr/^memory +\S.* 11\.0M to 40\.0M, last 40\.0M$/m);
		is(scalar(() = $r->{out} =~ /^20\d\d-/mg), 30, 'and all samples');
		is(scalar @{ document($db, 'history', 100, '-n', 'alice', '--since', at($now - 95))->{samples} }, 10, 'since');
		cmp_ok(scalar @{ document($db, 'history', 100, '-n', 'alice', '--since', '1d')->{samples} }, '==', 30, 'since so long ago');
		$r = monitor($db, 'history', 100);
		is($r->{exit}, 2, 'a pid of two nodes');
		like($r->{err}, qr/more than one node has a pid 100 \(.*\): say which with --node/);
		is(monitor($db, 'history', 4711)->{exit}, 3, 'one that nobody has');
		is(monitor($db, 'top', '--node=eve')->{exit}, 3, 'a node that has sent nothing');
		is(decode_json(monitor($db, 'top', '--node=eve', '--json')->{out})->{error}{status}, 3, 'as a document');
	};
}

subtest 'usage' => sub {
	for my $case ([['tpo'], qr/there is no view "tpo"; did you mean "top"\?/], [['history'], qr/history needs a PID/], [['top', '1'], qr/one argument too many/],
		[['history', 'x1'], qr/"x1" is no pid/], [['top', '--since=yesterday'], qr/--since: "yesterday" is no time/], [['top', '-f', '--json'], qr/--follow has no end/],
		[[], qr/it needs top/]) {
		my $r = monitor(@{ $case->[0] } ? $file : undef, @{ $case->[0] });
		is($r->{exit}, 2, "@{ $case->[0] }");
		like($r->{err}, $case->[1]);
	}
	my $r = monitor('/nonexistent/monitor.db', 'top');
	is($r->{exit}, 6, 'no database');
	like($r->{err}, qr{/nonexistent/monitor\.db: .*; is the monitor's consumer running\?  Name its database with --database});
	is(monitor('host=/nonexistent dbname=x', 'top')->{exit}, 6, 'no server');
	my $other = Appctl::Test::scratch_directory() . '/other.db';
	spew($other, '');
	$r = monitor($other, 'top');
	is($r->{exit}, 3, 'another database');
	like($r->{err}, qr/has no tables of the monitor/);
	spew($other, 'x' x 5000);
	is(monitor($other, 'top')->{exit}, 6, 'no database at all');
};

subtest 'follow' => sub {
	my $out = Appctl::Test::scratch_directory() . '/out';
	my $pid = spawn_program(program('appctl'), 'monitor', 'top', '-f', '--database', $file, { out => $out, env => { APPCTL_LIBEXECDIR => top_builddir() } });
	my $end = Time::HiRes::time() + 20 * slow_factor();
	Time::HiRes::sleep(0.05) while (() = slurp($out) =~ /^alice: /mg) < 2 && Time::HiRes::time() < $end;
	cmp_ok(scalar(() = slurp($out) =~ /^alice: /mg), '>=', 2, 'shown again');
	kill TERM => $pid;
	ok(defined Appctl::Test::wait_child($pid, 10), 'until it is ended');
};

subtest 'a number that was used again' => sub {
	my $db = sqlite_database(Appctl::Test::scratch_directory() . '/again.db', $now,
		'INSERT INTO prc (node, ts, pid, started, name, cpu) VALUES (\'alice\', ' . ($now + 1) . '000000, 100, 77, \'other\', 0.5);');
	my $doc = document($db, 'history', 100, '-n', 'alice');
	is_deeply([map { $_->{name} } @{ $doc->{samples} }], ['other'], 'is the process that had it last');
};

done_testing;
