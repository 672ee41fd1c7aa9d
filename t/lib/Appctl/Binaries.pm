# SPDX-License-Identifier: MIT
package Appctl::Binaries;

# Programs of other versions: what was built, with bytes changed, in a directory of its own.
#
#     install($dir, $new_version);                      # appctld and what it starts
#     my $node = Appctl::Test->new(program => "$dir/appctld", env => { APPCTL_LIBEXECDIR => undef }, ...);
#     put($dir, 'appctl-engine', bytes_of('appctl-engine') =~ s/…/…/r);
use strict;
use warnings;
use Appctl::Test;
use Exporter 'import';

our @EXPORT = qw(put bytes_of install real_version other_version);

sub real_version { (slurp(top_builddir() . '/config.h') =~ /^#define PACKAGE_VERSION "(.*)"/m)[0] }
sub other_version { '9' x length real_version() }	# a binary keeps its length

# As a package manager does: a new file takes the old one's name.
sub put {
	my ($dir, $name, $text, $mode) = @_;
	spew("$dir/$name.new", $text);
	chmod $mode // 0755, "$dir/$name.new";
	rename "$dir/$name.new", "$dir/$name" or die "$dir/$name: $!";
}

sub bytes_of {
	my ($name, $version) = @_;
	my $text = slurp(program($name));
	my $real = real_version();
	$text =~ s/(?<![.\d])\Q$real\E(?=[\0\n"])/$version/g if defined $version;
	return $text;
}

sub install {
	my ($dir, $version) = @_;
	put($dir, $_, bytes_of($_, $version)) for qw(appctld appctl-engine);
	put($dir, $_, bytes_of($_)) for qw(appctl-probe appctl-lookup);
}

1;
