# SPDX-License-Identifier: MIT
# The examples of appctl(1) and appctl-events(7), as they stand there.
use strict;
use warnings;
use Test::More;
use Time::HiRes;
use Appctl::Node;
use Appctl::Test;

my $node = Appctl::Node->new(node => 'bob', settings => $> == 0 ? 'remote_user = "nobody";' : '', config => <<'CONF');
default_mode = "normal";
applications:
{
	db: { command = ["sleep", "1000"]; };
	web: { command = ["sleep", "1000"]; applications = ["db"]; };
	job: { command = ["true"]; type = "oneshot"; };
	chat: { command = ["sleep", "1000"]; };
};
roles: { basic = ["db"]; active = ["web", "job"]; };
modes: { normal = ["basic", "active"]; maintenance = ["basic"]; };
CONF
$node->start;
$node->wait_event({ event => 'mode_stable' });
$node->nodes;

# The blocks of a page's EXAMPLES.
sub examples {
	my ($part) = slurp(top_srcdir() . "/doc/$_[0].scd") =~ /^# EXAMPLES\n(.*?)^# /ms;
	return $part =~ /^```\n(.*?)^```\n/msg;
}

my $bin = $node->dir . '/bin';
mkdir $bin;
symlink program('appctl'), "$bin/appctl";
my %env = (PATH => "$bin:$ENV{PATH}", APPCTL_RUNTIME_DIR => $node->runtime_dir);
sub shell { run_program('sh', '-e', '-c', $_[0], { env => \%env, timeout => 30 }) }

my %prints = (
	'appctl mode maintenance --wait=30' => qr/^mode maintenance is stable\n.*: mode maintenance, stable; roles basic\n/,
	'appctl plan normal' => qr/start web/,
	'appctl explain web' => qr/^web: .*\n(?s:.*)^web\n +State: /m,
	'appctl stop --with-dependents db' => qr/^db: running\nweb: running\n/m,
	'appctl await 60' => qr/\nup\n$/,
	'appctl --json status' => qr/^job$/m,
	'appctl send bob/chat hey' => qr/^\z/,	# nothing has come for who asks
	'appctl spawn -n bob -- date' => qr/^.*\d\d:\d\d:\d\d.*\n(\.\/)?hosts\n$/,
	'appctl run --name nightly' => qr/^nightly\n$/,
);
my @examples = examples('appctl.1');
is(scalar @examples, scalar keys %prints, 'every example of appctl(1) is known here');
for my $example (@examples) {
	my ($first) = grep { index($example, $_) == 0 } keys %prints;
	SKIP: {
		ok(defined $first, "known: $example") or next;
		skip 'needs jq', 2 if $example =~ /\| jq / && !grep { -x "$_/jq" } split /:/, $ENV{PATH};
		my $r = shell($example);
		is($r->{exit}, 0, $example =~ s/\n(?=.)/; /gr =~ s/\n//r) or diag($r->{out}, $r->{err});
		like($r->{out}, $prints{$first}, 'prints what it is for');
		is(shell('appctl mode normal --wait=30')->{exit}, 0, 'back in normal') if $first =~ /plan/;
	}
}

# Those of appctl-events(7) go on until they are interrupted.
for my $example (examples('appctl-events.7')) {
	SKIP: {
		skip 'needs socat', 1 if $example =~ /socat/ && !grep { -x "$_/socat" } split /:/, $ENV{PATH};
		my $dir = $node->runtime_dir;
		$example =~ s{/run/appctl/}{$dir/};
		my $out = $node->dir . '/out';
		spew($out, '');
		my $pid = spawn_program('sh', '-c', $example, { env => \%env, out => $out, new_group => 1 });
		my $end = Time::HiRes::time() + 10 * slow_factor();
		my $until = sub { Time::HiRes::sleep(0.01) until slurp($out) =~ $_[0] || Time::HiRes::time() > $end };
		$until->(qr/hello.*\n/);
		shell('appctl restart web');
		$until->(qr/app_running.*\bweb\b.*\n/);
		like(slurp($out), qr/app_running.*\bweb\b/, $example =~ s/\n//r);
		kill TERM => -$pid;
		waitpid $pid, 0;
	}
}

done_testing;
