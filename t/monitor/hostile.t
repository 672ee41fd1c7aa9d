# SPDX-License-Identifier: MIT
# A producer that has the secret and means harm: nothing of what it sends may hold up what others send.
use strict;
use warnings;
use JSON::PP;
use Test::More;
use Appctl::Feed;
use Appctl::Postgres;
use Appctl::Test;

my $day = 86400;
my ($seq, $good) = (0, 0);

sub evil { batch(node => 'eve', epoch => 6, seq => ++$seq, @_) }

# What is sent goes to quarantine, and alice's batch behind it is stored.
sub is_harmless {
	my ($feed, $what, @batch) = @_;
	$feed->put(evil(@batch), batch(seq => ++$good));
	ok($feed->expect(qr/^stored eve 6 $seq 0 [1-9]/), "$what: quarantine") and
	ok($feed->expect(qr/^stored alice 5 $good 1 0 0/), 'and others are stored');
}

sub names {
	my ($feed) = @_;
	my $today = stamp(time) =~ s/-//gr =~ s/T.*//r;
	my @custom = (columns => ['a'], rows => [[1]]);

	$feed->put(evil(type => 'custom_q', @custom));
	ok($feed->expect(qr/^stored eve 6 $seq 1 0 0/), 'a custom table is made');
	is_harmless($feed, 'a table with the name of an index', type => 'custom_q_node_ts', @custom);
	is_harmless($feed, 'a table with the name of a partition\'s index', type => "custom_q_${today}_node_ts_idx", @custom);
	is_harmless($feed, 'a table with the name of a partition', type => "custom_q_$today", @custom);
	is_harmless($feed, "a column with the name of the system's $_", type => 'custom_q', columns => [$_], rows => [[1]]) for qw(xmin ctid tableoid rowid);
}

subtest 'SQLite' => sub {
	my $feed = Appctl::Feed->new(Appctl::Test::scratch_directory() . '/m.db');
	names($feed);
	# Of one megabyte, each row of which would be kept with all of it.
	is_harmless($feed, 'a long name of a table', type => 'x' x 900_000, columns => ['a'], rows => [map { [1] } 1 .. 600]);
	is_harmless($feed, 'a long name of a column', columns => ['x' x 900_000], rows => [map { [1] } 1 .. 600]);
	my ($kib) = slurp('/proc/' . $feed->pid . '/status') =~ /^VmHWM:\s+(\d+)/m;
	cmp_ok($kib, '<', 250_000, 'memory stays what it may be') if slow_factor() == 1;
	is($feed->end, 0);
};

subtest 'PostgreSQL' => sub {
	plan(skip_all => "needs PostgreSQL") unless Appctl::Postgres::bin();
	my $pg = Appctl::Postgres->new(max_locks_per_transaction => 10);
	my $feed = Appctl::Feed->new($pg->init_db);
	names($feed);
	is_harmless($feed, "a day of the year $_", ts => "$_-01-01T00:00:00.000000Z") for qw(0000 0001 1899);
	is_harmless($feed, 'a name that is cut in the middle of a letter', columns => ['a' . "\x{e9}" x 40], rows => [[1]]);
	$feed->put(map { evil(type => 'custom_days', columns => ['a'], rows => [[1]], ts => stamp(time - $_ * $day)) } 1 .. 400);
	ok($feed->expect(qr/^stored eve 6 $seq 1 0 0/, 120), 'more partitions than locks there are');
	is($feed->end, 0);
};

done_testing;
