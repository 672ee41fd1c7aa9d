# SPDX-License-Identifier: MIT
# Files that somebody broke, by accident or on purpose.
use strict;
use warnings;
use File::Path qw(make_path);
use Test::More;
use POSIX ();
use Time::HiRes qw(time);
use Appctl::Config;
use Appctl::Test;

# --- cut at every byte: accepted where what is left is a configuration, else refused with a place ---
my $whole = <<'END';
# a comment
node = "alice"; default_mode = "normal";
applications: { db: { command = ["/bin/sleep", "9"]; shutdown = 1.5; limits: { nofile = [0x10, 64]; }; };
  web: { command = "true"; applications = ( { name = "db"; on_exit = "stop"; } ); }; };
roles: { basic = ["db", "web"]; }; /* another */ modes: { normal = ["basic"]; };
END
my $empty = config('');
spew($empty, '');
is_deeply(refused($empty), ['appctld.conf: file is empty (where nothing is meant, write a comment)'], 'a file without a byte is refused');
my $step = slow_factor() > 1 ? 11 : 1;
my @odd;
for (my $n = 0; $n < length $whole; $n += $step) {
	my $r = check(config(substr $whole, 0, $n));
	my $exit = $r->{exit} // "signal $r->{signal}";
	push @odd, "$n: $exit $r->{err}" unless $exit eq '0' || $exit eq '2' && $r->{err} =~ /^\S*appctld\.conf:[1-9]\d*: /;
}
is("@odd", '', 'every cut is accepted or refused with file and line');
is(check(config($whole))->{exit}, 0, 'the whole is accepted');

# --- bytes, depth, size ---
is_deeply(refused(config("node = \"a\";\n\0")), ['appctld.conf:2: NUL byte'], 'a NUL byte');
is_deeply(refused(config("node = \"a\";\n# \xff\xfe\n")), ['appctld.conf:2: text is no UTF-8'], 'bad UTF-8');
is_deeply(refused(config('a = ' . '(' x 1_000_000)), ['appctld.conf:1: nested too deeply'], 'a million levels deep');
is_deeply(refused(config('a = ' . '{ a = ' x 500_000)), ['appctld.conf:1: nested too deeply'], 'groups too');

sub sparse {
	my ($path, $size) = @_;
	truncate($path, $size) or die "$path: $!\n";
}
{
	my $big = config('');
	sparse($big, 100 * 1024 * 1024);
	my $r;
	if (slow_factor() > 1) {
		$r = check($big);	# sanitizers want their address space
	} else {
		$r = run_program('/bin/sh', '-c', 'ulimit -v 65536; exec "$@"', 'sh', program('appctl-engine'), '--check', '-c', $big);
	}
	like($r->{err}, qr/appctld\.conf: file is too large \(the limit is 4 MiB\)$/, 'a file of 100 MB is not even read');
	my $many = config('', map { ("$_.conf" => '# ' . 'x' x (3 * 1024 * 1024) . "\n") } 'a' .. 'm');
	my $said = refused($many);
	like($said->[0], qr/all files together are too large/, 'nor many that are large together');
}

# --- @include ---
for my $secret ('../../secret', '/etc/shadow', 'appctld.conf') {
	is_deeply(refused(config("node = \"a\";\n\@include \"$secret\"\n")),
		['appctld.conf:2: @include is not supported (drop-ins in conf.d/ do its job)'], "no \@include of $secret");
}
{
	my $secret = config("root:\$6\$topsecret:1::\nmore = \"topsecret\n");
	my $r = check($secret);
	unlike($r->{err} . $r->{out}, qr/topsecret/, 'what stands in a file that is no configuration is not quoted');
}

# --- numbers ---
for my $n (qw(2147483648 -2147483649 99999999999999999999 0xffffffff 9223372036854775808L)) {
	like(refused(config("applications: {\n a: { command = \"x\"; intensity = $n; }; };"))->[0],
		qr/^appctld\.conf:2: applications\.a\.intensity: number is out of range/, "$n does not wrap");
}
like(refused(config('applications: { a: { command = "x"; shutdown = 1e99; }; };'))->[0], qr/applications\.a\.shutdown: must be from 0/, '1e99 seconds');
like(refused(config('applications: { a: { command = "x"; shutdown = -1; }; };'))->[0], qr/applications\.a\.shutdown: must be from 0/, '-1 seconds');

