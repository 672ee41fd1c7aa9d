# SPDX-License-Identifier: MIT
# What doc/mailbox.md shows is done, as it stands there.
use strict;
use warnings;
use Test::More;
use Appctl::Node;
use Appctl::Test;

my $text = slurp(top_srcdir() . '/doc/mailbox.md');
my %sample = map { my ($language, $code) = /^(\w+)\n(.*)/s; ($language => $code) } $text =~ /^```(\w+\n.*?)^```$/msg;
is_deeply([sort keys %sample], [qw(c python sh)], 'three languages');

my $node = Appctl::Node->new(node => 'bob');
$node->dropin('chat.conf', 'applications: { chat: { command = "exec sleep 1000"; }; };');
$node->start->wait_node;
my $dir = $node->dir;
symlink program('appctl'), "$dir/appctl";
my %environment = (%{ $node->environment }, APPCTL_RUNTIME_DIR => $node->runtime_dir, PATH => "$dir:$ENV{PATH}");

sub run_here { run_program(@_, { env => \%environment }) }
my $user = '~' . getpwuid($>);

subtest 'shell' => sub {
	run_here('appctl', 'self');
	run_here('appctl', 'send', $user, 'hello');
	local $environment{APPCTL_CALLER} = "bob/$user";
	local $environment{APPCTL_SELF} = "bob/$user";
	my $r = run_here('sh', '-ec', $sample{sh});
	is($r->{exit}, 0) or diag($r->{err});
	is($r->{out}, "bob/$user: hello\n", 'received');
	is(run_here('appctl', 'receive')->{out}, "I am bob/$user\n", 'sent to the caller');
	is(run_here('appctl', 'receive', 'chat')->{out}, "three lines\n", 'sent to chat');
};

subtest 'python' => sub {
	plan skip_all => 'needs python3' unless grep { -x "$_/python3" } split /:/, $ENV{PATH};
	run_here('appctl', 'send', $user, 'for python');
	spew("$dir/mail.py", $sample{python} . "print(message['text'])\n");
	my $r = run_here('python3', "$dir/mail.py");
	is($r->{out}, qq({"sent":[1,1]}\n\nfor python\n)) or diag($r->{err});
	is(run_here('appctl', 'receive', 'chat')->{out}, "hey\n", 'sent');
	is(run_here('appctl', 'receive')->{out}, '', 'taken');
};

subtest 'C' => sub {
	my $cc = $ENV{CC} || 'cc';
	spew("$dir/chat.c", $sample{c});
	my @jansson = split ' ', run_program('pkg-config', '--cflags', '--libs', 'jansson')->{out};
	my $sanitized = `nm -D @{[top_builddir()]}/.libs/libappctl.so` =~ /__asan/ ? '-fsanitize=address,undefined' : '';
	my $r = run_program('sh', '-c', "exec $cc $sanitized \"\$@\"", 'cc', "$dir/chat.c", '-I', top_srcdir() . '/src/lib', '-o', "$dir/chat",
		'-L', top_builddir() . '/.libs', '-lappctl', '-Wl,-rpath,' . top_builddir() . '/.libs', @jansson);
	is($r->{exit}, 0, 'it compiles') or diag($r->{err});
	my $pid = spawn_program("$dir/chat", { env => { %environment } });
	$node->dropin('x.conf', qq(applications: { asker: { command = "$dir/appctl send '$user' hello; $dir/appctl receive --wait=20 >$dir/heard"; type = "oneshot"; }; };));
	$node->appctl('reload');
	$node->wait_event({ event => 'app_exited', app => 'asker' });
	is(slurp("$dir/heard"), "stay quiet\n", 'it answers who asks');
	kill TERM => $pid;
};

done_testing;
