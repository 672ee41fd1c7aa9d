# SPDX-License-Identifier: MIT
package Appctl::Consumer;

# An appctl-consumer on a port of its own, and producers for it (t/monitor/producers).
#
#     my $c = Appctl::Consumer->new(CONSUMER_DATABASE => $pg->conninfo('appctl_writer'));	# or SQLite in its scratch directory
#     $c->start; $c->wait_log(qr/takes batches/); my $lines = $c->produce(count => 3, batches => 10, rows => 5); $c->stop; $c->crash;
use strict;
use warnings;

use POSIX ();
use Test::More;
use Time::HiRes ();
use Appctl::Test;

sub new {
	my ($class, %settings) = @_;
	my $dir = Appctl::Test::scratch_directory();
	spew("$dir/secret", "sixteen bytes and more\n");
	chmod 0400, "$dir/secret";
	my $self = bless { dir => $dir }, $class;
	$self->{env} = {
		CONSUMER_ENABLE => 'true', CONSUMER_LISTEN_PORT => 0, CONSUMER_SECRET_FILE => "$dir/secret", CONSUMER_USE_TLS => 'false',
		CONSUMER_NODE => 'consumer', ($settings{CONSUMER_DATABASE} ? () : (CONSUMER_SQLITE => "$dir/monitor.db")), %settings,
	};
	return $self;
}

sub dir { $_[0]{dir} }
sub pid { $_[0]{pid} }
sub port { $_[0]{port} }
sub sqlite { $_[0]{env}{CONSUMER_SQLITE} }
sub log_text { slurp("$_[0]{dir}/log") }

sub wait_log {
	my ($self, $match, $seconds) = @_;
	my $end = Time::HiRes::time() + ($seconds // 20) * slow_factor();
	while (Time::HiRes::time() < $end) {
		my $log = substr($self->log_text, $self->{seen} // 0);
		return $1 // 1 if $log =~ $match;
		last unless process_is_alive($self->{pid});
		Time::HiRes::sleep(0.01);
	}
	diag("$match does not come: " . $self->log_text);
	return undef;
}

sub start {
	my ($self) = @_;
	$self->{seen} = length $self->log_text;
	$self->{pid} = spawn_program(program('appctl-consumer'), { env => $self->{env}, err => "$self->{dir}/log" });
	$self->{port} = $self->wait_log(qr/listening on \S+ port (\d+)/) or die "the consumer does not start\n";
	$self->{env}{CONSUMER_LISTEN_PORT} = $self->{port};
	return $self;
}

# Ends it; its exit status.
sub stop {
	my ($self, $signal) = @_;
	CORE::kill $signal // 'TERM', $self->{pid};
	return Appctl::Test::wait_child($self->{pid}, 20);
}

sub crash { $_[0]->stop('KILL') }

sub memory_kib { (slurp("/proc/$_[0]{pid}/status") =~ /^VmRSS:\s+(\d+)/m)[0] }

# In the background; its output goes to the returned file.
sub start_producers {
	my ($self, %o) = @_;
	my $out = "$self->{dir}/producers" . ++$self->{runs};
	my $pid = spawn_program(program('t/monitor/producers'), $self->{port}, "$self->{dir}/secret",
		($self->{env}{CONSUMER_USE_TLS} // 'true') eq 'true' ? 1 : 0, $o{count} // 1, $o{batches} // 10, $o{rows} // 5, $o{first} // 1,
		{ out => $out, err => $out });
	return ($pid, $out);
}

# Until all is acknowledged: the lines it said; undef where time was over.
sub produce {
	my ($self, %o) = @_;
	my ($pid, $out) = $self->start_producers(%o);
	my $status = Appctl::Test::wait_child($pid, $o{timeout} // 60);
	if (!defined $status) {
		CORE::kill KILL => $pid;
		diag(slurp($out) . $self->log_text);
		return undef;
	}
	return [split /\n/, slurp($out)];
}

1;
