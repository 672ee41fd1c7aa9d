# SPDX-License-Identifier: MIT
# How text looks: licence tags, lengths, nothing left undone, nothing that only one machine has.
use strict;
use warnings;
use Test::More;
use Appctl::Style;
use Appctl::Test;

my @sources = tree_files(qr/\.(c|h|pm|t|py|mk)$|^(bootstrap|configure\.ac|Makefile\.am)$/);
ok(@sources > 20, 'sources are found');

for my $file (@sources) {
	my $text = slurp(top_srcdir() . "/$file");
	my @lines = split /\n/, $text;
	like(join("\n", @lines[0 .. ($#lines > 3 ? 3 : $#lines)]), qr/SPDX-License-Identifier: MIT/, "$file names its licence");
	cmp_ok(scalar @lines, '<=', 700, "$file is one module");
	unlike($text, qr/[ \t]+$/m, "$file has no blanks at the end of a line");
	like($text, qr/\n\z/, "$file ends with a newline");
}

my $undone = join '|', map { scalar reverse } qw(ODOT EMXIF XXX);
# Directories that belong to somebody's machine.
my $private = qr{(?:^|[\s"'(`=])/(work|home|root|mnt|media|Users)/};

for my $file (tree_files()) {
	my $n = 0;
	my @undone;
	my @paths;
	for (split /\n/, slurp(top_srcdir() . "/$file")) {
		$n++;
		push @undone, "$file:$n" if /\b($undone)\b/ && $file ne 't/style/text.t';
		push @paths, "$file:$n: /$1" if /$private/ && $file ne 't/style/text.t';
	}
	is("@undone", '', "$file leaves nothing undone");
	is("@paths", '', "$file names no private path");
}

SKIP: {
	skip 'needs ctags', 1 unless grep { -x "$_/ctags" } split /:/, $ENV{PATH};
	for my $file (tree_files(qr{^(src|t)/.*\.c$})) {
		my $r = run_program('ctags', '--language-force=C', '--c-kinds=f', '--fields=+ne', '-f', '-', top_srcdir() . "/$file");
		my @long;
		for (split /\n/, $r->{out}) {
			my ($start, $end) = (/\bline:(\d+)/ ? $1 : 0, /\bend:(\d+)/ ? $1 : 0);
			push @long, (split /\t/)[0] . ': ' . ($end - $start) if $end - $start > 100;
		}
		is("@long", '', "$file: no function is longer than 100 lines");
	}
}

done_testing;
