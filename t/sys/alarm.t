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
	links: { command = "exec perl @DIR@/links"; announces_nodes = true; applications = ["web"]; };
};
END
spew($node->dir . '/links', <<'END' =~ s/\@DIR\@/$node->dir/ger);
use IO::Socket::UNIX;
my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $ENV{NOTIFY_SOCKET}) or die;
select undef, undef, undef, 0.05 until -e "@DIR@/go";
$s->send("X_APPCTL_NODE_UP=no/name 1.2.3.4");
$s->send("X_APPCTL_NODE_UP=" . "x" x 300 . " 1.2.3.4");
$s->send("X_APPCTL_NODE_UP=bob\@b.example 127.0.0.3:4370");
$s->send("X_APPCTL_NODE_DOWN=bob\@b.example silent for 30 s");
sleep 1000;
END

spew($node->dir . '/web', <<'END');
use IO::Socket::UNIX;
my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $ENV{NOTIFY_SOCKET}) or die;
$s->send("X_APPCTL_NODE_UP=eve 1.2.3.4");
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

# Only who is named for it may say what other nodes do.
ok(!$node->events_so_far({ event => 'node_up', app => 'web' }), 'nothing of nodes from who may not say so');
spew($node->dir . '/go', '');
my $up = $node->wait_event({ event => 'node_up' });
is_deeply([@$up{qw(app peer address)}], ['links', 'bob@b.example', '127.0.0.3:4370'], 'a node is up');
my $down = $node->wait_event({ event => 'node_down' });
is_deeply([@$down{qw(app peer reason)}], ['links', 'bob@b.example', 'silent for 30 s'], 'and down');
is(scalar $node->events_so_far({ event => 'node_up' }), 1, 'no other');
is($node->stop, 0);

done_testing;
