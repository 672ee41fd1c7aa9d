# SPDX-License-Identifier: MIT
# Where output goes: to a file, to appctld's own, nowhere.
use strict;
use warnings;
use Test::More;
use Appctl::Test;

my $node = Appctl::Test->new(config => <<'END');
applications:
{
	file:    { command = "echo out; echo err >&2; readlink /proc/self/fd/0"; type = "oneshot"; log = { type = "file"; path = "@DIR@/file.log"; }; };
	inherit: { command = "echo to the daemon"; type = "oneshot"; log = { type = "inherit"; }; };
	null:    { command = "out=$(readlink /proc/$$/fd/1); err=$(readlink /proc/$$/fd/2); echo $out $err >@DIR@/null.out; echo never seen"; type = "oneshot"; log = { type = "null"; }; };
	fds:     { command = ["/bin/sleep", "1000"]; };
};
END
spew($node->dir . '/file.log', "there before\n");
$node->start;
$node->wait_events([map { { event => 'app_exited', app => $_, status => 0 } } qw(file inherit null)]);
is(slurp($node->dir . '/file.log'), "there before\nout\nerr\n/dev/null\n", 'appended to the file, both streams; input is /dev/null');
like($node->log_text, qr/^to the daemon$/m, 'inherited');
is(slurp($node->dir . '/null.out'), "/dev/null /dev/null\n", 'null');
unlike($node->log_text, qr/never seen/, 'is not seen');
my ($fds) = $node->events_so_far({ event => 'app_running', app => 'fds' });
is(join(' ', map { s!.*/!!r } sort glob "/proc/$fds->{pid}/fd/*"), '0 1 2', 'descriptors are 0, 1, 2 and no other');
is($node->stop, 0);
done_testing;
