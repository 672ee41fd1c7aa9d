# SPDX-License-Identifier: MIT
package Appctl::Feed;

# The store alone (t/monitor/feed), told what to do by a test.
#
#     my $feed = Appctl::Feed->new($conninfo_or_path, $retention_s);
#     $feed->put(batch(seq => 1, rows => [[1, 'init']]));  $feed->expect(qr/^stored alice 5 1 /);
#     $feed->mark('alice', 5);  $feed->end;
use strict;
use warnings;

use Exporter 'import';
use IO::Handle;
use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes ();
use Appctl::Test;

our @EXPORT = qw(batch stamp);

my $json = JSON::PP->new->utf8->canonical->allow_nonref;

# Seconds since 1970 as the wire has them.
sub stamp {
	my ($s) = @_;
	return POSIX::strftime('%Y-%m-%dT%H:%M:%S', gmtime $s) . sprintf('.%06dZ', 1e6 * ($s - int $s));
}

# Of table prc with pid and name, unless something else is said.
sub batch {
	my (%o) = @_;
	my %b = (type => 'prc', node => 'alice', epoch => 5, ts => stamp(time), columns => ['pid', 'name'], rows => [[1, 'init']], %o);
	return $json->encode(\%b);
}

sub new {
	my ($class, @argv) = @_;
	my $self = bless { buffer => '', lines => [], all => [] }, $class;
	pipe my $in, $self->{in} or die "pipe: $!\n";
	pipe $self->{out}, my $out or die "pipe: $!\n";
	$self->{pid} = fork // die "fork: $!\n";
	if (!$self->{pid}) {
		close $self->{in};
		open STDIN, '<&', $in;
		open STDOUT, '>&', $out;
		exec program('t/monitor/feed'), @argv or POSIX::_exit(127);
	}
	$self->{in}->autoflush(1);
	return $self;
}

sub put { my ($self, @lines) = @_; local $SIG{PIPE} = 'IGNORE'; print { $self->{in} } map { "$_\n" } @lines }
sub mark { my ($self, $node, $epoch) = @_; $self->put("mark $node $epoch"); return $self->expect(qr/^marked (\d+)/) }
sub pid { $_[0]{pid} }

# The next line that matches (what it captured, or 1), passing over others; undef where time is over.
sub expect {
	my ($self, $match, $seconds) = @_;
	my $end = Time::HiRes::time() + ($seconds // 30) * slow_factor();
	while (1) {
		while (defined(my $line = shift @{ $self->{lines} })) {
			return $1 // 1 if $line =~ $match;
		}
		my $left = $end - Time::HiRes::time();
		my $bits = '';
		vec($bits, fileno $self->{out}, 1) = 1;
		if ($left <= 0 || !select($bits, undef, undef, $left) || !sysread $self->{out}, $self->{buffer}, 65536, length $self->{buffer}) {
			diag("$match does not come; it said: @{[ join \"\n\", @{ $self->{all} } ]}");
			return undef;
		}
		while ($self->{buffer} =~ s/^(.*)\n//) {
			push @{ $self->{lines} }, $1;
			push @{ $self->{all} }, $1;
		}
	}
}

# Everything it said so far that matches.
sub said { my ($self, $match) = @_; return grep { $_ =~ $match } @{ $self->{all} } }

# No more input: once all is stored it ends; its exit status.
sub end {
	my ($self) = @_;
	close $self->{in};
	my $status = Appctl::Test::wait_child($self->{pid}, 60);
	kill KILL => $self->{pid} unless defined $status;
	return $status;
}

1;
