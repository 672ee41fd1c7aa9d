# SPDX-License-Identifier: MIT
# control.sock: who may do what, by the peer's credentials.
use strict;
use warnings;
use Test::More;
use Appctl::Test;
use JSON::PP;

needs_root();

# By number, so that no account has to exist; 60001 is in no rule.
my ($deploy, $reader, $operator, $admin, $nobody, $group) = (60002, 60003, 60004, 60005, 60001, 60100);
my ($runner, $worker, $other) = (60006, 60007, 60008);
my $node = Appctl::Test->new(config => <<"END")->start;
applications:
{
  web: { command = ["/bin/sleep", "1000"]; environment = ["PASSWORD=hidden"]; };
  db: { command = ["/bin/sleep", "1000"]; };
  front: { command = ["/bin/sleep", "1000"]; applications = ["web"]; };
};
roles: { a = ["db"]; b = ["web", "front"]; };
modes: { normal = ["a", "b"]; less = ["a"]; };
default_mode = "normal";
access = ( { user = "$deploy"; level = "operate"; applications = ["web"]; },
           { group = "$group"; level = "read"; },
           { user = "$operator"; level = "operate"; },
           { user = "$admin"; level = "admin"; },
           { user = "$runner"; level = "operate"; applications = ["db"]; run_as = ["$runner", "$worker"]; },
           { user = "$other"; level = "read"; run_as = ["$other"]; } );
END
$node->wait_event({ event => 'mode_stable' });

