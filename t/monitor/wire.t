# SPDX-License-Identifier: MIT
# doc/monitor-wire.md has the tables and columns of src/monitor/tables.h, and the MACs that t/unit/challenge.c computes.
use strict;
use warnings;
use Test::More;
use Appctl::Test;

my $header = slurp(top_srcdir() . '/src/monitor/tables.h');
$header =~ s/\\\n/ /g;
my %macro = $header =~ /^#define (\w+)_COLUMNS\(X\)\s+(.*)$/mg;

sub columns {
	my ($name) = @_;
	my @columns;
	while ($macro{$name} =~ /X\((\w+), (\w+)\)|(\w+)_COLUMNS\(X\)/g) {
		push @columns, defined $3 ? columns("$3") : "`$1` " . lc $2;
	}
	return @columns;
}

my ($tables) = $header =~ /^#define MONITOR_TABLES\(X\)\s+(.*)$/m;
my @expected;
while ($tables =~ /X\((\w+), (\w+)\)/g) {
	push @expected, "| `$2` | " . join(', ', columns("$1")) . ' |';
}
cmp_ok(scalar @expected, '>=', 9, 'tables are found');

my $document = slurp(top_srcdir() . '/doc/monitor-wire.md');
is_deeply([$document =~ /^(\| `.*\|)$/mg], \@expected, 'the document has them, in that order');

my $unit = slurp(top_srcdir() . '/t/unit/challenge.c');
my @hex = $document =~ /\b([0-9a-f]{64})\b/g;
is(scalar @hex, 5, 'it has examples');
like($unit, qr/"$_"/, "$_ is computed so") for @hex;

done_testing;
