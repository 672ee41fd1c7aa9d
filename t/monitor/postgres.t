# SPDX-License-Identifier: MIT
# The store over a PostgreSQL that fails in every way it can.
use strict;
use warnings;
use Test::More;
use Appctl::Feed;
use Appctl::Postgres;
use Appctl::Test;

needs_postgres();
my $pg = Appctl::Postgres->new;
my $writer = $pg->init_db;
my $day = 86400;
my $seq = 0;
my $feed;

sub next_batch { batch(seq => ++$seq, @_) }

# Held with that reason; after the cure it is stored.
sub held_until {
	my ($why, $cure, @batch) = @_;
	$feed->put(next_batch(@batch));
	my $held = $seq;
	ok($feed->expect(qr/^health .*(?:$why)/), "it is held, with the reason: $why");
	ok(!$feed->said(qr/^stored alice 5 $held /), 'and not acknowledged');
	$cure->();
	ok($feed->expect(qr/^stored alice 5 $held [1-9]\d* 0 0$/), 'then it is stored');
}

subtest 'rows and times' => sub {
	$feed = Appctl::Feed->new($writer);
	is($feed->mark('alice', 5), 0, 'nothing is stored at first');
	my $ts = stamp(time - 10);
	$feed->put(next_batch(ts => $ts =~ s/\.\d+Z/.123456Z/r, columns => [qw(pid name cpu reasons)], rows => [[1, "\x{20ac}", 0.5, undef], [2, '', 3, 'cpu']]));
	ok($feed->expect(qr/^stored alice 5 1 2 0 0/), 'stored');
	is($pg->sql("SELECT pid, name, cpu, reasons IS NULL, extract(microseconds FROM ts)::bigint % 1000000, application FROM prc ORDER BY pid"),
		"1|\xe2\x82\xac|0.5|t|123456|\n2||3|f|123456|", 'as they were');
	$feed->put(next_batch(type => 'event', columns => [qw(number at event)], rows => [[7, '2026-11-25T10:53:20.000001Z', 'app_running']]));
	ok($feed->expect(qr/^stored alice 5 2 1 0 0/), 'a time in a column');
	is($pg->sql('SELECT at FROM event'), '2026-11-25 10:53:20.000001+00', 'is one');
	is($feed->mark('alice', 5), 2, 'the highest number');
	is($feed->mark('alice', 6), 0, 'of this epoch');
};

subtest 'a repeat' => sub {
	$feed->put(batch(seq => 2), next_batch());
	ok($feed->expect(qr/^stored alice 5 2 1 0 1/), 'is stored no second time');
	ok($feed->expect(qr/^stored alice 5 3 1 0 0/), 'and what comes with it is');
	is($pg->sql('SELECT count(*) FROM prc'), 3);
};

subtest 'poison rows' => sub {
	$pg->sql('ALTER TABLE prc ADD CONSTRAINT unlucky CHECK (pid <> 13) NOT VALID');
	$feed->put(next_batch(columns => ['pid', 'name'], rows => [map { [$_, "p$_"] } 10 .. 40]), next_batch(rows => [[41, 'good']]));
	ok($feed->expect(qr/^stored alice 5 4 31 1 0/), 'a constraint: the row is isolated');
	is($pg->sql("SELECT count(*), count(*) FILTER (WHERE pid = 13) FROM prc WHERE pid BETWEEN 10 AND 41"), '31|0', 'the others are stored');
	like($pg->sql('SELECT node, epoch, seq, "table", "row", reason FROM quarantine'),
		qr/^alice\|5\|4\|prc\|\{"pid":13,"name":"p13"\}\|.*unlucky/, 'and it is kept with its reason');
	$pg->sql('ALTER TABLE prc DROP CONSTRAINT unlucky; TRUNCATE quarantine');
	$feed->put(next_batch(columns => ['pid', 'name', 'cpu'], rows => [[1e30, 'far', 1], [1.5, 'half', 1], ['x', 'text', 1], [5, "a\0b", 1], [6, 'ok', 1], [7, 'ok', 'no'], [8.0, 'whole', 1]]));
	ok($feed->expect(qr/^stored alice 5 6 2 5 0/), 'values that are none');
	is($pg->sql('SELECT string_agg(reason, \',\' ORDER BY reason) FROM quarantine'),
		'column cpu wants a number,column name wants a text without NUL' . ',column pid wants a whole number of 64 bits' x 3, 'each with its reason');
	like($pg->sql(q{SELECT "row" FROM quarantine WHERE reason LIKE '%NUL'}), qr/^\{"pid":5,"name":"a\\u0000b","cpu":1\}$/, 'and as it was');
	$feed->put(next_batch(columns => ['pid', 'colour'], rows => [[1, 'red']]), next_batch(type => 'nonsense', rows => [[1, 'x'], [2, 'y']]));
	ok($feed->expect(qr/^stored alice 5 8 0 2 0/), 'columns and tables that nobody knows');
	is($pg->sql(q{SELECT string_agg(DISTINCT reason, ',') FROM quarantine WHERE seq > 6}), 'column colour is not known,there is no table of that name');
	is($feed->mark('alice', 5), 8, 'all of it counts as stored');
};

