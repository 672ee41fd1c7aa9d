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
           { user = "$admin"; level = "admin"; } );
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
