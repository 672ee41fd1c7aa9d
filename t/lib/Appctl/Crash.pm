# SPDX-License-Identifier: MIT
package Appctl::Crash;

use strict;
use warnings;

use Appctl::Test;
use Exporter 'import';
use File::Path ();
use IO::Socket::UNIX;
use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes ();

our @EXPORT = qw(needs_tracing long_form evenly play trouble_of count_calls each_call percentile);

my $json = JSON::PP->new->utf8;
my @chains = ([1 .. 5], [6 .. 10], [11 .. 15], [16 .. 20]);
my $serial = 0;

sub long_form { !!$ENV{APPCTL_NIGHTLY} }

sub needs_tracing {
	needs_program('strace');
	my $r = run_program('strace', '-D', '-o', '/dev/null', '-e', 'inject=getpid:error=EIO:when=1', 'true');
	plan(skip_all => 'strace may not trace here') if $r->{exit} // 1;
}

# Of the list what APPCTL_POINTS names: some by their number from 1 ("896,1067-1070"), or a part of all ("2/4": every fourth, from the second).
sub asked_for {
	my (@all) = @_;
	return @all[grep { $_ % $2 == $1 % $2 } 0 .. $#all] if $ENV{APPCTL_POINTS} =~ m{^(\d+)/(\d+)$};
	return @all[grep { $_ < @all } map { /^(\d+)-(\d+)$/ ? $1 - 1 .. $2 - 1 : $_ - 1 } split /,/, $ENV{APPCTL_POINTS}];
}

# `count` of the list, evenly spread; all of them in the long form, or what was asked for.
sub evenly {
	my ($count, @all) = @_;
	return asked_for(@all) if $ENV{APPCTL_POINTS};
	return @all if long_form() || @all <= $count;
	my $offset = int(@all / $count / 2);
	return @all[map { int($_ * @all / $count) + $offset } 0 .. $count - 1];
}

sub percentile {
	my ($p, @values) = @_;
	return 0 unless @values;
	@values = sort { $a <=> $b } @values;
	my $at = int($p / 100 * @values);
	return $values[$at < @values ? $at : $#values];
}

# --- The system of the scenario ------------------------------------------------

sub name { sprintf 'a%02d', $_[0] }

# It says that it began, and by which process, in a file of all.
sub application {
	my ($n, $before, $more) = @_;
	my $ready = $n % 2 ? 'echo >&3; ' : '';
	return sprintf '%s: { command = "echo %s $$ >>@DIR@/starts; %sexec sleep 1000"; %s%s%s log = { type = "null"; }; };' . "\n", name($n), name($n),
		$ready, $ready ? 'ready = { type = "fd"; timeout = 30.0; };' : '', defined $before ? ' applications = ["' . name($before) . '"];' : '', $more // '';
}

sub configuration {
	my ($after) = @_;
	my $text = "applications:\n{\n";
	for my $chain (@chains) {
		for my $i (0 .. $#$chain) {
			next if $after && $chain->[$i] == 20;
			my $more = $after && $chain->[$i] == 19 ? ' environment = { CHANGED = "1"; };' : '';
			$text .= application($chain->[$i], $i ? $chain->[$i - 1] : undef, $more);
		}
	}
	$text .= application(21, 18) if $after;
	$text .= 'once: { command = "echo once $$ >>@DIR@/starts"; type = "oneshot"; log = { type = "null"; }; };' . "\n";
	$text .= 'bad: { command = "echo bad $$ >>@DIR@/starts; exit 7"; restart = "temporary"; log = { type = "null"; }; };' . "\n";
	$text .= "};\nroles: { core = [" . join(', ', map { '"' . name($_) . '"' } 1 .. 10) . ', "once", "bad"]; extra = ['
		. join(', ', map { '"' . name($_) . '"' } 11 .. 19, $after ? 21 : 20) . "]; };\n";
	return $text . 'modes: { full = ["core", "extra"]; less = ["core"]; }; default_mode = "full";' . "\n";
}

# --- Following it -----------------------------------------------------------------

# One who follows by libappctl, which connects again by itself.
sub follow {
	my ($s) = @_;
	my $node = $s->{node};
	my $path = $node->runtime_dir . '/events.sock';
	until (IO::Socket::UNIX->new(Type => Socket::SOCK_STREAM(), Peer => $path)) {
		ended($s) and die "appctld ended before it listened\n";
		Time::HiRes::time() > $s->{end} and die "no event socket in time\n";
		Time::HiRes::sleep(0.002);
	}
	my $out = $node->dir . '/events';
	spew($out, '');
	$s->{follower} = spawn_program(program('appctl'), '-r', $node->runtime_dir, '--json', 'events', '--since', '0',
		{ env => $node->environment, out => $out, err => $node->dir . '/events.err' });
	open $s->{events}, '<', $out or die "$out: $!\n";
	@$s{qw(buffer seen running)} = ('', [], {});
}

# Its wait status, if it has ended.
sub status_of { return Appctl::Test::wait_child($_[0], 0.0005 / slow_factor()) }

sub ended {
	my ($s) = @_;
	return 1 if exists $s->{status};
	my $status = status_of($s->{node}{child}) // return 0;
	$s->{status} = $status;
	delete @{ $s->{node} }{qw(child pid)};
	return 1;
}

sub take {
	my ($s, $ev) = @_;
	my $kind = $ev->{event} // die 'the follower says: ' . $json->encode($ev) . "\n";
	push @{ $s->{seen} }, $ev;
	$s->{running}{ $ev->{app} } = $ev->{pid} if $kind eq 'app_running';
	delete $s->{running}{ $ev->{app} } if $kind eq 'app_stopped';
	$s->{mode} = $ev->{mode} if $kind eq 'new_mode';
}

sub read_more {
	my ($s) = @_;
	seek $s->{events}, 0, 1;
	my $n = 0;
	while (sysread $s->{events}, my $data, 65536) { $s->{buffer} .= $data; $n++ }
	take($s, $json->decode($1)) while $s->{buffer} =~ s/^(.*)\n//;
	return $n;
}

# Until it is so; the time it was.
sub until_so {
	my ($s, $what, $test) = @_;
	my $begin = Time::HiRes::time();
	my $end = $begin + 20 * slow_factor();
	until ($test->()) {
		next if read_more($s);
		ended($s) and !$test->() and die "appctld ended in step: $what\n";
		Time::HiRes::time() > $end and die "not in time: $what\n";
		Time::HiRes::sleep(0.002);
	}
	push @{ $s->{steps} }, [$what, $begin, Time::HiRes::time()];
}

# All of these run and nothing else; those of `not` by another process than that.
sub all_run {
	my ($s, $mode, $not, @numbers) = @_;
	my $running = $s->{running};
	return 0 if ($s->{mode} // '') ne $mode || grep { !defined $running->{ name($_) } } @numbers;
	return 0 if grep { ($running->{$_} // 0) == $not->{$_} } keys %$not;
	my %wanted = map { name($_) => 1 } @numbers;
	return 0 if grep { !/^(once|bad)$/ && !$wanted{$_} } keys %$running;
	# They run once they have said so themselves.
	my %said = map { (split ' ')[1] => 1 } split /\n/, slurp($s->{node}->dir . '/starts');
	return !grep { !$said{ $running->{$_} } } keys %$running;
}

# A command whose answer was lost is given again: it wants a state, not a change.
sub command {
	my ($s, @args) = @_;
	my $r;
	for (1 .. 20) {
		$r = $s->{node}->appctl(@args);
		return if defined $r->{exit} && $r->{exit} == 0;
		last unless $s->{o}{faults} && $_ < 3 || $r->{err} =~ /unknown|reach|ended|answer/;
		$s->{unknown}++;
	}
	die "appctl @args: exit " . ($r->{exit} // "signal $r->{signal}") . ": $r->{err}\n";
}

sub descriptors { my ($pid) = @_; my @fds = glob "/proc/$pid/fd/*"; return scalar @fds }

# When nobody is served any more; of keeper and engine.
sub count_descriptors {
	my ($s) = @_;
	my $limit = @{ $s->{o}{descriptors} } ? $s->{o}{descriptors} : undef;
	my @n;
	for (1 .. 200) {
		my $engine = $s->{node}->engine_pid;
		@n = (descriptors($s->{node}->pid), $engine ? descriptors($engine) : 999);
		last if $limit ? $n[0] <= $limit->[0] && $n[1] <= $limit->[1] : $_ > 10;
		Time::HiRes::sleep(0.01);
	}
	$s->{descriptors} = \@n;
	die "descriptors of keeper and engine: @n, and not @$limit\n" if $limit && ($n[0] > $limit->[0] || $n[1] > $limit->[1]);
}

sub steps {
	my ($s) = @_;
	my $node = $s->{node};
	until_so($s, 'start', sub { all_run($s, 'full', {}, 1 .. 20) });
	my %signal = (a03 => 'KILL', a08 => 'SEGV', a15 => 'USR2');
	my %old = map { $_ => $s->{running}{$_} } keys %signal;
	$s->{crashed}{ $old{$_} } = $signal{$_} for keys %old;
	kill $signal{$_} => $old{$_} for keys %old;
	until_so($s, 'crash', sub { all_run($s, 'full', \%old, 1 .. 20) });
	$node->config(configuration(1));
	%old = (a19 => $s->{running}{a19});
	my $begin = Time::HiRes::time();
	$s->{o}{by_signal} ? kill(HUP => $node->pid) : command($s, 'reload');
	until_so($s, 'reload', sub { all_run($s, 'full', \%old, 1 .. 19, 21) });
	$s->{steps}[-1][1] = $begin;
	$begin = Time::HiRes::time();
	command($s, 'mode', 'less');
	until_so($s, 'mode', sub { all_run($s, 'less', {}, 1 .. 10) });
	$s->{steps}[-1][1] = $begin;
	count_descriptors($s) if $s->{o}{descriptors};
	$begin = Time::HiRes::time();
	kill TERM => $node->pid;
	until_so($s, 'stop', sub { !keys %{ $s->{running} } || ended($s) });
	$s->{steps}[-1][1] = $begin;
	until_so($s, 'end', sub { ended($s) });
}

# --- What has to be true in the end --------------------------------------------------

sub numbers_go_on {
	my ($s) = @_;
	my $at = 0;
	for my $ev (@{ $s->{seen} }) {
		die "event lost: from $ev->{from} to $ev->{to}\n" if $ev->{event} eq 'lost';
		next unless defined $ev->{seq} && $ev->{event} ne 'hello';
		die "event number $ev->{seq} after $at\n" if $ev->{seq} != ++$at;
	}
}

# As the processes themselves say it.
sub started_once {
	my ($s) = @_;
	my (%count, %pid);
	for (split /\n/, slurp($s->{node}->dir . '/starts')) {
		my ($app, $pid) = split ' ';
		$count{$app}++;
		$pid{$pid} = $app;
	}
	my %want = ((map { name($_) => 1 } 1 .. 21), once => 1, bad => 1);
	# One that is not to be started again may fail to start, which is told.
	$want{bad} = 0 if $s->{o}{faults} && grep { ($_->{app} // '') eq 'bad' && ($_->{reason} // '') eq 'spawn_failed' } @{ $s->{seen} };
	$want{$_}++ for qw(a03 a08 a15 a19);
	for my $app (sort keys %want) {
		my $n = $count{$app} // 0;
		die "$app was started $n times and not $want{$app}\n" if $n != $want{$app} && !($app eq 'bad' && $n == 1);
	}
	return \%pid;
}

sub each_exit_once {
	my ($s, $pids) = @_;
	my (%exits, %open);
	for my $ev (@{ $s->{seen} }) {
		my $app = $ev->{app} // next;
		$open{$app}++ if $ev->{event} eq 'app_running';
		$open{$app} = 0 if $ev->{event} eq 'app_stopped';
		die "$app runs twice without a stop\n" if ($open{$app} // 0) > 1;
		next unless $ev->{event} eq 'app_exited' && $ev->{pid};
		die "the exit of $app ($ev->{pid}) was told twice\n" if $exits{ $ev->{pid} }++;
		my $how = $ev->{signal} // $ev->{status} // 'nothing';
		my $want = $s->{crashed}{ $ev->{pid} } // ($app eq 'once' ? 0 : $app eq 'bad' ? 7 : 'TERM');
		die "the exit of $app ($ev->{pid}) is told as $how and not $want\n" if $how ne $want;
	}
	for my $pid (keys %$pids) { die "the exit of $pids->{$pid} ($pid) was not told\n" unless $exits{$pid} }
	for my $app (keys %open) { die "app_running of $app was not closed by app_stopped\n" if $open{$app} }
}

sub nothing_is_left {
	my ($pids) = @_;
	for my $pid (keys %$pids) {
		die "orphan: $pids->{$pid} ($pid)\n" if process_is_alive($pid) && slurp("/proc/$pid/comm") =~ /^(sleep|sh)$/;
	}
}

sub all_is_true {
	my ($s) = @_;
	die sprintf "appctld ended with wait status 0x%x\n", $s->{status} if $s->{status};
	numbers_go_on($s);
	my $pids = started_once($s);
	each_exit_once($s, $pids);
	nothing_is_left($pids);
}

# The follower may still have to read the last events.
sub settle {
	my ($s) = @_;
	my $end = Time::HiRes::time() + 2 * slow_factor();
	until (eval { all_is_true($s); 1 }) {
		my $gone = $s->{follower_gone} ||= defined status_of($s->{follower});
		next if read_more($s);
		die $@ if $gone || Time::HiRes::time() > $end;
	}
}

# From when the second engine was begun until the step that was under way was done, in ms.
sub recovery_ms {
	my ($s) = @_;
	my $again = (Time::HiRes::stat($s->{node}->dir . '/again'))[9] // return undef;
	for my $step (@{ $s->{steps} }) {
		return 1000 * ($step->[2] - $again) if $again <= $step->[2];
	}
	return undef;
}

# --- A run -----------------------------------------------------------------------------

# The first engine runs below this command, the second below another, those after it as they are.
sub put_wrapper {
	my ($node, $o) = @_;
	my $dir = $node->dir . '/libexec';
	my $real = program('appctl-engine');
	my $first = join ' ', map { "'$_'" } @{ $o->{engine_below} // [] };
	my $second = join ' ', map { "'$_'" } @{ $o->{second_below} // [] };
	my $all = join ' ', map { "export $_='$o->{engine_env}{$_}';" } keys %{ $o->{engine_env} // {} };
	mkdir $dir;
	spew("$dir/appctl-engine", "#!/bin/sh\n" . "d='" . $node->dir . "'\n$all\n"
		. "[ -e \$d/first ] || { : >\$d/first; exec $first '$real' \"\$\@\"; }\n"
		. "echo >>\$d/engines\n[ -e \$d/again ] || { : >\$d/again; exec $second '$real' \"\$\@\"; }\nexec '$real' \"\$\@\"\n");
	chmod 0755, "$dir/appctl-engine";
	$node->{env} = { %{ $node->{env} // {} }, APPCTL_LIBEXECDIR => $dir, ASAN_OPTIONS => 'detect_leaks=0' };
}

sub begin {
	my ($o) = @_;
	my $node = Appctl::Test->new(config => configuration(0), may_leave_processes => 1);
	put_wrapper($node, $o);
	my $log = $node->dir . '/appctld.log';
	spew($log, '');
	$node->{child} = $node->{pid} = spawn_program(@{ $o->{keeper_below} // [] }, $node->command, { env => $node->environment, out => $log, err => $log });
	return { node => $node, o => $o, steps => [], end => Time::HiRes::time() + 20 * slow_factor() };
}

sub clean_up {
	my ($s, $keep) = @_;
	my $node = $s->{node};
	my @left = grep { defined } $s->{follower_gone} ? undef : $s->{follower}, $node->{child};
	kill KILL => @left, defined $node->{child} ? Appctl::Test::descendants($node->{child}) : ();
	Appctl::Test::wait_child($_, 5) for @left;
	delete @$node{qw(child pid)};
	Appctl::Test::reap_orphans();
	File::Path::remove_tree($node->dir) unless $keep;
}

# Which is said, and nothing was started; unless it did not even come to main().
sub could_not_begin {
	my ($s) = @_;
	my $dir = $s->{node}->dir;
	for (1 .. 200) { last if ended($s) || @{ $s->{seen} // [] } }
	return exists $s->{status} && !$s->{steps}[0] && !-e "$dir/starts" && ($s->{node}->log_text =~ /appctld: \S/ || !glob "$dir/run/*");
}

# Plays it.  { error => TEXT } or what was measured.
sub play {
	my (%o) = @_;
	my $s = begin(\%o);
	my $done = eval {
		follow($s);
		steps($s);
		settle($s);
		my $log = $s->{node}->log_text;
		die "a sanitizer spoke\n" if $log =~ /AddressSanitizer|LeakSanitizer|runtime error:/;
		1;
	};
	my $error = $done ? undef : $@;
	$error = undef if !$done && $o{faults} && could_not_begin($s);
	my $engines = () = slurp($s->{node}->dir . '/engines') =~ /\n/g;
	$error = "$engines engines were needed\n" if !defined $error && $engines > 3;
	my $r = { error => $error, recovery_ms => recovery_ms($s), descriptors => $s->{descriptors}, engines => $engines, unknown => $s->{unknown} // 0,
		log => $s->{node}->log_text, seen => $s->{seen}, steps => $s->{steps}, dir => $s->{node}->dir };
	$r->{calls} = count_lines($s->{node}->dir . '/trace') if -e $s->{node}->dir . '/trace';
	clean_up($s, $ENV{APPCTL_TEST_KEEP} && defined $error);
	return $r;
}

# All there is to say of a run that failed; '': it did not.
sub trouble_of {
	my ($r) = @_;
	return '' unless defined $r->{error};
	my $text = $r->{error};
	$text .= "events:\n" . join('', map { '  ' . $json->encode($_) . "\n" } @{ $r->{seen} // [] }) if $ENV{APPCTL_TEST_KEEP};
	return $text . "log:\n$r->{log}";
}

# How often each system call was made: in a trace file by strace.
sub count_lines {
	my ($file) = @_;
	my %count;
	for (split /\n/, slurp($file)) { $count{$1}++ if /^(?:\d+ +)?(\w+)\(/ }
	return \%count;
}

# { call => times } of an undisturbed run, and what was open in its end.
sub count_calls {
	my ($which) = @_;
	my $file = sprintf '%s/appctl-trace-%d-%d', '/tmp', $$, $serial++;
	my @below = ('strace', '-D', '-qq', '-o', $file);
	my $r = play($which eq 'keeper' ? (keeper_below => \@below) : (engine_below => \@below), descriptors => []);
	die "without any fault: " . trouble_of($r) if defined $r->{error};
	for (1 .. 100) { last if slurp($file) =~ /\+\+\+ (exited|killed)/; Time::HiRes::sleep(0.01) }
	my $calls = count_lines($file);
	unlink $file;
	return ($calls, $r->{descriptors});
}

# [call, n] for each of them: strace counts each call by itself.
sub each_call {
	my ($calls) = @_;
	return map { my $call = $_; map { [$call, $_] } 1 .. $calls->{$call} } sort keys %$calls;
}

1;