# --- names ---
for my $name ('../x', '-a', '9a', 'a.b', "a\\x1b[31m", 'x' x 64, 'y' x 4096, 'add', '') {
	my $said = refused(config("applications = ( { name = \"$name\"; } );"))->[0];
	like($said, qr/is no name \(letters, digits/, 'no name: ' . substr $name, 0, 20);
	unlike($said, qr/[\x00-\x1f]/, 'and no terminal is told to do anything');
	cmp_ok(length $said, '<', 400, 'in few words');
}
is(check(config('applications: { ' . 'x' x 63 . ': { }; };'))->{exit}, 0, 'a name of 63 bytes is one');

# --- ten thousand applications ---
# The time of the processor that children have had: others may be busy here.
sub spent { my (undef, undef, $user, $system) = times; return $user + $system }
sub many {
	my ($i) = @_;
	my $needs = join ', ', map { sprintf '"app%05d"', $i - $_ } grep { $_ <= $i } 1, 7, 50, 300, 2000;
	return "command = [\"/bin/sleep\", \"$i\"]; applications = [$needs];";
}
{
	my $list = config("applications = (\n" . join(",\n", map { sprintf '{ name = "app%05d"; %s }', $_, many($_) } 0 .. 9999) . "\n);\n");
	my $start = spent();
	my $r = check($list, { timeout => 60 });
	my $took = spent() - $start;
	is($r->{out}, "configuration is valid: 10000 applications, 0 roles, 0 modes\n", '10,000 applications with 50,000 edges');
	cmp_ok($took, '<', 2 * slow_factor(), sprintf 'in under 2 s (%.2f)', $took);
	my $group = config("applications: {\n" . join("\n", map { sprintf 'app%05d: { %s };', $_, many($_) } 0 .. 9999) . "\n};\n");
	$start = spent();
	$r = check($group, { timeout => 60 });
	$took = spent() - $start;
	is($r->{out}, "configuration is valid: 10000 applications, 0 roles, 0 modes\n", 'as one group');
	cmp_ok($took, '<', 2 * slow_factor(), sprintf 'in under 2 s (%.2f)', $took);
	my $files = config('', map { (sprintf('app%05d.conf', $_) => sprintf(
		"applications: { app%05d: { %s }; };\nmodify: { roles: { all = ( \"join\" ); }; };\n", $_, many($_))) } 0 .. 9999);
	$start = spent();
	$r = check($files, { timeout => 60 });
	$took = spent() - $start;
	is($r->{out}, "configuration is valid: 10000 applications, 1 roles, 0 modes\n", 'as 10,000 drop-ins');
	cmp_ok($took, '<', 2 * slow_factor(), sprintf 'in under 2 s (%.2f)', $took);
	my $wrong = config("applications = (\n" . join(",\n", map { "{ name = \"app$_\"; applications = [\"nobody$_\"]; }" } 0 .. 9999) . "\n);\n");
	$start = spent();
	$r = check($wrong, { timeout => 60 });
	like($r->{err}, qr/^and 9000 more$/m, '10,000 errors: a thousand are said, the rest counted');
	cmp_ok(spent() - $start, '<', 5 * slow_factor(), 'without a search for each');
}

# --- who may write it ---
{
	my $path = config('', 'a.conf' => '');
	my ($dir) = $path =~ m{^(.*)/};
	for ([$path, 0646, 'everyone'], ["$dir/conf.d/a.conf", 0646, 'everyone'], ["$dir/conf.d", 0757, 'everyone']) {
		my ($what, $mode, $who) = @$_;
		my $before = (stat $what)[2] & 07777;
		chmod $mode, $what;
		is_deeply(refused($path), [$what =~ s/\Q$dir\E\///r . ": can be written by $who (chmod o-w)"], sprintf 'mode %04o of %s', $mode, $what =~ s/.*\///r);
		chmod $before, $what;
	}
	is(check($path)->{exit}, 0, 'accepted when it is right');
	mkdir "$dir/fifo";
	make_path("$dir/fifo/conf.d");
	POSIX::mkfifo("$dir/fifo/appctld.conf", 0644);
	like(check("$dir/fifo/appctld.conf")->{err}, qr/is no regular file/, 'a FIFO holds nobody up');
	like(check($dir)->{err}, qr/is no regular file/, 'a directory is no file');
	unlink "$dir/conf.d/a.conf";
	rmdir "$dir/conf.d";
	spew("$dir/conf.d", '');
	like(check($path)->{err}, qr{conf\.d: cannot open: Not a directory}, 'a file is no directory');
}

SKIP: {
	skip 'needs root', 6 if $> != 0;
	my $path = config('', 'a.conf' => '');
	my ($dir) = $path =~ m{^(.*)/};
	chown 65534, 65534, "$dir/conf.d/a.conf";
	is_deeply(refused($path), ['conf.d/a.conf: belongs to someone who is neither root nor this user (chown it)'], 'a drop-in of somebody else');
	my $chain = "$dir/conf.d/a.conf";
	chown 0, 0, $chain;
	chown 65534, 65534, "$dir/conf.d";
	is_deeply(refused($path), ['conf.d: belongs to someone who is neither root nor this user (chown it)'], 'a directory of somebody else');
	chown 0, 0, "$dir/conf.d";
	chmod 0664, $chain;
	is_deeply(refused($path), ['conf.d/a.conf: can be written by its group (chmod g-w)'], 'root\'s file and a group');
	chmod 0644, $chain;
	SKIP: {
		skip 'the build directory is closed to others', 3
			if run_program('/bin/sh', '-c', 'test -x "$1"', 'sh', program('appctl-engine'), { uid => 65534 })->{exit} != 0;
		is(check($path, { uid => 65534 })->{exit}, 0, 'an ordinary user reads what root owns');
		chown 65534, 65534, $path;
		chmod 0664, $path;
		is(check($path, { uid => 65534 })->{exit}, 0, 'and what is his own, with a group of his own');
		chown 1, 1, $path;
		like(check($path, { uid => 65534 })->{err}, qr/belongs to someone who is neither root nor this user/, 'but not a third one\'s');
	}
}

done_testing;
