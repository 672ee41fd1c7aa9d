# SPDX-License-Identifier: MIT
# What plan and diff tell is what then happens: random configurations, mode changes and edits, from fixed seeds.
use strict;
use warnings;
use List::Util 'shuffle';
use Test::More;
use Appctl::Test;

my @names = map { "a$_" } 0 .. 11;
my %oneshot;

sub array { return '[' . join(', ', map { qq("$_") } @_) . ']' }
sub some { my ($chance, @from) = @_; return grep { rand() < $chance } @from }

# Keys of one application; what it comes after is among @before, so that there is no cycle.
sub definition {
	my ($name, @before) = @_;
	my %d = (command => $oneshot{$name} ? '"exec true"' : '"exec sleep ' . (1000 + int rand 2) . '"');
	$d{type} = '"oneshot"' if $oneshot{$name};
	$d{applications} = array(some(0.1, @before));
	$d{optional_applications} = array(some(0.05, @before));
	$d{start_after} = array(some(0.05, @before));
	$d{log} = '{ type = "null"; }';
	my %may = (shutdown => 1 + int rand 2, nice => 1 + int rand 2, description => '"' . int(rand 2) . '"',
		environment => '{ A = "' . int(rand 2) . '"; }', stop_signal => rand() < 0.5 ? '"INT"' : '"QUIT"');
	$d{$_} = $may{$_} for some(0.2, sort keys %may);
	$d{ready} = '{ type = "exec"; command = "true"; interval = 0.01; }' if rand() < 0.2 && !$oneshot{$name};
	return \%d;
}

sub text {
	my ($apps, $roles, $modes) = @_;
	my $group = sub { my ($of) = @_; join '', map { "$_ = " . array(@{ $of->{$_} }) . '; ' } sort keys %$of };
	return "default_mode = \"m1\";\napplications: {\n"
		. join('', map { my $d = $apps->{$_}; "$_: { " . join('', map { "$_ = $d->{$_}; " } sort keys %$d) . "};\n" } sort keys %$apps)
		. "};\nroles: { " . $group->($roles) . "};\nmodes: { " . $group->($modes) . "};\n";
}

sub random_sets {
	my %roles = map { $_ => [(shuffle @names)[0 .. int rand 4]] } qw(r s t u);
	my %modes = map { $_ => [some(0.5, qw(r s t u))] } qw(m1 m2 m3);
	return \%roles, \%modes;
}

sub pids {
	my ($node) = @_;
	return { map { $_->{name} => $_->{pid} // 0 } @{ $node->appctl_json('status')->{applications} } };
}

# The steps of the plan, in the order they may be taken, against the events of the change.
sub follow_plan {
	my ($node, $mode) = @_;
	my @steps = @{ $node->appctl_json('plan', $mode)->{steps} };
	is($node->appctl('mode', $mode, '--wait=20')->{exit}, 0) or return;
	my $from = $node->wait_event({ event => 'new_mode', mode => $mode })->{seq};
	my $to = $node->wait_event({ event => 'mode_stable', mode => $mode })->{seq};
	my @events = $node->events_so_far({ seq => sub { defined $_[0] && $_[0] > $from && $_[0] < $to } });
	for my $action (['start', 'app_starting'], ['stop', 'app_stopping']) {
		my @told = sort map { $_->{name} } grep { $_->{action} eq $action->[0] } @steps;
		my @done = sort map { $_->{app} } grep { $_->{event} eq $action->[1] } @events;
		is("@done", "@told", "to $mode: $action->[0]");
	}
	my (%over, $early);
	my %steps = map { ("$_->{action} $_->{name}" => $_) } @steps;
	for my $e (@events) {
		$over{"start $e->{app}"} = 1 if $e->{event} eq 'app_running' || $e->{event} eq 'app_exited' && $oneshot{ $e->{app} };
		$over{"stop $e->{app}"} = 1 if $e->{event} eq 'app_stopped';
		my $action = { app_starting => 'start', app_stopping => 'stop' }->{ $e->{event} } // next;
		for my $first (@{ $steps{"$action $e->{app}"}{after} // [] }) {
			$early = "$e->{app} before $first" if $steps{"$action $first"} && !$over{"$action $first"};
		}
	}
	is($early, undef, '  each after what it was said to come after');
}

sub follow_diff {
	my ($node, $what) = @_;
	my $before = pids($node);
	my $diff = $node->appctl_json('diff');
	is_deeply($node->appctl_json('reload'), $diff, "$what: reload does what diff told") or return;
	$node->appctl('await', '20');
	my $after = pids($node);
	my %told = map { $_->{name} => $_->{follows} } @{ $diff->{changes} };
	my @wrong = grep {
		my ($b, $a) = ($before->{$_} // 0, $after->{$_} // 0);
		my $is = $a == $b ? 'nothing' : !$b ? 'start' : !$a ? 'stop' : 'restart';
		!$oneshot{$_} && ($told{$_} // 'nothing') ne $is;
	} @names;
	is("@wrong", '', '  and that follows for each application') or diag(explain($diff));
}

for my $seed (1 .. 4) {
	srand $seed;
	%oneshot = map { $_ => 1 } some(0.2, @names);
	my @order = shuffle @names;
	my %apps = map { $order[$_] => definition($order[$_], @order[0 .. $_ - 1]) } 0 .. $#order;
	my @sets = random_sets();
	subtest "seed $seed" => sub {
		my $node = Appctl::Test->new(config => text(\%apps, @sets))->start;
		$node->wait_event({ event => 'mode_stable' });
		for my $step (1 .. 5) {
			my @others = grep { $_ ne $node->appctl_json('mode')->{mode} } qw(m1 m2 m3);
			follow_plan($node, $others[rand @others]);
			for my $i (some(0.3, 0 .. $#order)) {
				$apps{ $order[$i] } = definition($order[$i], @order[0 .. $i - 1]);
			}
			@sets = random_sets() if $step == 3;
			$node->config(text(\%apps, @sets));
			follow_diff($node, "edit $step");
		}
		is($node->stop, 0);
	};
}

done_testing;
