# SPDX-License-Identifier: MIT
package Appctl::MonitorData;

# Rows such as producers send, for tests of what reads a monitor's database.
#
#     my $now = time; sqlite_database($path, $now); fill_postgres($pg, $now);
use strict;
use warnings;

use Exporter 'import';
use POSIX ();
use Test::More;
use Appctl::Test;

our @EXPORT = qw(sqlite_database fill_postgres);

# A machine's sample, SAMPLES of them up to now, every ten seconds; columns that are not named are null.
use constant { SAMPLES => 30, EVERY => 10 };

sub text { my ($v) = @_; return 'NULL' unless defined $v; return $v if $v =~ /^-?[0-9]+(\.[0-9]+)?$/; $v =~ s/'/''/g; return "'$v'" }

sub insert {
	my ($time, $table, $node, $ts, %row) = @_;
	my @names = sort keys %row;
	my @values = map { ref $row{$_} ? $time->(${ $row{$_} }) : text($row{$_}) } @names;
	return "INSERT INTO \"$table\" (" . join(', ', 'node', 'ts', map { "\"$_\"" } @names) . ') VALUES ('
		. join(', ', text($node), $time->($ts), @values) . ");\n";
}

sub sample {
	my ($time, $node, $ts, $i) = @_;
	my $n = $node eq 'alice' ? 1 : 2;
	my $add = sub { insert($time, $_[0], $node, $ts, @_[1 .. $#_]) };
	return join '',
		$add->('node', cpus => 4, cpu_user => $n == 1 ? 0.5 : 4.1, cpu_system => 0.25, cpu_iowait => 0.1, cpu_steal => 0, load1 => '0.50', load5 => '0.40',
			load15 => '0.30', mem_total => 8 * 2**30, mem_available => 6 * 2**30, swap_total => 2**30, swap_free => 2**29, psi_cpu_some => 0.01,
			psi_memory_some => 0, psi_memory_full => 0, psi_io_some => 0.2, psi_io_full => 0.1, disk_read => 1000, disk_written => 2048 * $i,
			net_received => 3000, net_sent => 4000, processes => 200 + $i, threads => 400, running => 2, blocked => 0, uptime => 3600 + $i * EVERY),
		$add->('prc', pid => 100, started => 5, parent => 1, application => 'web', name => 'nginx', command => '/usr/sbin/nginx -g', uid => 33,
			state => 'S', cpu => 0.01 * $i, memory => (10 + $i) * 2**20, memory_growth => 100, io_read => 0, io_written => 5000, threads => 4,
			descriptors => 20 + $i, waits_in => 'ep_poll', reasons => 'cpu memory'),
		$add->('prc', pid => 200, started => 9, parent => 1, name => "it's\tme", command => 'x', uid => 0, state => 'R', cpu => 1.5, memory => 2**20,
			threads => 1, reasons => 'cpu'),
		$add->('app_top', application => 'web', processes => 5, threads => 20, cpu => 0.02 * $i, memory => 50 * 2**20, io_read => 1, io_written => 2),
		$add->('app_top', application => undef, processes => 190, threads => 300, cpu => 0.3, memory => 900 * 2**20),
		$add->('fun_top', kind => 'waits', name => 'ep_poll', processes => 100, share => 0.5),
		$add->('fun_top', kind => 'executes', name => 'nginx', processes => 5, share => 0.025),
		$add->('node_status', status => "all is well on $node");
}

sub rare {
	my ($time, $node, $ts) = @_;
	my $add = sub { insert($time, $_[0], $node, $ts, @_[1 .. $#_]) };
	return join '',
		$add->('event', instance => 'abc', number => 1, at => \($ts - 60), event => 'app_running', application => 'web', pid => 100,
			json => '{"seq":1,"event":"app_running"}'),
		$add->('event', instance => 'abc', number => 2, at => \($ts - 30), event => 'app_failed', application => 'db', reason => 'gave_up',
			json => '{"seq":2,"event":"app_failed"}'),
		$add->('incident', instance => 'abc', number => 2, failed => 'db', reason => 'gave_up', pid => 300, started => 3, name => 'postgres',
			state => 'X', memory => 2**28),
		$add->('suspect', kind => 'memory', value => 2**31, allowed => 2**30, pid => 200, started => 9, name => 'x'),
		$add->('gap', epoch => 17, first_seq => 3, last_seq => 5, batches => 3, reason => 'spool_full');
}

sub rows {
	my ($time, $now) = @_;
	my $sql = '';
	for my $node ('alice', 'bob') {
		for my $i (1 .. SAMPLES) {
			my $ts = $now - (SAMPLES - $i) * EVERY;
			$sql .= sample($time, $node, $ts, $i);
			$sql .= 'INSERT INTO batch (node, epoch, seq, ts, type, rows) VALUES (' . join(', ', text($node), 17, $i, $time->($ts), "'prc'", 2) . ");\n";
		}
		$sql .= rare($time, $node, $now);
	}
	return $sql;
}

sub sqlite_database {
	my ($path, $now, $more) = @_;
	my $r = run_program(program('t/monitor/database'), $path, { stdin => rows(sub { int($_[0] * 1_000_000) }, $now) . ($more // '') });
	die "$path: $r->{err}\n" if $r->{exit} // 1;
	return $path;
}

# One partition for whatever comes is enough for a test.
sub fill_postgres {
	my ($pg, $now) = @_;
	my @tables = qw(node prc app_top fun_top node_status event incident suspect gap);
	my $sql = join '', map { "CREATE TABLE IF NOT EXISTS ${_}_any PARTITION OF \"$_\" DEFAULT;\n" } @tables;
	$pg->sql("SET ROLE appctl_writer; $sql" . rows(sub { "to_timestamp($_[0])" }, $now));
}

1;
