# SPDX-License-Identifier: MIT
# Messages between nodes: what arrives, in which order, what is refused, what is not known.
use strict;
use warnings;
use IO::Handle;
use JSON::PP;
use Test::More;
use Time::HiRes ();
use Appctl::Mail;
use Appctl::Node;
use Appctl::Test;

my %common = (settings => 'mailbox = { messages = 100000; };', app => 'backoff = { max = 0.1; };');

sub nodes {
	my (%o) = @_;
	my ($alice, $bob) = map { Appctl::Node->new(%common, %o, node => $_) } qw(alice bob);
	($alice->{peers}, $bob->{peers}) = ([$bob], [$alice]);
	$bob->{allow} = $o{bob_allows} if defined $o{bob_allows};
	for my $n ($alice, $bob) {
		$n->write_settings;
		$n->dropin('chat.conf', 'applications: { chat: { command = "exec sleep 1000"; }; other: { command = "exec sleep 1000"; }; };');
	}
	$_->start for $alice, $bob;
	$_->wait_node for $alice, $bob;
	return ($alice, $bob);
}

my $user = '~' . getpwuid($>);

subtest 'there and back' => sub {
	my ($alice, $bob) = nodes();
	my $r = $alice->appctl('send', 'bob/chat', 'hey');
	is($r->{exit}, 0, 'sent') or diag($r->{err});
	$r = $bob->appctl('receive', '-s', 'chat');
	is($r->{out}, "alice/$user: hey\n", 'received, with the node that the link has proved');
	is($alice->appctl('self')->{out}, "alice/$user\n", 'alice has a mailbox');
	is($bob->appctl('send', "alice/$user", 'heyyy')->{exit}, 0, 'a reply goes to the envelope\'s address');
	is($alice->appctl('receive', '-s')->{out}, "bob/$user: heyyy\n", 'and comes');
	my $answer = Appctl::Mail->new($alice)->send_all(map { { to => $_ % 2 ? 'bob/chat' : 'bob/other', text => $_ } } 1 .. 5000);
	is((grep { defined } values %$answer), 0, '5000 to two mailboxes');
	is_deeply([split /\n/, $bob->appctl('receive', 'chat')->{out}], [grep { $_ % 2 } 1 .. 5000], 'in order');
	is_deeply([split /\n/, $bob->appctl('receive', 'other')->{out}], [grep { $_ % 2 == 0 } 1 .. 5000], 'in both');
	$answer = Appctl::Mail->new($alice)->send_all(map { { to => $_ % 3 ? 'bob/chat' : 'bob/nobody', text => $_ } } 1 .. 30);
	is_deeply($answer, { map { $_ => $_ % 3 ? undef : 'no_such_application' } 1 .. 30 }, 'of many, exactly those that cannot be delivered');
	is($alice->appctl('send', 'bob/nobody', 'x')->{exit}, 3, 'status 3');
	is($alice->appctl('send', 'bob/chat', 'x' x 65536)->{exit}, 0, 'a large one');
	$alice->appctl('-n', 'bob', 'send', 'other', 'by -n');
	is($bob->appctl('receive', 'other')->{out}, "by -n\n", '-n before the command');
	is($alice->appctl('send', '-n', 'bob', 'other', 'by -n')->{exit}, 0, 'and behind it');
	is($alice->appctl('send', '-n', 'bob', 'bob/other', 'x')->{exit}, 2, 'a node twice');
	my ($kept) = reverse(Appctl::Mail->new($bob)->present('chat'));
	is(length $kept->{text}, 65536, 'is whole');
	$_->stop for $alice, $bob;
};

subtest 'a full mailbox is full for others too, and holds nobody up' => sub {
	my ($alice, $bob) = nodes(settings => 'mailbox = { messages = 10; };');
	my $answer = Appctl::Mail->new($alice)->send_all(map { { to => 'bob/chat', text => $_ }, { to => 'bob/other', text => $_ } } 1 .. 20);
	is_deeply([map { $answer->{ 2 * $_ - 1 } } 1 .. 20], [(undef) x 10, ('mailbox_full') x 10], 'ten find room');
	$bob->appctl('receive', 'other');
	$answer = Appctl::Mail->new($alice)->send_all(map { { to => 'bob/chat', text => $_ }, { to => 'bob/other', text => $_ } } 1 .. 5);
	is_deeply([map { $answer->{ 2 * $_ } } 1 .. 5], [(undef) x 5], 'the other mailbox goes on');
	$_->stop for $alice, $bob;
};

