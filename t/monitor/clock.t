# SPDX-License-Identifier: MIT
# Speeds where the machine has run for years or was asleep, and a pid that the kernel gives a second time.
use strict;
use warnings;
use File::Temp ();
use Test::More;
use Time::HiRes ();
use Appctl::Sampler;
use Appctl::Test;

my $dir = File::Temp::tempdir(CLEANUP => 1);

sub burner {
	my ($name) = @_;
	spew("$dir/$name", '');
	my $pid = spawn_program($^X, '-e', "\$| = 1; \$0 = '$name'; print 1; 1 while 1", { out => "$dir/$name" });
	process_is_there("$dir/$name") or die;
	return $pid;
}

subtest 'up for 500 days, for 2^31 and 2^32 ms, for 2^31 s' => sub {
	plan(skip_all => 'needs time namespaces') if system('unshare --fork --time --boottime 1 true >/dev/null 2>&1') != 0;
	my $burner = burner('burner');
	for my $seconds (500 * 86400, 2**31 / 1000, 2**32 / 1000, 2**31) {
		my $offset = int($seconds - 2 - Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC()));
		my $s = Appctl::Sampler->new(before => [qw(unshare --fork --kill-child --time --boottime), $offset, '--monotonic', $offset, '--'], top => 100);
		my $uptime = $s->take->{node}[0]{uptime};
		cmp_ok($uptime, '>', $seconds - 10, "$seconds s") ;
		my $row;
		until ($uptime > $seconds + 0.5) {
			Time::HiRes::sleep(0.2);
			my $sample = $s->take;
			$uptime = $sample->{node}[0]{uptime};
			($row) = grep { $_->{pid} == $burner } @{ $sample->{prc} };
			cmp_ok($row->{cpu}, '<', 1.5, 'no jump') if $row;
			cmp_ok($sample->{node}[0]{cpu_user}, '<', $sample->{node}[0]{cpus} * 2, 'nor of the machine');
		}
		ok($row, 'who uses the processor is found then too');
	}
	kill KILL => $burner;
};

subtest 'a pid that comes again' => sub {
	plan(skip_all => 'needs root') if $> != 0;
	my $code = <<'END';
		use Appctl::Sampler; use Appctl::Test; use Time::HiRes 'sleep';
		sub set { open my $f, '>', '/proc/sys/kernel/ns_last_pid' or exit 77; syswrite $f, $_[0]; close $f or exit 77 }
		my $s = Appctl::Sampler->new(top => 100, memory_min => 1);
		my $start = sub { set(4999); my $p = fork; unless ($p) { $0 = $_[0]; 1 while $_[1]; sleep 1000 } $p };
		my $first = $start->('first', 1);
		sleep 0.3;
		$s->take;
		my ($row, $tries);
		until (($row->{cpu} // 0) > 0.1 || $tries++ > 200) {	# on a busy machine it has to wait for its turn
			sleep 0.3;
			($row) = grep { $_->{pid} == 5000 } @{ $s->take->{prc} };
		}
		print "first $row->{name} ", $row->{cpu} > 0.1 ? 'works' : 'idle', "\n";
		kill KILL => $first; waitpid $first, 0;
		sleep 0.02;
		my $second = $start->('second', 0);
		sleep 0.1;
		($row) = grep { $_->{pid} == 5000 } @{ $s->take->{prc} };
		print "second $row->{name} ", defined $row->{cpu} ? 'known' : 'new', "\n";
		kill KILL => $second;
END
	my $r = run_program(qw(unshare --pid --fork --kill-child --mount-proc), $^X, (map { "-I$_" } @INC), '-e', $code);
	plan(skip_all => 'needs a pid namespace and its last pid') if ($r->{exit} // 0) == 77 || $r->{err} =~ /unshare/;
	is($r->{out}, "first first works\nsecond second new\n", 'is another process') or diag($r->{err});
};

done_testing;