subtest 'a table that is missing, a column of another type' => sub {
	$pg->sql('ALTER TABLE prc RENAME TO elsewhere');
	held_until(qr/table prc is missing|relation "prc" does not exist/, sub { $pg->sql('ALTER TABLE elsewhere RENAME TO prc') });
	$pg->sql('ALTER TABLE prc ALTER COLUMN cpu TYPE text');
	held_until(qr/column prc\.cpu is text, and has to be double precision/, sub { $pg->sql('ALTER TABLE prc ALTER COLUMN cpu TYPE double precision USING cpu::double precision') },
		columns => ['pid', 'cpu'], rows => [[1, 0.5]]);
	is($pg->sql('SELECT count(*) FROM quarantine WHERE seq > 8'), 0, 'no row was blamed for it');
};

subtest 'a permission that is revoked, a database that only reads' => sub {
	$pg->sql('ALTER TABLE prc OWNER TO ' . Appctl::Postgres::user() . '; REVOKE ALL ON prc FROM appctl_writer');
	held_until(qr/permission denied/, sub { $pg->sql('ALTER TABLE prc OWNER TO appctl_writer; GRANT ALL ON prc TO appctl_writer') });
	my $again = q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'appctl_writer'};
	$pg->sql('ALTER ROLE appctl_writer SET default_transaction_read_only = on');
	$pg->sql($again);
	held_until(qr/read-only transaction/, sub { $pg->sql('ALTER ROLE appctl_writer RESET default_transaction_read_only'); $pg->sql($again) });
};

subtest 'a lock that is held' => sub {
	my $psql = spawn_program(Appctl::Postgres::bin() . '/psql', '-qX', $pg->conninfo, '-c', 'BEGIN; LOCK TABLE prc; SELECT pg_sleep(600)');
	is($pg->wait_for(q{SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'prc'::regclass AND granted}, 1), 1, 'somebody holds it');
	held_until(qr/lock timeout/, sub {
		$pg->sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%LOCK TABLE%' AND pid <> pg_backend_pid()});
	});
};

subtest 'a deadlock and a statement that takes too long' => sub {
	$pg->sql(q{CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF nextval('failures') <= 2 THEN RAISE EXCEPTION 'made up' USING ERRCODE = TG_ARGV[0]; END IF; RETURN NEW; END $$});
	for my $code (qw(40P01 40001 57014 53200)) {
		$pg->sql("CREATE SEQUENCE failures; GRANT ALL ON failures TO appctl_writer; CREATE TRIGGER t BEFORE INSERT ON batch FOR EACH ROW EXECUTE FUNCTION fail_once('$code')");
		held_until(qr/made up/, sub {});
		$pg->sql('DROP TRIGGER t ON batch; DROP SEQUENCE failures');
	}
};

subtest 'the postmaster is killed' => sub {
	$pg->kill_all;
	$feed->put(next_batch());
	ok($feed->expect(qr/^health (?!well)/), 'that is seen');
	$pg->start;
	ok($feed->expect(qr/^stored alice 5 $seq 1 0 0/), 'and after it is back all is stored');
	my $held = $seq;
	$pg->stop('immediate');
	$feed->put(map { next_batch() } 1 .. 20);
	$pg->start;
	ok($feed->expect(qr/^stored alice 5 $seq 1 0 0/), 'the same after an immediate stop');
	is($pg->sql('SELECT count(*), max(seq), count(DISTINCT seq) FROM batch'), "$seq|$seq|$seq", 'each once');
};

