# SPDX-License-Identifier: MIT
# libappctl against servers that are slow, break off, or are no servers at all.
use strict;
use warnings;
use JSON::PP;
use Test::More;
use Appctl::FakeServer;
use Appctl::Test;

my $C = 'org.appctl.Control';

sub fake { Appctl::FakeServer->new(@_) }
sub methods { map { $_->{call}{method} =~ s/.*\.//r } grep { $_->{socket} eq 'control' } $_[0]->seen }

# The connection breaks after the call was read: a read is asked again, of a command nobody knows what became.
{
	my $f = fake(control => sub { $_[1] < 3 ? 'close' : { mode => 'normal', state => 'stable', roles => [], modes => [] } });
	my $r = $f->appctl('--json', 'mode');
	is($r->{exit}, 0, 'a read is repeated until it is answered');
	is_deeply([methods($f)], [qw(GetMode GetMode GetMode ListModes)], 'as often as needed');
}
{
	my $f = fake(control => sub { 'close' });
	my $r = $f->appctl('mode', 'normal');
	is($r->{exit}, 1, 'a command without an answer fails');
	like($r->{err}, qr/outcome unknown/, 'and says that its outcome is unknown');
	is_deeply([methods($f)], ['SetMode'], 'and is not given twice');
}
{
	my $f = fake(unread => 2, control => sub { { mode => 'normal' } });
	my $r = $f->appctl('mode', 'normal');
	is($r->{exit}, 0, 'a command that was never read is sent again') or diag($r->{err});
	is_deeply([methods($f)], ['SetMode'], 'and was carried out once');
}
{
	my $f = fake(control => sub { 'close' });
	my $r = $f->appctl('await');
	is($r->{exit}, 6, 'a read that breaks every connection is given up');
	like($r->{err}, qr/closed it without an answer, 6 times/, 'which is said');
}

# A call and the wait for its outcome are apart: only the wait is repeated.
{
	my $f = fake(control => sub {
		my ($call, $n) = @_;
		return { } if $call->{method} =~ /Start$/;
		return (0.3, 'close') if $n == 1;
		return { state => 'running' };
	});
	my $r = $f->appctl('start', '--wait=10', 'web');
	is($r->{exit}, 0, 'a wait survives a new engine');
	is($r->{out}, "web: running\n", 'and tells the outcome');
	is_deeply([methods($f)], [qw(Start AwaitApplication AwaitApplication)], 'the order was given once');
	my @waits = map { $_->{call}{parameters}{timeout} } grep { $_->{call}{method} =~ /Await/ } $f->seen;
	cmp_ok($waits[1], '<', $waits[0] - 0.25, 'the second wait is shorter by what the first took');
}
{
	my $f = fake(control => sub { $_[0]{method} =~ /SetMode/ ? { mode => 'a' } : { mode => 'b' } });
	my $r = $f->appctl('mode', 'a', '--wait');
	is($r->{exit}, 1, 'another mode meanwhile is a failure');
	like($r->{err}, qr/another mode was set meanwhile: b/, 'and named');
}

# Slow ones.
{
	my $f = fake(control => sub { (1.4, { mode => 'normal' }) });
	my $r = $f->appctl('await');
	is($r->{exit}, 0, 'a late answer is an answer');
	# The knock came while the server slept, so it is seen after that.
	my @end = grep { $_->{socket} eq 'keeper' } $f->seen;
	my $till = time + 5;
	while (!@end && time < $till) {
		select undef, undef, undef, 0.02;
		@end = grep { $_->{socket} eq 'keeper' } $f->seen;
	}
	is(scalar @end, 1, 'after a second without one the keeper was asked to look');
}
{
	my $text = JSON::PP->new->canonical->encode({ parameters => { mode => 'normal' } });
	my @bytes = map { (\"$_", 0.01) } split //, $text;
	my $f = fake(control => sub { (@bytes, \"\0") });
	is($f->appctl('await')->{exit}, 0, 'an answer may come byte by byte');
}

# What is no appctld.
for my $garbage ("HTTP/1.0 400 Bad Request\r\n\r\n\0", "[]\0", "\0", "{\"parameters\":\0", "\xff\xfe\0", '"text"' . "\0", "{} {}\0") {
	my $f = fake(control => sub { \$garbage });
	my $r = $f->appctl('await');
	is($r->{exit}, 6, 'no Varlink: ' . JSON::PP->new->allow_nonref->ascii->encode($garbage));
	like($r->{err}, qr/does not speak Varlink/, 'is told apart');
}
{
	my $f = fake(control => sub { \"{\"parameters\":{\"applications\":[{\"name\":\"a\",\"state\":\"x\"},{oh}]}}\0" });
	my $r = $f->appctl('status');
	is($r->{exit}, 6, 'a table of broken JSON');
	like($r->{err}, qr/not understood/, 'is not understood');
}
{
	my $f = fake(control => sub { { applications => [ { name => "a\e[31m\nb", state => "run\x07ning", since => 0 } ], node => "n\e]0;x\x07" } });
	my $r = $f->appctl('status');
	unlike($r->{out}, qr/[\e\x07]/, 'control characters do not reach the terminal');
}

# Every error of the interface has its exit status and a sentence.
my %errors = (
	TimedOut => [4, { outstanding => [ { name => 'db', state => 'starting', why => 'it is not ready yet' } ] }, qr/db: starting: it is not ready/],
	ModeFailed => [1, { mode => 'normal', outstanding => [ { name => 'db', state => 'failed', why => 'exit 1' } ] }, qr/mode normal cannot be reached.*db: failed/s],
	ModeReplaced => [1, { mode => 'other' }, qr/another mode was set meanwhile: other/],
	ApplicationFailed => [1, { name => 'db', state => 'failed', why => 'exit 1' }, qr/db is failed: exit 1/],
	UnknownMode => [3, { mode => 'norml', nearest => 'normal' }, qr/no mode "norml"; did you mean "normal"/],
	NoSuchApplication => [3, { name => 'wbe', nearest => 'web' }, qr/no application "wbe"; did you mean "web"/],
	NotPermitted => [5, { needed => 'operate', held => 'read' }, qr/needs the level "operate", yours is "read"/],
	HasDependents => [1, { name => 'db', dependents => ['web', 'api'] }, qr/db is needed by web and api/],
	NotRunning => [1, { name => 'db' }, qr/db is not running/],
	InvalidConfiguration => [2, { problems => [ { file => '/etc/x.conf', line => 3, path => 'applications.a', message => 'is wrong', hint => 'do this' } ] },
		qr{1 error; nothing was changed\n/etc/x.conf:3: applications.a: is wrong \(do this\)}],
	Failed => [1, { message => 'the disk burns' }, qr/the disk burns/],
	ShuttingDown => [1, {}, qr/shutting down/],
	Busy => [1, { message => 'a reload is under way' }, qr/a reload is under way/],
);
my $description = slurp(top_srcdir() . '/doc/org.appctl.Control.varlink');
is_deeply([sort keys %errors], [sort $description =~ /^error (\w+)/mg], 'all errors of the interface are tried');
for my $name (sort keys %errors) {
	my ($status, $parameters, $says) = @{ $errors{$name} };
	my $f = fake(control => sub { ["$C.$name", $parameters] });
	my $r = $f->appctl('await');
	is($r->{exit}, $status, "$name: exit status $status");
	like($r->{err}, $says, "$name: is explained");
	my $doc = decode_json($f->appctl('--json', 'await')->{out});
	is($doc->{error}{name}, "$C.$name", "$name: with --json a document");
	is_deeply($doc->{error}{parameters}, $parameters, "$name: with its parameters");
}
{
	my $f = fake(control => sub { ['org.varlink.service.MethodNotFound', { method => "$C.Explain" }] });
	my $r = $f->appctl('explain', 'a');
	is($r->{exit}, 1, 'an older appctld');
	like($r->{err}, qr/does not have the method org.appctl.Control.Explain; it is of another version/, 'is named as the reason');
}

# Events go on behind a break, from the last one seen.
{
	my $f = fake(events => sub {
		my ($filter, $n) = @_;
		my $hello = { event => 'hello', instance => 'i1', node => 'a', seq => 10 };
		return ($hello, map({ { seq => $_, event => 'app_running', app => 'web', ts => '2026-11-21T05:00:00.1Z' } } 11 .. 12), 'close') if $n == 1;
		return ($hello, { seq => 13, event => 'app_stopped', app => 'web' }, 'close') if $n == 2;
		return ($hello, 'close') if $n == 3;
		return ({ %$hello, instance => 'i2', seq => 0 }, { seq => 1, event => 'shutdown' }, 'close') if $n == 4;
		return 'close';
	});
	my $r = $f->appctl('--json', 'events');
	is($r->{exit}, 0, 'the end of appctld after its shutdown is no failure') or diag($r->{err});
	my @events = map { decode_json($_) } split /\n/, $r->{out};
	is_deeply([map { "$_->{event} $_->{seq}" } @events],
		['hello 10', 'app_running 11', 'app_running 12', 'app_stopped 13', 'hello 0', 'shutdown 1'],
		'no event twice, hello again only from another instance');
	my @asked = map { $_->{call} } grep { $_->{socket} eq 'events' } $f->seen;
	is_deeply($asked[0], {}, 'first everything from now on');
	is_deeply($asked[1], { since => 12, instance => 'i1' }, 'then from the last one on');
	is_deeply($asked[2], { since => 13, instance => 'i1' }, 'and on');
}
{
	my $f = fake(events => sub {
		my ($filter, $n) = @_;
		return ({ event => 'hello', instance => 'i1', seq => 10 }, { event => 'app_state', app => 'a' }, 'close') if $n == 1;
		return ({ event => 'hello', instance => 'i1', seq => 11 }, { event => 'app_state', app => 'a' }, { event => 'snapshot_end' },
			{ event => 'lost', from => 12, to => 20 }, 'close') if $n == 2;
		return ({ event => 'hello', instance => 'i1', seq => 22 }, { event => 'shutdown', seq => 21 }, 'close') if $n == 3;
		return 'close';
	});
	is($f->appctl('events', '--snapshot')->{exit}, 0, 'a snapshot that broke off');
	my @asked = map { $_->{call} } grep { $_->{socket} eq 'events' } $f->seen;
	is_deeply($asked[1], { snapshot => JSON::PP::true }, 'is asked for again');
	is_deeply($asked[2], { since => 20, instance => 'i1' }, 'and what is lost is not');
}
{
	my $f = fake(events => sub { \"220 smtp ready\n" });
	my $r = $f->appctl('events');
	is($r->{exit}, 6, 'what sends no events');
	like($r->{err}, qr/sends no events/, 'is told apart');
}

for (['not permitted: level read is needed', 5], ['since: there is no event 99 yet, the last one is 3', 2]) {
	my ($message, $status) = @$_;
	my $f = fake(events => sub { ({ event => 'hello', instance => 'i', seq => 3 }, { event => 'error', message => $message }, 'close') });
	my $r = $f->appctl('events');
	is($r->{exit}, $status, "a subscription that is refused: $message");
	like($r->{err}, qr/^appctl: \Q$message\E$/, 'is not asked for again');
}

# The library itself, as another program would use it.
SKIP: {
	my $cc = $ENV{CC} || 'cc';
	my $dir = fake()->dir;
	spew("$dir/use.c", <<'C');
#include <appctl.h>
#include <stdio.h>

int
main(int argc, char **argv)
{
	struct appctl_error e = { 0 };
	struct appctl *c = appctl_new(argv[1], &e);
	json_t *reply = c ? appctl_call(c, "GetMode", NULL, &e) : NULL;
	int status;

	if (reply == NULL)
		fprintf(stderr, "%s\n", e.message);
	else
		printf("%s\n", json_string_value(json_object_get(reply, "mode")));
	status = e.status;
	json_decref(reply);
	appctl_error_clear(&e);
	appctl_free(c);
	return argc > 1 ? status : 2;
}
C
	my $flags = run_program('pkg-config', '--cflags', '--libs', 'jansson')->{out};
	my $libs = top_builddir() . '/.libs';
	my @sanitize = slurp(top_builddir() . '/config.status') =~ /SANITIZE_CFLAGS"\]="(-[^"]+)"/ ? split(' ', $1) : ();
	my $build = run_program(split(' ', $cc), '-Wall', '-Werror', @sanitize, '-I' . top_srcdir() . '/src/lib', "$dir/use.c", '-o', "$dir/use",
		"-L$libs", '-lappctl', "-Wl,-rpath,$libs", split(' ', $flags));
	is($build->{exit}, 0, 'a program links libappctl') or diag($build->{err});
	my $f = fake(control => sub { { mode => 'normal' } });
	my $r = run_program("$dir/use", $f->dir);
	is("$r->{exit} $r->{out}", "0 normal\n", 'and calls a method') or diag($r->{err});
	$f->stop;
	$r = run_program("$dir/use", $f->dir);
	is($r->{exit}, 6, 'and is told that nobody is there');
	my @symbols = map { (split ' ')[2] } split /\n/, run_program('nm', '-D', '--defined-only', "$libs/libappctl.so")->{out};
	is_deeply([grep { !/^appctl_/ } @symbols], [], 'it exports its own names alone');
	my %declared = map { $_ => 1 } slurp(top_srcdir() . '/src/lib/appctl.h') =~ /\b(appctl_\w+)\(/g;
	is_deeply([sort @symbols], [sort grep { slurp(top_srcdir() . '/src/lib/appctl.h') =~ /^[^\n\t ][^\n]*\b$_\(/m } keys %declared],
		'and all that appctl.h declares');
}

done_testing;
