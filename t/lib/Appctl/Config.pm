# SPDX-License-Identifier: MIT
package Appctl::Config;

# Configurations written by a test, and what `appctl-engine --check` says of them.
use strict;
use warnings;

use Exporter 'import';
use File::Path qw(make_path);
use File::Temp ();
use JSON::PP;
use Test::More;
use Appctl::Test;

our @EXPORT = qw(config check model refused);

my @directories;

# config($text, 'NAME.conf' => $text, …): the main file's path; the others become drop-ins.  '': nothing but a comment.
sub config {
	my ($main, %drop_ins) = @_;
	my $dir = File::Temp->newdir;
	push @directories, $dir;
	chmod 0755, "$dir";
	$_ = "#\n" for grep { $_ eq '' } $main, values %drop_ins;
	spew("$dir/appctld.conf", $main);
	make_path("$dir/conf.d") if %drop_ins;
	spew("$dir/conf.d/$_", $drop_ins{$_}) for keys %drop_ins;
	chmod 0755, "$dir/conf.d" if %drop_ins;
	chmod 0644, "$dir/appctld.conf", map { "$dir/conf.d/$_" } keys %drop_ins;
	return "$dir/appctld.conf";
}

sub check {
	my ($path, @options) = @_;
	my $o = ref $options[-1] eq 'HASH' ? pop @options : {};
	return run_program(program('appctl-engine'), '--check', @options, '-c', $path, $o);
}

# The effective model; fails the test where the configuration is refused.
sub model {
	my ($path) = @_;
	my $r = check($path, '--json');
	is($r->{exit}, 0, 'accepted') or diag($r->{err});
	return $r->{exit} == 0 ? JSON::PP->new->utf8->decode($r->{out}) : {};
}

# What is said of a configuration that must be refused, a line each, without the directory.
sub refused {
	my ($path) = @_;
	my $r = check($path);
	my ($dir) = $path =~ m{^(.*)/};
	fail("refused with 2, not $r->{exit}, signal $r->{signal}") if ($r->{exit} // -1) != 2;
	return [map { s/\Q$dir\E\///gr } split /\n/, $r->{err}];
}

1;
