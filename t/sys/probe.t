# SPDX-License-Identifier: MIT
# appctl-probe: not ready, then ready, for every type; and what it says when it never is.
use strict;
use warnings;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Test::More;
use Appctl::Test;

my $probe = program('appctl-probe');
my $dir = Appctl::Test::scratch_directory();

# Says how a probe with --timeout ended that found nobody.
sub never_ready {
	my (@args) = @_;
	my $r = run_program($probe, shift @args, '--interval', 20, '--timeout', 200, @args);
	is($r->{exit}, 1, "never ready: @args");
	return $r->{err};
}

# The probe waits while nothing is there, and ends with 0 once make_ready() was called.
sub becomes_ready {
	my ($make_ready, @args) = @_;
	my $pid = spawn_program($probe, shift @args, '--interval', 10, @args);
	is(Appctl::Test::wait_child($pid, 0.2), undef, "not ready yet: @args");
	my $keep = $make_ready->();
	is(Appctl::Test::wait_child($pid, 10), 0, "ready: @args");
}

subtest tcp => sub {
	my $port = free_port();
	like(never_ready('tcp', '--port', $port), qr/tcp 127\.0\.0\.1 port $port: /, 'and says so');
	becomes_ready(sub { IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', LocalPort => $port) // die $! },
		'tcp', '--host', '127.0.0.1', '--port', $port);
};

subtest unix => sub {
	my $path = "$dir/socket";
	like(never_ready('unix', '--path', $path), qr/unix socket \Q$path\E: No such file/, 'and says so');
	becomes_ready(sub { IO::Socket::UNIX->new(Listen => 5, Local => $path) // die $! }, 'unix', '--path', $path);
	like(never_ready('unix', '--path', $path), qr/Connection refused/, 'a socket that nobody listens on any more');
	unlink $path;
	becomes_ready(sub { IO::Socket::UNIX->new(Type => SOCK_DGRAM(), Local => $path) // die $! }, 'unix', '--path', $path);
};

# A server that answers every request with that status line and an endless body.
sub http_server {
	my ($listener, $status) = @_;
	my $pid = fork // die;
	return $pid if $pid;
	$SIG{PIPE} = 'IGNORE';
	while (my $c = $listener->accept) {
		while (defined(my $line = <$c>)) { last if $line =~ /^\r?$/ }
		print $c "HTTP/1.1 $status\r\nConnection: close\r\n\r\n" and $c->flush;
		1 while print $c 'x' x 4096;
	}
	POSIX::_exit(0);
}

subtest http => sub {
	my $port = free_port();
	my $url = "http://127.0.0.1:$port/health";
	like(never_ready('http', '--url', $url), qr/\Q$url\E: /, 'and says so');
	becomes_ready(sub { http_server(IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', LocalPort => $port, ReuseAddr => 1), '204 No Content') },
		'http', '--url', $url);
	my $listener = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') // die $!;
	http_server($listener, '503 Service Unavailable');
	like(never_ready('http', '--url', 'http://127.0.0.1:' . $listener->sockport . '/'), qr/HTTP status 503/, 'unavailable is not ready');
	$listener = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') // die $!;
	like(never_ready('http', '--url', 'http://127.0.0.1:' . $listener->sockport . '/'), qr/Timeout/i, 'one that never answers');
	like(never_ready('http', '--url', "file://$dir"), qr/protocol/i, 'only http');
};

subtest exec => sub {
	like(never_ready('exec', '--', '/bin/false'), qr/exit status 1/, 'and says so');
	like(never_ready('exec', '--', '/nonexistent'), qr/No such file/, 'a command that is not there');
	like(never_ready('exec', '--', '/bin/sh', '-c', 'kill -9 $$'), qr/signal 9/, 'one that is killed');
	becomes_ready(sub { spew("$dir/flag", '') }, 'exec', '--', '/usr/bin/test', '-e', "$dir/flag");
};

# Waits until the file holds a line; its words.
sub words_of {
	my ($path) = @_;
	for (1 .. 2000) {
		return split ' ', $1 if slurp($path) =~ /^(.*)\n/;
		select undef, undef, undef, 0.005;
	}
	die "$path stayed empty\n";
}

subtest 'an attempt does not outlive its time, nor the probe' => sub {
	my $hang = "sleep 1000 & echo \$\$ \$! >>$dir/pids; wait";
	like(never_ready('exec', '--', '/bin/sh', '-c', $hang), qr/no end within \d+ ms/, 'it hangs');
	ok(!process_is_alive($_), "$_ was killed") for words_of("$dir/pids");
	unlink "$dir/pids";
	my $pid = spawn_program($probe, 'exec', '--', '/bin/sh', '-c', $hang);
	my @below = words_of("$dir/pids");
	kill TERM => $pid;
	is(Appctl::Test::wait_child($pid, 10), 1 << 8, 'SIGTERM ends the probe');
	ok(!process_is_alive($_), "$_ was killed") for @below;
};

subtest usage => sub {
	for my $case ([[], qr/what shall be tried/], [['smtp'], qr/no such type: smtp/], [['tcp'], qr/missing: --port/],
		[['tcp', '--prot', 3], qr/unknown option.*--prot/], [['tcp', '--port'], qr/without its value: --port/],
		[['tcp', '--port', 3, '--interval', 'x'], qr/not a number of milliseconds: x/]) {
		my $r = run_program($probe, @{ $case->[0] });
		is($r->{exit}, 1, "exit status of @{ $case->[0] }");
		like($r->{err}, $case->[1], 'and what it says');
	}
};

done_testing;
