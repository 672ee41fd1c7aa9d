# SPDX-License-Identifier: MIT
# t/nightly.list has all fuzz targets, and what it names is there; what is built to be installed has the places that README names.
use strict;
use warnings;
use Test::More;
use Appctl::Style;
use Appctl::Test;

my %command = slurp(top_srcdir() . '/t/nightly.list') =~ /^([\w-]+)\t(.+)$/mg;
my @targets = map { m{/(\w+)\.c$} } grep { slurp($_) =~ /^LLVMFuzzerTestOneInput/m } glob top_srcdir() . '/t/fuzz/*.c';
cmp_ok(scalar @targets, '>', 10, 'targets are found');
for (@targets) {
	like($command{"fuzz-$_"} // '', qr{/t/fuzz/run .* \Q$_\E$}, "$_ is fuzzed at night");
}
for my $name (sort keys %command) {
	my ($file) = $command{$name} =~ m{\$top_srcdir/(\S+)} or next;
	ok(-e top_srcdir() . "/$file", "$name: $file is there");
}

# A drop-in is copied to /etc/appctl, and keeps its files in /var/lib: other directories are never looked into.
for my $file (qw(README.md bootstrap contrib/container/Containerfile)) {
	my @build = grep { /--sysconfdir/ } split /\n/, slurp(top_srcdir() . "/$file");
	ok(@build > 0, "$file says how it is built");
	like($_, qr{--sysconfdir=/etc --localstatedir=/var\b}, "$file: both directories are the documented ones") for @build;
}
done_testing;
