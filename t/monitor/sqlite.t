# SPDX-License-Identifier: MIT
# The store over an SQLite that is locked, damaged, without its log, on a disk that fails.
use strict;
use warnings;
use Test::More;
use Appctl::Feed;
use Appctl::Test;

needs_program('python3');
my $dir = Appctl::Test::scratch_directory();
my $day = 86400;
my $count = 0;

sub ask {
	my ($file, $sql) = @_;
	my $r = run_program('python3', '-c', "import sqlite3,sys\nfor r in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]): print('|'.join(map(str,r)))",
		$file, $sql);
	diag($r->{err}) if $r->{exit};
	chomp $r->{out};
	return $r->{out};
}

sub fresh { "$dir/m" . ++$count . '.db' }

subtest 'rows, repeats, poison' => sub {
	my $file = fresh();
	my $feed = Appctl::Feed->new($file);
	is($feed->mark('alice', 5), 0, 'nothing at first');
	$feed->put(batch(seq => 1, ts => '1995-11-21T05:00:00.123456Z', columns => [qw(pid name cpu)], rows => [[1, "\x{20ac}", 0.5], [2, '', undef]]));
	ok($feed->expect(qr/^stored alice 5 1 2 0 0/), 'stored');
	is(ask($file, 'SELECT ts, pid, name, cpu FROM prc ORDER BY pid'), "816930000123456|1|\xe2\x82\xac|0.5\n816930000123456|2||None", 'as it was');
	$feed->put(batch(seq => 1), batch(seq => 2));
	ok($feed->expect(qr/^stored alice 5 1 \d+ 0 1/), 'a repeat is none');
	ok($feed->expect(qr/^stored alice 5 2 1 0 0/), 'the next is new');
	ask($file, "CREATE TRIGGER unlucky BEFORE INSERT ON prc WHEN NEW.pid = 13 BEGIN SELECT RAISE(ABORT, 'unlucky'); END");
	$feed->put(batch(seq => 3, rows => [map { [$_, 'p'] } 10 .. 20]), batch(seq => 4, rows => [['x', 'y']]));
	ok($feed->expect(qr/^stored alice 5 3 11 1 0/), 'a row that is refused');
	ok($feed->expect(qr/^stored alice 5 4 0 1 0/), 'and one that is none');
	is(ask($file, 'SELECT seq, "table", "row", reason FROM quarantine ORDER BY seq'),
		qq(3|prc|{"pid":13,"name":"p"}|unlucky\n4|prc|{"pid":"x","name":"y"}|column pid wants a whole number of 64 bits), 'are in quarantine');
	is(ask($file, 'SELECT count(*) FROM prc WHERE pid BETWEEN 10 AND 20'), 10, 'the rest is stored');
	$feed->put(batch(seq => 5, type => 'custom_q', columns => ['length'], rows => [[1]]), batch(seq => 6, type => 'custom_q', columns => ['length', 'user'], rows => [[2, 'bob']]));
	ok($feed->expect(qr/^stored alice 5 6 1 0 0/), 'custom metrics');
	is(ask($file, 'SELECT length, "user" FROM custom_q ORDER BY length'), "1.0|None\n2.0|bob");
	is($feed->end, 0);
	$feed = Appctl::Feed->new($file);
	$feed->put(batch(seq => 7, type => 'custom_q', columns => ['user'], rows => [['eve']]));
	ok($feed->expect(qr/^stored alice 5 7 1 0 0/), 'known again after a start');
	is($feed->end, 0);
};

