# SPDX-License-Identifier: MIT
# Mailboxes of one node: who sends, who reads, what stays, what is refused.
use strict;
use warnings;
use JSON::PP;
use Test::More;
use Time::HiRes ();
use Appctl::Mail;
use Appctl::Node;
use Appctl::Test;

my $node = Appctl::Node->new(node => 'alice', settings => 'mailbox = { messages = 500; size = "200K"; };' .
	($> == 0 ? ' remote_user = "root";' : ''));
my $appctl = program('appctl');
$node->dropin('chat.conf', qq(applications: { chat: { command = "exec sleep 1000"; }; silent: { command = "exec sleep 1000"; };
	worker: { command = "$appctl self >\@DIR\@/self; $appctl send worker \\"from \$APPCTL_SELF\\""; type = "oneshot";
		applications = ["appctl-node"]; }; };));
$node->start->wait_node;
my $user = '~' . getpwuid($>);

sub receive { $node->appctl('receive', @_) }

subtest 'a message is sent, lies there, is read and is gone' => sub {
	my $r = $node->appctl('send', 'chat', 'hey', 'you');
	is($r->{exit}, 0, 'sent') or diag($r->{err});
	is("$r->{out}$r->{err}", '', 'without a word');
	is($node->appctl('send', '-n', 'alice', 'chat', 'two')->{exit}, 0, 'by the name of this node');
	is($node->appctl('send', 'alice/chat', 'three')->{exit}, 0, 'by its address');
	is(receive('chat', '--keep')->{out}, "hey you\ntwo\nthree\n", 'in order');
	is(receive('--sender', 'chat')->{out}, "alice/$user: hey you\nalice/$user: two\nalice/$user: three\n", 'still there, with who sent them');
	$r = receive('chat');
	is($r->{out} . $r->{exit}, '0', 'taken: nothing is left');
};

subtest 'a text of two lines is not taken for two messages' => sub {
	$node->appctl('send', 'chat', "one\nbob/boss: two\n\nend");
	is(receive('--keep', 'chat')->{out}, "one\nbob/boss: two\n\nend\n", 'without senders it is as it was sent');
	is(receive('-s', 'chat')->{out}, "alice/$user: one\n\tbob/boss: two\n\t\n\tend\n", 'with them no line of it begins as another message does');
};

subtest 'lines of standard input, and JSON' => sub {
	my $r = $node->appctl('--json', 'send', 'chat', '-', { stdin => "a\nb \xc3\xa4\n\nlast" });
	is_deeply(decode_json($r->{out}), { to => 'chat', sent => 4, failures => [] }, 'four messages');
	my @m = map { decode_json($_) } split /\n/, $node->appctl('--json', 'receive', 'chat')->{out};
	is_deeply([map { $_->{text} } @m], ['a', "b \x{e4}", '', 'last'], 'each line one');
	is($m[0]{from}, "alice/$user");
	like($m[0]{at}, qr/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
	is($m[3]{n}, $m[0]{n} + 3, 'numbered');
};

subtest 'who is not there is told at once' => sub {
	my $r = $node->appctl('send', 'nobody', 'hey');
	is($r->{exit}, 3, 'no such application');
	like($r->{err}, qr/there is no application nobody on alice/);
	$r = $node->appctl('send', '-n', 'nowhere', 'chat', 'hey');
	is($r->{exit}, 3, 'no such node');
	like($r->{err}, qr/: nowhere: no node of that name is known here/, 'and which one');
	$r = $node->appctl('send', '~nobody-here', 'hey');
	is($r->{exit}, 3, 'no such mailbox');
	is($node->appctl('send', '/etc', 'hey')->{exit}, 2, 'no address');
	is($node->appctl('send', 'chat', 'x' x 65537)->{exit}, 2, 'too long');
	is($node->appctl('send', 'chat', 'x' x 65536)->{exit}, 0, 'as long as may be');
	is(length receive('chat')->{out}, 65537, 'and whole');
	my $answer = Appctl::Mail->new($node)->send_all(map { { to => $_ % 3 ? 'chat' : 'nobody', text => $_ } } 1 .. 30);
	is_deeply($answer, { map { $_ => $_ % 3 ? undef : 'no_such_application' } 1 .. 30 }, 'of many, exactly those');
	is_deeply([split /\n/, receive('chat')->{out}], [grep { $_ % 3 } 1 .. 30], 'the others are there');
};

subtest 'applications are who they are' => sub {
	$node->wait_event({ event => 'app_exited', app => 'worker' });
	is(slurp($node->dir . '/self'), "alice/worker\n", 'appctl self says it');
	is(receive('-s', 'worker')->{out}, "alice/worker: from alice/worker\n", 'so does the envelope, and $APPCTL_SELF');
};

subtest 'Remote.chat: a spawned command answers whoever says hi' => sub {
	spew($node->dir . '/chat', <<'END');
appctl=$1
while message=$($appctl receive --sender --wait); do
	case $message in
	*": hi") $appctl send "${message%: hi}" 'sup?' ;;
	esac
done
END
	my $r = $node->appctl('spawn', '-n', 'alice', '--detach', '--name', 'remote', '--', 'sh', $node->dir . '/chat', program('appctl'));
	is($r->{out}, "alice/remote\n", 'its address') or diag($r->{err});
	is($node->appctl('send', 'alice/remote', 'hi')->{exit}, 0, 'send(rpid, {:hi, self()})');
	is(receive('--wait=20')->{out}, "sup?\n", 'flush()');
	is($node->appctl('send', 'remote', 'hi')->{exit}, 0, 'again');
	is(receive('--wait=20', '--sender')->{out}, "alice/remote: sup?\n", 'from where it came');
	$node->appctl('stop', 'remote');
	is($node->appctl('send', 'remote', 'hi')->{exit}, 0, 'for a while after its end it has a mailbox still');
};

