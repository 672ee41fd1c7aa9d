# SPDX-License-Identifier: MIT
# Ctrl-C in ./bootstrap: at once, with a word about it, with nothing left running, and the next run goes on.  Its tools are
# stand-ins that leave things half made.
use strict;
use warnings;
use Test::More;
use Time::HiRes ();
use Appctl::Test;

my $dir = Appctl::Test::scratch_directory();
run_program('cp', top_srcdir() . '/bootstrap', "$dir/bootstrap");
mkdir "$dir/bin";
spew("$dir/configure.ac", "\n");

# Each notes that it began; the one whose name is in `hang` goes on for ever with its work half done.
my $tool = "#!/bin/sh\nbegin() { echo \"\$1\" >>$dir/began; if [ \"\$(cat $dir/hang)\" = \"\$1\" ]; then sh -c 'echo \$\$ >$dir/sleeper; exec sleep 1000'; fi; }\n";
my %tools = (
	'apt-get' => '', 'dpkg-query' => 'echo installed',
	autoreconf => "cp $dir/bin/fake-configure configure; begin autoreconf; touch Makefile.in",
	'fake-configure' => 'touch Makefile; begin configure; touch config.h',
	make => 'for last; do :; done; case $last in check) begin check; echo all good ;; all) begin compile; [ -e "$2/config.h" ] ;; *) : ;; esac',
);
for my $name (keys %tools) {
	spew("$dir/bin/$name", "$tool$tools{$name}\n");
	chmod 0755, "$dir/bin/$name";
}
my %env = (env => { PATH => "$dir/bin:$ENV{PATH}" }, new_group => 1);

sub until_begun {
	my ($what) = @_;
	my $end = Time::HiRes::time() + 20 * slow_factor();
	Time::HiRes::sleep(0.01) until slurp("$dir/sleeper") =~ /^\d+$/m || Time::HiRes::time() > $end;
	return like(slurp("$dir/began"), qr/^\Q$what\E\n\z/m, "$what has begun");
}

for my $case (['autoreconf', 'generate configure'], ['configure', 'configure build/check'], ['compile', 'compile build/check'], ['check', 'tests in build/check']) {
	my ($step, $doing) = @$case;
	run_program('rm', '-rf', map { "$dir/$_" } qw(build configure Makefile.in));
	spew("$dir/$_", '') for qw(began sleeper);
	spew("$dir/hang", "$step\n");
	my $pid = spawn_program("$dir/bootstrap", 'check', { %env, out => "$dir/out", err => "$dir/err" });
	until_begun($step);
	kill INT => -$pid;
	my $status = Appctl::Test::wait_child($pid, 10);
	is(defined $status ? $status >> 8 : undef, 130, "$step: the exit status") or diag($status // 'it goes on');
	like(slurp("$dir/err"), qr/^bootstrap: interrupted \(\Q$doing\E\); run it again to go on$/m, '  it says where');
	my ($sleeper) = slurp("$dir/sleeper") =~ /(\d+)/;
	my $end = Time::HiRes::time() + 5 * slow_factor();
	Time::HiRes::sleep(0.01) while process_is_alive($sleeper) && Time::HiRes::time() < $end;
	ok(!process_is_alive($sleeper), '  nothing of it goes on');
	spew("$dir/$_", '') for qw(began err);
	spew("$dir/hang", "none\n");
	my $r = run_program("$dir/bootstrap", 'check', \%env);
	is($r->{exit}, 0, '  the next run succeeds') or diag($r->{out}, $r->{err});
	like(slurp("$dir/began"), qr/^\Q$step\E$/m, '  and does that step again');
}

done_testing;
