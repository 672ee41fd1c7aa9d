# SPDX-License-Identifier: MIT
# A linked command and its caller end together, whatever happens between; one that is not linked goes on.
use strict;
use warnings;
use POSIX ();
use Test::More;
use Time::HiRes ();
use Appctl::Net;
use Appctl::Node;
use Appctl::Test;

needs_root();

my %common = (settings => qq(remote_user = "nobody";), heartbeat => '300ms');
my $me = Appctl::Node->new(%common, node => 'me')->start->wait_node;
my $cable = Appctl::Net::Proxy->new($me->address . ':' . $me->port, sub { $_[2] });
my $you = Appctl::Node->new(%common, node => 'you', peers => [['me', '127.0.0.1', $cable->port]]);
$me->{peers} = [[you => $you->address, $you->port]];
$me->write_settings;
$me->appctl('kill', '-s', 'HUP', 'appctl-node');
$you->start->wait_node;

my $count = 0;

# In the background: { pid, name, err, there: the command's processes }, once it runs with a child of its own.
sub begin {
	my ($script, @options) = @_;
	my %r = (name => 'c' . ++$count, map { $_ => $you->dir . "/$_-$count" } qw(out err));
	spew($r{$_}, '') for qw(out err);
	$r{pid} = spawn_program(program('appctl'), '-r', $you->runtime_dir, 'spawn', '-n', 'me', '--name', $r{name}, @options, '--', 'sh', '-c', $script,
		{ env => $you->environment, out => $r{out}, err => $r{err} });
	my $first = $me->wait_event({ event => 'app_running', app => $r{name} })->{pid};
	my @below;
	Time::HiRes::sleep(0.005) until @below = Appctl::Test::descendants($first);
	$r{there} = [$first, @below];
	return \%r;
}

sub is_gone {
	my ($c, $what) = @_;
	$me->wait_event({ event => 'app_stopped', app => $c->{name} }, 20);
	is_deeply([grep { process_is_alive($_) } @{ $c->{there} }], [], $what // 'the command is gone, with its descendants');
}

sub appctl_ends {
	my ($c, $seconds) = @_;
	my $status = Appctl::Test::wait_child($c->{pid}, $seconds // 10);
	is($status >> 8, 255, 'appctl ends with 255');
	like(slurp($c->{err}), qr/outcome unknown/, 'and says why');
}

# appctl-node runs again, as another process.
sub is_back {
	my ($node, $old) = @_;
	while (1) {
		my $app = $node->appctl_json('status', 'appctl-node')->{applications}[0];
		return if $app->{state} eq 'running' && $app->{pid} != $old;
		Time::HiRes::sleep(0.01);
	}
}

# The next event of a process's end comes from the engine that knows it now.
sub resubscribe {
	@$me{qw(events cursor buffer)} = ([], 0, '');
	$me->subscribe;
}

subtest 'the caller is killed' => sub {
	my $c = begin('sleep 1000 & sleep 1000; wait');
	kill KILL => $c->{pid};
	is_gone($c);
	$c = begin('trap "" TERM HUP; sleep 1000 & wait');
	kill KILL => $c->{pid};
	is_gone($c, 'one that does not listen too');
};

subtest 'the command ends, and nothing of it is left' => sub {
	my $c = begin('sleep 1000 & sleep 0.2; exit 4');
	is(Appctl::Test::wait_child($c->{pid}, 10), 4 << 8, 'the call ends with its status');
	is_gone($c);
};

subtest "the caller's appctl-node is killed" => sub {
	my $c = begin('sleep 1000 & wait');
	kill KILL => (my $old = $you->node_pid);
	appctl_ends($c);
	is_gone($c);
	is_back($you, $old);
};

subtest "the command's appctl-node is killed" => sub {
	my $c = begin('sleep 1000 & wait');
	kill KILL => (my $old = $me->node_pid);
	appctl_ends($c);
	is_gone($c, 'nobody of appctl-node is there to say so: appctld ends it');
	is_back($me, $old);
};

subtest 'both are stopped in order' => sub {
	my $c = begin('sleep 1000 & wait');
	my $old = $me->node_pid;
	$me->appctl('restart', 'appctl-node');
	appctl_ends($c);
	is_gone($c);
	is_back($me, $old);
};

subtest 'the cable is cut' => sub {
	my $c = begin('sleep 1000 & wait');
	$cable->cut;
	appctl_ends($c, 20);
	is_gone($c);
	$cable->mend;
	is($you->appctl('spawn', '-n', 'me', '--', 'echo', 'again', { timeout => 30 })->{out}, "again\n", 'mended, it goes on');
};

subtest '--no-link: it goes on' => sub {
	my $file = '/tmp/appctl-test-' . $$;
	my $script = 'i=0; while :; do i=$((i+1)); echo a line that nobody may read any more $i || exit 1; echo $i >' . $file . '; sleep 0.01; done';
	my $c = begin($script, '--no-link');
	kill KILL => $c->{pid};
	my $seen = slurp($file) || 0;
	Time::HiRes::sleep(0.01) until (slurp($file) || 0) > $seen + 20;
	pass('without its caller, and can print');
	my $d = begin($script =~ s/\Q$file\E/$file.2/r, '--no-link');
	$cable->cut;
	appctl_ends($d, 20);
	$seen = slurp("$file.2");
	Time::HiRes::sleep(0.01) until (slurp("$file.2") || 0) > $seen + 20;
	pass('without the link');
	$cable->mend;
	my $e = begin('sleep 1000 & wait', '--no-link');
	kill KILL => (my $old = $me->node_pid);
	is_back($me, $old);
	ok(process_is_alive($_), 'without appctl-node') for @{ $e->{there} };
	$me->appctl('stop', '--wait', $_->{name}) for $c, $d, $e;
	unlink $file, "$file.2";
};

subtest 'the engine is killed there' => sub {
	my $c = begin('sleep 0.5 & echo first; wait; echo second; exit 6');
	kill KILL => $me->engine_pid;
	is(Appctl::Test::wait_child($c->{pid}, 10), 6 << 8, 'the call ends as the command does');
	is(slurp($c->{out}), "first\nsecond\n", 'with all of its output');
	resubscribe();
	$c = begin('sleep 1000 & wait');
	kill KILL => $me->engine_pid;
	kill KILL => $c->{pid};
	resubscribe();
	is_gone($c, 'and a call that ends meanwhile ends the command');
};

undef $cable;
$_->stop for $you, $me;
done_testing;
