# SPDX-License-Identifier: MIT
# appctl(1) and --help, appctl-events(7) and the table of categories say the same.
use strict;
use warnings;
use Test::More;
use Appctl::Test;

my $appctl = program('appctl');
sub help { run_program($appctl, @_, '--help')->{out} }
sub plain { $_[0] =~ s/\\?[*_](?=[\W_])|(?<=[\W_])[*_]|^[*_]|[*_]$//gr }

# Options as --help has them, "-w, --wait[=SECONDS]".
sub options_of_help {
	my ($text, $heading) = @_;
	my ($part) = $text =~ /^\Q$heading\E:\n((?:  .*\n)+)/m or return ();
	return sort map { s/^ +//r =~ s/  .*//r } split /\n/, $part;
}

# { command => [options] } as the page has them; '' for those of every command.
my (%page, $command, $section_has_commands);
for (split /\n/, slurp(top_srcdir() . '/doc/appctl.1.scd')) {
	if (/^# (.*)/) {
		$command = $1 eq 'OPTIONS' ? '' : undef;
		$section_has_commands = $1 =~ /^(LOOKING|MODES|APPLICATIONS|CONFIGURATION|THE DAEMON|OTHER NODES|THE MONITOR)$/;
		next;
	}
	$command = $1 if $section_has_commands && /^\*([a-z][a-z-]*)\*/;
	$page{$command} //= [] if defined $command;
	next unless defined $command && /^(\t?)(\*-.*)$/ && ($command eq '' ? !$1 : $1);
	push @{ $page{$command} }, plain($2);
}

my $help = help();
my @commands = $help =~ /^  ([a-z-]+) /mg;
is_deeply([sort grep { $_ ne '' } keys %page], [sort @commands], 'the commands of the page are those of --help');
is_deeply([sort @{ $page{''} }], [options_of_help($help, 'Options')], 'and so are the options of every command');
for my $c (@commands) {
	is_deeply([sort @{ $page{$c} // [] }], [options_of_help(help($c), 'Options')], "$c has the options of its help");
	is_deeply([options_of_help(help($c), 'Options of every command')], [options_of_help($help, 'Options')], "$c --help has those of all");
}

my ($status) = slurp(top_srcdir() . '/doc/appctl.1.scd') =~ /^# EXIT STATUS\n(.*?)^# /ms;
is_deeply([$status =~ /^\|\[ \*(\d)\*/mg], [0 .. 6], 'all exit statuses are there');

my $events = slurp(top_srcdir() . '/doc/appctl-events.7.scd');
my $header = slurp(top_srcdir() . '/src/core/event.h');
my ($section) = $events =~ /^# EVENTS\n(.*?)^# /ms;
my ($list) = $header =~ /#define EVENT_CATEGORIES\(X\)(.*?)\nenum/s;
is_deeply([sort map { /\*(\w+)\*/g } $section =~ /^(\*.*)$/mg], [sort $list =~ /"(\w+)"/g], 'appctl-events(7) has all categories');
my ($reasons) = $events =~ /^# REASONS\n(.*?)^# /ms;
($list) = $header =~ /#define REASONS\(X\)(.*?)\nenum/s;
is_deeply([sort 'none', $reasons =~ /^\|\[ \*(\w+)\*/mg], [sort $list =~ /X\(\w+, "(\w+)"\)/g], 'and all reasons');

done_testing;
