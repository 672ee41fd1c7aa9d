# SPDX-License-Identifier: MIT
# appctl-consumer --init-db makes roles and tables, once and again.
use strict;
use warnings;
use Test::More;
use Appctl::Postgres;
use Appctl::Test;

needs_postgres();
my $pg = Appctl::Postgres->new;

subtest 'roles and tables' => sub {
	$pg->init_db;
	is($pg->sql(q{SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles WHERE rolname LIKE 'appctl%' AND rolcanlogin AND NOT rolsuper}),
		'appctl_reader appctl_writer', 'two roles that can log in');
	is($pg->sql(q{SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace}),
		'app_top batch event fun_top gap incident node node_status prc quarantine suspect', 'the tables');
};

subtest 'who writes and who reads' => sub {
	$pg->sql('CREATE TABLE custom_a (node text, ts timestamptz) PARTITION BY RANGE (ts)', 'appctl_writer');
	is($pg->sql('SELECT count(*) FROM prc', 'appctl_reader'), 0, 'the reader reads');
	is($pg->sql('SELECT count(*) FROM custom_a', 'appctl_reader'), 0, 'and what is made later');
	isnt($pg->sql("INSERT INTO batch VALUES ('a', 1, 1, now(), 'prc', 1)", 'appctl_reader', { may_fail => 1 })->{exit}, 0, 'but writes nothing');
	isnt($pg->sql('CREATE TABLE x (i int)', 'appctl_reader', { may_fail => 1 })->{exit}, 0, 'and makes nothing');
	$pg->sql("INSERT INTO batch VALUES ('a', 1, 1, now(), 'prc', 1)", 'appctl_writer');
};

subtest 'again' => sub {
	$pg->sql('ALTER TABLE prc DROP COLUMN cpu');
	$pg->init_db;
	is($pg->sql('SELECT count(*) FROM batch'), 1, 'what is there stays');
	is($pg->sql('SELECT count(cpu) FROM prc'), 0, 'a missing column comes');
};

subtest 'other names' => sub {
	$pg->sql('CREATE DATABASE other');
	my $r = run_program(program('appctl-consumer'), '--init-db', $pg->conninfo . ' dbname=other', '--writer', "o'w", '--reader', 'o r');
	is($r->{exit}, 0, 'are taken') or diag($r->{err});
	is($pg->sql(q{SELECT count(*) FROM pg_roles WHERE rolname IN ('o''w', 'o r')}), 2, 'as they are');
};

subtest 'no database' => sub {
	my $r = run_program(program('appctl-consumer'), '--init-db', 'host=' . $pg->dir . '/nowhere');
	is($r->{exit}, 1, 'it fails');
	like($r->{err}, qr/^appctl-consumer: PostgreSQL: .*nowhere/, 'and says on what');
};

done_testing;
