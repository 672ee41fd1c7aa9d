# SPDX-License-Identifier: MIT
# The spool's disk is full, read-only, out of inodes, does not synchronize, or is damaged: the producer goes on, and
# what it takes arrives all the same.
use strict;
use warnings;
use File::Path ();
use Test::More;
use Time::HiRes ();
use Appctl::Producer;
use Appctl::Test;

sub rows { Appctl::Producer::Link::rows(@_) }

# One consumer over all connections: what it has of each epoch, and what was told of gaps.
my (%stored, @gaps, $link);
sub forget { %stored = (); @gaps = () }

# Takes batches, through as many connections as it needs, until `enough`.
sub take_until {
	my ($consumer, $enough, $timeout) = @_;
	my $end = Time::HiRes::time() + ($timeout // 40) * slow_factor();
	while (!$enough->()) {
		die "not enough in time\n" if Time::HiRes::time() > $end;
		$link //= $consumer->open(sub { ($stored{ $_[0] } // {})->{last} // 0 });
		my $batch = $link->batch(undef, 2);
		if (!$batch) {
			undef $link unless $link->{timed_out};
			next;
		}
		my $e = $stored{ $batch->{epoch} } //= { first => $batch->{seq} };
		die "batch $batch->{seq} of $batch->{epoch} behind $e->{last}\n" if defined $e->{last} && $batch->{seq} != $e->{last} + 1;
		$e->{last} = $batch->{seq};
		push @gaps, rows($batch) if $batch->{type} eq 'gap';
		$link->ack($batch->{seq});
	}
}

sub hang_up { undef $link }

sub batches { my $n = 0; $n += $_->{last} - $_->{first} + 1 for values %stored; return $n }

# Everything from the first on came, or is in a gap.
sub nothing_is_missing {
	my ($what) = @_;
	my @missing;
	for my $epoch (sort keys %stored) {
		my %told = map { my $g = $_; map { $_ => 1 } $g->{first_seq} .. $g->{last_seq} } grep { $_->{epoch} == $epoch } @gaps;
		push @missing, map { "$epoch $_" } grep { !$told{$_} } 1 .. $stored{$epoch}{first} - 1;
	}
	is_deeply(\@missing, [], $what);
}

# A file system of its own below the scratch directory, in this process's mounts.
my @mounted;
sub small_disk {
	my ($options) = @_;
	my $dir = Appctl::Test::scratch_directory() . '/disk';
	mkdir $dir;
	system('mount', '-t', 'tmpfs', '-o', "mode=0700,$options", 'tmpfs', $dir) == 0 or return undef;
	push @mounted, $dir;
	return $dir;
}
END { local $?; system('umount', '-l', $_) for @mounted }

sub fill { my ($dir) = @_; open my $f, '>', "$dir/filler"; 1 while syswrite $f, 'x' x 4096; close $f }

SKIP: {
	skip 'needs root, to mount', 2 if $> != 0;

	subtest 'a full disk, and room again' => sub {
		my $dir = small_disk('size=2m') // plan(skip_all => 'cannot mount a tmpfs');
		forget();
		my $consumer = Appctl::Producer::Consumer->new;
		my $producer = Appctl::Producer->new(consumer => $consumer, spool => "$dir/spool")->start;
		take_until($consumer, sub { batches() > 10 });
		fill($dir);
		$producer->wait_log(qr/goes into memory, it cannot be kept on disk: .*No space left/, 60);
		my $before = batches();
		take_until($consumer, sub { batches() > $before + 30 });
		is(scalar keys %stored, 2, 'what goes into memory has an epoch of its own');
		unlink "$dir/filler";
		$producer->wait_log(qr/goes to disk again/, 30);
		$before = batches();
		take_until($consumer, sub { batches() > $before + 30 });
		nothing_is_missing('all of it came');
		is(scalar @gaps, 0, 'nothing was dropped');
		hang_up();
		is($producer->stop, 0, 'it goes on as before');
	};

	subtest 'a disk that is full, or read-only, from the beginning' => sub {
		for my $case (['no room', 'size=1m', 'fill'], ['read-only', 'size=2m', 'ro'], ['no inodes', 'size=2m,nr_inodes=2', '']) {
			my ($what, $options, $how) = @$case;
			my $dir = small_disk($options) // plan(skip_all => 'cannot mount a tmpfs');
			mkdir "$dir/spool", 0700 or diag("mkdir: $!");
			fill($dir) if $how eq 'fill';
			system('mount', '-o', 'remount,ro', $dir) if $how eq 'ro';
			forget();
			my $consumer = Appctl::Producer::Consumer->new;
			my $producer = Appctl::Producer->new(consumer => $consumer, spool => "$dir/spool")->start;
			take_until($consumer, sub { batches() > 20 });
			nothing_is_missing("$what: it collects");
			like($producer->log_text, qr/goes into memory/, 'and says so');
			hang_up();
			is($producer->stop, 0);
		}
	};
}

subtest 'a disk that does not synchronize' => sub {
	needs_program('strace');
	forget();
	my $consumer = Appctl::Producer::Consumer->new;
	my $producer = Appctl::Producer->new(consumer => $consumer,
		env => { ASAN_OPTIONS => 'detect_leaks=0' }, before => ['strace', '-D', '-f', '-qq', '-o', '/dev/null', '-e', 'inject=fdatasync,fsync:error=EIO:when=25..40'])->start;
	take_until($consumer, sub { $producer->log_text =~ /spool was damaged|is a new file now|goes into memory/ });
	my $before = batches();
	take_until($consumer, sub { batches() > $before + 60 && keys %stored > 1 });
	nothing_is_missing('all of it came');
	is(scalar @gaps, 0, 'nothing was dropped');
	hang_up();
	is($producer->stop, 0);
};

subtest 'each write fails once, and then all of them for a while' => sub {
	needs_program('strace');
	for my $error ('ENOSPC', 'EIO') {
		for my $when ($ENV{APPCTL_NIGHTLY} ? (10 .. 100) : (13, 41), '60..90') {
			forget();
			my $consumer = Appctl::Producer::Consumer->new;
			my $producer = Appctl::Producer->new(consumer => $consumer, interval => '100ms',
				env => { ASAN_OPTIONS => 'detect_leaks=0' }, before => ['strace', '-D', '-f', '-qq', '-o', '/dev/null', '-e', "inject=pwrite64:error=$error:when=$when"])->start;
			take_until($consumer, sub { batches() > 25 });
			nothing_is_missing("$error at write $when: all of it came");
			hang_up();
			is($producer->stop, 0);
		}
	}
};

subtest 'a spool that was damaged while nobody was looking' => sub {
	# What is lost, where anything is.
	my @damages = ([1, sub { truncate $_[0], (-s $_[0]) / 2 }], [0, sub { open my $f, '+<', $_[0]; seek $f, 4096, 0; print $f 'x' x 4096 }],
		[1, sub { unlink $_[0] }]);
	for (@damages) {
		my ($loses, $damage) = @$_;
		forget();
		my $consumer = Appctl::Producer::Consumer->new;
		my $port = $consumer->port;
		$consumer->close;
		my $producer = Appctl::Producer->new(port => $port)->start;
		my $end = Time::HiRes::time() + 10 * slow_factor();
		Time::HiRes::sleep(0.05) until slurp("$producer->{spool}/mark") =~ /appctl-spool 1 \d+ (\d+)/ && $1 > 40
			or Time::HiRes::time() > $end;
		is($producer->stop, 0);
		my ($epoch, $next) = slurp("$producer->{spool}/mark") =~ /appctl-spool 1 (\d+) (\d+)/;
		my ($file) = glob "$producer->{spool}/spool-*.db";
		$damage->($file);
		$producer->start;
		$consumer = Appctl::Producer::Consumer->new(port => $port);
		take_until($consumer, sub { ((sort { $b <=> $a } keys %stored)[0] // 0) > $epoch && (@gaps || !$loses) });
		is($gaps[0]{reason}, 'spool_damaged', 'what is gone is told') if $loses;
		my %there = map { $_ => 1 } $stored{$epoch} ? $stored{$epoch}{first} .. $stored{$epoch}{last} : ();
		for my $g (grep { $_->{epoch} == $epoch } @gaps) { $there{$_}++ for $g->{first_seq} .. $g->{last_seq} }
		is_deeply([grep { ($there{$_} // 0) != 1 } 1 .. $next - 1], [], 'each number is there or in a gap');
		like($producer->log_text, qr/the spool was damaged: /, 'an alarm says so');
		hang_up();
		is($producer->stop, 0);
	}
};

done_testing;
