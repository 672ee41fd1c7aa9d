# SPDX-License-Identifier: MIT
# contrib/examples/web-stack as it stands, moved to a scratch directory: maintenance stops the web part and leaves the
# database untouched, normal brings it back.
use strict;
use warnings;
use IO::Socket::INET;
use Test::More;
use Appctl::Test;

needs_program('nginx', 'redis-server', 'redis-cli', 'psql');
my ($pg) = sort { ($b =~ /(\d+)/)[0] <=> ($a =~ /(\d+)/)[0] } grep { -x "$_/postgres" } glob('/usr/lib/postgresql/*/bin');
plan(skip_all => 'needs PostgreSQL') unless $pg;
my @users = $> == 0 ? grep { !defined getpwnam($_) } qw(postgres redis) : ();
plan(skip_all => "needs the user @users") if @users;

my $node = Appctl::Test->new;
my $dir = $node->dir;
my $port = free_port();

# The example's own text, elsewhere and with another port; without root nobody changes users.
sub example {
	my ($text) = slurp(top_srcdir() . "/contrib/examples/web-stack/$_[0]") or die "$_[0] is not there\n";
	$text =~ s{/srv/stack}{$dir}g;
	$text =~ s{/usr/lib/postgresql/15/bin}{$pg}g;
	$text =~ s{127\.0\.0\.1:8080}{127.0.0.1:$port}g;
	return $text if $> == 0;
	$text =~ s/^\s*user = .*\n//mg;
	$text =~ s/ -o \w+//g;
	return $text;
}
$node->config(example('appctld.conf'));
spew("$dir/nginx.conf", example('nginx.conf'));

sub query {
	my ($sql) = @_;
	my $r = run_program("$pg/psql", '-qAt', '-h', "$dir/run/db", 'postgres', '-c', $sql, { $> == 0 ? (uid => scalar getpwnam('postgres')) : () });
	diag($r->{err}) if $r->{exit};
	chomp $r->{out};
	return $r->{out};
}

sub page {
	my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 5) // return undef;
	print $c "GET / HTTP/1.0\r\n\r\n";
	local $/;
	return scalar <$c>;
}

sub states {
	my %state = map { $_->{name} => $_ } @{ $node->appctl_json('status')->{applications} };
	return \%state;
}

$node->start;
$node->wait_event({ event => 'mode_stable' }, 60);

subtest 'normal: everything runs, in order' => sub {
	my $app = states();
	is($app->{$_}{state}, 'running', "$_ is running") for qw(db cache report web);
	is($app->{$_}{state}, 'completed', "$_ has completed") for qw(directories cluster schema);
	like(page(), qr/^HTTP\/1\.1 200 .*\r\n\r\n\d+\n$/s, 'nginx serves the page');
	cmp_ok(query('SELECT count(*) FROM report'), '>', 0, 'the schema is there, and rows in it');
	my %seq;
	$seq{ $_->{app} } //= $_->{seq} for $node->events_so_far({ event => 'app_starting' });
	my %up;
	$up{ $_->{app} } //= $_->{seq} for $node->events_so_far({ event => 'app_running' });
	cmp_ok($seq{$_->[1]}, '>', $up{ $_->[0] } // $seq{ $_->[0] }, "$_->[1] came after $_->[0]")
		for ['directories', 'cluster'], ['cluster', 'db'], ['db', 'schema'], ['schema', 'report'], ['cache', 'report'], ['report', 'web'];
};

my $before = states();
my $started_at = query('SELECT pg_postmaster_start_time()');

subtest 'maintenance: the web part is down, the database untouched' => sub {
	my $r = $node->appctl('mode', 'maintenance', '--wait=60', { timeout => 70 });
	is($r->{exit}, 0, 'the mode is stable') or diag($r->{err});
	my $app = states();
	is($app->{$_}{state}, 'stopped', "$_ is stopped") for qw(report web);
	is($app->{$_}{pid}, $before->{$_}{pid}, "$_ has its process still") for qw(db cache);
	is(query('SELECT pg_postmaster_start_time()'), $started_at, 'the database answers and never stopped');
	is(page(), undef, 'nobody answers at the web port');
	my ($web) = $node->events_so_far({ event => 'app_stopped', app => 'web' });
	my ($report) = $node->events_so_far({ event => 'app_stopped', app => 'report' });
	cmp_ok($web->{seq}, '<', $report->{seq}, 'the dependent stopped first');
};

subtest 'normal again: it comes back' => sub {
	my $rows = query('SELECT count(*) FROM report');
	my $r = $node->appctl('mode', 'normal', '--wait=60', { timeout => 70 });
	is($r->{exit}, 0, 'the mode is stable') or diag($r->{err});
	my $app = states();
	is($app->{$_}{state}, 'running', "$_ is running") for qw(db cache report web);
	is($app->{$_}{pid}, $before->{$_}{pid}, "$_ has its process still") for qw(db cache);
	like(page(), qr/200 /, 'nginx serves again');
	cmp_ok(query('SELECT count(*) FROM report'), '>=', $rows, 'the rows are still there');
};

is($node->stop(60), 0, 'everything stops');
my ($db) = $node->events_so_far({ event => 'app_stopped', app => 'db' });
ok($db, 'the database was stopped');
like(slurp("$dir/log/db.log"), qr/database system is shut down/, 'and had time for it');

done_testing;
