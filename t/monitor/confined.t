# SPDX-License-Identifier: MIT
# The producer runs as an ordinary user, gives up what it does not need, and nobody finds its secret.
use strict;
use warnings;
use File::Find ();
use Test::More;
use Appctl::Producer;
use Appctl::Test;

sub rows { Appctl::Producer::Link::rows(@_) }
my $secret = 'the secret of all tests';

sub found_in {
	my (@paths) = @_;
	my @found;
	File::Find::find({ no_chdir => 1, wanted => sub { push @found, $_ if -f && slurp($_) =~ /\Q$secret\E/ } }, grep { -e } @paths);
	return "@found";
}

subtest 'as an ordinary user' => sub {
	needs_root();
	my ($uid, $gid) = (getpwnam 'nobody')[2, 3];
	my $dir = Appctl::Test::scratch_directory();
	my $consumer = Appctl::Producer::Consumer->new;
	my $producer = Appctl::Producer->new(consumer => $consumer, dir => $dir, as => { uid => $uid }, env => {
		PRODUCER_EVENTS => 'true', PRODUCER_RUNTIME_DIR => '/nonexistent' });
	spew("$dir/log", '');
	chmod 0666, "$dir/log";
	chown $uid, $gid, $dir, $producer->{secret_file}, $producer->{secret_file} =~ s{/[^/]+$}{}r;
	$producer->start;
	my $link = $consumer->open(0);
	ok($link->batch($_), "$_ is collected") for qw(node prc app_top fun_top);
	my $status = slurp("/proc/$producer->{pid}/status");
	like($status, qr/^NoNewPrivs:\t1$/m, 'it cannot gain privileges');
	like($status, qr/^Seccomp:\t2$/m, 'its system calls are filtered');
	is((stat "/proc/$producer->{pid}/mem")[4], 0, 'it cannot be looked into by others of its user');
	is((stat "$producer->{spool}")[2] & 07777, 0700, 'its spool is its own');
	is(found_in("$dir/log", $producer->{spool}, map { "/proc/$producer->{pid}/$_" } qw(cmdline environ status)), '',
		'the secret is in none of what it shows or keeps');
	is($producer->stop, 0);
	is(found_in("$dir/log", $producer->{spool}), '', 'nor in what it leaves');
};

subtest 'commands of the operator are bound too' => sub {
	my $consumer = Appctl::Producer::Consumer->new;
	my $outside = "/var/tmp/appctl-confined-$$";
	my $producer = Appctl::Producer->new(consumer => $consumer, env => {
		PRODUCER_COMMAND_INTERVAL => '100ms', PRODUCER_STATUS_COMMAND =>
			"grep NoNewPrivs /proc/self/status; unshare -U true 2>/dev/null && echo unshared; echo x >$outside && echo wrote; true" })->start;
	my $link = $consumer->open(0);
	my ($row) = rows($link->batch('node_status'));
	like($row->{status}, qr/^NoNewPrivs:\s+1$/m, 'they gain no privileges');
	unlike($row->{status}, qr/unshared/, 'and make no namespaces');
	SKIP: {
		skip 'this kernel has no landlock', 1 if $producer->log_text =~ /no landlock/;
		unlike($row->{status}, qr/wrote/, 'they write where they may');
	}
	unlink $outside;
	is($producer->stop, 0);
};

done_testing;
