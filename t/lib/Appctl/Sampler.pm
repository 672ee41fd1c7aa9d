# SPDX-License-Identifier: MIT
package Appctl::Sampler;

# A sampler that does what it is told: t/monitor/sample.

use strict;
use warnings;

use Exporter 'import';
use IPC::Open2 ();
use JSON::PP;
use Test::More;
use Time::HiRes ();
use Appctl::Test;

our @EXPORT = qw(process_is_there fake_process);

my $json = JSON::PP->new->utf8;

# new(before => [...], processes_max => 50, ...): options of the sampler; before: what stands before its command.
sub new {
	my ($class, %o) = @_;
	my $before = delete $o{before} // [];
	my $vips = delete $o{vips} // [];
	my $self = bless {}, $class;
	$self->{pid} = IPC::Open2::open2($self->{from}, $self->{to}, @$before, program('t/monitor/sample'),
		(map { "$_=$o{$_}" } sort keys %o), map { "vip=$_" } @$vips);
	return $self;
}

# What it answers: { table => { columns, rows: [{ column => value }] } }, and what is no batch under its own keys.
sub ask {
	my ($self, $order) = @_;
	my %answer;
	print { $self->{to} } "$order\n";
	$self->{to}->flush;
	while (1) {
		my $line = readline $self->{from};
		die "the sampler has ended at '$order'\n" unless defined $line;
		last if $line eq ".\n";
		my $batch = $json->decode($line);
		my $type = $batch->{type};
		if (!defined $type) {
			%answer = (%answer, %$batch);
			next;
		}
		die "two batches of $type\n" if $answer{$type};
		my @columns = @{ $batch->{columns} };
		my @rows;
		for my $row (@{ $batch->{rows} }) {
			die "$type: row of " . @$row . " cells\n" if @$row != @columns;
			push @rows, { map { $columns[$_] => $row->[$_] } 0 .. $#columns };
		}
		$answer{$type} = \@rows;
	}
	die "$order: $answer{error}\n" if defined $answer{error};
	return \%answer;
}

sub take { return $_[0]->ask('take') }

# The row of that process in the last of the samples that are taken until there is one that passes.
sub until_row {
	my ($self, $pid, $passes, $table) = @_;
	my $end = Time::HiRes::time() + 10 * slow_factor();
	my $row;
	do {
		my $sample = $self->take;
		($row) = grep { defined $_->{pid} && $_->{pid} == $pid } @{ $sample->{ $table // 'prc' } // [] };
		return $row if $row && $passes->($row);
		Time::HiRes::sleep(0.05);
	} while (Time::HiRes::time() < $end);
	diag('the last row: ' . ($row ? $json->canonical->encode($row) : 'none'));
	return undef;
}

sub DESTROY {
	my ($self) = @_;
	local ($?, $@);
	close $self->{to} if $self->{to};
	waitpid $self->{pid}, 0 if $self->{pid};
}

# A process that is in another tree than /proc: what the kernel would say of it.
sub fake_process {
	my ($dir, $pid, %o) = @_;
	my $resident = $o{resident} // 100;
	mkdir "$dir/$pid";
	my $write = sub {
		my ($file, $text) = @_;
		my $fh;
		open $fh, '+<', "$dir/$pid/$file" or open $fh, '>', "$dir/$pid/$file" or die "$dir/$pid/$file: $!\n";
		syswrite $fh, $text;
		truncate $fh, length $text;
	};
	$write->('stat', sprintf("%d (%s) S %d 1 1 0 -1 0 %d 0 0 0 %d 0 0 0 20 0 %d 0 %d 0 %d 0\n", $pid, $o{name} // 'fake', $o{parent} // 1,
		$o{faults} // 0, $o{ticks} // 0, $o{threads} // 1, $o{started} // 1, $resident));
	$write->('statm', "1000 $resident 0 0 0 0 0\n");
}

# Until the process has done what it says on its standard output.
sub process_is_there {
	my ($file) = @_;
	my $end = Time::HiRes::time() + 10 * slow_factor();
	Time::HiRes::sleep(0.01) until -s $file || Time::HiRes::time() > $end;
	return -s $file;
}

1;
