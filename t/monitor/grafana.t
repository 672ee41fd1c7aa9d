# SPDX-License-Identifier: MIT
# Every query of the dashboards in contrib/grafana, as Grafana would send it, against a PostgreSQL with a consumer's tables.
use strict;
use warnings;
use JSON::PP;
use POSIX ();
use Test::More;
use Appctl::MonitorData;
use Appctl::Postgres;
use Appctl::Test;

needs_postgres();

my $contrib = top_srcdir() . '/contrib/grafana';
my $now = time;
my $pg = Appctl::Postgres->new;
$pg->init_db;
fill_postgres($pg, $now);
$pg->sql("SET ROLE appctl_writer; CREATE TABLE quarantine_any PARTITION OF quarantine DEFAULT;"
	. "INSERT INTO quarantine (node, ts, epoch, seq, \"table\", \"row\", reason) VALUES ('alice', to_timestamp($now), 1, 2, 'prc', '[1]', 'why');"
	. "INSERT INTO event (node, ts, instance, number, at, event, application, pid) VALUES ('alice', to_timestamp($now), 'abc', 3, to_timestamp($now), 'app_exited', 'web', 100)");

# What each panel shows: its columns, and how many rows of the sample come at least.
my @machine = qw(pid application name state cpu memory);
my %expected = (
	'appctl-process-top' => {
		'Processes in the last sample' => [2, @machine, qw(growth read written threads descriptors waits_in reasons command)],
		'Processor, the ten that used most' => [20, qw(time metric cpu)],
		'Memory, the ten that used most' => [20, qw(time metric memory)],
		'Written, the ten that wrote most' => [20, qw(time metric io_written)],
		'Read, the ten that read most' => [20, qw(time metric io_read)],
		'What processes execute, share' => [10, qw(time metric share)],
		'What processes wait in, share' => [10, qw(time metric share)],
		'Suspects: beyond what is configured' => [1, qw(time kind value allowed pid name application)],
	},
	'appctl-process-history' => {
		'What it is' => [1, qw(started name application uid parent command last_seen)],
		'Processor' => [10, qw(time cpu)], 'Memory' => [10, qw(time memory)], 'Growth of memory' => [10, qw(time growth)],
		'Reading and writing' => [10, qw(time read written)], 'Threads' => [10, qw(time threads)], 'Descriptors' => [10, qw(time descriptors)],
		'State and what it waits in' => [1, qw(state waits_in samples)], 'Events' => [2, qw(time event application reason)],
	},
	'appctl-application-top' => {
		'Applications in the last sample' => [2, qw(application processes threads cpu memory read written)],
		'Processor' => [20, qw(time metric cpu)], 'Memory' => [20, qw(time metric memory)], 'Written' => [20, qw(time metric io_written)],
		'Read' => [20, qw(time metric io_read)], 'Processes' => [20, qw(time metric processes)], 'Threads' => [20, qw(time metric threads)],
	},
	'appctl-node' => {
		'Processors' => [1, 'cpus'], 'Busy' => [1, 'busy'], 'Available' => [1, 'available'], 'Up for' => [1, 'uptime'], 'Status' => [1, 'status'],
		'Processor, of all' => [10, qw(time user system iowait steal)], 'Load' => [10, 'time', '1 min', '5 min', '15 min'],
		'Memory' => [1], 'Swap' => [10, qw(time used total)],
		'Pressure, share of time' => [10, 'time', 'processor, some', 'memory, some', 'memory, full', 'I/O, some', 'I/O, full'],
		'Disks' => [10, qw(time read written)], 'Network' => [10, qw(time received sent)],
		'Processes and threads' => [10, qw(time processes threads running blocked)],
	},
	'appctl-lifecycle' => {
		'Events' => [2, qw(time metric events)], 'What happened' => [3, qw(time event application pid reason json)],
		'How often applications started, ended and failed' => [2, qw(application running exited failed last)],
		'Incidents: the processes around a failure' => [1, qw(time failed reason pid application name state cpu memory command)],
		'Gaps: what will never come' => [1, qw(time epoch first_seq last_seq batches reason)],
		'Quarantine: rows that could not be stored' => [1, qw(time epoch seq table row reason)],
	},
);

my %value = (node => "alice", pid => '100');
my ($from, $to) = map { POSIX::strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $_) } $now - 3600, $now + 1;