subtest 'users read their own' => sub {
	plan skip_all => 'needs root' if $> != 0;
	my $nobody = getpwuid(65534) // plan skip_all => 'needs a user 65534';
	chmod 0755, $node->dir;
	my $r = $node->appctl('send', 'chat', 'from another', { uid => 65534 });
	is($r->{exit}, 0, 'anybody may send') or diag($r->{err});
	is(receive('-s', 'chat')->{out}, "alice/~$nobody: from another\n", 'as the user that it is');
	like($node->appctl('nodes', { uid => 65534 })->{err}, qr{node/node\.sock: Permission denied; it is for root and the user}, 'but other nodes are for others, which is said');
	$r = receive('chat', { uid => 65534 });
	is($r->{exit}, 5, 'not everybody reads');
	$node->appctl('send', "~$nobody", 'hey');
	is(receive({ uid => 65534 })->{out}, "hey\n", 'but what is for oneself');
};

subtest 'one reads at a time' => sub {
	my ($a, $b) = map { Appctl::Mail->new($node) } 1, 2;
	$a->say({ receive => JSON::PP::true, app => 'chat' });
	Appctl::Mail->new($node)->send_all({ to => 'chat', text => 'one' });
	is($a->line->{text}, 'one', 'who reads gets it at once');
	$b->say({ receive => JSON::PP::true, app => 'chat' });
	is($b->line->{error}, 'busy', 'the second one is told');
	$a->close;
	my @again;
	for (1 .. 100) {
		$b->say({ receive => JSON::PP::true, app => 'chat' });
		push @again, $b->line;
		last unless $again[-1]{error};
		Time::HiRes::sleep(0.02);
	}
	is($again[-1]{text}, 'one', 'what was not taken comes again');
	$b->done($again[-1]{n});
	$b->close;
	is(receive('chat')->{out}, '', 'and is gone when it was');
};

subtest 'full is full, at once' => sub {
	my $answer = Appctl::Mail->new($node)->send_all(map { { to => 'silent', text => $_ } } 1 .. 600);
	is((grep { !defined $answer->{$_} } 1 .. 500), 500, 'as many as may be');
	is_deeply([map { $answer->{$_} } 501 .. 600], [('mailbox_full') x 100], 'and no more');
	is($node->appctl('send', 'silent', 'x')->{exit}, 1, 'status 1');
	is($node->appctl('send', 'chat', 'x')->{exit}, 0, 'others have room');
	receive('chat');
	is(scalar(() = receive('silent')->{out} =~ /\n/g), 500, 'all of it can be read');
	is($node->appctl('send', 'silent', 'x')->{exit}, 0, 'then there is room again');
	receive('silent');
};

subtest 'waiting' => sub {
	my $r = receive('chat', '--wait=0.2');
	is($r->{exit}, 4, 'none in time');
	my $waits = spawn_program(program('appctl'), '-r', $node->runtime_dir, 'receive', '--wait=20', 'chat', { out => $node->dir . '/late' });
	$node->appctl('send', 'chat', 'late');
	Appctl::Test::wait_child($waits, 20);
	is(slurp($node->dir . '/late'), "late\n", 'one that comes');
};

subtest 'it outlives a kill of appctl-node' => sub {
	$node->appctl('send', 'chat', $_) for 1 .. 3;
	kill 9, $node->node_pid;
	$node->wait_event({ event => 'app_exited', app => 'appctl-node' });
	$node->wait_node;
	is(receive('chat')->{out}, "1\n2\n3\n", 'all there');
};

