# SPDX-License-Identifier: MIT
# appctl-consumer with producers before it and SQLite behind it.
use strict;
use warnings;
use IO::Socket::INET;
use Test::More;
use Appctl::Consumer;
use Appctl::Test;

needs_program('python3');

sub ask {
	my ($consumer, $sql) = @_;
	my $r = run_program('python3', '-c', "import sqlite3,sys\nfor r in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]): print('|'.join(map(str,r)))",
		$consumer->sqlite, $sql);
	diag($r->{err}) if $r->{exit};
	chomp $r->{out};
	return $r->{out};
}

sub http {
	my ($port, $request) = @_;
	my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 5) or return '';
	print $s $request;
	local $/;
	return <$s> // '';
}

my $c = Appctl::Consumer->new(CONSUMER_METRICS_LISTEN => '127.0.0.1:0')->start;
my $metrics = $c->wait_log(qr{/metrics on port (\d+)});

subtest 'what is acknowledged is stored' => sub {
	my $said = $c->produce(count => 3, batches => 40, rows => 20);
	is(scalar(grep { /^done node\d 40 40 / } @$said), 3, 'three producers got their acknowledgements') or diag("@$said");
	is(ask($c, 'SELECT count(*), count(DISTINCT node), min(typeof(ts)), count(cpu), max(reasons) FROM prc'), '2400|3|integer|2400|cpu memory', 'and their rows are there');
	is(ask($c, 'SELECT node, count(*), max(seq), sum(rows) FROM batch GROUP BY node ORDER BY node'),
		join("\n", map { "node$_|40|40|800" } 0 .. 2), 'each batch by its number');
	is(ask($c, 'SELECT count(*) FROM gap'), 0, 'nothing is missing');
};

subtest 'who comes again goes on where it was' => sub {
	my $said = $c->produce(count => 1, batches => 40, rows => 20);
	like("@$said", qr/^done node0 40 40 /, 'all of it is stored already');
	is($c->stop, 0, 'the consumer ends in order');
	$c->start;
	$said = $c->produce(count => 1, batches => 50, rows => 20);
	like("@$said", qr/^done node0 50 50 /, 'a new consumer asks its database');
	is(ask($c, q{SELECT count(*) FROM prc WHERE node = 'node0'}), 1000, 'and stores nothing twice');
};

subtest 'what is missing is told' => sub {
	$c->produce(count => 1, batches => 5, rows => 1, first => 61);
	is(ask($c, 'SELECT node, epoch, first_seq, last_seq, batches, reason FROM gap'), 'node0|1|51|60|10|unknown', 'a row for what never came');
};

subtest 'killed in the midst' => sub {
	my ($pid, $out) = $c->start_producers(count => 2, batches => 2000, rows => 30, first => 100);
	my $seen = 0;
	for (1 .. 3) {
		my $end = time + 20;
		select undef, undef, undef, 0.02 while ask($c, 'SELECT count(*) FROM batch') < $seen + 50 && time < $end;
		$seen = ask($c, 'SELECT count(*) FROM batch');
		$c->crash;
		$c->start;
	}
	is(Appctl::Test::wait_child($pid, 60), 0, 'the producers finish') or diag(slurp($out));
	is(ask($c, 'SELECT count(*), min(seq), max(seq) FROM batch WHERE seq >= 100 GROUP BY node'), "2000|100|2099\n2000|100|2099", 'every batch is there');
	is(ask($c, 'SELECT count(*) FROM prc p WHERE ts >= (SELECT min(ts) FROM batch WHERE seq >= 100)'), 2 * 2000 * 30, 'with all its rows, once');
};

subtest '/metrics' => sub {
	$metrics = $c->wait_log(qr{/metrics on port (\d+)});
	$c->produce(count => 1, batches => 1, rows => 1, first => 5000);
	my $answer = http($metrics, "GET /metrics HTTP/1.0\r\n\r\n");
	my ($head, $body) = split /\r\n\r\n/, $answer, 2;
	like($head, qr{^HTTP/1\.[01] 200 .*application/openmetrics-text; version=1\.0\.0}s, 'in the form that scrapers ask for');
	like($body, qr/^appctl_consumer_batches_total [1-9]/m, 'its own work');
	like(http($metrics, "GET / HTTP/1.0\r\n\r\n"), qr/ 404 /, 'nothing else is there');
	like(http($metrics, "POST /metrics HTTP/1.0\r\nContent-Length: 1\r\n\r\nx"), qr/ 405 /, 'and nothing is taken');
	SKIP: {
		skip 'needs prometheus_client for Python', 1 if system('python3 -c "import prometheus_client.openmetrics.parser" 2>/dev/null') != 0;
		my $r = run_program('python3', '-c', "import sys\nfrom prometheus_client.openmetrics.parser import text_string_to_metric_families as p\n"
			. "print(len(list(p(sys.stdin.read()))))", { stdin => $body });
		is($r->{exit}, 0, 'an independent parser reads it') or diag($r->{err});
		cmp_ok($r->{out}, '>', 30, 'all of it');
	}
};

subtest 'what it gave up' => sub {
	my $status = slurp('/proc/' . $c->pid . '/status');
	like($status, qr/^NoNewPrivs:\s+1$/m, 'new privileges');
	like($status, qr/^Seccomp:\s+2$/m, 'system calls');
	is((stat '/proc/' . $c->pid . '/environ')[4], 0, 'its memory is nobody\'s to see');
	unlike($c->log_text . slurp('/proc/' . $c->pid . '/cmdline'), qr/sixteen bytes/, 'and the secret is told nowhere');
};

subtest 'settings that are wrong' => sub {
	my %env = (CONSUMER_ENABLE => 'true', CONSUMER_LISTEN_PORT => 'x', CONSUMER_RETENTON => '1d', CONSUMER_CERTFILE => '/x');
	my $r = run_program(program('appctl-consumer'), { env => \%env });
	is($r->{exit}, 2, 'are refused');
	like($r->{err}, qr/$_/, "all at once: $_") for 'CONSUMER_LISTEN_PORT', 'CONSUMER_RETENTON';
	is(run_program(program('appctl-consumer'))->{exit}, 2, 'off until enabled');
	like(run_program(program('appctl-consumer'), '--help')->{out}, qr/CONSUMER_RETENTION=14d/, '--help explains them');
};

is($c->stop, 0, 'it ends in order');
done_testing;
