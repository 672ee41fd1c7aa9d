# SPDX-License-Identifier: MIT
package Appctl::Postgres;

# A PostgreSQL server of the test's own, in a scratch directory, on a unix socket only.
#
#     needs_postgres();                             # leaves the test out where there is none
#     my $pg = Appctl::Postgres->new(fsync => 'off', shared_buffers => '64MB');	# data => DIRECTORY, initdb => [MORE]
#     $pg->init_db;                                 # appctl-consumer --init-db
#     $pg->sql('SELECT 1');  $pg->conninfo;  $pg->stop('immediate');  $pg->start;  $pg->kill_all;
use strict;
use warnings;

use Exporter 'import';
use Test::More;
use Time::HiRes ();
use Appctl::Test;

our @EXPORT = qw(needs_postgres);

my @servers;
my $owner = $$;

sub bin {
	my ($newest) = sort { ($b =~ /(\d+)/)[0] <=> ($a =~ /(\d+)/)[0] } grep { -x "$_/postgres" } glob '/usr/lib/postgresql/*/bin';
	return $newest;
}

# The server refuses to be root.
sub user { $> == 0 ? 'postgres' : scalar getpwuid $> }
sub as_user { $> == 0 ? { uid => scalar getpwnam(user()) } : {} }

sub needs_postgres {
	plan(skip_all => 'needs PostgreSQL') unless bin();
	plan(skip_all => 'needs the user postgres') if $> == 0 && !defined getpwnam('postgres');
}

sub new {
	my ($class, %settings) = @_;
	my $dir = Appctl::Test::scratch_directory();
	chown scalar(getpwnam(user())), -1, $dir if $> == 0;
	my $self = bless { dir => $dir, data => delete $settings{data} // "$dir/data" }, $class;
	my @initdb = @{ delete $settings{initdb} // [] };
	$self->{settings} = \%settings;
	$self->run_as('initdb', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '-N', '-D', $self->{data}, @initdb);
	push @servers, $self;
	$self->start;
	return $self;
}

sub dir { $_[0]{dir} }
sub data { $_[0]{data} }

sub run_as {
	my ($self, $name, @argv) = @_;
	my $r = run_program(bin() . "/$name", @argv, { %{ as_user() }, timeout => 60, directory => '/' });
	die "$name @argv: $r->{err}$r->{out}\n" if $r->{exit} // 1;
	return $r;
}

sub start {
	my ($self) = @_;
	my %s = (listen_addresses => '', unix_socket_directories => $self->{dir}, fsync => 'off', max_connections => 30, %{ $self->{settings} });
	my $options = join ' ', map { "-c $_='$s{$_}'" } sort keys %s;
	# Servers that lost their postmaster let go of its memory a moment later.
	my $end = Time::HiRes::time() + 20 * slow_factor();
	while (!eval { $self->run_as('pg_ctl', '-w', '-t', 60, '-D', $self->{data}, '-l', "$self->{dir}/log", '-o', $options, 'start') }) {
		die $@ if Time::HiRes::time() > $end;
		Time::HiRes::sleep(0.05);
	}
}

sub set { my ($self, %s) = @_; $self->{settings}{$_} = $s{$_} for keys %s }

sub stop {
	my ($self, $mode) = @_;
	$self->run_as('pg_ctl', '-w', '-t', 60, '-D', $self->{data}, '-m', $mode // 'fast', 'stop') if $self->pid;
}

sub pid { (split /\n/, slurp("$_[0]{data}/postmaster.pid"))[0] }

# As a crash: the postmaster and its children are gone at once.
sub kill_all {
	my ($self) = @_;
	my $pid = $self->pid // return;
	my @all = ($pid, Appctl::Test::descendants($pid));
	kill KILL => @all;
	my $end = Time::HiRes::time() + 20;
	Time::HiRes::sleep(0.01) while (grep { process_is_alive($_) } @all) && Time::HiRes::time() < $end;
	Appctl::Test::reap_orphans();	# a new postmaster takes a zombie for one that lives
}

sub conninfo {
	my ($self, $user) = @_;
	return "host=$self->{dir} dbname=postgres user=" . ($user // user());
}

sub init_db {
	my ($self, @more) = @_;
	my $r = run_program(program('appctl-consumer'), '--init-db', $self->conninfo, @more);
	die "--init-db: $r->{err}\n" if $r->{exit} // 1;
	return $self->conninfo('appctl_writer');
}

# Rows as lines, columns joined by '|'; dies where the server refuses, unless { may_fail => 1 }.
sub sql {
	my $o = ref $_[-1] eq 'HASH' ? pop : {};
	my ($self, $sql, $user) = @_;
	my $r = run_program(bin() . '/psql', '-qAtX', '-v', 'ON_ERROR_STOP=1', $self->conninfo($user), '-c', $sql, { timeout => 60 });
	return $r if $o->{may_fail};
	die "$sql: $r->{err}\n" if $r->{exit} // 1;
	chomp $r->{out};
	return $r->{out};
}

# Until the query answers that, or time is over; the last answer.
sub wait_for {
	my ($self, $sql, $wanted, $seconds) = @_;
	my $end = Time::HiRes::time() + ($seconds // 30) * slow_factor();
	my $got;
	do {
		my $r = $self->sql($sql, { may_fail => 1 });
		$got = $r->{out};
		chomp $got;
		return $got if ($r->{exit} // 1) == 0 && $got eq $wanted;
		Time::HiRes::sleep(0.05);
	} while (Time::HiRes::time() < $end);
	return $got;
}

END {
	if ($$ == $owner) {
		local $?;
		$_->kill_all for @servers;
	}
}

1;
