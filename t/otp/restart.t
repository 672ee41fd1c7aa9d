# SPDX-License-Identifier: MIT
# Restart intensity against OTP's own supervisor, in virtual time.
use strict;
use warnings;
use Test::More;
use Appctl::Test;

needs_program('erl', 'erlc');
my ($source) = glob '/usr/lib/erlang/lib/stdlib-*/src/supervisor.erl';
plan(skip_all => "needs the source of OTP's supervisor (package erlang-src)") unless defined $source;

my $n = $ENV{APPCTL_TEST_HISTORIES} || 10000;
my $dir = Appctl::Test::scratch_directory();

# The one call for the time, and its own name: the real one goes on serving the rest of OTP.
my $text = slurp($source);
$text =~ s/-include\("logger.hrl"\)/-include_lib("kernel\/include\/logger.hrl")/;
is($text =~ s/erlang:monotonic_time\(1\)/oracle:now()/g, 1, 'OTP asks for the time in one place');
$text =~ s/-module\(supervisor\)/-module(otp_supervisor)/;
$text =~ s/(gen_server:start_link\((?:SupName, )?)supervisor,/$1otp_supervisor,/g;
spew("$dir/otp_supervisor.erl", $text);
my $r = run_program('erlc', '-o', $dir, "$dir/otp_supervisor.erl", top_srcdir() . '/t/otp/oracle.erl', { timeout => 60 });
is($r->{exit}, 0, 'it compiles') or diag($r->{out}, $r->{err});

my $histories = run_program(top_builddir() . '/t/otp/histories', 1, $n)->{out};
my $ours = run_program(top_builddir() . '/t/otp/histories', { stdin => $histories })->{out};
my $otps = run_program('erl', '-noshell', '-pa', $dir, '-s', 'oracle', 'main', { stdin => $histories, timeout => 300, env => { HOME => $dir } })->{out};
my @ours = split /\n/, $ours;
my @otps = split /\n/, $otps;
my @histories = split /\n/, $histories;
is(scalar @otps, $n, "OTP judged $n histories");
my @differ = grep { $ours[$_] ne ($otps[$_] // 'nothing') } 0 .. $#ours;
is(scalar @differ, 0, 'and appctl judges each of them the same') or diag(map { "$histories[$_]: $ours[$_], OTP $otps[$_]\n" } @differ[ 0 .. ($#differ > 4 ? 4 : $#differ) ]);
cmp_ok(scalar(grep { $_ > 0 } @ours), '>', $n / 5, 'many of them give up');
done_testing;
