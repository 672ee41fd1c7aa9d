# SPDX-License-Identifier: MIT
# Many producers on one consumer: none starves, memory stays bounded, also while the database stands still.  In its long form, of a thousand.
use strict;
use warnings;
use List::Util qw(max);
use Test::More;
use Time::HiRes ();
use Appctl::Consumer;
use Appctl::Postgres;
use Appctl::Test;

needs_postgres();
my $count = $ENV{APPCTL_NIGHTLY} ? 1000 : 50;
my $pg = Appctl::Postgres->new;
my $c = Appctl::Consumer->new(CONSUMER_DATABASE => $pg->init_db, CONSUMER_USE_TLS => 'true', CONSUMER_MEMORY => '4M')->start;
$c->wait_log(qr/the database takes batches/);

sub median { my @v = sort { $a <=> $b } @_; $v[@v / 2] }

subtest "$count producers" => sub {
	my $before = $c->memory_kib;
	my ($pid, $out) = $c->start_producers(count => $count, batches => 20, rows => 50);
	my $most = 0;
	my $status;
	my $end = Time::HiRes::time() + 240 * slow_factor();
	until (defined($status = Appctl::Test::wait_child($pid, 0.05)) || Time::HiRes::time() > $end) {
		$most = max($most, $c->memory_kib);
	}
	is($status, 0, 'all is acknowledged') or return diag(slurp($out) . $c->log_text);
	my @ms = slurp($out) =~ /^done node\d+ 20 20 (\d+)$/mg;
	is(scalar @ms, $count, 'for each of them');
	my ($median, $slowest) = (median(@ms), max(@ms));
	cmp_ok($slowest, '<', 3 * $median + 1000, "none starved: the slowest took $slowest ms, half of them $median ms");
	my $each = ($most - $before - 3 * 4096) / $count;
	SKIP: {
		skip 'sanitizers have memory of their own', 1 if slow_factor() > 1;
		cmp_ok($each, '<', 64, sprintf 'less than 64 KiB for each connection, besides what waits for the database: %.0f', max($each, 0));
	}
	is($pg->sql('SELECT count(*), count(DISTINCT node) FROM batch'), join('|', 20 * $count, $count), 'everything is stored');
	is($pg->sql('SELECT count(*) FROM prc'), 20 * 50 * $count, 'every row once');
	is($pg->sql('SELECT count(*) FROM gap'), 0, 'nothing is missing');
	diag("$count producers: slowest $slowest ms, median $median ms, at most $most KiB, $before at rest") if $ENV{APPCTL_NIGHTLY};
};

subtest 'the database stands still' => sub {
	my $psql = spawn_program(Appctl::Postgres::bin() . '/psql', '-qX', $pg->conninfo, '-c', 'BEGIN; LOCK TABLE batch; SELECT pg_sleep(600)');
	$pg->wait_for(q{SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'batch'::regclass AND granted}, 1);
	my $before = $c->memory_kib;
	my ($pid, $out) = $c->start_producers(count => 10, batches => 120, rows => 500, first => 1000);
	ok($c->wait_log(qr/the database takes nothing: .*(?:lock timeout|no answer)/, 60), 'an alarm says so');
	my $held = $c->memory_kib - $before;
	SKIP: {
		skip 'sanitizers have memory of their own', 1 if slow_factor() > 1;
		cmp_ok($held, '<', 32 * 1024, "what waits is bounded: $held KiB");
	}
	$pg->sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%LOCK TABLE%' AND pid <> pg_backend_pid()});
	is(Appctl::Test::wait_child($pid, 120), 0, 'all goes on when it does') or diag(slurp($out) . $c->log_text);
	is($pg->sql('SELECT count(*), count(DISTINCT node) FROM batch WHERE seq >= 1000'), '1200|10', 'and nothing was lost');
	is($pg->sql(q{SELECT count(*) FROM gap WHERE reason <> 'unknown'}), 0);
};

is($c->stop, 0, 'it ends in order');
done_testing;
