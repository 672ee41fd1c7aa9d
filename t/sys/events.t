# SPDX-License-Identifier: MIT
# The event socket: who comes late, who is slow, who talks nonsense.
use strict;
use warnings;
use IO::Select;
use IO::Socket::UNIX;
use JSON::PP;
use Socket;
use Test::More;
use Time::HiRes qw(sleep time);
use Appctl::Test;

my $json = JSON::PP->new->utf8;
my $node = Appctl::Test->new(node => 'alice', config => <<'END');
applications:
{
	web:  { command = ["/bin/sleep", "1000"]; };
	tick1: { command = ["/bin/true"]; backoff = { min = 0.001; max = 0.001; jitter = 0.0; }; };
	tick2: { command = ["/bin/true"]; backoff = { min = 0.001; max = 0.001; jitter = 0.0; }; };
	tick3: { command = ["/bin/true"]; backoff = { min = 0.001; max = 0.001; jitter = 0.0; }; };
	tick4: { command = ["/bin/true"]; backoff = { min = 0.001; max = 0.001; jitter = 0.0; }; };
};
roles: { quiet = ["web"]; loud = ["tick1", "tick2", "tick3", "tick4"]; };
modes: { quiet = ["quiet"]; loud = ["quiet", "loud"]; };
default_mode = "quiet";
END
$node->start;
$node->wait_event({ event => 'mode_stable' });

sub dial {
	my (%o) = @_;
	my $s = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $node->runtime_dir . '/events.sock') or die "events.sock: $!";
	setsockopt($s, SOL_SOCKET, SO_RCVBUF, $o{rcvbuf}) if $o{rcvbuf};
	return $s;
}

