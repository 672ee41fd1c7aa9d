# SPDX-License-Identifier: MIT
# A shell on another node, on a terminal here.
use strict;
use warnings;
use POSIX ();
use Test::More;
use Time::HiRes ();
use Appctl::Node;
use Appctl::Terminal;
use Appctl::Test;

needs_root();
needs_program('stty');

my ($you, $me) = Appctl::Node->cluster(qw(you me), { settings => qq(remote_user = "nobody";) });

sub shell {
	my (@args) = @_;
	my %env = (%{ $you->environment }, TERM => 'vt220');
	my $t = Appctl::Terminal->start([program('appctl'), '-r', $you->runtime_dir, 'spawn', '-t', '-n', 'me', '-e', 'PS1=me> ', '--', @args],
		rows => 31, columns => 97, env => \%env);
	return $t;
}

subtest 'a shell' => sub {
	my $t = shell('sh');
	$t->expect(qr/me> /);
	ok(!$t->is_as_before, 'the terminal is raw meanwhile');
	$t->type("stty size; tty; echo \$TERM\r");
	my $text = $t->expect(qr/vt220\r\nme> /);
	like($text, qr{31 97\r\n/dev/pts/\d+\r\n}, 'a terminal as large as this one');
	$t->type("stty -a\r");
	like($t->expect(qr/iutf8.*\r\n(?s:.*)me> /), qr/ iutf8/, 'that erases whole characters');
	$t->resize(40, 120);
	kill WINCH => $t->{pid};
	Time::HiRes::sleep(0.01) until do { $t->type("stty size\r"); $t->expect(qr/size\r\n\d+ \d+\r\nme> /) =~ /40 120/ };
	pass('and as large as it becomes');
	$t->type("trap 'echo winch' WINCH\r");
	$t->expect(qr/me> /);
	$t->resize(41, 121);
	kill WINCH => $t->{pid};
	$t->type("\r");
	$t->expect(qr/winch/);
	pass('the shell hears of it');
	$t->type("exit 9\r");
	is($t->wait, 9 << 8, 'its exit status');
	ok($t->is_as_before, 'the terminal is as it was');
};

subtest '^C and ^Z are for the job there' => sub {
	my $t = shell('sh');
	$t->expect(qr/me> /);
	$t->type("sleep 1000\r");
	my ($sleep) = grep { slurp("/proc/$_/cmdline") eq "sleep\0" . "1000\0" } map { Time::HiRes::sleep(0.05); Appctl::Test::descendants($me->pid) } 1 .. 40;
	ok($sleep, 'a job runs');
	$t->type("\cC");
	$t->expect(qr/me> /);
	pass('^C ends it, and neither shell nor appctl');
	$t->type("sleep 1000\r");
	Time::HiRes::sleep(0.3);
	$t->type("\cZ");
	$t->expect(qr/me> /);
	$t->type("jobs\r");
	like($t->expect(qr/sleep 1000\r\nme> /), qr/Stopped|Suspended/i, '^Z stops it');
	$t->type("kill -KILL %1\rexit\rexit\r");
	$t->wait;
	ok($t->is_as_before, 'the terminal is as it was');
};

subtest 'end of input' => sub {
	my $t = shell('sh');
	$t->expect(qr/me> /);
	$t->type("\cD");
	is($t->wait, 0, '^D ends a shell');
	my $r = $you->appctl('spawn', '-t', '-n', 'me', '--', 'sh', '-c', 'stty -echo; echo ready; cat; echo done', { stdin => "a line\nhalf" });
	like($r->{out}, qr/a line\r\nhalf(\r\n)?done\r\n$/, 'input from a file ends too');
};

subtest 'the terminal is restored however it ends' => sub {
	for my $signal (qw(TERM HUP INT QUIT)) {
		my $t = shell('sh');
		$t->expect(qr/me> /);
		kill $signal => $t->{pid};
		is($t->wait >> 8, 128 + POSIX->can("SIG$signal")->(), "after $signal");
		ok($t->is_as_before, 'it is as it was');
	}
	my $t = shell('sh', '-c', 'kill -KILL $$');
	is($t->wait >> 8, 137, 'after the command was killed');
	ok($t->is_as_before, 'it is as it was');
	$t = shell('sh');
	$t->expect(qr/me> /);
	kill KILL => $you->node_pid;
	is($t->wait >> 8, 255, 'after appctl-node was killed');
	ok($t->is_as_before, 'it is as it was');
	$you->wait_node;
};

subtest 'keys behind a tilde' => sub {
	my $t = shell('sh');
	$t->expect(qr/me> /);
	$t->type("echo a~b; echo ~~c\r");
	like($t->expect(qr/c\r\nme> /), qr/a~b\r\n/, 'a tilde within a line is one');
	$t->type("~~\r");
	$t->expect(qr/me> /);
	$t->type("~\cZ");
	Time::HiRes::sleep(0.01) until slurp("/proc/$t->{pid}/stat") =~ /\) T /;
	ok($t->is_as_before, '~^Z stops appctl and restores the terminal');
	kill CONT => $t->{pid};
	Time::HiRes::sleep(0.01) while $t->is_as_before;
	$t->type("echo goes on\r");
	$t->expect(qr/\ngoes on/);
	pass('continued, it goes on');
	$t->expect(qr/me> /);
	$t->type('~.');
	is($t->wait >> 8, 128 + POSIX::SIGHUP(), '~. ends it');
	ok($t->is_as_before, 'the terminal is as it was');
	$me->wait_event({ event => 'app_stopped', app => qr/^spawn/ });
	pass('and the shell there');
};

$_->stop for $you, $me;
done_testing;
