# SPDX-License-Identifier: MIT
# A peer that is allowed something and wants more: whatever it sends to another node's appctld, nothing that it may not have comes of it.
use strict;
use warnings;

use IO::Select;
use IO::Socket::UNIX;
use JSON::PP;
use Test::More;
use Time::HiRes ();

use Appctl::Test;
use Appctl::Node;

my $config = <<'END';
default_mode = "day";
applications: { db: { command = ["sleep", "1000"]; }; web: { command = ["sleep", "1000"]; environment = ["PASSWORD=hidden"]; }; };
roles: { all = ["db", "web"]; store = ["db"]; };
modes: { day = ["all"]; night = ["store"]; };
END
my $me = Appctl::Node->new(node => 'me');
my $you = Appctl::Node->new(node => 'you', config => $config, allow => 'control = "none";',
	settings => $> == 0 ? 'remote_user = "root";' : '');
$me->{peers} = [$you];
$_->write_settings for $me, $you;
my $json = JSON::PP->new->canonical;

# What one peer alone is allowed replaces what all are.
sub allow {
	my ($text) = @_;
	$you->{peers} = [[$me->name, $me->address, $me->port, "allow = { $text };"]];
	$you->write_settings;
}

sub allow_now {
	my ($text) = @_;
	allow($text);
	kill HUP => $you->node_pid;
}

sub until_true {
	my ($what, $test) = @_;
	my $end = Time::HiRes::time() + 20 * slow_factor();
	select undef, undef, undef, 0.02 until $test->() || Time::HiRes::time() > $end;
	ok($test->(), $what);
}

