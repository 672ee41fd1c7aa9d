# SPDX-License-Identifier: MIT
# The power goes: what the spool has taken, and what the database has acknowledged, is there after the next start.  A machine of qemu's with
# an ext4 disk is killed while it writes, and started again; APPCTL_KERNEL=FILE names its kernel, with ext4 and nvme built in.
use strict;
use warnings;
use POSIX ();
use Test::More;
use Time::HiRes ();
use Appctl::Test;

needs_program('qemu-system-x86_64', 'mkfs.ext4', 'ldd');
my $rounds = $ENV{APPCTL_NIGHTLY} ? 10 : 2;
alarm(60 * $rounds * slow_factor());

sub has_built_in {
	my ($kernel) = @_;
	(my $config = $kernel) =~ s/vmlinuz/config/;
	return slurp($config) =~ /^CONFIG_EXT4_FS=y$.*^CONFIG_BLK_DEV_NVME=y$|^CONFIG_BLK_DEV_NVME=y$.*^CONFIG_EXT4_FS=y$/ms;
}
my ($kernel) = defined $ENV{APPCTL_KERNEL} ? $ENV{APPCTL_KERNEL} : grep { -r && has_built_in($_) } glob '/boot/vmlinuz-*';
plan(skip_all => 'needs a kernel with ext4 and nvme built in: APPCTL_KERNEL=FILE') unless defined $kernel;

my $dir = Appctl::Test::scratch_directory();

# --- what the machine starts with: an archive as cpio's newc has it ---
my ($archive, $inode) = ('', 0);

sub put {
	my ($name, $mode, $data) = @_;
	$archive .= sprintf '070701' . '%08x' x 13 . "%s\0", ++$inode, $mode, 0, 0, 1, 0, length $data, 0, 0, 0, 0, 1 + length $name, 0, $name;
	$archive .= "\0" x (-length($archive) % 4) . $data;
	$archive .= "\0" x (-length($archive) % 4);
}

my %put;
sub put_directory {
	my ($name) = @_;
	return if $name eq '' || $put{$name}++;
	put_directory($name =~ s{/?[^/]*$}{}r);
	put($name, 0040755, '');
}

sub put_program {
	my ($from, $to) = @_;
	my ($real) = grep { -x } $from =~ s{([^/]+)$}{.libs/$1}r, $from;
	put($to, 0100755, slurp($real));
	for my $library (run_program('ldd', $real)->{out} =~ m{(/\S+) \(0x}g) {
		next if $put{$library}++;
		(my $name = $library) =~ s{^/}{};
		put_directory($name =~ s{/[^/]*$}{}r);
		put($name, 0100755, slurp($library));
	}
}

put_directory($_) for qw(dev proc disk tmp);
put_program(program('t/cases/powercut'), 'init');
put_program(program('t/monitor/feed'), 'feed');
put('TRAILER!!!', 0, '');
spew("$dir/initrd", $archive);
spew("$dir/disk", '');
truncate "$dir/disk", 64 << 20;
is(run_program('mkfs.ext4', '-q', '-F', "$dir/disk")->{exit}, 0, 'a disk');

# --- the machine ---
sub power_on {
	my ($what, $round) = @_;
	unlink "$dir/console";
	return spawn_program('qemu-system-x86_64', '-M', 'q35,accel=tcg', '-m', 512, '-nographic', '-nodefaults', '-no-reboot', '-kernel', $kernel,
		'-initrd', "$dir/initrd", '-append', "console=ttyS0 quiet no_timer_check panic=-1 powercut=$what round=$round", '-serial', "file:$dir/console",
		'-drive', "if=none,id=d,format=raw,file=$dir/disk", '-device', 'nvme,drive=d,serial=1', { out => "$dir/qemu", err => "$dir/qemu" });
}

sub console { return slurp("$dir/console") =~ s/\r//gr }

sub wait_console {
	my ($match, $pid) = @_;
	my $end = Time::HiRes::time() + 120 * slow_factor();
	while (Time::HiRes::time() < $end) {
		return 1 if console() =~ $match;
		last unless process_is_alive($pid);
		Time::HiRes::sleep(0.05);
	}
	diag("$match does not come: " . console() . slurp("$dir/qemu"));
	return 0;
}

my ($epoch, $added, $stored, $safe, $before) = (0, 0, 0, 0, 1);
for my $round (1 .. $rounds) {
	my $pid = power_on('run', $round);
	ok(wait_console(qr/^added .*^stored alice \d+ \d+ /ms, $pid), "round $round: it writes") or last;
	Time::HiRes::sleep(rand(4));
	kill KILL => $pid;
	Appctl::Test::wait_child($pid, 20);
	my $said = console() =~ s/[^\n]*\z//r;
	unlike($said, qr/^failed/m, '  nothing fails');
	($epoch, $added, $safe) = ($1, $2, $safe + 1) while $said =~ /^added (\d+) (\d+)$/mg;
	my $let = $said =~ /.*^letting \d+ (\d+)$/ms ? $1 + 1 : undef;
	($stored) = $said =~ /.*^stored alice \d+ (\d+) /ms;
	$pid = power_on('check', $round);
	ok(wait_console(qr/^checked$/m, $pid), '  and starts again') or last;
	kill KILL => $pid;
	Appctl::Test::wait_child($pid, 20);
	my $found = console();
	unlike($found, qr/^(failed|wrong|hole)/m, '  all is as it was written');
	my ($first, $last) = $found =~ /^has $epoch (\d+) (\d+)$/m;
	cmp_ok($last // 0, '>=', $added, "  the spool has what was added, up to $added");
	cmp_ok($first // 0, '<=', $let // $before, '  and lacks only what was acknowledged');
	my ($marked) = $found =~ /^marked (\d+)$/m;
	cmp_ok($marked // 0, '>=', $stored, "  the database has what was acknowledged, up to $stored");
	$safe += $stored;
	$before = ($last // 0) + 1;
}
diag("$rounds cuts, $safe batches that were safe, none missing") if Test::More->builder->is_passing;

done_testing;
