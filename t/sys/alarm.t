# SPDX-License-Identifier: MIT
# An application says that something is wrong, and whoever follows events hears of it.
use strict;
use warnings;
use Test::More;
use Appctl::Test;

my $node = Appctl::Test->new(config => <<'END');
applications:
{
	web:
	{
		command = "exec perl @DIR@/web";
		ready = { type = "notify"; };
	};
};
END

spew($node->dir . '/web', <<'END');
use IO::Socket::UNIX;
my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $ENV{NOTIFY_SOCKET}) or die;
$s->send("READY=1\nX_APPCTL_ALARM=the disk \"/\" is full");
$s->send("X_APPCTL_ALARM=again $_") for 2 .. 30;
$s->send("STATUS=said all");
sleep 1000;
END

$node->start;
my $first = $node->wait_event({ event => 'app_alarm' });
is($first->{app}, 'web', 'which application');
is($first->{text}, 'the disk "/" is full', 'what it says');
ok($first->{pid}, 'and its process');
$node->wait_event({ event => 'app_alarm', text => 'again 20' });
my $end = time + 20;
select undef, undef, undef, 0.05 until $node->appctl('status', 'web')->{out} =~ /said all/ || time > $end;
is(scalar $node->events_so_far({ event => 'app_alarm' }), 20, 'twenty a minute, no more');
is($node->stop, 0);

done_testing;