subtest 'one node of which something is never taken' => sub {
	my $file = fresh();
	my $feed = Appctl::Feed->new($file);
	my $forbid = sub { ask($file, "CREATE TRIGGER $_[0] BEFORE INSERT ON $_[1] WHEN NEW.node = 'bob' BEGIN $_[2]; END") };
	$feed->put(batch(seq => 1));
	ok($feed->expect(qr/^stored alice 5 1 1 0 0/));
	$forbid->('unwanted', 'batch', q{SELECT RAISE(ABORT, 'bob is not known here')});
	$feed->put(batch(node => 'bob', seq => 1), batch(seq => 2));
	ok($feed->expect(qr/^stored alice 5 2 1 0 0/), 'one that cannot even be recorded holds up nobody else');
	$feed->put(batch(seq => 3));
	ok($feed->expect(qr/^stored alice 5 3 1 0 0/), 'nor later');
	ok($feed->said(qr/^trouble bob .*bob is not known here/) || $feed->expect(qr/^trouble bob .*bob is not known here/), 'it is told whom, and why');
	ok(!$feed->said(qr/^stored bob/), 'it is not acknowledged, as a repeat would be');
	ask($file, 'DROP TRIGGER unwanted');
	ok($feed->expect(qr/^stored bob 5 1 1 0 0/), 'until that is mended');

	$forbid->('senseless', 'prc', q{SELECT RAISE(ROLLBACK, 'all of it')});
	$feed->put(batch(node => 'bob', seq => 2, rows => [[7, 'a'], [8, 'b']]), batch(seq => 4));
	ok($feed->expect(qr/^stored alice 5 4 1 0 0/), 'a trigger that rolls back the whole: the others go on');
	ok($feed->expect(qr/^stored bob 5 2 0 2 0/), 'its batch is set aside');
	is(ask($file, q{SELECT count(*), count(DISTINCT reason) FROM quarantine WHERE node = 'bob'}), '2|1', 'whole, with the reason');
	is(ask($file, 'SELECT count(*) FROM prc WHERE pid IN (7, 8)'), 0, 'none of it is stored');
	ask($file, 'DROP TRIGGER senseless');

	# With it no statement for that table can be made, whoever it is for.
	$forbid->('senseless', 'prc', 'INSERT INTO nowhere VALUES (1)');
	$feed->put(batch(node => 'bob', seq => 3), batch(seq => 5));
	ok($feed->expect(qr/^health .*no such table: main.nowhere/), 'a trigger that makes no sense for anybody');
	$feed->put(batch(seq => 6, type => 'node_status', columns => ['status'], rows => [['well']]));
	ask($file, 'DROP TRIGGER senseless');
	ok($feed->expect(qr/^stored alice 5 6 1 0 0/), 'is waited for');
	is(ask($file, 'SELECT count(*) FROM quarantine WHERE seq > 2'), 0, 'and nobody is blamed for it');
	ok($feed->said(qr/^stored bob 5 3 1 0 0/) || $feed->expect(qr/^stored bob 5 3 1 0 0/), 'for bob, too');
	is(ask($file, 'SELECT node, count(*), count(DISTINCT seq) FROM batch GROUP BY node'), "alice|6|6\nbob|3|3", 'each is there once');
	is($feed->end, 0);
};

# Told of by the producer, at last: were each looked for among all others, it would take minutes.
subtest 'ten thousand gaps' => sub {
	my $file = fresh();
	my $feed = Appctl::Feed->new($file);
	$feed->put(batch(seq => 1), batch(seq => 1, node => 'bob'));
	ok($feed->expect(qr/^stored bob 5 1 /));
	is($feed->end, 0);
	is(ask($file, q{SELECT count(*) FROM sqlite_schema WHERE name = 'gap_node_epoch_first_seq'}), 1, 'there is an index');
	run_program('python3', '-c', <<'PY', $file);
import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute("DROP INDEX gap_node_epoch_first_seq")
for node, epoch in ('alice', 5), ('alice', 4), ('bob', 5):
	c.executemany("INSERT INTO gap (node, ts, epoch, first_seq, last_seq, batches, reason) VALUES (?, 1, ?, ?, ?, 1, 'unknown')",
		((node, epoch, 2 * i, 2 * i) for i in range(1, 10001)))
c.commit()
PY
	$feed = Appctl::Feed->new($file);
	$feed->put(batch(seq => 20001, type => 'gap', columns => [qw(epoch first_seq last_seq batches reason)],
		rows => [map { [5, 2 * $_, 2 * $_, 1, 'spool_full'] } 2 .. 10000]));
	ok($feed->expect(qr/^stored alice 5 20001 9999 0 0/), 'are told of in good time, in a database of before, too');
	is(ask($file, q{SELECT node, epoch, count(*), min(first_seq) FROM gap WHERE reason = 'unknown' GROUP BY node, epoch ORDER BY node, epoch}),
		"alice|4|10000|2\nalice|5|1|2\nbob|5|10000|2", 'and only those are no longer unknown');
	is($feed->end, 0);
};