subtest 'ten thousand gaps' => sub {
	$pg->sql('DROP INDEX gap_node_epoch_first_seq');
	$pg->sql(q{INSERT INTO gap (node, ts, epoch, first_seq, last_seq, batches, reason) SELECT n, now(), e, 2 * i, 2 * i, 1, 'unknown'
		FROM generate_series(1, 10000) i, (VALUES ('al''ice', 5), ('al''ice', 4), ('bob', 5)) k (n, e)});
	$pg->init_db;
	is($pg->sql(q{SELECT count(*) > 1 FROM pg_class WHERE relname ~ '^gap_.*node_epoch_first_seq'}), 't', 'a database of before gets its index');
	my $tells = sub { my ($seq, $from, $to) = @_; batch(node => "al'ice", seq => $seq, type => 'gap', columns => [qw(epoch first_seq last_seq batches reason)],
		rows => [map { [5, 2 * $_, 2 * $_, 1, 'spool_full'] } $from .. $to]) };
	$feed->put($tells->(1, 2, 5000), $tells->(2, 5001, 10000));
	ok($feed->expect(qr/^stored al'ice 5 2 5000 0 0/), 'told of by their producer, in good time');
	is($pg->sql(q{SELECT node, epoch, count(*), min(first_seq) FROM gap WHERE reason = 'unknown' GROUP BY node, epoch ORDER BY node, epoch}),
		"al'ice|4|10000|2\nal'ice|5|1|2\nbob|5|10000|2", 'only those are no longer unknown');
	$pg->sql('DELETE FROM gap');
};

subtest 'another, empty database' => sub {
	$pg->sql('CREATE DATABASE fresh');
	my $r = run_program(program('appctl-consumer'), '--init-db', $pg->conninfo . ' dbname=fresh');
	is($r->{exit}, 0) or diag($r->{err});
	my $other = Appctl::Feed->new("$writer dbname=fresh");
	is($other->mark('alice', 5), 0, 'what is stored is read from the database');
	is($other->end, 0);
	$pg->sql('TRUNCATE batch');
	$pg->stop('immediate');
	$feed->put(next_batch());
	$pg->start;
	ok($feed->expect(qr/^stored alice 5 $seq /), 'a database that lost what it had');
	is($pg->sql('SELECT first_seq, last_seq, reason FROM gap'), join('|', 1, $seq - 1, 'unknown'), 'gets a row that says so');
};

is($feed->end, 0, 'the store ends in order');

subtest 'days' => sub {
	$feed = Appctl::Feed->new($writer, 3 * $day);
	my $today = int(time / $day);
	$feed->put(next_batch(ts => stamp(time)), next_batch(ts => stamp(time - 2 * $day)), next_batch(ts => stamp(time - 40 * $day)),
		next_batch(ts => stamp(time + 40 * $day)));
	ok($feed->expect(qr/^stored alice 5 $seq 0 1 0/), 'late, too late and too early ones');
	is($pg->sql("SELECT count(*) FROM pg_class WHERE relname ~ '^prc_\\d{8}\$'"), 4, 'partitions of two days ahead, and of the late batch');
	is($pg->sql(q{SELECT last_seq, reason FROM gap WHERE reason <> 'unknown'}), join('|', $seq - 1, 'retention'), 'what was too late is a gap');
	like($pg->sql("SELECT reason FROM quarantine WHERE seq = $seq"), qr/^its time lies 40 days ahead/, 'and what is too early is kept apart');
	is($feed->mark('alice', 5), $seq, 'all of them are acknowledged');
	is($feed->end, 0);
	# As it looks after a month in which nobody came.
	my $old = $pg->sql("SELECT to_char(now() AT TIME ZONE 'UTC' - interval '35 days', 'YYYYMMDD')");
	my ($from, $to) = map { $pg->sql("SELECT (now() AT TIME ZONE 'UTC' - interval '$_ days')::date") } 35, 34;
	$pg->sql("CREATE TABLE prc_$old (LIKE prc INCLUDING ALL)", 'appctl_writer');
	$pg->sql("ALTER TABLE prc ATTACH PARTITION prc_$old FOR VALUES FROM ('$from 00:00+00') TO ('$to 00:00+00')", 'appctl_writer');
	$pg->sql("INSERT INTO prc (node, ts, pid) VALUES ('alice', '$from 12:00+00', 1)");
	$pg->sql("INSERT INTO batch SELECT 'alice', 4, g, '$from 12:00+00', 'prc', 1 FROM generate_series(1, 12000) g");
	$feed = Appctl::Feed->new($writer, 3 * $day);
	ok($feed->expect(qr/^health well/), 'it starts');
	is($pg->wait_for("SELECT count(*) FROM pg_class WHERE relname = 'prc_$old'", 0), 0, 'the old partition goes');
	is($pg->wait_for('SELECT count(*), max(seq) FROM batch WHERE epoch = 4', '1|12000'), '1|12000', 'and old numbers, but never the highest');
	is($feed->end, 0);
};

subtest 'custom metrics' => sub {
	$feed = Appctl::Feed->new($writer);
	$feed->put(next_batch(type => 'custom_queue', columns => [qw(length user full note)], rows => [[3, 'bob', JSON::PP::true, undef]]));
	ok($feed->expect(qr/^stored alice 5 $seq 1 0 0/), 'a table comes as the batch does');
	$feed->put(next_batch(type => 'custom_queue', columns => [qw(length age note)], rows => [[4.5, 17, 'x'], ['five', 1, 'y']]));
	ok($feed->expect(qr/^stored alice 5 $seq 1 1 0/), 'and what it has more of, and a value of another kind');
	is($pg->sql(q{SELECT length, "user", "full", age, note FROM custom_queue ORDER BY length}), "3|bob|t||\n4.5|||17|x", 'as columns');
	is($pg->sql(q{SELECT string_agg(format_type(atttypid, -1), ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'custom_queue'::regclass AND attnum > 2}),
		'double precision,text,boolean,double precision,text', 'of their kinds');
	for my $bad ({ type => 'custom_' }, { type => 'custom_Q' }, { type => 'custom_a; DROP TABLE prc' }, { type => 'custom_' . 'a' x 41 }, { type => 'custom_x', columns => ['node', 'b'] },
		{ type => 'custom_y', columns => ['a"', 'b'] }, { type => 'quarantine' }, { type => 'batch' }, { type => 'custom_z', columns => [map { "c$_" } 1 .. 65], rows => [[1 .. 65]] }) {
		$feed->put(next_batch(%$bad));
		ok($feed->expect(qr/^stored alice 5 $seq 0 1 0/), "quarantined: $bad->{type}");
	}
	is($feed->end, 0);
	$feed = Appctl::Feed->new($writer);
	$feed->put(next_batch(type => 'custom_queue', columns => ['length'], rows => [[1]]));
	ok($feed->expect(qr/^stored alice 5 $seq 1 0 0/), 'a new start knows what there is');
	is($feed->end, 0);
};

subtest 'one node of which something is never taken' => sub {
	$feed = Appctl::Feed->new($writer);
	my $function = sub { $pg->sql("CREATE OR REPLACE FUNCTION $_[0]() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN $_[1] RETURN NEW; END \$\$") };
	my $trigger = sub { $pg->sql("CREATE TRIGGER $_[0] BEFORE INSERT ON $_[1] FOR EACH ROW WHEN (NEW.node = 'bob') EXECUTE FUNCTION $_[0]()") };
	my $quarantine = sub { $pg->sql("SELECT seq, \"row\", reason FROM quarantine WHERE node = 'bob' AND epoch = 5 ORDER BY seq, ts") };

	$function->('forbid', q{IF NEW.pid > 10 THEN RAISE EXCEPTION 'not from bob'; END IF;});
	$trigger->('forbid', 'prc');
	$feed->put(batch(node => 'bob', seq => 1, rows => [[1, 'a'], [11, 'b']]), next_batch());
	ok($feed->expect(qr/^stored bob 5 1 2 1 0/), 'an exception of an operator\'s trigger: the row is isolated');
	is($quarantine->(), '1|{"pid":11,"name":"b"}|PostgreSQL: not from bob', 'and kept with its reason');
	$pg->sql('DROP TRIGGER forbid ON prc');

	$function->('senseless', 'PERFORM no_such_function(NEW.pid);');
	$trigger->('senseless', 'prc');
	$feed->put(batch(node => 'bob', seq => 2, rows => [[2, 'c'], [3, 'd']]), next_batch());
	ok($feed->expect(qr/^stored alice 5 $seq 1 0 0/), 'a trigger that makes no sense: the others go on');
	ok($feed->expect(qr/^trouble bob .*no_such_function/), 'it waits, and that is told');
	$feed->put(next_batch());		# shows that the table is as it has to be
	ok($feed->expect(qr/^stored bob 5 2 0 2 0/), 'and its batch is set aside');
	like($quarantine->(), qr/^2\|\{"pid":2,"name":"c"\}\|.*no_such_function.*\n2\|\{"pid":3/m, 'whole, with the reason');
	is($pg->sql("SELECT count(*) FROM prc WHERE node = 'bob' AND pid IN (2, 3)"), 0, 'none of it is stored');
	$pg->sql('DROP TRIGGER senseless ON prc');

	$function->('unwanted', q{RAISE EXCEPTION 'bob is not known here';});
	$trigger->('unwanted', 'batch');
	$feed->put(batch(node => 'bob', seq => 3), batch(node => 'bob', seq => 4), next_batch());
	ok($feed->expect(qr/^stored alice 5 $seq 1 0 0/), 'one that cannot even be recorded');
	$feed->put(next_batch());
	ok($feed->expect(qr/^stored alice 5 $seq 1 0 0/), 'holds up nobody else');
	ok($feed->said(qr/^trouble bob .*bob is not known here/) || $feed->expect(qr/^trouble bob .*bob is not known here/), 'and it is told whom, and why');
	ok(!$feed->said(qr/^stored bob 5 3/), 'it is not acknowledged');
	$pg->sql('DROP TRIGGER unwanted ON batch');
	ok($feed->expect(qr/^stored bob 5 4 /), 'until that is mended');
	is($pg->sql("SELECT string_agg(seq::text, ',' ORDER BY seq) FROM batch WHERE node = 'bob' AND epoch = 5"), '1,2,3,4', 'each is there once');

	$pg->sql('CREATE VIEW custom_own AS SELECT 1 AS a', 'appctl_writer');
	$feed->put(batch(node => 'bob', seq => 5, type => 'custom_own', columns => ['a'], rows => [[1]]), next_batch());
	ok($feed->expect(qr/^stored bob 5 5 0 1 0/), 'a table that cannot be made');
	$feed->put(next_batch());
	ok($feed->expect(qr/^stored alice 5 $seq 1 0 0/), 'the others go on');

	# Days that cannot be made ahead are no reason to take nothing.
	$pg->sql('CREATE TABLE custom_plain (node text, ts timestamptz, a double precision)', 'appctl_writer');
	is($feed->end, 0);
	$feed = Appctl::Feed->new($writer);
	$feed->put(next_batch());
	ok($feed->expect(qr/^trouble - .*custom_plain/), 'a table of that kind that has no days');
	ok($feed->expect(qr/^stored alice 5 $seq 1 0 0/), 'batches go on');
	$pg->sql('DROP TABLE custom_plain; DROP VIEW custom_own');
	is($feed->end, 0);
};

subtest 'a gap is told once, however often it is tried' => sub {
	$feed = Appctl::Feed->new($writer);
	$pg->sql("TRUNCATE gap; DELETE FROM batch WHERE epoch = 5; CREATE SEQUENCE failures; GRANT ALL ON failures TO appctl_writer;"
		. " CREATE TRIGGER t BEFORE INSERT ON batch FOR EACH ROW EXECUTE FUNCTION fail_once('40001')");
	$feed->put(next_batch(), next_batch());
	ok($feed->expect(qr/^stored alice 5 $seq /), 'a database that lost what it had, and fails');
	$pg->sql('DROP TRIGGER t ON batch; DROP SEQUENCE failures');
	is($pg->sql('SELECT count(*), max(last_seq) FROM gap WHERE epoch = 5'), join('|', 1, $seq - 2), 'one row');
	is($feed->end, 0);
};

subtest 'gaps are explained by who made them' => sub {
	$feed = Appctl::Feed->new($writer);
	my $from = $seq + 1;
	$seq += 10;
	$pg->sql("TRUNCATE gap; INSERT INTO gap (node, ts, epoch, first_seq, last_seq, batches, reason) VALUES ('alice', now(), 5, $from, $seq, 10, 'unknown')");
	$feed->put(next_batch(type => 'gap', columns => [qw(epoch first_seq last_seq batches reason)], rows => [[5, $from, $seq, 10, 'spool_full']]));
	ok($feed->expect(qr/^stored alice 5 $seq 1 0 0/));
	is($pg->sql('SELECT count(*), max(reason) FROM gap'), '1|spool_full', 'the producer knows better');
	is($feed->end, 0);
};

done_testing;
