# SPDX-License-Identifier: MIT
# The producer samples, keeps what it took until it is acknowledged, and goes on where it was.
use strict;
use warnings;
use Test::More;
use Time::HiRes ();
use Appctl::Producer;
use Appctl::Test;

sub rows { Appctl::Producer::Link::rows(@_) }

subtest 'batches come numbered, and what was acknowledged does not come again' => sub {
	my $consumer = Appctl::Producer::Consumer->new;
	my $producer = Appctl::Producer->new(consumer => $consumer)->start;
	my $link = $consumer->open(0);
	is($link->{node}, 'alice', 'it says its name');
	my $node = $link->batch('node');
	is($node->{epoch}, $link->{epoch}, 'of the epoch that it said');
	my ($row) = rows($node);
	cmp_ok($row->{mem_total}, '>', 0, 'with what the machine has');
	my $prc = $link->batch('prc');
	ok($prc, 'processes come too');
	$link->batch('node') for 1 .. 3;
	is_deeply([map { $_->{seq} } @{ $link->{seen} }], [1 .. @{ $link->{seen} }], 'numbers have no holes');
	$link->ack(4);
	$link->batch('node');
	my $last = $link->{seen}[-1]{seq};
	$link->close;
	my $again = $consumer->open(4);
	is($again->{epoch}, $link->{epoch}, 'the epoch goes on');
	is($again->batch->{seq}, 5, 'what was not acknowledged comes again');
	is_deeply($again->{seen}[0], (grep { $_->{seq} == 5 } @{ $link->{seen} })[0], 'the same');
	$again->batch until $again->{seen}[-1]{seq} > $last;
	$again->ack($again->{seen}[-1]{seq});
	is($producer->stop, 0, 'it ends when asked');
	my ($acked, $epoch) = ($again->{seen}[-1]{seq}, $again->{epoch});
	$producer->start;
	my $third = $consumer->open($acked);
	is($third->{epoch}, $epoch, 'the epoch goes on when it is started again');
	is($third->batch->{seq}, $acked + 1, 'and the numbers');
	$producer->kill_it;
	$producer->start;
	my $fourth = $consumer->open($acked);
	is($fourth->{epoch}, $epoch, 'and after a kill');
	is($fourth->batch->{seq}, $acked + 1, 'with what was held');
	is($producer->stop, 0);
};

subtest 'no more is under way than the window allows' => sub {
	my $consumer = Appctl::Producer::Consumer->new;
	my $producer = Appctl::Producer->new(consumer => $consumer)->start;
	my $link = $consumer->open(0);
	$link->batch for 1 .. 64;
	is($link->batch(undef, 1), undef, '64, then it waits');
	ok($link->{timed_out}, 'without closing');
	$link->ack(1);
	is($link->batch->{seq}, 65, 'one more for each that is acknowledged');
	is($producer->stop, 0);
};

subtest 'an acknowledgement of what was not sent ends the connection with 1002' => sub {
	my $consumer = Appctl::Producer::Consumer->new;
	my $producer = Appctl::Producer->new(consumer => $consumer)->start;
	for my $wrong (sub { { type => 'ack', epoch => $_[0], seq => 1000 } }, sub { { type => 'ack', epoch => 17, seq => 1 } },
		sub { { type => 'resume', epoch => $_[0], seq => 0 } }, sub { { type => 'nonsense', epoch => $_[0], seq => 1 } },
		sub { { type => 'ack', epoch => $_[0], seq => -1 } }, sub { [] }) {
		my $link = $consumer->open(0);
		$link->batch;
		$link->say($wrong->($link->{epoch}));
		is(($link->close_code)[0], 1002, 'closed');
	}
	my $link = $consumer->open(0);
	is($link->batch->{seq}, 1, 'nothing was forgotten for that');
	is($producer->stop, 0);
};

subtest 'a consumer that knows of later numbers begins a new epoch' => sub {
	my $consumer = Appctl::Producer::Consumer->new;
	my $producer = Appctl::Producer->new(consumer => $consumer)->start;
	my $link = $consumer->open(0);
	$link->batch;
	$link->close;
	my $set_back = $consumer->open(1000000);
	is(($set_back->close_code)[0], 1000, 'the connection ends');
	my $left = $consumer->open(1000000);
	is($left->{epoch}, $link->{epoch}, 'what there is of the old epoch is asked for once more') ;
	is(($left->close_code)[0], 1000, 'it is all there');
	my $new = $consumer->open(0);
	cmp_ok($new->{epoch}, '>', $link->{epoch}, 'another epoch begins');
	is($new->batch->{seq}, 1, 'from one');
	is($producer->stop, 0);
};

