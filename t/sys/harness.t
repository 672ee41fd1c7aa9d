# SPDX-License-Identifier: MIT
# The test library itself: what it runs, it reports; what it starts, it ends.
use strict;
use warnings;
use Test::More;
use Appctl::Test;

my $r = run_program('/bin/sh', '-c', 'cat; echo no >&2; exit 3', { stdin => "yes\n" });
is($r->{exit}, 3, 'exit status');
is($r->{out}, "yes\n", 'standard output');
is($r->{err}, "no\n", 'standard error');

$r = run_program('/bin/sh', '-c', 'kill -USR1 $$');
is($r->{signal}, 10, 'signal');
is($r->{exit}, undef, 'no exit status then');

$r = run_program('/bin/sh', '-c', 'echo $ONE$TWO', { env => { ONE => 'a', TWO => undef } });
is($r->{out}, "a\n", 'environment');

my $pid = spawn_program('/bin/sh', '-c', 'sleep 1000 & wait');
my @below;
for (1 .. 1000) {
	@below = Appctl::Test::descendants($pid) and last;
	select undef, undef, undef, 0.01;
}
is(scalar @below, 1, 'descendants');
ok(process_is_alive($pid), 'alive');
Appctl::Test::kill_everything();
ok(!process_is_alive($_), 'ended') for $pid, @below;

my $node = Appctl::Test->new(config => "# \@DIR\@\n", dropins => { '10-a.conf' => "# a\n" });
is(slurp($node->config_file), '# ' . $node->dir . "\n", 'configuration');
is(slurp($node->dir . '/conf.d/10-a.conf'), "# a\n", 'drop-in');

ok(Appctl::Test::event_matches({ event => 'x', app => 'web' }, { event => qr/^x$/, pid => undef }), 'an event matches');
ok(!Appctl::Test::event_matches({ event => 'x', app => 'web' }, { app => 'db' }), 'and does not');

subtest 'a node\'s name that is none' => sub {
	my $r = Appctl::Test->new(config => 'applications: { a: {}; };', node => 'a b')->run_appctld;
	is($r->{exit}, 2, 'is refused');
	like($r->{err}, qr/"a b" is no node's name/, 'and said');
};

done_testing;
