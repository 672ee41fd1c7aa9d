# SPDX-License-Identifier: MIT
# A disk that is full, and is not any more: PostgreSQL's and SQLite's.
use strict;
use warnings;
use Test::More;
use Appctl::Feed;
use Appctl::Postgres;
use Appctl::Test;

needs_root();
if (!$ENV{APPCTL_TEST_OWN_MOUNTS}) {
	plan(skip_all => 'needs a mount namespace of its own') if system('unshare', '-m', 'true') != 0;
	$ENV{APPCTL_TEST_OWN_MOUNTS} = 1;
	exec('unshare', '-m', '--propagation', 'private', $^X, (map { "-I$_" } @INC), $0) or die "unshare: $!\n";
}

my $dir = Appctl::Test::scratch_directory();

sub small_disk {
	my ($name, $size) = @_;
	mkdir "$dir/$name";
	is(system('mount', '-t', 'tmpfs', '-o', "size=$size,mode=0755", 'tmpfs', "$dir/$name"), 0, "a disk of $size") or BAIL_OUT('mount');
	return "$dir/$name";
}

# All that is left but so much.
sub fill {
	my ($disk, $leave) = @_;
	my (undef, $free) = run_program('stat', '-f', '-c', '%S %a', $disk)->{out} =~ /(\d+) (\d+)/;
	open my $fh, '>', "$disk/ballast" or die "ballast: $!\n";
	syswrite $fh, "\0" x 4096 for 1 .. $free - $leave / 4096;
	close $fh;
}

sub goes_on_when_freed {
	my ($feed, $disk) = @_;
	my $seq = 0;
	$feed->put(batch(seq => ++$seq));
	ok($feed->expect(qr/^stored alice 5 1 /), 'there is room at first');
	fill($disk, 256 * 1024);
	my @rows = map { [$_, 'x' x 200] } 1 .. 2000;
	$feed->put(batch(seq => ++$seq, rows => \@rows)) for 1 .. 10;
	ok($feed->expect(qr/^health .*(?:No space left|full)/), 'it is full, and says so');
	my $stored = () = $feed->said(qr/^stored /);
	cmp_ok($stored, '<', 11, 'what did not fit is held');
	$feed->put(batch(seq => ++$seq));
	unlink "$disk/ballast";
	ok($feed->expect(qr/^stored alice 5 $seq /), 'freed, it goes on by itself');
	is(scalar(() = $feed->said(qr/^stored alice 5 \d+ \d+ 0 0/)), 12, 'everything is stored once');
	is($feed->end, 0);
}

subtest 'SQLite' => sub {
	my $disk = small_disk('sqlite', '12M');
	goes_on_when_freed(Appctl::Feed->new("$disk/monitor.db"), $disk);
};

subtest 'PostgreSQL' => sub {
	plan(skip_all => 'needs PostgreSQL') unless Appctl::Postgres::bin() && defined getpwnam('postgres');
	my $disk = small_disk('postgres', '96M');
	mkdir "$disk/data";
	mkdir "$dir/wal";
	chown scalar(getpwnam('postgres')), -1, "$disk/data", "$dir/wal";
	my $pg = Appctl::Postgres->new(data => "$disk/data", initdb => ["--waldir=$dir/wal/wal"]);
	goes_on_when_freed(Appctl::Feed->new($pg->init_db), $disk);
	is($pg->sql('SELECT count(*) FROM prc'), 2 + 10 * 2000, 'with every row');
	$pg->kill_all;
};

END { system("umount $dir/sqlite $dir/postgres >/dev/null 2>&1") if defined $dir }

done_testing;
