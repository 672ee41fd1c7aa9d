# SPDX-License-Identifier: MIT
# Every header can be included alone and says nothing twice.
use strict;
use warnings;
use Test::More;
use Appctl::Style;
use Appctl::Test;

my $cc = $ENV{CC} || 'cc';
my @flags = split ' ', run_program('pkg-config', '--cflags', 'jansson', 'libconfig', 'smartcols', 'gnutls', 'nettle', 'libpq', 'sqlite3')->{out} // '';

for my $file (tree_files(qr{^src/.*\.h$})) {
	like(slurp(top_srcdir() . "/$file"), qr/^#pragma once$/m, "$file is included once") unless $file =~ m{^src/lib/appctl\.h$};
	my $r = run_program((split ' ', $cc), '-std=gnu11', '-D_GNU_SOURCE', '-fsyntax-only', '-Wall',
		'-Wno-unused-function', '-Werror', @flags, '-I' . top_srcdir() . '/src', '-include', top_srcdir() . "/$file", '-x', 'c', '/dev/null');
	is($r->{exit}, 0, "$file can be included alone") or diag($r->{err});
}

done_testing;
