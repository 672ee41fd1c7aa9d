# SPDX-License-Identifier: MIT
# Gauges are pushed to an OpenTelemetry collector, beside the WebSocket or instead of it.
use strict;
use warnings;
use IO::Select;
use IO::Socket::IP;
use JSON::PP;
use Test::More;
use Time::HiRes ();
use Appctl::Net;
use Appctl::Producer;
use Appctl::Test;

my $listen = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => 0, Listen => 16, ReuseAddr => 1) or die;
my $url = 'http://127.0.0.1:' . $listen->sockport . '/v1/metrics';
my (%buffer, $select);
$select = IO::Select->new($listen);

# The next request: head and body; answered with that status.
sub request {
	my ($status) = @_;
	my $end = Time::HiRes::time() + 10 * slow_factor();
	while (Time::HiRes::time() < $end) {
		for my $s ($select->can_read(0.1)) {
			if ($s == $listen) {
				$select->add(scalar $listen->accept);
				next;
			}
			$buffer{$s} //= '';
			if (!sysread $s, $buffer{$s}, 65536, length $buffer{$s}) {
				delete $buffer{$s};
				$select->remove($s);
				next;
			}
			my ($head, $body) = split /\r\n\r\n/, $buffer{$s}, 2;
			my ($len) = $head =~ /^Content-Length: (\d+)/mi or next;
			syswrite $s, "HTTP/1.1 100 Continue\r\n\r\n" if $head =~ /^Expect: 100/mi && !length $body;
			next if length($body // '') < $len;
			$buffer{$s} = '';
			syswrite $s, "HTTP/1.1 $status\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}";
			return ($head, $body);
		}
	}
	die "no request in time\n";
}

sub gauges {
	my ($body) = @_;
	my $resource = JSON::PP->new->utf8->decode($body)->{resourceMetrics}[0];
	my %host = map { $_->{key} => $_->{value}{stringValue} } @{ $resource->{resource}{attributes} };
	return ($host{'host.name'}, { map { $_->{name} => $_->{gauge}{dataPoints} } @{ $resource->{scopeMetrics}[0]{metrics} } });
}

my $headers = secret_file("Authorization: Bearer 0123456789abcdef\nX-Scope: test");

subtest 'instead of a consumer' => sub {
	my $producer = Appctl::Producer->new(port => 1, env => { PRODUCER_IP => undef, PRODUCER_SECRET_FILE => undef, PRODUCER_SPOOL => undef,
		PRODUCER_OTLP_URL => $url, PRODUCER_OTLP_HEADERS_FILE => $headers })->start;
	request('200 OK');
	my ($head, $body) = request('200 OK');		# speeds need a sample before
	like($head, qr{^POST /v1/metrics HTTP/1\.1\r}, 'by POST');
	like($head, qr{^Content-Type: application/json\r?$}m, 'as JSON');
	like($head, qr{^Authorization: Bearer 0123456789abcdef\r?$}m, 'with headers from a file');
	like($head, qr{^X-Scope: test\r?$}m, 'all of them');
	my ($node, $gauges) = gauges($body);
	is($node, 'alice', 'it says which machine');
	my $points = $gauges->{'appctl.node.mem_total'};
	is(scalar @$points, 1, 'a gauge of the machine');
	like($points->[0]{asInt}, qr/^[1-9]\d+$/, 'with its value');
	like($points->[0]{timeUnixNano}, qr/^\d{19}$/, 'and its time');
	like($gauges->{'appctl.node.cpu_user'}[0]{asDouble}, qr/^[\d.e-]+$/, 'numbers that are not whole are doubles');
	my ($process) = @{ $gauges->{'appctl.prc.memory'} };
	my %of = map { $_->{key} => values %{ $_->{value} } } @{ $process->{attributes} };
	like($of{pid}, qr/^\d+$/, "a process's gauge has its pid");
	ok(length $of{name}, 'and its name');
	ok(!exists $gauges->{'appctl.prc.pid'}, 'which is none itself');
	ok($gauges->{'appctl.app_top.processes'}, 'applications have theirs');

	request('503 Service Unavailable');
	$producer->wait_log(qr/gauges cannot be pushed: the collector answers with status 503/);
	request('200 OK');
	$producer->wait_log(qr/gauges are pushed again/);
	is($producer->stop, 0);
	unlike($producer->log_text, qr/0123456789abcdef/, 'no header is told');
};

subtest 'beside a consumer, and a collector that is not there holds up nothing' => sub {
	my $consumer = Appctl::Producer::Consumer->new;
	my $producer = Appctl::Producer->new(consumer => $consumer, env => { PRODUCER_OTLP_URL => $url })->start;
	my $link = $consumer->open(0);
	ok($link->batch('node'), 'batches');
	ok((request('200 OK'))[1], 'and gauges');
	close $listen;
	for ($select->handles) { $select->remove($_); close $_ }
	$producer->wait_log(qr/gauges cannot be pushed: /);
	$link->ack($link->{seen}[-1]{seq});
	ok($link->batch('node'), 'batches go on') for 1 .. 5;
	is($producer->stop, 0);
};

done_testing;