# As Grafana does for PostgreSQL without TimescaleDB: variables, then macros.
sub interpolated {
	my ($sql) = @_;
	my $quoted = sub { my $v = $value{$_[0]} // die "no variable $_[0]\n"; $v =~ s/'/''/g; "'$v'" };
	$sql =~ s/\$__interval_ms\b/10000/g;
	$sql =~ s/\$__interval\b/10s/g;
	$sql =~ s/\$\{(\w+):sqlstring\}/$quoted->($1)/ge;
	my $group = sub { my ($column, $interval) = split /\s*,\s*/, $_[0]; my ($s) = $interval =~ /^'?(\d+)s'?$/; "floor(extract(epoch from $column)/$s)*$s" };
	my %macro = (
		timeFilter => sub { "$_[0] BETWEEN '$from' AND '$to'" }, timeFrom => sub { "'$from'" }, timeTo => sub { "'$to'" },
		time => sub { "$_[0] AS \"time\"" }, timeGroup => $group, timeGroupAlias => sub { $group->(@_) . ' AS "time"' },
		unixEpochFilter => sub { my $c = shift; "$c >= " . ($now - 3600) . " AND $c <= " . ($now + 1) },
	);
	$sql =~ s/\$__(\w+)\(([^)]*)\)/($macro{$1} \/\/ die "no macro $1\n")->($2)/ge;
	return $sql;
}

# ([columns], rows)
sub answer {
	my ($sql) = @_;
	my $r = run_program(Appctl::Postgres::bin() . '/psql', '-qAX', '-F', "\x1f", '-P', 'footer=off', '-v', 'ON_ERROR_STOP=1', $pg->conninfo('appctl_reader'),
		'-c', $sql, { timeout => 60 });
	is($r->{exit}, 0, '  is answered') or diag("$sql\n$r->{err}");
	my ($head, @rows) = split /\n/, $r->{out};
	return ([split /\x1f/, $head // '', -1], scalar @rows);
}

sub query {
	my ($what, $sql) = @_;
	my $text = interpolated($sql);
	unlike($text, qr/\$(?!\d)/, "$what: nothing is left to be replaced");
	return answer($text);
}

my %uid;
for my $file (sort glob "$contrib/dashboards/*.json") {
	my $board = eval { JSON::PP->new->utf8->decode(slurp($file)) };
	my ($name) = $file =~ m{([^/]+)$};
	ok($board, "$name is JSON") or do { diag($@); next };
	ok(!$uid{ $board->{uid} }++, "$name: its uid is its own");
	my $wanted = delete $expected{ $board->{uid} } // fail("$board->{uid} is known here") && next;
	my (%id, %seen, @cells);
	for my $v (@{ $board->{templating}{list} }) {
		my ($columns, $rows) = query("$name, variable $v->{name}", $v->{query});
		cmp_ok($rows, '>=', 1, '  has values');
		is_deeply($columns, ['__text', '__value'], '  each with a name') if $v->{name} eq 'pid';
		ok(exists $value{ $v->{name} }, '  is one that this test sets');
	}
	for my $a (@{ $board->{annotations}{list} }) {
		my ($columns, $rows) = query("$name, annotation $a->{name}", $a->{target}{rawSql});
		is_deeply($columns, [qw(time text tags)], '  as Grafana takes annotations');
		is($rows, 1, '  the failure');
	}
	for my $panel (@{ $board->{panels} }) {
		ok(!$id{ $panel->{id} }++, "$name: panel $panel->{id} is its own");
		my $g = $panel->{gridPos};
		my @mine = map { my $y = $_; map { "$_,$y" } $g->{x} .. $g->{x} + $g->{w} - 1 } $g->{y} .. $g->{y} + $g->{h} - 1;
		ok($g->{x} + $g->{w} <= 24 && !(grep { $cells[0]{$_}++ } @mine), "  and lies on no other");
		for my $target (@{ $panel->{targets} }) {
			is_deeply([$target->{datasource}{uid}, $target->{rawQuery}], ['appctl-monitor', JSON::PP::true], '  asks the database that is provisioned');
			my ($columns, $rows) = query("$name, $panel->{title}", $target->{rawSql});
			my $e = $wanted->{ $panel->{title} } // fail("$panel->{title} is known here") && next;
			$seen{ $panel->{title} } = 1;
			my ($least, @names) = @$e;
			is_deeply($columns, \@names, '  its columns') if @names;
			cmp_ok($rows, '>=', $least, '  and rows');
			is($columns->[0], 'time', '  a time comes first') if $target->{format} eq 'time_series';
		}
	}
	is_deeply([sort keys %seen], [sort keys %$wanted], "$name has all its panels");
}
is_deeply([sort keys %expected], [], 'all dashboards are there');

# A node whose name is no harmless word.
$value{node} = "it's";
is((query('a quote in a name', 'SELECT * FROM node WHERE node = ${node:sqlstring} AND $__timeFilter(ts)'))[1], 0, 'is quoted');

for my $file (glob "$contrib/provisioning/*/*.yaml") {
	my $text = slurp($file);
	unlike($text, qr/\t/, "$file is YAML as far as tabs go");
	like($text, qr/^apiVersion: 1$/m, '  of the version that Grafana knows');
	like($text, qr/^    uid: appctl-monitor$/m, '  the data source that the dashboards name') if $file =~ /datasources/;
}

done_testing;
