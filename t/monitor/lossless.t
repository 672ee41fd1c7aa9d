# SPDX-License-Identifier: MIT
# Producer, consumer and database are killed at random moments and connections cut at random bytes: every
# batch that was taken is stored once, or a gap says that it was not.
use strict;
use warnings;
use Test::More;
use Time::HiRes ();
use Appctl::Consumer;
use Appctl::Net;
use Appctl::Postgres;
use Appctl::Producer;
use Appctl::Test;

BEGIN { $ENV{APPCTL_TEST_TIMEOUT} ||= $ENV{APPCTL_NIGHTLY} ? 3600 : 240; alarm $ENV{APPCTL_TEST_TIMEOUT} * slow_factor() }
needs_program('python3');

my $rounds = $ENV{APPCTL_LOSSLESS_ROUNDS} // ($ENV{APPCTL_NIGHTLY} ? 200 : 6);	# kills of each
my $seed = $ENV{APPCTL_SEED} // time ^ $$;
srand $seed;
note("APPCTL_SEED=$seed");

# Cuts each connection after a number of bytes, in the midst of whatever goes by, unless `calm` is there.
sub cutting_proxy {
	my ($port, $calm) = @_;
	my ($connection, $left) = (0, 0);
	return Appctl::Net::Proxy->new($port, sub {
		my ($from, $at, $bytes, $n) = @_;
		return $bytes if -e $calm;
		if ($n != $connection) {
			($connection, $left) = ($n, rand() < 0.5 ? 1 + int rand 4000 : 1 + int rand 300000);
			srand($seed + $n);
		}
		return undef if $left <= 0;
		$bytes = substr $bytes, 0, $left;
		$left -= length $bytes;
		return $bytes;
	});
}

# What the spool has used and what it was told is stored.
sub mark {
	my ($producer) = @_;
	my ($epoch, $next, $acked) = slurp("$producer->{spool}/mark") =~ /appctl-spool 1 (\d+) (\d+) (\d+) / or return;
	return { epoch => $epoch, next => $next, acked => $acked };
}

sub play {
	my (%o) = @_;
	my $consumer = Appctl::Consumer->new(CONSUMER_USE_TLS => 'true', %{ $o{settings} })->start;
	my $calm = Appctl::Test::scratch_directory() . '/calm';
	my $proxy = cutting_proxy($consumer->port, $calm);
	my $producer = Appctl::Producer->new(port => $proxy->port, secret_file => $consumer->dir . '/secret', interval => '100ms',
		env => { PRODUCER_USE_TLS => 'true', PRODUCER_TOP => 3 })->start;
	my %acts = (
		producer => sub { $producer->kill_it; $producer->start },
		consumer => sub { $consumer->crash; Time::HiRes::sleep(rand 0.3); $consumer->start },
		$o{kill} ? (postmaster => $o{kill}) : (),
	);
	my @todo = sort { rand() <=> rand() } map { ($_) x $rounds } sort keys %acts;
	my $broken = 0;
	for my $what (@todo) {
		Time::HiRes::sleep(rand 0.5);
		my $before = mark($producer);
		$acts{$what}->();
		# What was acknowledged is there, whoever was killed.
		next if !$before || rand() > 0.3;
		my ($stored) = $o{ask}->("SELECT count(*) FROM batch WHERE epoch = $before->{epoch} AND seq <= $before->{acked}");
		$broken++ if defined $stored && $stored != $before->{acked};
	}
	is($broken, 0, 'at no moment an acknowledged batch was missing');

	spew($calm, '');
	$producer->wait_log(qr/collecting as/);
	is($producer->stop, 0, 'the producer ends when asked');
	$producer->{interval} = '1h';		# one sample more, and then what is held goes out
	$producer->start->wait_log(qr/collecting as/);
	$producer->wait_log(qr/connected to consumer/, 90);
	my $mark = mark($producer);
	my $end = Time::HiRes::time() + 90 * slow_factor();
	while (Time::HiRes::time() < $end) {
		$mark = mark($producer);
		last if $mark && $mark->{acked} == $mark->{next} - 1;
		Time::HiRes::sleep(0.1);
	}
	is($mark->{acked}, $mark->{next} - 1, 'everything arrives in the end') or diag($producer->log_text, $consumer->log_text);
	is($producer->stop, 0);
	my $ask = $o{ask};
	is($ask->('SELECT count(*) FROM gap'), 0, 'nothing was given up');
	is($ask->('SELECT count(DISTINCT epoch) FROM batch'), 1, 'the spool was never taken for damaged');
	is($ask->('SELECT count(*) FROM batch'), $mark->{acked}, "every batch of $mark->{acked} is there");
	is($ask->('SELECT max(seq) - min(seq) + 1 FROM batch'), $mark->{acked}, 'by its number, without a hole');
	is($ask->('SELECT count(*) - count(DISTINCT ts) FROM node'), 0, 'no sample is there twice');
	is($ask->('SELECT count(*) FROM node'), $ask->(q{SELECT count(*) FROM batch WHERE type = 'node'}), 'each has its rows');
	is($ask->('SELECT count(*) FROM prc'), $ask->(q{SELECT sum(rows) FROM batch WHERE type = 'prc'}), 'the processes too');
	is($ask->('SELECT count(*) FROM prc p WHERE NOT EXISTS (SELECT 1 FROM node n WHERE n.ts = p.ts)'), 0, 'of the same samples');
	note(sprintf '%d batches, %d kills of each of %s', $mark->{acked}, $rounds, join ', ', sort keys %acts);
	is($consumer->stop, 0);
}

subtest 'SQLite' => sub {
	my $file = Appctl::Test::scratch_directory() . '/monitor.db';
	play(settings => { CONSUMER_SQLITE => $file }, ask => sub {
		my $r = run_program('python3', '-c', "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1], timeout=20)\n"
			. "print(c.execute(sys.argv[2]).fetchone()[0])", $file, $_[0], { timeout => 60 });
		chomp $r->{out};
		return $r->{exit} ? undef : $r->{out};
	});
};

subtest 'PostgreSQL' => sub {
	needs_postgres();
	my $pg = Appctl::Postgres->new;
	my $writer = $pg->init_db;
	play(settings => { CONSUMER_DATABASE => $writer }, kill => sub { $pg->kill_all; $pg->start }, ask => sub {
		my $r = $pg->sql($_[0], { may_fail => 1 });
		chomp $r->{out};
		return $r->{exit} ? undef : $r->{out};
	});
};

done_testing;
