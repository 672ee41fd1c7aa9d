# SPDX-License-Identifier: MIT
# doc/cases.md: each row names its tests, and each test that it names exists.
use strict;
use warnings;
use Test::More;
use Appctl::Style;

my $rows = 0;
for (split /\n/, slurp(top_srcdir() . '/doc/cases.md')) {
	my ($row, $tests) = /^\| ([A-Z]\d+) \| .* \| .* \| (.+) \|$/ or next;
	$rows++;
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
cmp_ok($rows, '>', 45, 'rows are found');
done_testing;
