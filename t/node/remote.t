# SPDX-License-Identifier: MIT
# appctl -n NODE: what appctl can do with its own appctld it can do with that of another node, as far as that one allows.
use strict;
use warnings;

use JSON::PP;
use Test::More;

use Appctl::Test;
use Appctl::Node;

my $config = <<'END';
default_mode = "day";
applications: { db: { command = ["sleep", "1000"]; }; web: { command = ["sleep", "1000"]; applications = ["db"]; }; };
roles: { all = ["db", "web"]; store = ["db"]; };
modes: { day = ["all"]; night = ["store"]; };
END

my $me = Appctl::Node->new(node => 'me');
my $you = Appctl::Node->new(node => 'you', config => $config);
$me->{peers} = [$you];
$you->{peers} = [$me];
$_->write_settings for $me, $you;
$_->start for $me, $you;
$_->wait_node for $me, $you;

# The same there and from here.
sub there { return $me->appctl('-n', 'you', @_) }

sub allow {
	my ($text) = @_;
	$you->{allow} = $text;
	$you->write_settings;
	kill HUP => $you->node_pid;
}

$you->wait_event({ event => 'mode_stable' });
$you->appctl('await');

subtest 'reading' => sub {
	for my $command (['status'], ['status', 'web'], ['mode'], ['await', '5'], ['plan', 'night'], ['explain', 'web'], ['deps', 'web'],
		['rdeps', 'db'], ['graph'], ['graph', '--dot'], ['show', 'web']) {
		my ($own, $from_here) = ($you->appctl(@$command), there(@$command));
		is($from_here->{exit}, 0, "@$command");
		s/\d+(\.\d+)? m?s\b//g for my ($a, $b) = ($own->{out}, $from_here->{out});
		is($b, $a, 'as it is there') unless $command->[0] eq 'show';	# values of the environment are for those who may see them
	}
	is(JSON::PP->new->decode(there('--json', 'status')->{out})->{node}, 'you', '--json');
	is(there('explain', 'wbe')->{exit}, 3, 'no such application');
	like(there('explain', 'wbe')->{err}, qr/web/, 'the nearest');
};

subtest 'operating' => sub {
	is(there('stop', 'web')->{exit}, 0, 'stop');
	ok($you->wait_event({ event => 'app_stopped', app => 'web' }));
	is(there('start', 'web')->{exit}, 0, 'start');
	is(there('restart', 'db')->{exit}, 0, 'restart');
	is(there('kill', '-s', 'USR1', 'db')->{exit}, 0, 'kill');
	ok($you->wait_event({ event => 'app_exited', app => 'db', signal => 'USR1' }));
	is(there('mode', 'night', '--wait=10')->{exit}, 0, 'mode, waited for');
	ok($you->wait_event({ event => 'mode_stable', mode => 'night' }));
	is(there('mode', 'day', '--wait=10')->{exit}, 0);
	is($me->appctl_json('status')->{current_mode}, undef, 'nothing was done here');
};