subtest 'somebody holds the lock' => sub {
	my $file = fresh();
	my $feed = Appctl::Feed->new($file);
	$feed->put(batch(seq => 1));
	ok($feed->expect(qr/^stored alice 5 1 /));
	my $holder = spawn_program('python3', '-c', "import sqlite3,sys,time\nc=sqlite3.connect(sys.argv[1]);c.execute('begin immediate');print('held',flush=True);time.sleep(600)", $file, { out => "$dir/held" });
	select undef, undef, undef, 0.02 until slurp("$dir/held") =~ /held/ || !process_is_alive($holder);
	$feed->put(batch(seq => 2));
	ok($feed->expect(qr/^health .*locked/), 'it is held, with the reason');
	kill KILL => $holder;
	ok($feed->expect(qr/^stored alice 5 2 1 0 0/), 'and stored when the lock is gone');
	is($feed->end, 0);
};

# Bytes of the middle of the file become others.
sub flip {
	my ($file, $at, $length) = @_;
	open my $fh, '+<', $file or die "$file: $!\n";
	seek $fh, $at, 0;
	print $fh "\xa5" x $length;
	close $fh;
}

subtest 'damage' => sub {
	for my $case (['its first page', sub { 0 }], ['a table', sub { 4096 * (ask($_[0], q{SELECT rootpage FROM sqlite_schema WHERE name = 'batch'}) - 1) }]) {
		my ($what, $place) = @$case;
		my $file = fresh();
		my $feed = Appctl::Feed->new($file);
		$feed->put(batch(seq => $_, rows => [map { [$_, 'x' x 50] } 1 .. 100])) for 1 .. 20;
		ok($feed->expect(qr/^stored alice 5 20 /), "$what: before");
		is($feed->end, 0);
		flip($file, $place->($file), 100);
		$feed = Appctl::Feed->new($file);
		$feed->put(batch(seq => 21));
		ok($feed->expect(qr/^health .*it lies in \S+\.damaged-\d+ now, a new one is begun/), 'it is moved aside, with an alarm');
		ok($feed->expect(qr/^stored alice 5 21 1 0 0/), 'and the store goes on in a new one');
		is(scalar(my @kept = glob "$file.damaged-*"), 1, 'the old one is kept');
		is($feed->end, 0);
	}
};

subtest 'damage while it runs' => sub {
	my $file = fresh();
	my $feed = Appctl::Feed->new($file);
	$feed->put(batch(seq => 1));
	ok($feed->expect(qr/^stored alice 5 1 /));
	run_program('python3', '-c', "import sqlite3,sys;c=sqlite3.connect(sys.argv[1]);c.execute('pragma wal_checkpoint(truncate)')", $file);
	flip($file, 0, 64 * 4096);
	my $seq = 1;
	my $moved;
	for (1 .. 200) {
		$feed->put(batch(seq => ++$seq, rows => [map { [$_, 'x' x 200] } 1 .. 200]));
		$feed->expect(qr/^stored alice 5 $seq /) or last;
		last if $moved = () = $feed->said(qr/a new one is begun/);
	}
	ok($moved, 'is seen sooner or later');
	is(ask($file, "SELECT first_seq, reason FROM gap ORDER BY first_seq LIMIT 1"), '1|unknown', 'and what went with the old file is a gap in the new one');
	is($feed->end, 0);
};

