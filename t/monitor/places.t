# SPDX-License-Identifier: MIT
# More processes than are kept in mind, and pids that come again: in a tree of files that looks like /proc.
use strict;
use warnings;
use File::Temp ();
use Test::More;
use Appctl::Sampler;
use Appctl::Test;

sub tree { return File::Temp::tempdir('appctl-XXXXXXXX', DIR => -w '/dev/shm' ? '/dev/shm' : '/tmp', CLEANUP => 1) }

sub pids { my ($sample) = @_; return map { $_->{pid} } @{ $sample->{prc} // [] } }

subtest 'who does nothing makes way, who works stays' => sub {
	my $proc = tree();
	my $ticks = 0;
	my (%seen, $lost, $worked);
	fake_process($proc, 300, name => 'worker');
	fake_process($proc, $_, name => 'idle') for reverse 1 .. 299;	# listed from the last that was made on, as the kernel does by pid
	# Who gets a place becomes a suspect, and again when it gets one again.
	my $s = Appctl::Sampler->new(proc => $proc, processes_max => 50, cpu_min => 0.0001, memory_limit => 1);
	for my $round (1 .. 80) {
		fake_process($proc, 300, name => 'worker', ticks => $ticks += 50);
		my $sample = $s->take;
		$seen{ $_->{pid} }++ for @{ $sample->{suspect} // [] };
		$lost++ if $worked++ && !grep { $_ == 300 } pids($sample);
		$worked = 0 unless $seen{300};
		my ($sum) = @{ $sample->{app_top} };
		die "round $round: $sum->{processes} in mind\n" if $sum->{processes} > 50;
		is($sample->{node}[0]{processes}, 300, 'all are counted') if $round == 80;
	}
	is(scalar(keys %seen), 300, 'everyone had a place at some time');
	my @often = sort { $a <=> $b } @seen{ 1 .. 299 };
	cmp_ok($often[-1] - $often[0], '<=', 3, 'about as often as others') or diag("@often");
	is($seen{300}, 1, 'the worker has kept it');
	is($lost, undef, 'and is sent');
	is($s->ask('counts')->{known}, 50, 'all places are taken');

	# Then there are few again.
	for my $pid (31 .. 299) {
		unlink "$proc/$pid/stat", "$proc/$pid/statm";
		rmdir "$proc/$pid" or die "$proc/$pid: $!\n";
	}
	$s->take for 1 .. 3;
	is($s->ask('counts')->{known}, 31, 'and everyone has one');
};

subtest 'memory does not grow with the number of processes' => sub {
	my $proc = tree();
	my $s = Appctl::Sampler->new(proc => $proc, processes_max => 500, top => 10, memory_min => 1);
	my $rss = sub { slurp("/proc/$s->{pid}/statm") =~ /^\d+ (\d+)/ ? $1 * 4096 : 0 };
	fake_process($proc, $_) for 1 .. 600;
	$s->take for 1 .. 3;
	my $before = $rss->();
	fake_process($proc, $_) for 601 .. 8000;
	$s->take for 1 .. 20;
	is($s->ask('counts')->{processes}, 8000, 'all are seen');
	cmp_ok($s->ask('counts')->{known}, '<=', 500, 'no more than there are places for are looked at');
	my $grown = $rss->() - $before;
	cmp_ok($grown, '<', (512 << 10) * slow_factor(), 'memory stays') or diag("$grown bytes more");
};

subtest 'descriptors end before processes do' => sub {
	my $proc = tree();
	fake_process($proc, $_, name => "p$_") for 1 .. 200;
	my $s = Appctl::Sampler->new(before => ['prlimit', '--nofile=300:300'], proc => $proc, top => 1000, memory_min => 1, cpu_min => 0.0001);
	$s->take;
	fake_process($proc, $_, name => "p$_", ticks => 100, resident => 200, faults => 1) for 1 .. 200;
	my $sample = $s->take;
	is(scalar(grep { $_->{cpu} > 0 && $_->{memory} == 200 * 4096 } @{ $sample->{prc} }), 200, 'all are looked at all the same');
	my $counts = $s->ask('counts');
	cmp_ok($counts->{descriptors}, '<=', 300 - 256, 'with the descriptors that may be used');
	cmp_ok($counts->{descriptors}, '>', 20, 'which are used');
	# One whose files are opened anew each time ends and another comes by its number.
	fake_process($proc, $_, name => "q$_", ticks => 10, started => 9) for 1 .. 200;
	$sample = $s->take;
	is(scalar(grep { $_->{started} == 9 && !defined $_->{cpu} } @{ $sample->{prc} }), 200, 'who comes by the same number is another');
};

subtest 'what is not what the kernel writes' => sub {
	my $proc = tree();
	fake_process($proc, $_) for 1 .. 3;
	spew("$proc/2/stat", "nonsense\n");
	spew("$proc/3/stat", '');
	mkdir "$proc/$_" for 'no-number', '4', '99999999999';
	my $s = Appctl::Sampler->new(proc => $proc, top => 10, memory_min => 1);
	my $sample = $s->take;
	is_deeply([pids($sample)], [1], 'is left out');
	is($sample->{node}[0]{mem_total}, undef, 'and null of the machine');
	fake_process($proc, 2);
	is_deeply([sort(pids($s->take))], [1, 2], 'until it is');
};

done_testing;