subtest 'what needs an admin is refused' => sub {
	for my $command (['reload'], ['diff'], ['loglevel', 'debug'], ['reexec'], ['shutdown']) {
		my $r = there(@$command);
		is($r->{exit}, 5, "@$command");
		like($r->{err}, qr/^appctl: you: not permitted: this needs the level "admin", yours is "operate" \(see allow in that node's node\.conf\)$/,
			'with the node and the place to change it');
	}
	is($you->appctl_json('status')->{shutting_down}, JSON::PP::false, 'nothing came of it');
};

subtest 'events' => sub {
	my $r = there('--json', 'events', '--since', '0', '--count', '3', 'app_running');
	$r = there('--json', 'wait', 'nothing-of-the-kind');
	is($r->{exit}, 3, 'wait for what is not there');
	my ($reply, $socket) = $me->channel($you, 'events');
	print $socket qq({"since":0,"categories":["app_running"]}\n);
	my @lines = map { JSON::PP->new->decode(scalar <$socket>) } 1 .. 3;
	is($lines[0]{node}, 'you', 'hello of that node');
	is($lines[1]{event}, 'app_running', 'its events');
};

subtest 'less' => sub {
	allow('control = "read";');
	my $r;
	for (1 .. 200) {
		$r = there('stop', 'web');
		last if $r->{exit} == 5;
		select undef, undef, undef, 0.02;
	}
	is($r->{exit}, 5, 'read: nothing is stopped');
	like($r->{err}, qr/operate/, 'what it would take');
	is(there('status')->{exit}, 0, 'but looked at');
	allow('control = { level = "operate"; applications = ["web"]; };');
	for (1 .. 200) {
		$r = there('restart', 'web');
		last if $r->{exit} == 0;
		select undef, undef, undef, 0.02;
	}
	is($r->{exit}, 0, 'named applications: that one');
	is(there('restart', 'db')->{exit}, 5, 'no other');
	is(there('mode', 'night')->{exit}, 5, 'not the node as a whole');
	is(there('stop', '--with-dependents', 'web')->{exit}, 5, 'nor what stands on it') if there('stop', '--help')->{out} =~ /with-dependents/;
	allow('control = "none";');
	for (1 .. 200) {
		$r = there('status');
		last if $r->{exit} == 5;
		select undef, undef, undef, 0.02;
	}
	is($r->{exit}, 5, 'none: not even looked at');
	like($r->{err}, qr/you/, 'the node is named');
	allow('control = "operate";');
};

subtest 'nodes that are not there' => sub {
	my $r = $me->appctl('-n', 'nobody', 'status');
	is($r->{exit}, 3, 'none of that name');
	like($r->{err}, qr/nobody/);
	$me->{peers} = [$you, ['gone', Appctl::Node::own_address(), 4370]];
	$me->write_settings;
	kill HUP => $me->node_pid;
	for (1 .. 200) {
		$r = $me->appctl('-n', 'gone', 'status');
		last if $r->{exit} == 6;
		select undef, undef, undef, 0.02;
	}
	is($r->{exit}, 6, 'not reached');
	like($r->{err}, qr/gone/);
	is($me->appctl('-n', 'me', 'status')->{exit}, 0, 'oneself is a node too');
};

# What a peer says in its own words.
sub raw {
	my ($text, $want) = @_;
	my ($reply, $socket) = $me->channel($you, 'control');
	local $SIG{PIPE} = 'IGNORE';
	print $socket $text;
	$socket->flush;
	my $all = '';
	local $SIG{ALRM} = sub { die "no answer\n" };
	alarm 20 * slow_factor();
	while (($all =~ tr/\0//) < $want) { sysread $socket, $all, 65536, length $all or last }
	alarm 0;
	return map { JSON::PP->new->decode($_) } split /\0/, $all;
}

sub call { my ($method, $parameters, %more) = @_; return JSON::PP->new->canonical->encode({ method => "org.appctl.Control.$method", parameters => $parameters // {}, %more }) . "\0" }

subtest 'in raw Varlink' => sub {
	for (1 .. 200) { last if there('status')->{exit} == 0; select undef, undef, undef, 0.02 }
	my @r = raw(call('GetMode') . call('Shutdown') . call('IsModeStable') . call('Reload'), 4);
	is($r[0]{parameters}{mode}, 'day', 'many calls at once are answered in their order');
	is($r[1]{error}, 'org.appctl.Control.NotPermitted', 'with refusals where they belong');
	is_deeply($r[1]{parameters}, { needed => 'admin', held => 'operate', by => 'node.conf' });
	ok(exists $r[2]{parameters}{stable});
	is($r[3]{error}, 'org.appctl.Control.NotPermitted');
	@r = raw(call('Shutdown', {}, oneway => JSON::PP::true) . call('GetMode'), 1);
	is($r[0]{parameters}{mode}, 'day', 'one that wants no answer is refused without one');
	is_deeply([raw(qq({"method":"org.appctl.Control.GetMode","method":"org.appctl.Control.Shutdown"}\0), 1)], [], 'a member twice ends it');
	is_deeply([raw("{}x\0" . call('GetMode'), 1)], [], 'no JSON');
	is_deeply([raw("[]\0", 1)], [], 'no object');
	is_deeply([raw('{"method":"' . 'x' x 300_000, 1)], [], 'too long, and no end');
	@r = raw(qq({"method":"org.appctl.Control.\\u0053hutdown","parameters":{}}\0), 1);
	is($r[0]{error}, 'org.appctl.Control.NotPermitted', 'in other letters');
	@r = raw(call('Run', { definition => { command => ['true'] } }), 1);
	is($r[0]{error}, 'org.appctl.Control.NotPermitted', 'commands are for spawn');
	@r = raw(call('Subscribe', { since => 0 }, more => JSON::PP::true) . call('Shutdown'), 3);
	ok($r[0]{continues} && $r[1]{continues} && !$r[2]{error}, 'an answer of many parts goes on');
	@r = raw(qq({"method":"org.varlink.service.GetInfo"}\0), 1);
	is($r[0]{parameters}{product}, 'appctld', 'who is there may be asked');
	is($you->appctl_json('status')->{shutting_down}, JSON::PP::false, 'nothing came of it all');
};

subtest 'both ends of a broken way' => sub {
	my $waiter = spawn_program(program('appctl'), '-r', $me->runtime_dir, '-n', 'you', 'wait', 'web', { env => $me->environment, err => $me->dir . '/waiter.err' });
	for (1 .. 500) { last if ($me->nodes->{you}{state} // '') eq 'up'; select undef, undef, undef, 0.02 }
	kill KILL => $you->node_pid;
	$you->wait_event({ event => 'app_exited', app => 'appctl-node' });
	is(Appctl::Test::wait_child($waiter, 2), undef, 'who reads goes on when it is there again');
	is($you->appctl('stop', 'web')->{exit}, 0);
	isnt(Appctl::Test::wait_child($waiter, 30), undef, 'and hears of it');
};

done_testing;