subtest 'the log, and the file, are removed' => sub {
	my $file = fresh();
	my $feed = Appctl::Feed->new($file);
	$feed->put(batch(seq => 1));
	ok($feed->expect(qr/^stored alice 5 1 /));
	unlink "$file-wal", "$file-shm";
	$feed->put(batch(seq => 2));
	ok($feed->expect(qr/^stored alice 5 2 /), 'without the log');
	is(ask($file, 'SELECT count(*) FROM prc'), 2, 'nothing is lost');
	unlink $file, "$file-wal", "$file-shm";
	$feed->put(batch(seq => 3));
	ok($feed->expect(qr/^stored alice 5 3 /), 'without the file');
	is(ask($file, 'SELECT count(*) FROM prc'), 1, 'a new one is begun');
	is(ask($file, 'SELECT first_seq, last_seq FROM gap'), '1|2', 'which knows what is missing');
	is($feed->end, 0);
};

subtest 'a disk that fails' => sub {
	plan(skip_all => 'needs strace') unless grep { -x "$_/strace" } split /:/, $ENV{PATH};
	plan(skip_all => 'strace and sanitizers do not go together') if slow_factor() > 1;
	my $file = fresh();
	for my $what ('fdatasync:error=EIO:when=3..4', 'pwrite64:error=EIO:when=9..10', 'pwrite64:error=ENOSPC:when=12..13', 'pread64:error=EIO:when=7') {
		my $file = fresh();
		my $input = join '', map { batch(seq => $_) . "\n" } 1 .. 30;
		my $r = run_program('strace', '-f', '-o', "$dir/strace", '-e', 'trace=' . $what =~ s/:.*//r, '-e', "inject=$what",
			program('t/monitor/feed'), $file, { stdin => $input, timeout => 60 });
		is($r->{exit}, 0, "$what: it comes through") or diag($r->{err});
		is(scalar(() = $r->{out} =~ /^stored/mg), 30, 'everything is acknowledged');
		is(ask($file, 'SELECT count(*), count(DISTINCT seq) FROM batch'), '30|30', 'and there, once');
		is(ask($file, 'SELECT count(*) FROM prc'), 30, 'with its rows');
	}
};

subtest 'days' => sub {
	my $file = fresh();
	my $feed = Appctl::Feed->new($file);
	$feed->put(batch(seq => 1, ts => stamp(time - 40 * $day), rows => [map { [$_, 'x'] } 1 .. 9000]), batch(seq => 2, ts => stamp(time - 40 * $day)),
		batch(seq => 3, ts => stamp(time)), batch(seq => 1, node => 'bob', ts => stamp(time - 40 * $day)));
	ok($feed->expect(qr/^stored bob 5 1 1 0 0/), 'without a retention nothing is too old');
	is($feed->end, 0);
	$feed = Appctl::Feed->new($file, 3 * $day);
	my $end = time + 30 * slow_factor();
	select undef, undef, undef, 0.1 while ask($file, 'SELECT count(*) FROM prc') > 1 && time < $end;
	is(ask($file, 'SELECT count(*) FROM prc'), 1, 'what is older goes');
	is(ask($file, 'SELECT node, max(seq), count(*) FROM batch GROUP BY node'), "alice|3|1\nbob|1|1", 'the highest numbers stay');
	$feed->put(batch(seq => 4, ts => stamp(time - 4 * $day)));
	ok($feed->expect(qr/^stored alice 5 4 0 0 0/), 'what comes too late is acknowledged');
	is(ask($file, 'SELECT first_seq, last_seq, reason FROM gap'), '4|4|retention', 'and told');
	is($feed->end, 0);
};

done_testing;