subtest 'what bob does not allow' => sub {
	my ($alice, $bob) = nodes(bob_allows => 'send = ["other"];');
	my $r = $alice->appctl('send', 'bob/chat', 'hey');
	is($r->{exit}, 5, 'not permitted');
	like($r->{err}, qr/bob does not let alice send to chat/);
	is($alice->appctl('send', 'bob/other', 'hey')->{exit}, 0, 'what is allowed');
	is($bob->appctl('receive', 'chat')->{out}, '', 'nothing came');
	my ($reply) = $alice->node_call(Connect => { node => 'bob', service => 'mail', args => {} });
	is($reply->{parameters}{code}, 'not_permitted', 'nobody brings envelopes of his own');
	$_->stop for $alice, $bob;
};

subtest 'a node that is down, and one that stops in the middle' => sub {
	my ($alice, $bob) = nodes(heartbeat => '1s');
	$bob->appctl('stop', 'appctl-node');
	my $r = $alice->appctl('send', 'bob/chat', 'hey');
	is($r->{exit}, 6, 'unreachable') or diag($r->{err});
	$bob->appctl('start', 'appctl-node');
	$bob->wait_event({ event => 'app_running', app => 'appctl-node' });
	my $mail = Appctl::Mail->new($alice);
	my $sent;
	for (1 .. 100) {
		$sent = $mail->send_all({ to => 'bob/chat', text => 'again' });
		last unless defined $sent->{1};
		Time::HiRes::sleep(0.1);
	}
	is($sent->{1}, undef, 'it is found again');
	my $pid = $bob->node_pid;
	kill STOP => $pid;
	$mail->say(map { { to => 'bob/chat', text => "unknown $_" } } 1 .. 10);
	my %got;
	while (keys %got < 10) {
		my $line = $mail->line // last;
		$got{ $line->{failed} } = $line->{error} if $line->{failed};
	}
	is_deeply([values %got], [('outcome_unknown') x 10], 'no answer within the heartbeat\'s limit: not known');
	kill CONT => $pid;
	my $later;
	for (1 .. 100) {
		$later = $mail->send_all({ to => 'bob/chat', text => 'later' })->{1};
		last unless defined $later;
		Time::HiRes::sleep(0.1);
	}
	my @texts = split /\n/, $bob->appctl('receive', 'chat')->{out};
	is($texts[0], 'again');
	is($texts[-1], 'later', 'what came later is later');
	my %seen;
	is((grep { $seen{$_}++ } @texts), 0, 'nothing came twice');
	$_->stop for $alice, $bob;
};

# --- kills at random --------------------------------------------------------------

# Sends 1, 2, … to bob/chat in bunches, never the same again; writes "N sent|failed|unknown" of each.  Ends when `stop` is there.
sub sender {
	my ($alice, $name, $file, $stop) = @_;
	my $n = 0;
	open my $out, '>', $file or die;
	while (!-e $stop) {
		my $mail = eval { Appctl::Mail->new($alice->runtime_dir . '/node/mail.sock') } or do { Time::HiRes::sleep(0.01); next };
		my $base = $n;
		my $broken;
		until ($broken || -e $stop) {
			my @bunch = map { { to => 'bob/chat', text => "$name " . ++$n } } 1 .. 1 + int rand 50;
			my %open = map { $_ => 1 } $n - $#bunch .. $n;
			$mail->say(@bunch);
			while (%open) {
				my $line = $mail->line;
				$broken = 1, last unless $line && ($line->{sent} || $line->{failed});
				my ($first, $last) = $line->{sent} ? @{ $line->{sent} } : ($line->{failed}) x 2;
				for my $k (map { $_ + $base } $first .. $last) {
					delete $open{$k} or print $out "$k twice answered\n";
					print $out "$k ", $line->{sent} ? 'sent' : $line->{error} eq 'outcome_unknown' ? 'unknown' : 'failed', "\n";
				}
			}
			print $out "$_ unknown\n" for sort { $a <=> $b } keys %open;
		}
	}
	close $out;
}

