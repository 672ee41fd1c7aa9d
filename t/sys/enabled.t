# SPDX-License-Identifier: MIT
# A disabled application is defined and checked; an operator alone starts it.
use strict;
use warnings;
use Test::More;
use Appctl::Test;

my $sleeper = 'command = ["/bin/sleep", "1000"]; log = { type = "null"; };';
my $config = sub { my ($enabled) = @_; return qq(applications:
{
	web: { $sleeper optional_applications = ["extra"]; };
	extra: { $sleeper user = "no-such-user"; restart = "temporary"; enabled = $enabled; };
	spare: { $sleeper enabled = $enabled; applications = ["part"]; };
	part: { $sleeper enabled = $enabled; };
};
roles: { active = ["web", "spare"]; };
modes: { normal = ["active"]; quiet = []; };
default_mode = "normal";
protected = ["part"];
) };

my $node = Appctl::Test->new(node => 'alice', config => $config->('false'))->start;
$node->wait_event({ event => 'mode_stable', mode => 'normal' });
my $state = sub { my ($name) = @_; return $node->appctl_json('status', $name)->{applications}[0] };

is_deeply([map { $state->($_)->{state} } qw(web spare part extra)], [qw(running stopped stopped stopped)],
	'neither role, protection nor background starts it');
is($state->('spare')->{enabled}, JSON::PP::false, 'status --json says so');
like($node->appctl('status')->{out}, qr/^spare +stopped .* disabled$/m, 'status too');
like($node->appctl('status', 'spare')->{out}, qr/^ +Wanted: no, disabled$/m, 'and at length');
like($node->appctl('explain', 'spare')->{out}, qr/^spare: disabled \(enabled = false\), and nobody has started it/, 'explain');
like($node->appctl('show', 'spare')->{out}, qr/^    enabled = false;$/m, 'show');
is($node->appctl('plan')->{out}, "nothing to do\n", 'no plan has it');

is($node->appctl('start', 'spare')->{exit}, 0, 'an operator starts it');
is_deeply([map { $state->($_)->{state} } qw(spare part)], [qw(running running)], 'with what it needs');
like($node->appctl('plan', 'quiet')->{out}, qr/stop spare +disabled \(enabled = false\)/, 'the next mode ends it');
is($node->appctl('mode', 'quiet', '--wait=10')->{exit}, 0);
is_deeply([map { $state->($_)->{state} } qw(spare part)], [qw(stopped stopped)], 'as it does');
my $r = $node->appctl('start', 'extra');
is($r->{exit}, 1, 'one whose user does not exist');
like($r->{err}, qr/user no-such-user is not known/, 'is refused when it is started');
$node->appctl('stop', 'extra');
is($node->appctl('mode', 'normal', '--wait=10')->{exit}, 0);

my $text = $config->('true');
$text =~ s/user = "no-such-user"; restart = "temporary"; //;
spew($node->config_file, $text);
like($node->appctl('diff')->{out}, qr/^spare: changed, start follows\n +enabled: false -> true\n/m, 'diff says what enabling does');
is($node->appctl('reload')->{exit}, 0);
is($node->appctl('await', '10')->{exit}, 0, 'enabled');
is_deeply([map { $state->($_)->{state} } qw(spare part)], [qw(running running)], 'it runs');
spew($node->config_file, $config->('false'));
is($node->appctl('reload')->{exit}, 0, 'an unknown user of a disabled application is no error');
$node->wait_event({ event => 'app_stopped', app => 'part' });
is($node->appctl('await', '10')->{exit}, 0, 'disabled again');
is($state->('spare')->{state}, 'stopped', 'it has stopped');

$text = $config->('false');
$text =~ s/enabled = false; applications = \["part"\]/applications = ["part"]/;
spew($node->config_file, $text);
$r = $node->appctl('check', $node->config_file);
is($r->{exit}, 2, 'one that needs what is disabled');
like($r->{err} . $r->{out}, qr/appctld\.conf:5: applications\.spare\.applications: spare needs part, which is disabled \(\S*appctld\.conf:6\)/,
	'is refused, and both are named');
$node->stop;
done_testing;
