# SPDX-License-Identifier: MIT
# Includes go one way, and every outside thing has one place that touches it.
use strict;
use warnings;
use Test::More;
use Appctl::Style;

# Each folder may include from itself and from these.
my @programs = qw(appctld engine lib appctl probe lookup producer consumer setup node tasks);
my %may_include = (
	base => [],
	core => [qw(base)],
	wire => [qw(base core)],
	conf => [qw(base core wire)],
	sys => [qw(base core wire)],
	loop => [qw(base)],
	serve => [qw(base wire loop)],
	mail => [qw(base core wire)],
	monitor => [qw(base core wire)],
	net => [qw(base core wire loop)],
	store => [qw(base core monitor)],
	job => [qw(base core loop lib)],
	map { $_ => [qw(base core wire conf sys loop)] } @programs,
);
push @{ $may_include{engine} }, 'serve';
push @{ $may_include{appctl} }, qw(lib monitor store);
push @{ $may_include{$_} }, qw(lib monitor net store) for qw(producer consumer);
push @{ $may_include{node} }, qw(lib mail net job);
push @{ $may_include{tasks} }, qw(lib job serve monitor);

push @{ $may_include{setup} }, qw(monitor consumer producer);	# the settings of what it sets up

for my $file (tree_files(qr{^src/.*\.[ch]$})) {
	my ($folder) = $file =~ m{^src/(\w+)/};
	my $allowed = $may_include{$folder};
	ok($allowed, "$file: a folder that t/style/layers.t knows") or next;
	my $text = slurp(top_srcdir() . "/$file");
	while ($text =~ m{^\s*#\s*include\s+"(?:(\w+)/)?([\w.]+)"}mg) {
		my $from = $1 // $folder;
		ok((grep { $_ eq $from } $folder, @$allowed), "$file may include $from/$2") unless "$2" eq 'config.h';
	}
}

# What only that folder may do: a pattern over code without comments and strings.
my %only = (
	sys => qr/(?<![\w.>])(v?fork|clone3?|execv\w*|execl\w*|fexecve|posix_spawnp?|system|popen|kill|killpg|tgkill|raise
		|wait|waitpid|waitid|wait3|wait4|pidfd_open|pidfd_send_signal)\s*\(/x,
	loop => qr/\b(ev_\w+_(?:start|stop|init)|ev_run|ev_break)\s*\(/,
	conf => qr/\bconfig_(read\w*|init|lookup\w*|setting_\w+)\s*\(/,
);
my %header = (loop => qr/^ev\.h$/, net => qr{^(wslay/|gnutls/)}, store => qr{^(sqlite3|libpq-fe)\.h}, wire => qr{^nettle/}, conf => qr/^libconfig\.h$/, probe => qr{^curl/}, appctl => qr{^libsmartcols});

for my $file (tree_files(qr{^src/.*\.[ch]$})) {
	my ($folder) = $file =~ m{^src/(\w+)/};
	my $code = code_of($file);
	for my $place (sort keys %only) {
		next if $place eq $folder;
		my @found;
		my $line = 0;
		for (split /\n/, $code) {
			$line++;
			push @found, "$file:$line: $1()" if /$only{$place}/;
		}
		is("@found", '', "$file leaves to $place what is its");
	}
	my $text = slurp(top_srcdir() . "/$file");
	while ($text =~ m{^\s*#\s*include\s+<([^>]+)>}mg) {
		my $included = $1;
		for my $place (grep { $included =~ $header{$_} } keys %header) {
			next if $place eq 'probe' && $file eq 'src/producer/otlp.c';	# the other HTTP client
			is($folder, $place, "$file: only $place includes <$included>");
		}
	}
}

# Pure folders do not even name what would ask the outside.
for my $file (tree_files(qr{^src/(core|wire|monitor)/.*\.[ch]$})) {
	my @found = slurp(top_srcdir() . "/$file") =~ m{^\s*#\s*include\s+<((?:unistd|fcntl|time|poll|sys/(?!types|wait|resource)\w+)\.h)>}mg;
	is("@found", '', "$file includes nothing that asks the outside");
	unlike(code_of($file), qr/\blog_(write|enabled)\s*\(/, "$file logs nothing");
}

done_testing;
