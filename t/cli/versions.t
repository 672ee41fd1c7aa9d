# SPDX-License-Identifier: MIT
# A command line and an appctld of different versions: what both know works, the rest is said to be unknown, with both versions.
use strict;
use warnings;
use Test::More;
use Appctl::Binaries;
use Appctl::Test;

my $config = 'applications: { web: { command = ["/bin/sleep", "1000"]; }; }; roles: { all = ["web"]; }; modes: { normal = ["all"]; };';
my ($here, $other) = (real_version(), other_version());

# An appctld that lacks two methods, has no word for one parameter, and one more in what it says.
my $dir = Appctl::Test::scratch_directory();
install($dir, $other);
my $engine = bytes_of('appctl-engine', $other);
$engine =~ s/\0Explain\0/\0Exp_ain\0/g;
$engine =~ s/\0Reexec\0/\0Re_xec\0/g;
$engine =~ s/"replaced\\?":/"repl_ced":/g;
put($dir, 'appctl-engine', $engine);
my $node = Appctl::Test->new(config => $config, program => "$dir/appctld", env => { APPCTL_LIBEXECDIR => undef });
$node->start;
$node->wait_event({ event => 'mode_stable' });

for my $case (['explain', 'web'], ['reexec']) {
	my $r = $node->appctl(@$case);
	is($r->{exit}, 1, "$case->[0] is not known there");
	like($r->{err}, qr/does not have the method org\.appctl\.Control\.\w+.*: appctld is \Q$other\E, this appctl \Q$here\E$/m, 'both versions are named');
	is($r->{out}, '', 'and nothing else is said');
}
for my $case (['status'], ['status', 'web'], ['mode'], ['mode', 'normal'], ['await', '5'], ['plan'], ['deps', 'web'], ['graph'], ['show', 'web'],
	['restart', 'web'], ['stop', 'web'], ['start', 'web'], ['reload']) {
	my $r = $node->appctl(@$case);
	is($r->{exit}, 0, "@$case works") or diag($r->{err});
}
is($node->appctl_json('status')->{version}, $other);

# The other way round: a call of a client to come.
is($node->varlink('FromTheFuture', {})->{error}, 'org.varlink.service.MethodNotFound', 'a method that is not known');
my $refused = $node->varlink('Status', { names => [], colour => 'red' });
is($refused->{error}, 'org.varlink.service.InvalidParameter', 'a parameter that is not known');
is($refused->{parameters}{parameter}, 'colour', 'is named');
is($node->varlink('org.varlink.service.GetInfo', {})->{parameters}{version}, $other, 'and whoever wants to know the version, may ask');
is($node->stop, 0);

done_testing;