# Lines until `enough` says so, the end of the connection or the time limit; decoded.
sub read_lines {
	my ($s, $enough, $seconds) = @_;
	my $end = time + ($seconds // 10) * slow_factor();
	my ($buffer, @seen) = ('');
	while (IO::Select->new($s)->can_read(($end - time) > 0 ? $end - time : 0)) {
		sysread($s, $buffer, 65536, length $buffer) or return (@seen, undef);
		while ($buffer =~ s/^(.*)\n//) {
			push @seen, $json->decode($1);
			return @seen if $enough->($seen[-1]);
		}
	}
	return @seen;
}

sub ask {
	my ($request, $enough) = @_;
	my $s = dial();
	print $s "$request\n";
	$s->flush;
	return read_lines($s, $enough);
}

subtest 'hello and snapshot' => sub {
	my @l = ask('{"snapshot":true}', sub { $_[0]{event} eq 'snapshot_end' });
	my $hello = shift @l;
	is($hello->{event}, 'hello', 'first comes hello');
	is($hello->{node}, 'alice', 'with the node');
	is($hello->{seq}, scalar(grep { defined $_->{seq} } $node->events_so_far({ event => qr/^(app|mode|new)_/ })), 'and the last number');
	like($hello->{instance}, qr/^[0-9a-f]{16}$/, 'and the instance');
	my ($web) = grep { ($_->{app} // '') eq 'web' } @l;
	is($web->{state}, 'running', 'the state of each application');
	ok(process_is_alive($web->{pid}), 'with its process');
	my ($mode) = grep { exists $_->{mode} } @l;
	is("$mode->{mode} $mode->{state}", 'quiet stable', 'and the mode');
	$node->{instance} = $hello->{instance};
};

subtest 'since' => sub {
	my @l = ask('{"since":2}', sub { $_[0]{event} eq 'mode_stable' });
	is_deeply([map { $_->{seq} } @l[1 .. $#l]], [3 .. $#l + 2], 'what came after that number');
	@l = ask('{"since":1000000}', sub { 0 });
	is($l[1]{event}, 'error', 'a number from the future: an error');
	like($l[1]{message}, qr/no event 1000000/, 'that says so');
	is($l[2], undef, 'and the end');
	@l = ask('{"since":1000000,"instance":"00000000000000ff"}', sub { $_[0]{event} eq 'mode_stable' });
	is($l[1]{seq}, 1, 'a number of another instance: all that this one has');
	@l = ask(qq({"since":1,"instance":"$node->{instance}"}), sub { $_[0]{event} ne 'hello' });
	is($l[1]{seq}, 2, 'of this instance');
};

subtest 'categories' => sub {
	my @l = ask('{"since":0,"categories":["app_running","mode_stable"]}', sub { $_[0]{event} eq 'mode_stable' });
	is_deeply([map { $_->{event} } @l], [qw(hello app_running mode_stable)], 'only those');
};

subtest 'nonsense' => sub {
	my %bad = (
		'' => qr/no JSON/, 'hello' => qr/no JSON/, '[]' => qr/object/, '{"since":-1}' => qr/since/, '{"since":1.5}' => qr/since/,
		'{"categories":["nonsense"]}' => qr/nonsense/, '{"categories":7}' => qr/categories/, '{"snapshot":"yes"}' => qr/snapshot/,
		'{"instance":"x"}' => qr/instance/, '{"sinse":1}' => qr/sinse/, "\0\0\0" => qr/JSON/, ('[' x 5000) => qr/JSON/,
		"\xff\xfe" => qr/JSON/, '{"since":1,"since":2}' => qr/JSON/, '{"since":99999999999999999999}' => qr/JSON/,
	);
	for my $request (sort keys %bad) {
		my ($line, $end) = ask($request, sub { 0 });
		like($line->{message}, $bad{$request}, 'refused: ' . substr $request, 0, 30);
		is("$line->{event} " . ($end // 'closed'), 'error closed', 'and closed');
	}
	my $s = dial();
	local $SIG{PIPE} = 'IGNORE';
	syswrite $s, 'x' x 20000;
	my ($line) = read_lines($s, sub { 1 });
	like($line->{message}, qr/too long/, 'a request without an end');
	dial() for 1 .. 50;		# gone before they said anything
	my $half = dial();
	syswrite $half, '{"since":0}' . "\n";
	shutdown $half, 1;
	my @l = read_lines($half, sub { ($_[0]{event} // '') eq 'mode_stable' });
	is($l[-1]{event}, 'mode_stable', 'one that only listens gets its events');
};

subtest 'who is slow loses, and nobody else' => sub {
	my $stalled = dial(rcvbuf => 1024);
	syswrite $stalled, "{}\n";
	my ($hello) = read_lines($stalled, sub { 1 });
	my $rss = sub { slurp('/proc/' . $node->engine_pid . '/status') =~ /^VmRSS:\s+(\d+)/m ? $1 : 0 };
	my $live = dial();
	syswrite $live, "{}\n";
	is($node->appctl('mode', 'loud')->{exit}, 0);
	my $want = 8000;
	my $got = 0;
	my ($first, $last, $wrong);
	my $middle;
	read_lines($live, sub {
		my $seq = $_[0]{seq} or return 0;
		$wrong //= $seq if defined $last && $seq != $last + 1;
		$first //= $seq;
		$last = $seq;
		$middle //= $rss->() if $got > $want / 2;
		return ++$got >= $want;
	}, 100);
	is($got, $want, 'the live one gets all');
	is($wrong, undef, 'without a gap');
	# A sanitizer keeps what was freed for a while.
	cmp_ok($rss->() - $middle, '<', slow_factor() > 1 ? 65536 : 1024, 'and the engine does not grow');
	is($node->appctl('mode', 'quiet')->{exit}, 0);
	my @l = read_lines($stalled, sub { $_[0]{event} eq 'mode_stable' && $_[0]{mode} eq 'quiet' });
	my ($lost) = grep { $_->{event} eq 'lost' } @l;
	ok($lost, 'the stalled one is told what it lost');
	my $next = $hello->{seq} + 1;
	my $exact = 1;
	for my $l (@l) {
		my ($from, $to) = $l->{event} eq 'lost' ? @$l{qw(from to)} : ($l->{seq}, $l->{seq});
		$exact &&= $from == $next;
		$next = $to + 1;
	}
	ok($exact, 'to the number');
};

is($node->stop, 0);
done_testing;
