# SPDX-License-Identifier: MIT
# What the sampler says of processes that are known: they are made here.
use strict;
use warnings;
use POSIX ();
use Test::More;
use Time::HiRes ();
use Appctl::Sampler;
use Appctl::Test;

my $dir = File::Temp::tempdir(CLEANUP => 1);
my $count = 0;

# A process that does that and then says so.
sub child {
	my ($name, $code, @options) = @_;
	my $out = "$dir/" . $count++;
	spew($out, '');
	my $pid = spawn_program($^X, @options, '-e', "\$| = 1; \$0 = '$name'; $code", { out => $out });
	process_is_there($out) or die "$name does not come up\n";
	return $pid;
}

my $ready = 'print "ready\n";';
my $sleeps = "$ready sleep 1000";

subtest 'who uses the processor' => sub {
	my $burner = child('burner', "$ready 1 while 1");
	my $s = Appctl::Sampler->new(top => 200);
	my $first = $s->take;
	my ($row) = grep { $_->{pid} == $burner } @{ $first->{prc} };
	is($row && $row->{cpu}, undef, 'nothing is known after one look');
	# The kernel counts in hundredths of a second: a look after 50 ms may be wrong by a fifth and more.
	$row = $s->until_row($burner, sub { Time::HiRes::sleep(0.5); ($_[0]{cpu} // 0) > 0.1 && $_[0]{cpu} < 1.2 });
	ok($row, 'is found') or return;
	cmp_ok($row->{cpu}, '<', 1.2, 'at most the one processor that it can have');
	like($row->{reasons}, qr/\bcpu\b/, 'for that reason');
	is($row->{name}, 'burner', 'its name');
	is($row->{parent}, $$, 'its parent');
	is($row->{uid}, $>, 'its user');
	is($row->{state}, 'R', 'it runs');
	is($row->{waits_in}, undef, 'and waits in nothing');
	is($row->{application}, undef, 'it belongs to none');
	like($row->{command}, qr/^burner/, 'its command');
	kill KILL => $burner;
	waitpid $burner, 0;
	my $sample = $s->take;
	is_deeply([grep { $_->{pid} == $burner } @{ $sample->{prc} }], [], 'it has ended');
};

subtest 'who has memory, and more and more of it' => sub {
	my $s = Appctl::Sampler->new(top => 200, growth_min => 1);
	$s->take;
	my $holder = child('holder', "my \$x = 'x' x (64 << 20); $sleeps");
	my $row = $s->until_row($holder, sub { $_[0]{memory} > 64 << 20 });
	ok($row, 'is found') or return;
	cmp_ok($row->{memory}, '<', 200 << 20, 'about as much as it has');
	like($row->{reasons}, qr/\bmemory\b/, 'for that reason');
	my $grower = child('grower', "$ready my \@x; while (1) { push \@x, 'x' x (1 << 20); select undef, undef, undef, 0.05 }");
	$row = $s->until_row($grower, sub { ($_[0]{memory_growth} // 0) > 1 << 20 });
	like($row && $row->{reasons}, qr/\bgrowth\b/, 'that it grows is a reason of its own');
	kill KILL => $holder, $grower;
};

subtest 'threads, descriptors, what it waits in' => sub {
	my $s = Appctl::Sampler->new(vips => ['piped', 'opener', 'threaded', 'zombied'], sample_size => 10000);
	my $piped = child('piped', "pipe my \$r, my \$w; $ready sysread \$r, my \$x, 1");
	my $opener = child('opener', "open \$f[\$_], '<', '/dev/null' for 1 .. 60; $sleeps");
	my $row = $s->until_row($piped, sub { $_[0]{state} eq 'S' });
	like($row->{waits_in} // 'unreadable', $> == 0 ? qr/pipe/ : qr/pipe|unreadable/, 'the function of the kernel') or diag($row->{waits_in});
	is($row->{reasons}, 'vip', 'a vip is in the sample because it is one');
	$row = $s->until_row($opener, sub { 1 });
	cmp_ok($row->{descriptors}, '>=', 63, 'descriptors are counted');
	cmp_ok($row->{descriptors}, '<', 80, 'and nothing else');
	my $sample = $s->take;
	my ($waits) = grep { $_->{kind} eq 'waits' && $_->{name} =~ /pipe|nanosleep/ } @{ $sample->{fun_top} };
	ok($waits, 'what many wait in is a row of fun_top') if $> == 0;
	my ($executes) = grep { $_->{kind} eq 'executes' } @{ $sample->{fun_top} };
	cmp_ok($executes->{share}, '>', 0, 'so is what they execute');
	cmp_ok($executes->{share}, '<=', 1, 'a share');
	SKIP: {
		skip 'perl has no threads', 1 unless eval { require threads; 1 };
		my $threaded = child('threaded', "threads->create(sub { sleep 1000 }) for 1 .. 20; $sleeps", '-Mthreads');
		$row = $s->until_row($threaded, sub { 1 });
		is($row && $row->{threads}, 21, 'threads are counted');
	}
	my $zombied = child('zombied', "$ready");
	my $end = time + 10;
	select undef, undef, undef, 0.01 while slurp("/proc/$zombied/stat") !~ /\) Z/ && time < $end;
	$row = $s->until_row($zombied, sub { 1 });
	is($row && $row->{state}, 'Z', 'one that has ended and was not waited for is there still');
	is($row && $row->{memory}, 0, 'without memory');
};

subtest 'who reads and writes' => sub {
	my $s = Appctl::Sampler->new(top => 200, io_min => 1);
	my $file = "$dir/io";
	my $writer = child('writer', "$ready while (1) { open my \$f, '>', '$file'; print \$f 'x' x (4 << 20); close \$f; select undef, undef, undef, 0.02 }");
	$s->take;
	my $row = $s->until_row($writer, sub { ($_[0]{io_written} // 0) > 1 << 20 });
	SKIP: {
		skip 'what is written there does not count', 1 unless $row || slurp("/proc/$writer/io") =~ /^write_bytes: [1-9]/m;
		like($row && $row->{reasons}, qr/\bio\b/, 'is in the sample for that');
	}
	kill KILL => $writer;
};

subtest 'suspects are told once' => sub {
	my $s = Appctl::Sampler->new(descriptors_limit => 1000, memory_limit => 80 << 20, sample_size => 10000, processes_limit => 1);
	my $sample = $s->take;
	my ($node) = grep { $_->{kind} eq 'processes' } @{ $sample->{suspect} };
	cmp_ok($node->{value}, '>', 1, 'too many processes on the node');
	is($node->{pid}, undef, 'which is no process');
	my $big = child('big', "my \$x = 'x' x (100 << 20); open \$f[\$_], '<', '/dev/null' for 1 .. 1010; $sleeps");
	my %seen;
	for (1 .. 5) {
		$sample = $s->take;
		$seen{ $_->{kind} }++ for grep { $_->{kind} eq 'processes' || $_->{pid} == $big } @{ $sample->{suspect} // [] };
	}
	is_deeply(\%seen, { memory => 1, descriptors => 1 }, 'each once, the node not again');
};

subtest 'without cgroups an application is its main process and what descends from it' => sub {
	my $s = Appctl::Sampler->new(cgroup => '', vips => ['web'], top => 1000);
	my $main = child('webmain', "if (my \$c = fork) { $sleeps } elsif (my \$g = fork) { sleep 1000 } \$0 = 'grandchild'; POSIX::setsid(); sleep 1000", '-MPOSIX');
	my $early = $s->take;
	is_deeply([grep { defined $_->{application} } @{ $early->{app_top} }], [], 'none is known yet');
	$s->ask("started web $main");
	my $sample = $s->take;
	my @mine = grep { ($_->{application} // '') eq 'web' } @{ $sample->{prc} };
	is_deeply([sort map { $_->{name} } @mine], ['grandchild', 'webmain', 'webmain'], 'descendants that were there before');
	my ($sum) = grep { ($_->{application} // '') eq 'web' } @{ $sample->{app_top} };
	is($sum->{processes}, 3, 'its sum counts them');
	is($sum->{memory}, eval { my $m = 0; $m += $_->{memory} for @mine; $m }, 'and adds up their memory');
	my ($child) = grep { $_->{parent} == $main } @mine;
	kill KILL => $child->{pid};
	select undef, undef, undef, 0.01 while process_is_alive($child->{pid});
	my ($grandchild) = grep { $_->{name} eq 'grandchild' } @mine;
	my $row = $s->until_row($grandchild->{pid}, sub { $_[0]{parent} != $child->{pid} });
	is($row && $row->{application}, 'web', 'an orphan stays');
	my $incident = $s->ask('incident web');
	is_deeply([sort map { $_->{name} } grep { $_->{reasons} =~ /application/ } @{ $incident->{incident} }],
		['grandchild', 'webmain', 'webmain'], 'all of them are in an incident, a zombie too');
	$s->take;
	kill KILL => $main, $grandchild->{pid};
	for my $pid ($main, $grandchild->{pid}, $child->{pid}) {
		waitpid $pid, 0;	# orphans are this program's children
		select undef, undef, undef, 0.01 while process_is_alive($pid);
	}
	$s->ask('ended web');
	$incident = $s->ask('incident web');
	my ($gone) = grep { $_->{pid} == $main } @{ $incident->{incident} };
	is($gone && $gone->{state}, 'X', 'one that has just ended is there, with what was known of it');
	is($gone && $gone->{failed}, 'web', 'and which application failed');
	cmp_ok($gone->{memory}, '>', 0, 'its memory');
	$s->take, $s->take;
	is_deeply([grep { defined $_->{application} } @{ $s->take->{app_top} }], [], 'in the end nothing is left of it');
};

subtest 'with cgroups an application is a directory' => sub {
	my $base = Appctl::Test::cgroup_directory() // plan(skip_all => 'needs a cgroup v2 directory to make groups in');
	my $leaf = sprintf 'appctl-%08x', $$;
	my $group = "$base/$leaf/web";
	mkdir $_ or die "$_: $!\n" for "$base/$leaf", $group;
	my $member = child('member', $sleeps);
	spew("$group/cgroup.procs", $member);
	my $s = Appctl::Sampler->new(cgroup => $leaf, vips => ['web'], top => 1000);
	my ($row) = grep { $_->{pid} == $member } @{ $s->take->{prc} };
	is($row && $row->{application}, 'web', 'by its name');
	kill KILL => $member;
	waitpid $member, 0;
	rmdir $group;
	rmdir "$base/$leaf";
};

subtest 'processes come and go while they are looked at' => sub {
	my $s = Appctl::Sampler->new(top => 1000, memory_min => 1, sample_size => 1000);
	my @storms = map { child('storm', "$ready while (1) { my \$p = fork // next; POSIX::_exit(0) unless \$p; waitpid \$p, 0 }", '-MPOSIX') } 1 .. 3;
	my $whole = 0;
	for (1 .. 10) {
		my $sample = $s->take;
		$whole++ if $sample->{node}[0]{processes} > 0 && @{ $sample->{prc} } > 0;
	}
	is($whole, 10, 'no sample is broken');
	kill KILL => @storms;
	waitpid $_, 0 for @storms;
	my $counts = $s->ask('counts');
	cmp_ok($counts->{descriptors}, '<=', 2 * $counts->{known}, 'descriptors are only kept of those that are there');
};

subtest 'the machine' => sub {
	my $s = Appctl::Sampler->new;
	is($s->take->{node}[0]{cpu_user}, undef, 'speeds are not known at first');
	1 for 1 .. 3_000_000;
	my $node = $s->take->{node}[0];
	my ($cpus) = slurp('/proc/cpuinfo') =~ /^processor/m ? scalar(() = slurp('/proc/cpuinfo') =~ /^processor/mg) : $node->{cpus};
	is($node->{cpus}, $cpus, 'processors');
	cmp_ok($node->{cpu_user} + $node->{cpu_system}, '>', 0, 'they work');
	cmp_ok($node->{cpu_user} + $node->{cpu_system}, '<', $cpus + 0.5, 'no more than there are');
	my ($total) = slurp('/proc/meminfo') =~ /^MemTotal:\s+(\d+)/m;
	is($node->{mem_total}, $total * 1024, 'memory');
	cmp_ok($node->{uptime}, '>', 0, 'up for a while');
};

done_testing;
