# SPDX-License-Identifier: MIT
# The samples in conf.d/ and the examples in appctld.conf(5) are valid, and that page has every key.
use strict;
use warnings;
use Test::More;
use Appctl::Config;
use Appctl::Test;

my $top = top_srcdir();

# A copy, since a source tree may belong to somebody else.
sub copied {
	my ($dir) = @_;
	return config(slurp("$dir/appctld.conf"), map { (m{([^/]+)$} => slurp($_)) } glob "$dir/conf.d/*.conf");
}

is(check(copied("$top/conf.d"))->{out}, "configuration is valid: 4 applications, 2 roles, 2 modes\n", 'conf.d/appctld.conf');
my $m = model(copied("$top/conf.d/app_ctrl"));
is_deeply($m->{roles}, {
	active => [qw(aechannel aecore aehttp aestratum)], basic => ['setup'], mining_tools => [qw(aeminer aestratum)],
}, 'conf.d/app_ctrl: its roles');
is_deeply($m->{modes}, { normal => [qw(active basic)], maintenance => ['basic'], development => [qw(active basic mining_tools)] },
	'and its modes');

# --- the page ---
my $page = slurp("$top/doc/appctld.conf.5.scd");
my ($main, $name, @checked);
for my $example ($page =~ /^```\n(.*?)^```$/msg) {
	my ($drop_in) = $example =~ m{^# conf\.d/(\S+)};
	$main = $example unless $drop_in;
	my $r = check(config($main, $drop_in ? ($drop_in => $example) : ()));
	is($r->{exit}, 0, 'an example that begins ' . ($example =~ /^(.*)/)[0]) or diag($r->{err});
	push @checked, $example;
}
cmp_ok(scalar @checked, '>=', 8, 'there are examples');
for my $source ("$top/src/core/schema.c", "$top/src/core/merge.c") {
	my ($table) = slurp($source) =~ /(?:key app_keys\[\] = |top_keys\[\] = )\{\n(.*?)\n\};/s;
	$table //= (slurp($source) =~ /\} top_keys\[\] = \{\n(.*?)\n\};/s)[0];
	my @keys = $table =~ /^\t\{ (?:\.name = )?"(\w+)"/mg;
	cmp_ok(scalar @keys, '>', 10, 'keys are found');
	my @missing = grep { $page !~ /\*\Q$_\E\*/ } @keys;
	is("@missing", '', 'and the page has each');
}
my ($limits) = slurp("$top/src/core/names.c") =~ /limits\[\] = \{(.*?)\};/s;
is_deeply([sort $limits =~ /"(\w+)"/g], [sort split /,\s*/, ($page =~ /setrlimit\*\(2\): (.*?)\. A value/s)[0]], 'and each limit');

done_testing;
