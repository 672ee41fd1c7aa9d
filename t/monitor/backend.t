# SPDX-License-Identifier: MIT
# A backend that has nothing of ours but doc/monitor-wire.md, in another language, over an independent WebSocket library and another TLS.
use strict;
use warnings;
use Test::More;
use IO::Select;
use JSON::PP;
use POSIX ();
use Time::HiRes ();
use Appctl::Certificates;
use Appctl::Net;
use Appctl::Producer;
use Appctl::Test;

needs_program('node', 'certtool');
$ENV{NODE_PATH} = join ':', '/usr/share/nodejs', $ENV{NODE_PATH} // ();
plan(skip_all => 'needs the library ws for node') if run_program('node', '-e', 'require("ws")')->{exit};

my $secret = secret_file();

# The columns of each table, as the document has them.
my %columns = map { /^\| `(\w+)` \| (.+) \|$/ ? ($1 => { map { /`(\w+)`/ ? ($1 => 1) : () } split /, /, $2 }) : () }
	split /\n/, slurp(top_srcdir() . '/doc/monitor-wire.md');

{
	package Backend;
	use Appctl::Test;

	sub new {
		my ($class, @args) = @_;
		my $self = bless { buffer => '', seen => [] }, $class;
		pipe my $in, $self->{in} or die;
		pipe $self->{out}, my $out or die;
		$self->{pid} = fork // die;
		if (!$self->{pid}) {
			open STDIN, '<&', $in;
			open STDOUT, '>&', $out;
			exec 'node', top_srcdir() . '/t/monitor/backend.js', @args or POSIX::_exit(127);
		}
		($self->{port}) = $self->line =~ /^listening (\d+)/ or die "the backend does not listen\n";
		return $self;
	}

	sub line {
		my ($self, $timeout) = @_;
		my $end = Time::HiRes::time() + ($timeout // 20) * slow_factor();
		while (1) {
			return $1 if $self->{buffer} =~ s/^(.*)\n//;
			my $left = $end - Time::HiRes::time();
			return undef if $left <= 0 || !IO::Select->new($self->{out})->can_read($left);
			sysread $self->{out}, $self->{buffer}, 65536, length $self->{buffer} or return undef;
		}
	}

	# The next of what happens that has that key.
	sub next {
		my ($self, $key) = @_;
		while (defined(my $line = $self->line)) {
			my $what = JSON::PP::decode_json($line);
			push @{ $self->{seen} }, $what if exists $what->{batch};
			return $what if exists $what->{$key};
		}
		Test::More::diag("the backend says nothing of: $key");
		return {};
	}

	sub DESTROY {
		my ($self) = @_;
		local ($?, $!);
		kill KILL => $self->{pid};
		waitpid $self->{pid}, 0;
	}
}

sub a_session {
	my ($backend_args, $env) = @_;
	my $backend = Backend->new($secret, @$backend_args);
	my $producer = Appctl::Producer->new(port => $backend->{port}, env => $env)->start;
	my $opened = $backend->next('opened');
	is($opened->{opened}, 'alice', 'who sends is known');
	is($opened->{tls} ? 1 : 0, @$backend_args ? 1 : 0, 'as is how');
	my %seen;
	for (1 .. 200) {
		last if keys %seen >= 3;
		$seen{ $backend->next('batch')->{batch} }++;
	}
	cmp_ok(scalar keys %seen, '>=', 3, 'several tables come: ' . join ' ', sort keys %seen);
	kill USR1 => $backend->{pid};		# every connection goes
	is($backend->next('opened')->{epoch}, $opened->{epoch}, 'cut off, it comes again');
	$backend->next('batch') for 1 .. 10;
	my @batches = grep { !$_->{repeated} } @{ $backend->{seen} };
	is_deeply([map { $_->{seq} } @batches], [1 .. @batches], 'every number once, none is missing');
	my @strange = grep { my $b = $_; grep { !$columns{ $b->{batch} }{$_} } @{ $b->{columns} } } @batches;
	is_deeply([map { $_->{batch} } @strange], [], 'in columns that the document has');
	is(scalar(grep { $_->{ts} !~ /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/ } @batches), 0, 'with a time as it is said to be');
	is($producer->stop, 0, 'the producer ends well');
	ok(defined $backend->next('closed')->{closed}, 'and says goodbye');
}

subtest 'over plain TCP' => sub { a_session([], {}) };
subtest 'over TLS with a pre-shared key' => sub { a_session(['psk'], { PRODUCER_USE_TLS => 'true' }) };
subtest 'over TLS with certificates' => sub {
	my $ca = Appctl::Certificates->authority('ours');
	my %server = $ca->issue('backend', addresses => ['127.0.0.1'], for => 'server');
	my %client = $ca->issue('alice', for => 'client');
	a_session([@server{qw(ca cert key)}], { PRODUCER_USE_TLS => 'true', PRODUCER_CACERTFILE => $client{ca},
		PRODUCER_CERTFILE => $client{cert}, PRODUCER_KEYFILE => $client{key} });
};

subtest 'another secret' => sub {
	my $backend = Backend->new(secret_file('another secret altogether'));
	my $producer = Appctl::Producer->new(port => $backend->{port})->start;
	is($backend->next('refused')->{refused}, 'response', 'the backend finds out by the MAC');
	is(scalar @{ $backend->{seen} }, 0, 'and nothing is sent to it');
	is($producer->stop, 0);
};

done_testing;