subtest 'out of reach: what does not fit is dropped and told' => sub {
	my $consumer = Appctl::Producer::Consumer->new;
	my $port = $consumer->port;
	$consumer->close;
	my $producer = Appctl::Producer->new(port => $port, env => { PRODUCER_SPOOL_AGE => '1s', PRODUCER_UNREACHABLE_AFTER => '1s' })->start;
	$producer->wait_log(qr/has been out of reach for 1 s: .*refused/);
	$producer->wait_log(qr/oldest batches are dropped/);
	$consumer = Appctl::Producer::Consumer->new(port => $port);
	my $link = $consumer->open(0, 60);
	my $gap = $link->batch('gap');
	my ($row) = rows($gap);
	is($row->{reason}, 'spool_age', 'why');
	is($row->{first_seq}, 1, 'from the first');
	is($row->{batches}, $row->{last_seq}, 'to the last');
	is($row->{epoch}, $link->{epoch}, 'of the epoch');
	cmp_ok($link->{seen}[0]{seq}, '>', $row->{last_seq}, 'what comes begins behind it');
	$producer->wait_log(qr/in reach again/);
	is($producer->stop, 0);
};

subtest 'a spool has one producer' => sub {
	my $consumer = Appctl::Producer::Consumer->new;
	my $first = Appctl::Producer->new(consumer => $consumer)->start;
	my $link = $consumer->open(0);
	ok($link->batch('node'), 'the first collects');
	my $r = Appctl::Producer->new(consumer => $consumer, spool => $first->{spool})->run;
	is($r->{exit}, 1, 'a second one is refused');
	like($r->{err}, qr/needs a spool of its own \(PRODUCER_SPOOL\): spool \Q$first->{spool}\E: another process has it: pid $first->{pid}\b/, 'and told whose it is');
	ok($link->batch('node'), 'the first does not notice');
	kill KILL => $first->{pid};
	Appctl::Test::wait_child($first->{pid}, 20);
	my $next = Appctl::Producer->new(consumer => $consumer, spool => $first->{spool})->start;
	ok($consumer->open(0)->batch('node'), 'after a crash it is free');
	is($next->stop, 0);
};

subtest 'settings' => sub {
	my $consumer = Appctl::Producer::Consumer->new;
	my $r = Appctl::Producer->new(consumer => $consumer, env => { PRODUCER_INTERVAL => '1ms', PRODUCER_PROT => '1' })->run;
	is($r->{exit}, 2, 'a mistake is told');
	like($r->{err}, qr/^PRODUCER_INTERVAL: "1ms" cannot be used: it must be a time .* from 100ms to 1h$/m, 'with what is allowed');
	like($r->{err}, qr/^PRODUCER_PROT: there is no such setting \(did you mean PRODUCER_PORT\?\)$/m, 'all of them');
	$r = Appctl::Producer->new(consumer => $consumer, env => { PRODUCER_ENABLE => undef })->run;
	is($r->{exit}, 2, 'off unless it is switched on');
	like($r->{err}, qr/switched off; PRODUCER_ENABLE=true/, 'and says so');
	$r = Appctl::Producer->new(consumer => $consumer)->run('--check');
	is($r->{exit}, 0, 'good settings are good');
	like(Appctl::Producer->new(consumer => $consumer)->run('--help')->{out}, qr/PRODUCER_INTERVAL=2s/, '--help lists them');
	chmod 0644, (my $file = Appctl::Net::secret_file('0123456789abcdef'));
	$r = Appctl::Producer->new(consumer => $consumer, secret_file => $file)->run;
	is($r->{exit}, 1, 'a secret that others may read is refused');
	unlike($r->{err}, qr/0123456789/, 'and not told');
};

subtest 'commands of the operator' => sub {
	my $consumer = Appctl::Producer::Consumer->new;
	my $producer = Appctl::Producer->new(consumer => $consumer, env => { PRODUCER_COMMAND_INTERVAL => '100ms',
		PRODUCER_METRIC_queue => q(echo '[{"name": "in", "length": 3}, {"name": "out", "length": 4}]'),
		PRODUCER_STATUS_COMMAND => 'echo all is well; cat /etc/hostname >/dev/null' })->start;
	my $link = $consumer->open(0);
	is_deeply([map { [@$_{qw(name length)}] } rows($link->batch('custom_queue'))], [['in', 3], ['out', 4]], 'a metric');
	like((rows($link->batch('node_status')))[0]{status}, qr/all is well/, "the node's status");
	is($producer->stop, 0);
};

done_testing;