# One call as that user, through a process that has become it.
my $caller = <<'END';
	use IO::Socket::UNIX;
	my ($uid, $gid, $path, $message) = @ARGV;
	$) = "$gid $gid"; $( = $gid; $> = $uid; $< = $uid;
	my $s = IO::Socket::UNIX->new(Type => SOCK_STREAM(), Peer => $path) or die "$path: $!\n";
	$s->syswrite("$message\0");
	local $/ = "\0";
	my $reply = readline $s;
	chomp $reply;
	print $reply;
END
sub as {
	my ($uid, $method, $parameters, $gid) = @_;
	$method = "org.appctl.Control.$method" unless $method =~ /\./;
	my $message = encode_json({ method => $method, parameters => $parameters // {} });
	my $r = run_program($^X, '-e', $caller, $uid, $gid // $uid, $node->runtime_dir . '/control.sock', $message);
	is($r->{err}, '');
	return decode_json($r->{out});
}

sub is_refused {
	my ($needed, $held, $reply, $what) = @_;
	is($reply->{error}, 'org.appctl.Control.NotPermitted', $what) or diag(explain($reply));
	is($reply->{parameters}{needed}, $needed);
	is($reply->{parameters}{held}, $held);
}

subtest 'who is in no rule' => sub {
	is_refused('read', 'none', as($nobody, 'Status'), 'sees nothing');
	is_refused('read', 'none', as($nobody, 'GetMode'), 'not even the mode');
	is_refused('admin', 'none', as($nobody, 'Shutdown'), 'and cannot end it');
	is(as($nobody, 'org.varlink.service.GetInfo')->{error}, undef, 'but learns whom it speaks to');
};

subtest 'read, by a group' => sub {
	is_deeply(as($reader, 'Status', {}, $group)->{parameters}{allowed}, ['read']);
	is(as($reader, 'Explain', { name => 'web' }, $group)->{error}, undef);
	for my $case (['SetMode', { mode => 'less' }], ['Start', { name => 'web' }], ['Stop', { name => 'web' }],
		['Kill', { name => 'web' }], ['Restart', { name => 'web' }], ['ReloadApplication', { name => 'web' }]) {
		is_refused('operate', 'read', as($reader, @$case, $group), "may not $case->[0]");
	}
	for my $case (['Reload', {}], ['Diff', {}], ['Shutdown', {}], ['SetLogLevel', { level => 'debug' }],
		['CheckForNewApplications', {}], ['Run', { definition => { command => ['/bin/true'] } }]) {
		is_refused('admin', 'read', as($reader, @$case, $group), "may not $case->[0]");
	}
	my $show = encode_json(as($reader, 'Show', { name => 'web' }, $group)->{parameters}{definition});
	like($show, qr/PASSWORD/);
	unlike($show, qr/hidden/, 'does not see what is in the environment');
};

subtest 'operate, over one application' => sub {
	my $status = as($deploy, 'Status')->{parameters};
	is_deeply($status->{allowed}, ['read']);
	is_deeply($status->{operable}, ['web']);
	is(as($deploy, 'Restart', { name => 'web' })->{error}, undef);
	is_refused('operate', 'read', as($deploy, 'Stop', { name => 'db' }), 'not over another');
	is_refused('operate', 'read', as($deploy, 'SetMode', { mode => 'less' }), 'not over the mode');
	is_refused('operate', 'read', as($deploy, 'Stop', { name => 'web', with_dependents => JSON::PP::true }),
		'nor over what stands on it');
	is(as($deploy, 'Stop', { name => 'web' })->{error}, 'org.appctl.Control.HasDependents');
	like(encode_json(as($deploy, 'Show', { name => 'web' })), qr/hidden/, 'sees its environment');
};

subtest 'operate, and admin' => sub {
	is_deeply(as($operator, 'Status')->{parameters}{allowed}, ['read', 'operate']);
	is(as($operator, 'SetMode', { mode => 'less' })->{parameters}{mode}, 'less');
	is(as($operator, 'SetMode', { mode => 'normal' })->{parameters}{mode}, 'normal');
	is_refused('admin', 'operate', as($operator, 'Reload'), 'may not reload');
	is_deeply(as($admin, 'Status')->{parameters}{allowed}, ['read', 'operate', 'admin']);
	is(as($admin, 'Reload')->{error}, undef);
};

subtest 'run_as: commands of certain users' => sub {
	my $run = sub { my ($user, $definition, $name) = @_; as($user, 'Run', { definition => $definition, $name ? (name => $name) : () }) };
	my $sleep = ['/bin/sleep', '1000'];
	my $reply = $run->($runner, { command => $sleep }, 'its-own');
	is($reply->{error}, undef, 'without level admin') or diag(explain($reply));
	my %status = slurp("/proc/$reply->{parameters}{pid}/status") =~ /^(\w+):\s+(.*)$/mg;
	is($status{Uid} =~ s/\s+/ /gr, join(' ', ($runner) x 4), 'as the first of those users');
	is($status{NoNewPrivs}, 1, 'which can gain no privileges');
	is($run->($runner, { command => $sleep, user => "$worker", no_new_privileges => JSON::PP::false }, 'worker')->{error}, undef, 'or as another of them');
	%status = slurp('/proc/' . (as($admin, 'Status', { names => ['worker'] })->{parameters}{applications}[0]{pid}) . '/status') =~ /^(\w+):\s+(.*)$/mg;
	is_deeply([(split ' ', $status{Uid})[0], $status{NoNewPrivs}], [$worker, 1], 'which cannot ask for privileges either');
	for my $case ([user => 'root'], [user => 0], [user => "$admin"], [group => 'root'], [groups => ['root']], [capabilities => ['CHOWN']],
		[root => '/'], [log => { type => 'file', path => '/tmp/x' }], [nice => -5], [oom_score_adj => -1000], [ionice => 'realtime:0'],
		[limits => { core => 'unlimited' }], [stop_command => 'true'], [reload_command => 'true'], [environment_files => ['/etc/shadow']],
		[essential => JSON::PP::true], [on_give_up => 'shutdown'], [runtime_directory => 'x'], [announces_nodes => JSON::PP::true],
		[optional_applications => ['db']], [cpu_affinity => [0]], [pidfile => '/etc/passwd', type => 'forking'],
		[ready => { type => 'exec', command => 'true' }], [backoff => { min => 0.001, max => 0.001 }]) {
		$reply = $run->($runner, { command => $sleep, @$case });
		is_refused('admin', 'read', $reply, "not with $case->[0]");
		like($reply->{parameters}{key}, qr/^(\Q$case->[0]\E|type)$/, 'which is named');
	}
	is($run->($runner, { command => $sleep, applications => ['db'] }, 'needs-db')->{error}, undef, 'it may need what it operates');
	is_refused('operate', 'read', $run->($runner, { command => $sleep, applications => ['web'] }), 'and nothing else');
	is_refused('operate', 'read', as($other, 'Kill', { name => 'its-own' }), 'another cannot signal it');
	is_refused('operate', 'read', as($other, 'Stop', { name => 'its-own' }), 'nor stop it');
	is_refused('admin', 'read', $run->($other, { command => $sleep, user => "$worker" }), 'nor run as that other\'s users');
	kill 'KILL', $node->engine_pid;
	is(as($runner, 'Kill', { name => 'its-own', signal => 'USR1' })->{error}, undef, 'its own it may signal, also after the engine was killed');
	is(as($runner, 'Stop', { name => 'worker', await => JSON::PP::true })->{error}, undef, 'and stop');
	is(as($runner, 'Wait', { name => 'worker' })->{error}, undef, 'and wait for');
	is_refused('operate', 'read', as($runner, 'Stop', { name => 'web' }), 'but no other application');
	is_refused('admin', 'read', as($deploy, 'Run', { definition => { command => $sleep } }), 'a rule without run_as lets nobody run');
};

# A connection keeps the rights of who opened it, whoever uses it later.
subtest 'rights are those at connect' => sub {
	my $program = <<'END';
		use IO::Socket::UNIX;
		my ($path, $uid, $message) = @ARGV;
		my $s = IO::Socket::UNIX->new(Type => SOCK_STREAM(), Peer => $path) or die "$path: $!\n";
		$) = "$uid $uid"; $( = $uid; $> = $uid; $< = $uid;
		$s->syswrite("$message\0");
		local $/ = "\0";
		my $reply = readline $s;
		chomp $reply;
		print $reply;
END
	my $message = encode_json({ method => 'org.appctl.Control.Status' });
	my $r = run_program($^X, '-e', $program, $node->runtime_dir . '/control.sock', $nobody, $message);
	is_deeply(decode_json($r->{out})->{parameters}{allowed}, ['read', 'operate', 'admin']);
};

is($node->stop, 0);
done_testing;
