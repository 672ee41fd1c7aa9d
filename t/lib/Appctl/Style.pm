# SPDX-License-Identifier: MIT
package Appctl::Style;

# What the tests in t/style share: the tree's files and what stands in them.
use strict;
use warnings;

use Exporter 'import';
use File::Find ();
use Appctl::Test qw(slurp top_srcdir);

our @EXPORT = qw(tree_files code_of slurp top_srcdir);

my @top = qw(src t doc contrib bench conf.d bootstrap .ci README.md CONTRIBUTING.md CHANGELOG.md Makefile.am configure.ac);

# Text files of the project, relative to the top, whose path matches.
sub tree_files {
	my ($match) = @_;
	my $top = top_srcdir();
	my @found;
	for my $start (grep { -e } map { "$top/$_" } @top) {
		File::Find::find({ no_chdir => 1, wanted => sub {
			return if -d || !-T || -l || /\.(o|lo|la|log|trs|Po|Plo|in~)$/ || m{/(\.deps|\.libs|__pycache__)/};
			push @found, substr($_, length($top) + 1);
		} }, $start);
	}
	return grep { !defined $match || $_ =~ $match } sort @found;
}

# C text without comments and strings; line numbers stay.
sub code_of {
	my ($file) = @_;
	my $text = slurp(top_srcdir() . "/$file");
	$text =~ s{(/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')}{
		my $t = $1;
		$t =~ /^["']/ ? substr($t, 0, 1) x 2 : $t =~ tr/\n//cdr;
	}ges;
	return $text;
}

1;
