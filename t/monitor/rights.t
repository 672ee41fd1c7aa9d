# SPDX-License-Identifier: MIT
# What a sampler sees of other users' processes: without rights, with the least of them, and where /proc hides them.
use strict;
use warnings;
use Test::More;
use Appctl::Sampler;
use Appctl::Test;

needs_root();
needs_program('setpriv', 'unshare');
my $dir = File::Temp::tempdir('appctl-XXXXXXXX', DIR => '/tmp', CLEANUP => 1);
chmod 0755, $dir;
my $sample = program('t/monitor/sample');
plan(skip_all => 'what was built is not for everyone to read')
	if run_program(qw(setpriv --reuid 65534 --regid 65534 --clear-groups --), $sample, { timeout => 5 })->{exit} != 0;

my $other = spawn_program($^X, '-e', "\$| = 1; \$0 = 'other'; open \$f[\$_], '<', '/dev/null' for 1 .. 30; print 1; sleep 1000", { out => "$dir/out" });
process_is_there("$dir/out") or die;

sub sampler_with {
	my (@caps) = @_;
	my $list = join ',', map { "+$_" } @caps;
	my @with = @caps ? ('--inh-caps', $list, '--ambient-caps', $list) : ();
	return Appctl::Sampler->new(before => [qw(setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs), @with, '--'], vips => ['other']);
}

sub row_of { my ($s) = @_; $s->take; return $s->until_row($other, sub { 1 }) }

subtest 'without rights' => sub {
	my $row = row_of(sampler_with()) or return fail('is there');
	cmp_ok($row->{memory}, '>', 0, 'memory');
	is($row->{cpu}, 0, 'processor');
	is($row->{threads}, 1, 'threads');
	is($row->{uid}, 0, 'user');
	like($row->{command}, qr/^other/, 'command');
	cmp_ok($row->{descriptors} // 33, '>=', 33, 'descriptors, where the kernel says how many there are without showing them');
	is($row->{$_}, undef, "no $_") for qw(io_read io_written waits_in);
};

subtest 'with CAP_SYS_PTRACE' => sub {
	my $row = row_of(sampler_with('sys_ptrace')) or return fail('is there');
	like($row->{waits_in} // '', qr/nanosleep|hrtimer/, 'what it waits in');
};

subtest 'with CAP_DAC_READ_SEARCH too' => sub {
	my $row = row_of(sampler_with('sys_ptrace', 'dac_read_search')) or return fail('is there');
	is($row->{io_read}, 0, 'what it reads') or diag(explain($row));
	is($row->{io_written}, 0, 'what it writes');
};

subtest 'where /proc hides others' => sub {
	my $hidden = "mount -t proc -o hidepid=2 proc /proc && exec \"\$@\"";
	plan(skip_all => 'cannot mount /proc so') if system('unshare', '--mount', 'sh', '-c', $hidden, 'sh', 'true') != 0;
	my @before = ('unshare', '--mount', 'sh', '-c', $hidden, 'sh', qw(setpriv --reuid 65534 --regid 65534 --clear-groups));
	my $s = Appctl::Sampler->new(before => [@before, '--'], vips => ['other', 'sample'], top => 1000, memory_min => 1);
	$s->take;
	my $sample = $s->take;
	is_deeply([grep { $_->{pid} == $other } @{ $sample->{prc} }], [], 'it is not there');
	ok((grep { $_->{name} eq 'sample' } @{ $sample->{prc} }), 'what is ours is');
	my $caps = '+sys_ptrace';
	$s = Appctl::Sampler->new(before => [@before, '--inh-caps', $caps, '--ambient-caps', $caps, '--'], vips => ['other']);
	ok(row_of($s), 'with CAP_SYS_PTRACE it is');
};

done_testing;
