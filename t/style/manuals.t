# SPDX-License-Identifier: MIT
# Every manual page becomes a page that mandoc has nothing to say against.
use strict;
use warnings;
use Test::More;
use Appctl::Style;
use Appctl::Test;

needs_program('scdoc', 'mandoc');

for my $file (tree_files(qr{^doc/.*\.scd$})) {
	my $page = run_program('scdoc', { stdin => slurp(top_srcdir() . "/$file") });
	is($page->{exit}, 0, "$file is scdoc") or diag($page->{err});
	my $lint = run_program('mandoc', '-T', 'lint', '-W', 'error', { stdin => $page->{out} });
	is($lint->{exit}, 0, "$file is a manual page") or diag($lint->{out});
}

done_testing;