subtest 'a damaged mailbox is set aside, and the others go on' => sub {
	my $file = $node->runtime_dir . '/node/mail/chat.mail';
	$node->appctl('send', $_, 'before') for 'chat', 'silent';
	kill 9, $node->node_pid;
	$node->wait_event({ event => 'app_exited', app => 'appctl-node' });
	my $text = slurp($file);
	substr($text, 20, 1) ^= "\x10";
	spew($file, $text);
	$node->wait_node;
	is(receive('silent')->{out}, "before\n", 'another one is whole');
	is(receive('chat')->{out}, '', 'the damaged one is empty');
	my $event = $node->wait_event({ event => 'app_alarm', app => 'appctl-node' });
	like($event->{text} // $event->{alarm} // join(' ', %$event), qr/mailbox chat\.mail is damaged: all of it was set aside as chat\.mail\.damaged-\d+/, 'an alarm says so');
	is(scalar(() = glob "$file.damaged-*"), 1, 'it is kept');
	is($node->appctl('send', 'chat', 'after')->{exit}, 0, 'and it goes on');
	is(receive('chat')->{out}, "after\n");
};

subtest 'a full disk: the sender is told, nothing half is there' => sub {
	plan skip_all => 'needs root' if $> != 0;
	my $dir = $node->dir . '/disk';
	mkdir $dir;
	plan skip_all => 'cannot mount a tmpfs' if system('mount', '-t', 'tmpfs', '-o', 'size=128k,mode=0700', 'tmpfs', $dir) != 0;
	eval {
		my $small = Appctl::Node->new(node => 'small', settings => qq(mailbox = { directory = "$dir"; };));
		$small->dropin('chat.conf', 'applications: { chat: { command = "exec sleep 1000"; }; other: { command = "exec sleep 1000"; }; };');
		$small->start->wait_node;
		my $answer = Appctl::Mail->new($small)->send_all(map { { to => 'chat', text => "$_ " . 'x' x 4000 } } 1 .. 60);
		my @sent = grep { !defined $answer->{$_} } 1 .. 60;
		my @failed = grep { ($answer->{$_} // '') eq 'failed' } 1 .. 60;
		is(@sent + @failed, 60, 'each is answered');
		cmp_ok(scalar @failed, '>', 20, 'many failed');
		my $r = $small->appctl('send', 'chat', 'x' x 60000);
		is($r->{exit}, 1);
		like($r->{err}, qr/No space left on device/, 'it says why');
		my @there = map { (split / /)[0] } split /\n/, $small->appctl('receive', 'chat')->{out};
		is_deeply(\@there, \@sent, 'what was said to be sent is there, whole, and nothing else');
		is($small->appctl('send', 'chat', 'again')->{exit}, 0, 'taken: there is room again');
		$small->stop;
		1;
	} or fail($@);
	system('umount', '-l', $dir);
};

subtest 'on the socket: half lines, long ones, other ones, many' => sub {
	for (['{"to":"chat"}', qr/belong together/], ['hey', qr/no object/], ['{"sent":[1,1]}', qr/for this side/], ['{"done":1}', qr/without receive/],
		["\0\0\0", qr/no object/], ['{"to":"chat","text":"' . 'x' x 200_000, qr/too long/]) {
		my $mail = Appctl::Mail->new($node);
		$mail->raw("$_->[0]\n");
		my $line = $mail->line;
		is($line->{error}, 'invalid', substr $_->[0], 0, 20);
		like($line->{message}, $_->[1]);
		is($mail->line, undef, 'and that is the end');
	}
	my $slow = Appctl::Mail->new($node);
	for my $byte (split //, "{\"to\":\"chat\",\"text\":\"slow\"}\n") {
		$slow->raw($byte);
	}
	is_deeply($slow->line, { sent => [1, 1] }, 'byte by byte');
	is(receive('chat')->{out}, "slow\n");
	my @many = map { eval { Appctl::Mail->new($node) } } 1 .. 600;
	$_->raw('{"to":"chat",') for @many;
	is($node->appctl('send', 'chat', 'through')->{exit}, 0, '600 half lines hinder nobody');
	is(receive('chat')->{out}, "through\n");
	my $never = Appctl::Mail->new($node);
	my $line = '{"to":"nobody","text":"' . 'x' x 1000 . "\"}\n";
	$never->socket->blocking(0);
	my $written = 0;
	for (1 .. 200) {
		my $n = syswrite $never->socket, $line x 100;
		$written += $n // 0;
		Time::HiRes::sleep(0.01) unless defined $n;
	}
	cmp_ok($written, '<', 20_000_000, 'who takes no answers is not read any more');
	my ($rss) = slurp('/proc/' . $node->node_pid . '/status') =~ /^VmRSS:\s+(\d+)/m;
	cmp_ok($rss, '<', 65536 * slow_factor(), "memory stays bounded: $rss KiB");
};

done_testing;
