# SPDX-License-Identifier: MIT
# doc/cases.md and doc/otp.md: each row names its tests, and each test that it names exists.
use strict;
use warnings;
use Test::More;
use Appctl::Style;

# "t/x/y.t; t/x/z.t: a subtest of it, or how its name begins"
sub check_tests {
	my ($row, $tests) = @_;
	for my $test (split /; /, $tests) {
		my ($file, $part) = $test =~ /^(\S+?)(?:: (.+))?$/;
		my $text = slurp(top_srcdir() . "/$file");
		ok($text ne '', "$row: $file is there") or next;
		next unless defined $part;
		(my $quoted = $part) =~ s/'/\\'/g;
		my $found = grep { index($text, $_) >= 0 } "subtest '$quoted", "subtest \"$part", "\n$part(";
		ok($found, "$row: $file has '$part'");
	}
}

my $rows = 0;
for (split /\n/, slurp(top_srcdir() . '/doc/cases.md')) {
	my ($row, $tests) = /^\| ([A-Z]\d+) \| .* \| .* \| (.+) \|$/ or next;
	$rows++;
	check_tests($row, $tests);
}
cmp_ok($rows, '>', 45, 'rows are found');

$rows = 0;
for (split /\n/, slurp(top_srcdir() . '/doc/otp.md')) {
	my ($row, $tests) = /^\| (.*?) \| .* \| (t\/.+) \|$/ or next;
	$rows++;
	check_tests($row, $tests);
}
cmp_ok($rows, '>', 35, 'and of the document on distribution');
done_testing;
