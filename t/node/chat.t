# SPDX-License-Identifier: MIT
# contrib/chat: alice, bob and eve talk; its own tests pass with nodes, and leave out what needs them where there are none.
use strict;
use warnings;

use Test::More;

use Appctl::Test;
use Appctl::Node;

my $chat = top_srcdir() . '/contrib/chat';

subtest 'the conversation, by one command' => sub {
	my $r = run_program("$chat/run", '--once', top_builddir(), { timeout => 90 });
	is($r->{exit}, 0, 'it goes to its end') or diag($r->{err});
	is($r->{out}, <<'END', 'bob has alice\'s message, alice has bob\'s, and eve wants quiet');
alice> send_message bob "hey"
    on the screen of bob:  alice: hey
bob> send_message alice "heyyy"
    on the screen of alice:  bob: heyyy
alice> send_message eve "wassup"
    on the screen of alice:  eve: stay quiet for a while
END
};

sub tests_of_chat {
	my ($node) = @_;
	return run_program("$chat/chat.t", { timeout => 60, env => { APPCTL => program('appctl'), APPCTL_RUNTIME_DIR => $node->runtime_dir } });
}

subtest 'its tests where there are nodes' => sub {
	my ($alice, $bob) = map { Appctl::Node->new(node => $_) } qw(alice bob);
	$alice->{peers} = [$bob];
	$bob->{peers} = [$alice];
	for ($alice, $bob) {
		$_->write_settings;
		$_->define_tasks;
		$_->dropin('chat.conf', 'applications: { chat: { command = ["sleep", "1000"]; }; };');
		$_->start;
		$_->wait_events([map { { event => 'app_running', app => $_ } } qw(appctl-node appctl-tasks chat)]);
	}
	my $r = tests_of_chat($alice);
	is($r->{out}, <<'END', 'all of them') or diag($r->{err});
ok 1 - send_message in the test environment goes to the local task supervisor
ok 2 - send_message in the development environment goes to the recipient's
ok 3 - send_message to a node that is not there fails
ok 4 - and says which
1..4
END
	is($bob->appctl('receive', 'chat')->{out}, "alice: hi\n", 'one came to the recipient,');
	is($alice->appctl('receive', 'chat')->{out}, "alice: hi\n", 'one stayed here');
};

subtest 'its tests where there are none' => sub {
	my $alone = Appctl::Node->new(node => 'alone', no_node_app => 1);
	$alone->define_tasks;
	$alone->start;
	$alone->wait_event({ event => 'app_running', app => 'appctl-tasks' });
	my $r = tests_of_chat($alone);
	is($r->{out}, <<'END', 'what needs nodes is left out, with the reason');
ok 1 - send_message in the test environment goes to the local task supervisor
ok 2 # skip send_message_to_a_node_that_is_there: tagged distributed, and no appctl-node runs here: this node is not alive
ok 3 # skip send_message_to_a_missing_node_fails: tagged distributed, and no appctl-node runs here: this node is not alive
1..3
END
};

done_testing;
