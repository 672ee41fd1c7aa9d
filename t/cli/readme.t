# SPDX-License-Identifier: MIT
# README's first configuration and the commands after it do what README shows.
use strict;
use warnings;
use Test::More;
use Appctl::Test;

needs_program('python3');

my $readme = slurp(top_srcdir() . '/README.md');
my ($config) = $readme =~ /^```conf\n(.*?)^```$/ms or die "README.md shows no configuration\n";
my ($console) = $readme =~ /^```console\n(.*?)^```$/ms or die "README.md shows no commands\n";
my @steps = $console =~ /^\$ (appctl .*\n(?:(?!\$ ).*\n)*)/mg;
my $node = Appctl::Test->new(node => 'vm');
my $port = free_port();
$config =~ s{/tmp/hello}{\@DIR\@/hello}g;
$config =~ s{\b8000\b}{$port}g;
$node->config($config);
$node->start;
$node->wait_event({ event => 'mode_stable' });

# Numbers, times and the width of columns differ from run to run.
sub shape {
	my ($text) = @_;
	my $path = $node->config_file;
	$text =~ s/\Q$path\E/appctld.conf/g;
	$text =~ s/\d+(\.\d+)? m?s\b/N s/g;
	$text =~ s/(?<=[ ])\d+(?=\s)/N/g;
	$text =~ s/ +/ /g;
	$text =~ s/ $//mg;
	return $text;
}

ok(@steps > 3, 'commands are found');
for my $step (@steps) {
	my ($line, $expected) = $step =~ /^appctl ([^\n]*)\n(.*)\z/s;
	my @args = map { $_ eq 'appctld.conf' ? $node->config_file : $_ } split ' ', $line;
	my $r = $node->appctl(@args);
	is($r->{exit}, 0, "appctl $line") or diag($r->{err});
	is(shape($r->{out}), shape($expected), '  prints what is shown');
}

done_testing;