sub call { my ($method, $parameters, %more) = @_; return $json->encode({ method => $method =~ /\./ ? $method : "org.appctl.Control.$method", parameters => $parameters // {}, %more }) . "\0" }

# Sends all of it, half closes where asked to, and takes what comes: $want answers, or until the end.  (answers, whether it ended)
sub raw {
	my ($text, $want, %o) = @_;
	my (undef, $socket) = $me->channel($you, 'control');
	local $SIG{PIPE} = 'IGNORE';
	$socket->blocking(0);
	my ($all, $end) = ('', Time::HiRes::time() + 20 * slow_factor());
	my ($ended, $sent) = (0, 0);
	while (!$ended && ($all =~ tr/\0//) < $want && Time::HiRes::time() < $end) {
		my $more = $sent < length $text;
		my ($r, $w) = IO::Select->select(IO::Select->new($socket), $more ? IO::Select->new($socket) : undef, undef, 0.1);
		if ($w && @$w) {
			my $n = syswrite $socket, $text, 65536, $sent;
			$sent += $n // 0;
			$sent = length $text if !defined $n && !$!{EAGAIN};
			shutdown $socket, 1 if $o{half_close} && $sent == length $text;
		}
		if ($r && @$r) {
			my $n = sysread $socket, $all, 65536, length $all;
			$ended = 1 if defined $n ? $n == 0 : !$!{EAGAIN};
		}
	}
	return ([map { $json->decode($_) } grep { length } split /\0/, $all], $ended);
}

sub state_of {
	my $status = $you->appctl_json('status');
	return $json->encode({ mode => $status->{mode}, shutting_down => $status->{shutting_down}, pids => { map { $_->{name} => $_->{pid} } @{ $status->{applications} } },
		levels => $you->varlink('SetLogLevel', {})->{parameters}{levels} });
}

allow('control = "read";');
$_->start for $me, $you;
$_->wait_node for $me, $you;
$you->wait_event({ event => 'mode_stable' });
$you->appctl('await');
my $before = state_of();

subtest 'one peer\'s own limits' => sub {
	is($me->appctl('-n', 'you', 'status')->{exit}, 0, 'read, where others may nothing');
	is($me->appctl('-n', 'you', 'stop', 'web')->{exit}, 5, 'but no more');
	my $shown = $json->encode([raw(call('Show', { name => 'web' }) . call('Show', { name => 'web', values => JSON::PP::true }), 2)]);
	like($shown, qr/PASSWORD/);
	unlike($shown, qr/hidden/, 'values of an environment are for those who may operate it');
};

subtest 'calls that can be read in two ways' => sub {
	my $shutdown = '"org.appctl.Control.Shutdown"';
	my $mode = '"org.appctl.Control.GetMode"';
	# What an appctld would answer, or undef: the connection ends.
	my @cases = (
		['a member twice', qq({"method":$mode,"method":$shutdown}), undef],
		['a member twice, once escaped', qq({"method":$mode,"m\\u0065thod":$shutdown}), undef],
		['a parameter twice', qq({"method":"org.appctl.Control.Stop","parameters":{"name":"db","name":"web"}}), undef],
		['a member twice deep inside', qq({"method":$mode,"parameters":{"x":[{"a":1,"a":2}]}}), undef],
		['an escape in the method', qq({"method":"org.appctl.Control.\\u0053hutdown"}), 'NotPermitted'],
		['a NUL in the method', qq({"method":"org.appctl.Control.GetMode\\u0000.Shutdown"}), undef],
		['another interface', '{"method":"org.appctl.control.Shutdown"}', 'InterfaceNotFound'],
		['an interface more', '{"method":"org.appctl.Control.org.appctl.Control.Shutdown"}', 'InterfaceNotFound'],
		['a dot more', '{"method":"org.appctl.Control..Shutdown"}', 'InterfaceNotFound'],
		['a blank in front', '{"method":" org.appctl.Control.Shutdown"}', 'InterfaceNotFound'],
		['a method that is no text', '{"method":["org.appctl.Control.Shutdown"]}', 'InvalidParameter'],
		['parameters that are no object', qq({"method":"org.appctl.Control.Stop","parameters":["web"]}), 'NotPermitted'],
		['a name that is no text', '{"method":"org.appctl.Control.Stop","parameters":{"name":{"name":"web"}}}', 'NotPermitted'],
		['parameters beside', '{"method":"org.appctl.Control.Stop","name":"web","parameters":null}', 'NotPermitted'],
		['with upgrade', qq({"method":$shutdown,"upgrade":true}), 'NotPermitted'],
		['with more', qq({"method":$shutdown,"more":true}), 'NotPermitted'],
		['two values', qq({"method":$mode}{"method":$shutdown}), undef],
		['a comment', qq({"method":$mode}//{"method":$shutdown}), undef],
		['a byte order mark', "\xef\xbb\xbf{\"method\":$shutdown}", undef],
		['not UTF-8', qq({"method":$shutdown,"x":"\xff"}), undef],
		['half a pair', qq({"method":$shutdown,"x":"\\ud800"}), undef],
		['a number too large', qq({"method":$mode,"x":1e999}), undef],
		['deep', qq({"method":$mode,"x":) . '[' x 100_000 . ']' x 100_000 . '}', undef],
		['nothing', '', undef],
		['null', 'null', undef],
		['a newline instead of its end', qq({"method":$mode}\n{"method":$shutdown}), undef],
	);
	for my $case (@cases) {
		my ($what, $text, $want) = @$case;
		my ($answers, $ended) = raw("$text\0" . call('IsModeStable'), 2);
		if (defined $want) {
			like($answers->[0]{error} // '', qr/\.$want$/, "$what: $want") or diag(explain($answers));
		} else {
			ok($ended && !grep({ !$_->{error} } @$answers), "$what: the connection ends") or diag(explain($answers));
		}
	}
	is(state_of(), $before, 'nothing came of any of them');
};

subtest 'no end, and no beginning' => sub {
	for my $text ('{"method":"org.appctl.Control.GetMode"}', '{', 'x' x 1000) {
		my ($answers, $ended) = raw($text, 1, half_close => 1);
		ok($ended && !@$answers, 'a call that is cut ends it') or diag(explain($answers));
	}
	my ($answers, $ended) = raw(call('GetMode') . '{"met', 2, half_close => 1);
	is($answers->[0]{parameters}{mode}, 'day', 'the one before it is answered');
	ok($ended);
	($answers, $ended) = raw(call('GetMode') x 50, 51, half_close => 1);
	is(scalar(grep { ($_->{parameters}{mode} // '') eq 'day' } @$answers), 50, 'all that was whole is answered before the end');
	ok($ended);
};

subtest 'calls at random' => sub {
	my $seed = $ENV{APPCTL_TEST_SEED} // time;
	diag("seed $seed") if $ENV{APPCTL_TEST_SEED};
	srand $seed;
	my @methods = qw(Shutdown Reload SetLogLevel Reexec Stop Start Restart Kill SetMode Run CheckForNewApplications Diff ReloadApplication);
	my @pieces = ('"', '\\', '{', '}', '[', ']', ',', ':', '\\u0000', 'org.appctl.Control.', '"method":', '"parameters":', ' ', "\n", "\xc3", 'null', 'true', '1e9');
	my ($right, $refused) = (0, 0);
	for my $round (1 .. 150) {
		my $text = '';
		for (1 .. 10) {
			my $method = $methods[rand @methods];
			my $one = call($method, { $method =~ /Mode/ ? (mode => 'night') : (name => (qw(web db))[rand 2]), (rand() < 0.3 ? (hurry => JSON::PP::true) : ()) },
				rand() < 0.2 ? (oneway => JSON::PP::true) : (), rand() < 0.2 ? (more => JSON::PP::true) : ());
			for (1 .. int(rand 6) - 2) {
				my $at = int rand length $one;
				my $how = rand;
				if ($how < 0.5) { substr $one, $at, int rand 4, $pieces[rand @pieces] }
				elsif ($how < 0.8) { substr $one, $at, 1, chr int rand 256 }
				else { substr $one, $at, 0, substr $one, int rand length $one, int rand 30 }
			}
			$text .= $one;
		}
		my ($answers) = raw($text, 1000, half_close => 1);
		$refused += grep { ($_->{error} // '') =~ /NotPermitted/ } @$answers;
		$right += grep { !$_->{error} } @$answers;
	}
	cmp_ok($refused, '>', 50, 'many are calls, and refused');
	is($right, 0, 'none is done');
	is(state_of(), $before, "as if nothing had come (seed $seed)");
};

subtest 'who does not read' => sub {
	my (undef, $socket) = $me->channel($you, 'control');
	local $SIG{PIPE} = 'IGNORE';
	$socket->blocking(0);
	my $sent = 0;
	my $block = call('Graph') x 1000;
	my $end = Time::HiRes::time() + 3;
	while (Time::HiRes::time() < $end && $sent < 64 * 1024 * 1024) {
		my $n = syswrite $socket, $block, length($block) - $sent % length $block, $sent % length $block;
		last if !defined $n && !$!{EAGAIN};
		$sent += $n // 0;
		select undef, undef, undef, 0.02 if !defined $n;
	}
	cmp_ok($sent, '<', 8 * 1024 * 1024, "is not read from further ($sent bytes)");
	my ($rss) = slurp('/proc/' . $you->node_pid . '/status') =~ /^VmRSS:\s+(\d+)/m;
	cmp_ok($rss, '<', 64 * 1024 * slow_factor() ** 2, 'costs little') if slow_factor() == 1;
	is($me->appctl('-n', 'you', 'mode')->{exit}, 0, 'and holds up nobody else');
};

subtest 'a crowd of connections' => sub {
	for my $service (qw(events control)) {
		my (@open, %refused);
		for (1 .. 150) {
			my ($reply, $socket) = $me->node_call(Connect => { node => 'you', service => $service, args => {} });
			if ($reply->{error}) { $refused{ $reply->{parameters}{code} }++ }
			else { push @open, $socket }
		}
		cmp_ok(scalar @open, '>=', 32, "$service: there is room for many");
		is_deeply([keys %refused], ['busy'], 'beyond that they are told so');
		cmp_ok(scalar @open, '<', 100, 'long before appctld has no more room');
		is($me->appctl('spawn', '-n', 'you', '--', 'true')->{exit}, 0, 'what else is done there goes on');
		close $_ for @open;
	}
	until_true('and when they have gone others come', sub { $me->appctl('-n', 'you', 'mode')->{exit} == 0 });
};

subtest 'less, while it goes on' => sub {
	my (undef, $socket) = $me->channel($you, 'control');
	my $ask = sub { print {$socket} call('GetMode'); $socket->flush; return $you->varlink_read($socket) };
	is($ask->()->{parameters}{mode}, 'day');
	my (undef, $events) = $me->channel($you, 'events');
	print {$events} "{}\n";
	$events->flush;
	like(scalar(<$events>), qr/"hello"/);
	allow_now('control = "none";');
	until_true('what is taken away is so on connections that are there', sub { ($ask->()->{error} // '') =~ /NotPermitted/ });
	$you->appctl('restart', 'db');
	local $SIG{ALRM} = sub { die "the subscription goes on\n" };
	alarm 20 * slow_factor();
	is(join('', <$events>), '', 'no event comes any more, and the subscription ends');
	alarm 0;
	allow_now('control = "operate";');
	until_true('and what is given', sub { !$ask->()->{error} });
};

subtest 'events through a cut' => sub {
	my $out = $me->dir . '/events';
	my $pid = spawn_program(program('appctl'), '-r', $me->runtime_dir, '-n', 'you', '--json', 'events', '--since', '0', { env => $me->environment, out => $out });
	my $seqs = sub { map { $json->decode($_)->{seq} // () } grep { /"seq"/ && !/"event":"hello"/ } split /\n/, -e $out ? slurp($out) =~ s/[^\n]*\z//r : '' };
	until_true('they come', sub { scalar(my @s = $seqs->()) > 3 });
	for my $node ($you, $me) {
		kill KILL => $node->node_pid;
		$node->wait_event({ event => 'app_exited', app => 'appctl-node' });
		$you->appctl('restart', 'db');
		until_true('one who follows goes on when ' . $node->name . '\'s is there again', sub {
			my ($last) = map { $json->decode($_) } grep { /"app_running"/ && /"db"/ } reverse split /\n/, slurp($out) =~ s/[^\n]*\z//r;
			($last->{pid} // 0) == $you->appctl_json('status', 'db')->{applications}[0]{pid};
		});
	}
	my @seqs = $seqs->();
	is_deeply(\@seqs, [$seqs[0] .. $seqs[-1]], 'without a gap or a repeat');
	kill TERM => $pid;
	Appctl::Test::wait_child($pid, 10);
};

is($you->stop, 0);
is($me->stop, 0);
done_testing;