# Reads bob/chat and writes each message once: what comes again with a number that it has had is the same.
sub reader {
	my ($bob, $file, $stop) = @_;
	my $last = 0;
	open my $out, '>', $file or die;
	$out->autoflush(1);
	until (-e "$stop.reader") {
		my $mail = eval { Appctl::Mail->new($bob->runtime_dir . '/node/mail.sock') } or do { Time::HiRes::sleep(0.01); next };
		$mail->say({ receive => JSON::PP::true, app => 'chat' });
		while (1) {
			my $line = $mail->line(0.05);
			last if !$line && ($mail->{ended} || -e "$stop.reader");
			next unless $line;
			last if $line->{error};
			print $out "$line->{text}\n" if $line->{n} > $last;
			$last = $line->{n} if $line->{n} > $last;
			$mail->done($last) if rand() < 0.1;
		}
	}
	close $out;
}

sub in_background {
	my ($do) = @_;
	my $pid = fork // die;
	return $pid if $pid;
	eval { $do->(); 1 } or print STDERR $@;
	POSIX::_exit(0);
}

subtest 'appctl-node killed at random, here and there, engines too, while messages flow' => sub {
	my ($alice, $bob) = nodes();
	my $dir = $alice->dir;
	my $stop = "$dir/stop";
	my @senders = map { my $name = $_; in_background(sub { srand; sender($alice, $name, "$dir/$name", $stop) }) } qw(a b c);
	my $reader = in_background(sub { reader($bob, "$dir/got", $stop) });
	my $rounds = $ENV{APPCTL_MAIL_KILLS} || 24;
	for (1 .. $rounds) {
		Time::HiRes::sleep(0.1 + rand 0.3);
		my $victim = rand() < 0.5 ? $alice : $bob;
		if ($_ % 4 == 0) {			# appctld's engine, which says who is who
			my $engine = eval { $victim->engine_pid } or next;
			kill KILL => $engine;
			next;
		}
		my $pid = eval { $victim->node_pid } or next;
		if ($_ % 4 == 1) {			# a pause
			kill STOP => $pid;
			Time::HiRes::sleep(0.3);
			kill CONT => $pid;
		} else {
			kill KILL => $pid;
		}
	}
	Time::HiRes::sleep(1);
	spew($stop, '');
	waitpid $_, 0 for @senders;
	my ($size, $same) = (-1, 0);
	while ($same < 20 * slow_factor()) {		# all is read
		Time::HiRes::sleep(0.05);
		$same = $size == (-s "$dir/got" // 0) ? $same + 1 : 0;
		$size = -s "$dir/got" // 0;
	}
	spew("$stop.reader", '');
	waitpid $reader, 0;
	my @got = split /\n/, slurp("$dir/got");
	my (%count, %last, @disorder);
	for (@got) {
		$count{$_}++;
		my ($name, $n) = split / /;
		push @disorder, $_ if $n <= ($last{$name} // 0);
		$last{$name} = $n;
	}
	my (@lost, @false, %total);
	for my $name (qw(a b c)) {
		for (split /\n/, slurp("$dir/$name")) {
			my ($n, $what) = split / /, $_, 2;
			$total{$what}++;
			push @lost, "$name $n" if $what eq 'sent' && !$count{"$name $n"};
			push @false, "$name $n" if $what eq 'failed' && $count{"$name $n"};
		}
	}
	note(join ', ', map { "$total{$_} $_" } sort keys %total);
	cmp_ok($total{sent} // 0, '>', 100, "messages flowed: $rounds faults");
	is_deeply([grep { $count{$_} > 1 } keys %count], [], 'none twice');
	is_deeply(\@disorder, [], 'none out of order');
	is_deeply(\@lost, [], 'none lost that was said to be sent');
	is_deeply(\@false, [], 'none came that was said to have failed');
	is($total{'twice answered'}, undef, 'each answered once');
	$_->stop for $alice, $bob;
};

done_testing;
