# SPDX-License-Identifier: MIT
# appctld's events are collected, each once, through kills of the producer and of what it follows.
use strict;
use warnings;
use Test::More;
use Time::HiRes ();
use Appctl::Producer;
use Appctl::Test;

sub rows { Appctl::Producer::Link::rows(@_) }

# Takes batches until an event that has not been asked for matches; all events by their instance and number, with how often they came.
my (%seen, @waiting);
my $highest = 0;
sub collect_until {
	my ($link, $what, $timeout) = @_;
	my $end = Time::HiRes::time() + ($timeout // 20) * slow_factor();
	while (1) {
		while (my $r = shift @waiting) {
			return $r if $what->($r);
		}
		die "no such event in time\n" if Time::HiRes::time() > $end;
		my $batch = $link->batch // die "the connection has ended\n";
		$highest = $batch->{seq};
		$link->ack($batch->{seq});
		next if $batch->{type} ne 'event';
		$seen{"$_->{instance} $_->{number}"}++ for rows($batch);
		push @waiting, rows($batch);
	}
}

sub forget { ($highest, @waiting) = (0); %seen = () }

my $config = <<'END';
applications:
{
	web: { command = ["/bin/sleep", "1000"]; };
	bad: { command = "exit 3"; restart = "temporary"; };
	worse: { command = ["/nonexistent"]; intensity = 0; };
	END
};
roles: { all = ["web"]; more = ["bad", "worse"]; };
modes: { normal = ["all"]; other = ["all", "more"]; };
default_mode = "normal";
END
$config =~ s/\tEND\n//;

subtest 'each once' => sub {
	my $node = Appctl::Test->new(config => $config)->start;
	my $consumer = Appctl::Producer::Consumer->new;
	my $producer = Appctl::Producer->new(consumer => $consumer, interval => '1h',
		env => { PRODUCER_EVENTS => 'true', PRODUCER_RUNTIME_DIR => $node->runtime_dir })->start;
	my $link = $consumer->open(0);
	my $running = collect_until($link, sub { $_[0]{event} eq 'app_running' && $_[0]{application} eq 'web' });
	is($running->{pid}, $node->wait_event({ event => 'app_running', app => 'web' })->{pid}, 'a start, also one before the producer was there');
	like($running->{json}, qr/^\{"seq":$running->{number},"ts":"$running->{at}"/, 'with its whole line');
	is(collect_until($link, sub { $_[0]{event} eq 'mode_stable' })->{application}, undef, 'a mode is of no application');

	for my $round (1 .. 5) {
		$node->appctl('restart', 'web');
		$producer->kill_it;
		$link->close;
		$node->appctl('restart', 'web') if $round > 1;
		kill KILL => $node->engine_pid if $round == 3;
		$producer->start;
		$link = $consumer->open($highest);
	}
	$node->appctl('mode', 'other');
	my $last = collect_until($link, sub { $_[0]{event} eq 'mode_failed' })->{number};
	is_deeply([sort { $a <=> $b } map { (split)[1] } grep { (split)[1] <= $last } keys %seen], [1 .. $last], "all $last events came");
	is_deeply([grep { $seen{$_} != 1 } keys %seen], [], 'and none twice');
	is($producer->stop, 0);

	is($node->stop, 0);
	my $restarted = $node->start;
	%seen = ();
	@waiting = ();
	$producer->start;
	$link = $consumer->open($highest);
	my $first = collect_until($link, sub { $_[0]{event} eq 'app_running' });
	isnt($first->{instance}, $running->{instance}, 'an appctld that was started anew has events of its own');
	ok((grep { /^$first->{instance} 1$/ } keys %seen), 'from the first on');
	is($producer->stop, 0);
	is($node->stop, 0);
};

subtest 'an incident is taken at the moment' => sub {
	my $node = Appctl::Test->new(config => $config)->start;
	my $consumer = Appctl::Producer::Consumer->new;
	my $producer = Appctl::Producer->new(consumer => $consumer,
		env => { PRODUCER_EVENTS => 'true', PRODUCER_RUNTIME_DIR => $node->runtime_dir })->start;
	my $link = $consumer->open(0);
	forget();
	collect_until($link, sub { $_[0]{event} eq 'mode_stable' });
	$node->appctl('mode', 'other');
	my $incident = $link->batch('incident');
	my ($row) = rows($incident);
	is($row->{failed}, 'worse', 'which application failed');
	ok($row->{reason}, 'and why');
	my ($event) = map { rows($_) } grep { $_->{type} eq 'event' && grep { $_->{number} == $row->{number} } rows($_) } @{ $link->{seen} };
	ok($event, 'its event came with it');
	is($producer->stop, 0);
	is($node->stop, 0);
};

subtest 'without an appctld the rest is collected, and it is followed once it is there' => sub {
	my $node = Appctl::Test->new(config => $config);
	my $consumer = Appctl::Producer::Consumer->new;
	my $producer = Appctl::Producer->new(consumer => $consumer,
		env => { PRODUCER_EVENTS => 'true', PRODUCER_RUNTIME_DIR => $node->runtime_dir })->start;
	my $link = $consumer->open(0);
	ok($link->batch('node'), 'samples');
	$producer->wait_log(qr/no events are collected: /);
	$node->start;
	forget();
	ok(collect_until($link, sub { $_[0]{event} eq 'app_running' }), 'events');
	is(scalar(() = $producer->log_text =~ /no events are collected/g), 1, 'it was told once');
	is($producer->stop, 0);
	is($node->stop, 0);
};

subtest 'a suspect raises an alarm' => sub {
	my $consumer = Appctl::Producer::Consumer->new;
	my $producer = Appctl::Producer->new(consumer => $consumer, env => { PRODUCER_EVENTS => 'true', PRODUCER_MEMORY_LIMIT => '100M' });
	my %env = %{ $producer->environment };
	my $variables = join ' ', map { "$_ = \"$env{$_}\";" } sort grep { defined $env{$_} } keys %env;
	my $node = Appctl::Test->new(config => <<END);
applications:
{
	producer: { command = ["@{[ program('appctl-producer') ]}"]; ready = { type = "notify"; };
		environment: { $variables PRODUCER_RUNTIME_DIR = "\@DIR\@/run"; PRODUCER_PROCESSES_LIMIT = "2"; }; };
	hog: { command = ["perl", "-e", "my \$x = 'x' x 200e6; sleep 1000"]; applications = ["producer"]; };
};
END
	$node->start;
	my $link = $consumer->open(0);
	my @suspects;
	push @suspects, rows($link->batch('suspect')) until grep { ($_->{application} // '') eq 'hog' } @suspects;
	my ($hog) = grep { ($_->{application} // '') eq 'hog' } @suspects;
	is($hog->{kind}, 'memory', 'it is a row');
	cmp_ok($hog->{value}, '>', 100 << 20, 'with what it has');
	my $alarm = $node->wait_event({ event => 'app_alarm', text => qr/application hog/ });
	like($alarm->{text}, qr/^process $hog->{pid} \(perl\) of application hog: memory \d+, more than 104857600$/, 'an alarm says the same');
	$node->wait_event({ event => 'app_running', app => 'hog' }) unless $node->events_so_far({ event => 'app_running', app => 'hog' });
	forget();
	ok(collect_until($link, sub { $_[0]{event} eq 'app_alarm' }), 'which is an event as others are');
	is($node->stop, 0);
};

done_testing;
