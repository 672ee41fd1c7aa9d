# SPDX-License-Identifier: MIT
# control.sock and those who use it badly: a bad message, a slow or absent reader, a crowd costs its sender only.
use strict;
use warnings;
use Test::More;
use Appctl::Test;
use IO::Select;
use IO::Socket::UNIX;
use JSON::PP;
use POSIX ();
use Socket;
use Time::HiRes ();

my $config = join "\n", 'applications: {',
	'web: { command = ["/bin/sleep", "1000"]; };',
	'slow: { command = ["/bin/sleep", "1000"]; ready = { type = "unix"; path = "@DIR@/ready.sock"; interval = 0.05; timeout = 60.0; }; };',
	(map { "filler$_: { description = \"" . 'x' x 500 . "\"; };" } 1 .. 200), '};',
	'roles: { web = ["web"]; slow = ["slow"]; }; modes: { normal = ["web"]; other = ["slow"]; }; default_mode = "normal";';
my $node = Appctl::Test->new(config => $config)->start;
$node->wait_event({ event => 'mode_stable' });
my $engine = $node->engine_pid;
my $idle = open_descriptors();

# All that comes until the connection is closed; undef when it is not within those seconds.
sub read_to_end {
	my ($socket, $seconds) = @_;
	my $end = Time::HiRes::time() + ($seconds // 5) * slow_factor();
	my $all = '';
	while ((my $left = $end - Time::HiRes::time()) > 0) {
		next unless IO::Select->new($socket)->can_read($left);
		my $n = sysread $socket, my $data, 65536;
		return $all unless $n;
		$all .= $data;
	}
	return undef;
}

sub answers_quickly {
	my ($what) = @_;
	my $start = Time::HiRes::time();
	is($node->varlink('GetMode')->{error}, undef, "others are answered $what");
	cmp_ok(Time::HiRes::time() - $start, '<', 0.5 * slow_factor(), '... quickly');
	is($node->engine_pid, $engine, '... by the same engine');
}

subtest 'messages that are no calls' => sub {
	my @bad = (
		['no bytes at all', "\0"], ['one byte', "x\0"], ['a number', "7\0"], ['an array', "[]\0"], ['no method', "{}\0"],
		['a method that is no string', "{\"method\":1}\0"], ['invalid UTF-8', "{\"method\":\"\xff\xfe\"}\0"],
		['two values', "{\"method\":\"a.B\"} {}\0"], ['a key twice', "{\"method\":\"a.B\",\"method\":\"a.B\"}\0"],
		['parameters that are no object', "{\"method\":\"a.B\",\"parameters\":[1]}\0"],
		['deep nesting', '[' x 100000 . "\0"], ['a number too large', "{\"method\":\"a.B\",\"x\":99999999999999999999}\0"],
		['too many bytes', 'x' x (256 * 1024 + 1)], ['far too many bytes', ' ' x 1000000 . "\0"],
	);
	for my $case (@bad) {
		my $socket = $node->connect_control;
		$socket->syswrite($case->[1]);
		my $reply = read_to_end($socket);
		ok(defined $reply, "$case->[0]: the connection is closed");
		like($reply // '', qr/^\{"error":"org\.varlink\.service\.InvalidParameter".*\}\0$/s, '... after an error');
	}
	my $socket = $node->connect_control;
	$socket->syswrite('{"method":"org.appctl.Control.GetMo');
	close $socket;
	answers_quickly('after a message that was cut off');
};

subtest 'one call at a time, in order' => sub {
	my $socket = $node->connect_control;
	my @calls = (['SetMode', { mode => 'normal' }], ['NoSuch', {}], ['GetMode', {}], ['Status', { names => ['web'] }]);
	my $text = join '', map {
		encode_json({ method => "org.appctl.Control.$_->[0]", parameters => $_->[1] }) . "\0" } @calls;
	$socket->syswrite($text);
	my @replies = map { $node->varlink_read($socket) } @calls;
	is($replies[0]{parameters}{mode}, 'normal');
	is($replies[1]{error}, 'org.varlink.service.MethodNotFound', 'an unknown method does not end the connection');
	is($replies[2]{parameters}{state}, 'stable');
	is($replies[3]{parameters}{applications}[0]{name}, 'web');
	$node->varlink_send($socket, 'GetMode', {}, oneway => 1);
	$node->varlink_send($socket, 'NoSuch', {}, oneway => 1);
	$node->varlink_send($socket, 'Status', { names => ['web'] });
	ok($node->varlink_read($socket)->{parameters}{applications}, 'oneway: no reply');
	$node->varlink_send($socket, 'GetMode', {}, upgrade => 1);
	is($node->varlink_read($socket)->{error}, 'org.varlink.service.MethodNotImplemented');
	for my $char (split //, encode_json({ method => 'org.appctl.Control.GetMode' }) . "\0") { $socket->syswrite($char) }
	ok($node->varlink_read($socket)->{parameters}, 'bytes one by one');

	my $many = $node->connect_control;
	my $call = encode_json({ method => 'org.appctl.Control.GetMode' }) . "\0";
	$many->syswrite($call x 1000);
	answers_quickly('beside a thousand calls at once');
	is(scalar(grep { $node->varlink_read($many)->{parameters} } 1 .. 1000), 1000, 'which are all answered');

	my $half = $node->connect_control;
	$node->varlink_send($half, 'GetMode');
	$half->shutdown(SHUT_WR);
	like(read_to_end($half), qr/"mode":"normal"/, 'a peer that has said all it wants to say is answered');
};

sub slow_is_starting { $node->wait_event({ event => 'app_starting', app => 'slow' }) }

subtest 'a peer that goes in mid-call' => sub {
	for my $call (['SetMode', { mode => 'other', await => JSON::PP::true }]) {
		my $socket = $node->connect_control;
		$node->varlink_send($socket, @$call);
		slow_is_starting();
		close $socket;
		answers_quickly('after it');
		is($node->varlink('GetMode')->{parameters}{mode}, 'other', 'what it asked for was done');
	}
	my @waiting = map { my $s = $node->connect_control; $node->varlink_send($s, 'AwaitStableMode'); $s } 1 .. 20;
	answers_quickly('while others wait');
	close $_ for splice @waiting, 0, 10;
	$node->varlink('SetMode', { mode => 'normal', await => JSON::PP::true });
	is($node->varlink_read($_)->{parameters}{mode}, 'normal', 'who still waits is answered') for @waiting;
	for my $method (qw(Reload Status CheckForNewApplications Diff)) {
		my $socket = $node->connect_control;
		$node->varlink_send($socket, $method);
		close $socket;
	}
	answers_quickly('after calls whose peers went at once');
};

sub memory_kib { slurp("/proc/$engine/status") =~ /^VmRSS:\s+(\d+)/m ? $1 : 0 }
sub open_descriptors { my @fds = glob "/proc/$engine/fd/*"; scalar @fds }

# Connections that were just closed are seen a moment later.
sub descriptors_come_to {
	my ($count, $what) = @_;
	my $end = Time::HiRes::time() + 5 * slow_factor();
	Time::HiRes::sleep(0.01) until open_descriptors() == $count || Time::HiRes::time() > $end;
	is(open_descriptors(), $count, $what);
}

# Descriptors beside a message: perl has no call for that.
sub send_with_fds {
	my ($socket, $text, @fds) = @_;
	my $number = { x86_64 => 46, aarch64 => 211 }->{ (POSIX::uname())[4] } // return 0;
	my $control = pack('Q i i', 16 + 4 * @fds, SOL_SOCKET, 1) . pack('i*', @fds);
	$control .= "\0" x (-length($control) % 8);
	my $iov = pack 'P Q', $text, length $text;
	my $msg = pack 'Q Q P Q P Q Q', 0, 0, $iov, 1, $control, length $control, 0;
	return syscall($number, fileno $socket, $msg, 0) == length $text;
}

subtest 'descriptors' => sub {
	my $socket = $node->connect_control;
	pipe my $read, my $write or die;
	open my $null, '<', '/dev/null' or die;
	my @three = (fileno $null, fileno $write, fileno $write);
	my $status = encode_json({ method => 'org.appctl.Control.Status', parameters => { names => ['web'] } }) . "\0";
	plan(skip_all => 'no number of sendmsg for this machine') unless send_with_fds($socket, $status, @three);
	ok($node->varlink_read($socket)->{parameters}, 'beside a call that has no use for them');
	descriptors_come_to($idle + 1, '... they are closed');
	my $run = sub {
		return encode_json({ method => 'org.appctl.Control.Run', more => JSON::PP::true,
			parameters => { definition => { command => ['/bin/sh', '-c', "echo $_[0]; exit 5"] } } }) . "\0";
	};
	send_with_fds($socket, $run->('hello'), @three);
	my $r = $node->varlink_read($socket);
	$r = $node->varlink_read($socket) if $r->{continues};
	is($r->{parameters}{last_exit}{code}, 5);
	sysread $read, my $said, 100;
	is($said, "hello\n", 'what it prints comes out of the descriptor');

	# Two calls in one read: each has its own.
	pipe my $read2, my $write2 or die;
	send_with_fds($socket, $run->('first'), @three);
	send_with_fds($socket, $run->('second'), fileno $null, fileno $write2, fileno $write2);
	for (1, 2) {
		$r = $node->varlink_read($socket);
		$r = $node->varlink_read($socket) if $r->{continues};
	}
	sysread $read, $said, 100;
	is($said, "first\n");
	sysread $read2, $said, 100;
	is($said, "second\n");

	for my $count (1, 2, 4) {
		send_with_fds($socket, $run->('no'), (fileno $null) x $count);
		is($node->varlink_read($socket)->{error}, 'org.varlink.service.InvalidParameter', "$count descriptors are refused");
	}
	descriptors_come_to($idle + 1, 'and closed');
	send_with_fds($socket, $run->('no'), (fileno $null) x 100);
	is(read_to_end($socket), '', 'a hundred end the connection');
	answers_quickly('after that');
	descriptors_come_to($idle, 'and all were closed');
};

subtest 'no descriptor left' => sub {
	needs_program('prlimit');
	my $soft = (slurp("/proc/$engine/limits") =~ /^Max open files\s+(\d+)/m)[0];
	descriptors_come_to($idle, 'nobody is connected');
	my $used = $idle;
	system('prlimit', '--pid', $engine, '--nofile=' . ($used + 4) . ':') == 0 or plan(skip_all => 'prlimit may not');
	my @many = map { $node->connect_control } 1 .. 12;
	my @refused = grep { IO::Select->new($_)->can_read(5) } @many[6 .. 11];
	is(scalar @refused, 6, 'who cannot be taken is told');
	like(read_to_end($refused[0]), qr/org\.appctl\.Control\.Busy/);
	my $before = (split ' ', slurp("/proc/$engine/stat"))[13];
	Time::HiRes::sleep(0.3);	# an interval over which processor time is measured
	cmp_ok((split ' ', slurp("/proc/$engine/stat"))[13] - $before, '<', 10, 'and the engine does not spin');
	close $_ for splice @many, 0, 4;
	descriptors_come_to($idle, 'they have gone');
	answers_quickly('once there is room');
	system('prlimit', '--pid', $engine, "--nofile=$soft:");
};

# The deadlines are waited for together.
subtest 'who stops in mid-message, and who never reads' => sub {
	my $deaf = $node->connect_control;
	$deaf->sockopt(SO_RCVBUF, 4096);
	$deaf->blocking(0);
	my $before = memory_kib();
	my $status = encode_json({ method => 'org.appctl.Control.Status' }) . "\0";
	my $sent = 0;
	for (1 .. 20000) { $sent += syswrite($deaf, $status) // last }
	cmp_ok($sent, '<', 20000 * length $status, 'it is not read from without end');
	cmp_ok(memory_kib() - $before, '<', 4096 * slow_factor(), 'its answers do not pile up');
	my $slow = $node->connect_control;
	my $start = Time::HiRes::time();
	$slow->syswrite('{');
	answers_quickly('beside them');
	my $closed;
	while (Time::HiRes::time() - $start < 30 && !defined $closed) {
		$closed = read_to_end($slow, 0.5 / slow_factor());
		$slow->syswrite(' ') unless defined $closed;
	}
	is($closed, '', 'a message a byte at a time is not waited for');
	cmp_ok(Time::HiRes::time() - $start, '>', 8, '... but for a while');
	ok(!!IO::Select->new($deaf)->can_read(10), 'nor is a reader');
	my $end = Time::HiRes::time() + 20;
	my $vain = 0;
	while (Time::HiRes::time() < $end) {
		$vain = 1, last if !defined syswrite($deaf, $status) && $!{EPIPE};
		Time::HiRes::sleep(0.05);
	}
	ok($vain, '... its connection is closed');
	answers_quickly('after all that');
};

subtest 'a subscriber that stops reading' => sub {
	my $deaf = $node->connect_control;
	$node->varlink_send($deaf, 'Subscribe', {}, more => 1);
	my $next = $node->varlink_read($deaf)->{parameters}{event}{seq} + 1;
	my $socket = $node->connect_control;
	my $before;
	for my $round (1 .. 1500) {
		$node->varlink_send($socket, 'Restart', { name => 'web', await => JSON::PP::true });
		$node->varlink_read($socket);
		$before = memory_kib() if $round == 1200;
	}
	cmp_ok(memory_kib() - $before, '<', 512 * slow_factor() ** 3, 'the engine does not grow by it');
	$node->varlink('SetMode', { mode => 'other' });
	my ($lost, $holes, $ev) = (0, 0);
	do {
		$ev = $node->varlink_read($deaf)->{parameters}{event};
		my ($from, $to) = $ev->{event} eq 'lost' ? @$ev{qw(from to)} : ($ev->{seq}, $ev->{seq});
		$lost++ if $ev->{event} eq 'lost';
		$holes++ if $from != $next;
		$next = $to + 1;
	} until $ev->{event} eq 'new_mode';
	cmp_ok($lost, '>', 0, 'it is told what it has missed');
	is($holes, 0, 'to the number');
	answers_quickly('beside it');
	$node->varlink('SetMode', { mode => 'normal', await => JSON::PP::true });
};

subtest 'a crowd' => sub {
	needs_root();
	my $path = $node->runtime_dir . '/control.sock';
	pipe my $read, my $write or die;
	my $program = <<'END';
		use IO::Socket::UNIX;
		my ($path, $n) = @ARGV;
		$SIG{PIPE} = "IGNORE";
		$) = "65534 65534"; $( = 65534; $> = 65534; $< = 65534;
		my @all = map { IO::Socket::UNIX->new(Type => SOCK_STREAM(), Peer => $path) } 1 .. $n;
		$_->syswrite("{") for grep { $_ } @all;
		my ($refused, %left) = (0, map { fileno $_ => $_ } grep { $_ } @all);
		for (my $end = time + 10; $refused < $n - 200 && time < $end;) {
			my $bits = "";
			vec($bits, $_, 1) = 1 for keys %left;
			select($bits, undef, undef, 1);
			for my $fd (grep { vec $bits, $_, 1 } keys %left) {
				my $said = "";
				sysread delete $left{$fd}, $said, 4096;
				$refused++ if $said =~ /Busy/;
			}
		}
		syswrite STDOUT, "refused $refused\n";
		sleep 1000;
END
	my $out = $node->dir . '/crowd.out';
	spew($out, '');
	chmod 0666, $out;
	my $pid = spawn_program($^X, '-e', $program, $path, 300, { out => $out });
	my $end = Time::HiRes::time() + 20 * slow_factor();
	Time::HiRes::sleep(0.01) until slurp($out) =~ /\n/ || Time::HiRes::time() > $end;
	my ($refused) = slurp($out) =~ /refused (\d+)/;
	is($refused, 100, 'one user does not get all connections');
	answers_quickly('to root');
	kill KILL => $pid;
	waitpid $pid, 0;
	answers_quickly('after the crowd has gone');
};

is($node->stop, 0);
done_testing;
