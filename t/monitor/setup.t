# SPDX-License-Identifier: MIT
# contrib/monitor/script/setup_consumer_producer: what it makes of a drop-in, and what it leaves alone.
use strict;
use warnings;
use Cwd ();
use JSON::PP;
use Test::More;
use Appctl::Config;
use Appctl::Test;

my $contrib = top_srcdir() . '/contrib/monitor';
my $number = 0;

# A directory with a copy of contrib/monitor, and its drop-in as a text that a test changes.
sub copied {
	my ($text) = @_;
	my $dir = Appctl::Test::scratch_directory() . '/' . ++$number;
	run_program('cp', '-r', $contrib, $dir);
	spew("$dir/monitor.conf", $text) if defined $text;
	return $dir;
}

sub setup {
	my ($dir, $env, @argv) = @_;
	my $o = ref $argv[-1] eq 'HASH' ? pop @argv : {};
	my %clean = map { $_ => undef } grep { /^(CONSUMER|PRODUCER)_/ } keys %ENV;
	return run_program("$dir/script/setup_consumer_producer", @argv, "$dir/monitor.conf",
		{ directory => $dir, env => { APPCTL_LIBEXECDIR => top_builddir(), %clean, %$env }, %$o });
}

# The applications as appctld reads them, from the drop-in in a directory of its own; users that are not here are left out.
sub effective {
	my ($dir) = @_;
	(my $text = slurp("$dir/monitor.conf")) =~ s/^\s*(?:user = |access = ).*$//mg;
	my $main = config("# nothing\n", 'monitor.conf' => $text);
	my $r = check($main);
	is($r->{exit}, 0, 'appctld --check takes it') or diag($r->{err});
	return model($main)->{applications};
}

sub files { my ($dir) = @_; return join ' ', map { m{([^/]+)$} } sort glob "$dir/*" }
sub mode_of { return sprintf '%04o', (stat $_[0])[2] & 07777 }

subtest 'the shell lines as documented' => sub {
	my $dir = copied();
	my $before = slurp("$dir/monitor.conf");
	my $lines = 'set -a; . ./config/consumer.env; . ./config/producer.env; set +a; ./script/setup_consumer_producer ./monitor.conf';
	my $r = run_program('sh', '-c', $lines, { directory => $dir, env => { APPCTL_LIBEXECDIR => top_builddir() } });
	is($r->{exit}, 0, 'they work as written') or diag($r->{err});
	is(slurp("$dir/monitor.conf.bak"), $before, 'a copy of the old file is a backup');
	my $m = effective($dir);
	is_deeply([map { $_->{enabled} } @$m{qw(appctl-consumer appctl-producer)}], [JSON::PP::true, JSON::PP::true], 'both are enabled');
	is($m->{'appctl-consumer'}{environment}{CONSUMER_LISTEN_IP}, '0.0.0.0', 'where to listen');
	is($m->{'appctl-consumer'}{environment}{CONSUMER_LISTEN_PORT}, '8888');
	is($m->{'appctl-producer'}{environment}{PRODUCER_IP}, '192.168.1.172', 'where to connect');
	is($m->{'appctl-producer'}{environment}{PRODUCER_PORT}, '8888');
	is($m->{'appctl-producer'}{environment}{PRODUCER_ENABLE}, 'true', 'and the programs are told that they are');
	is_deeply($m->{'appctl-producer'}{optional_applications}, ['appctl-consumer'], 'the producer comes after its consumer');
	my $real = Cwd::realpath($dir);
	is($m->{'appctl-consumer'}{environment}{CONSUMER_SECRET_FILE}, "$real/consumer_secret", 'a secret beside the drop-in');
	is($m->{'appctl-producer'}{environment}{PRODUCER_SECRET_FILE}, "$real/consumer_secret", 'of both');
	like(slurp("$dir/consumer_secret"), qr/\A[0-9a-f]{64}\n\z/, '32 random bytes');
	is(mode_of("$dir/consumer_secret"), '0400', 'for its owner alone');
	unlike($r->{out} . $r->{err}, qr/[0-9a-f]{64}/, 'not said aloud');

	my @lines = grep { !/^\s*(CONSUMER|PRODUCER)_\w+ = / } split /\n/, $before;
	like(slurp("$dir/monitor.conf"), qr/^access = \( \{ user = "appctl-monitor"; level = "read"; \} \);$/m, 'its user may read events');
	my @after = grep { !/^\s*(CONSUMER|PRODUCER)_\w+ = |optional_applications|^access = / } split /\n/, slurp("$dir/monitor.conf");
	s/enabled = \w+/enabled/ for @lines, @after;
	is_deeply(\@after, \@lines, 'comments and layout are as they were');

	my ($text, $secret, @stat) = (slurp("$dir/monitor.conf"), slurp("$dir/consumer_secret"), stat "$dir/monitor.conf");
	$r = run_program('sh', '-c', $lines, { directory => $dir, env => { APPCTL_LIBEXECDIR => top_builddir() } });
	is($r->{out}, "nothing to change\n", 'a second run changes nothing');
	is(slurp("$dir/monitor.conf"), $text);
	is(slurp("$dir/consumer_secret"), $secret, 'nor the secret');
	is((stat "$dir/monitor.conf")[1], $stat[1], 'the file is the same one');
	is(files($dir), 'config consumer_secret monitor.conf monitor.conf.bak script', 'and there is no other backup');
};

subtest 'the drop-in explains every setting' => sub {
	my $text = slurp("$contrib/monitor.conf");
	for my $program ('appctl-consumer', 'appctl-producer') {
		my @known = run_program(program($program), '--help')->{out} =~ /^  ((?:CONSUMER|PRODUCER)_\w+)/mg;
		cmp_ok(scalar @known, '>', 10, "$program has settings");
		my @missing = grep { !/_METRIC_NAME$/ && $text !~ /^\t\t\t#?\Q$_\E/m } @known;
		is("@missing", '', '  and each is there');
	}
	my (%known, @strange) = map { $_ => 1 } map { run_program(program($_), '--help')->{out} =~ /^  ((?:CONSUMER|PRODUCER)_\w+)/mg } qw(appctl-consumer appctl-producer);
	for my $name ($text =~ /^\t\t\t#?(\w+) = /mg) {
		push @strange, $name unless $known{$name} || $name =~ /^PRODUCER_METRIC_/;
	}
	is("@strange", '', 'and no other');
};

subtest 'one side alone' => sub {
	my $dir = copied();
	my %env = (CONSUMER_ENABLE => 'true', CONSUMER_LISTEN_PORT => 1234, PRODUCER_ENABLE => 'true', PRODUCER_PORT => 1234);
	is(setup($dir, \%env, '-c')->{exit}, 0, '-c');
	my $m = effective($dir);
	is_deeply([map { $_->{enabled} } @$m{qw(appctl-consumer appctl-producer)}], [JSON::PP::true, JSON::PP::false], 'the consumer alone');
	ok(!exists $m->{'appctl-producer'}{environment}{PRODUCER_PORT}, 'the other is not touched');
	is(setup($dir, \%env, '-p')->{exit}, 0, '-p');
	$m = effective($dir);
	is_deeply([map { $_->{enabled} } @$m{qw(appctl-consumer appctl-producer)}], [JSON::PP::false, JSON::PP::true], 'the producer alone');
	is($m->{'appctl-producer'}{environment}{PRODUCER_PORT}, 1234);
	is_deeply($m->{'appctl-producer'}{optional_applications} // [], [], 'and waits for nobody');
	is(setup($dir, { PRODUCER_ENABLE => 'no' }, '-p')->{exit}, 0);
	is(effective($dir)->{'appctl-producer'}{enabled}, JSON::PP::false, 'PRODUCER_ENABLE goes before -p');
	is(setup($dir, {}, '-c')->{exit}, 0);
	is(effective($dir)->{'appctl-consumer'}{enabled}, JSON::PP::true, 'without it -c enables');
	is(setup($dir, {}, '-c', '-p')->{exit}, 2, 'not both');
	is(run_program("$dir/script/setup_consumer_producer", { env => { APPCTL_LIBEXECDIR => top_builddir() } })->{exit}, 2, 'nor no file');
	like(setup($dir, {}, '--help')->{out}, qr/-c, --consumer .*-p, --producer .*-s, --secret /s, '--help');
};

subtest 'the secret' => sub {
	my $dir = copied();
	spew("$dir/consumer_secret", 'a secret that somebody wrote');
	is(setup($dir, { CONSUMER_ENABLE => 'true' })->{exit}, 0);
	is(slurp("$dir/consumer_secret"), 'a secret that somebody wrote', 'is never overwritten');

	$dir = copied();
	my $elsewhere = "$dir/config/the-secret";
	is(setup($dir, { CONSUMER_SECRET_FILE => $elsewhere })->{exit}, 0);
	like(slurp($elsewhere), qr/\A[0-9a-f]{64}\n\z/, 'lies where CONSUMER_SECRET_FILE says');
	is(effective($dir)->{'appctl-producer'}{environment}{PRODUCER_SECRET_FILE}, $elsewhere, 'for the producer too');
	ok(!-e "$dir/consumer_secret");

	$dir = copied();
	is(setup($dir, {}, '-p', '-s', { stdin => "0123456789abcdef of another host\n" })->{exit}, 0, '-s takes it from standard input');
	is(slurp("$dir/consumer_secret"), "0123456789abcdef of another host\n");
	is(setup($dir, {}, '-p', '-s', { stdin => "0123456789abcdef of another host\n" })->{exit}, 0, 'again');
	my $r = setup($dir, {}, '-p', '-s', { stdin => "0123456789abcdef, but a new one\n" });
	is($r->{exit}, 1, 'another one is refused');
	like($r->{err}, qr{consumer_secret holds another secret already});
	is(slurp("$dir/consumer_secret"), "0123456789abcdef of another host\n");
	is(setup(copied(), {}, '-p', '-s', { stdin => "short\n" })->{exit}, 1, 'one of less than 16 bytes too');

	for my $case ([{ CONSUMER_SECRET => 'x' x 20 }, qr/CONSUMER_SECRET does not go into a configuration/],
		[{ CONSUMER_SECRET_FILE => 'relative' }, qr/CONSUMER_SECRET_FILE: "relative" cannot be used: it must be an absolute path/]) {
		my $dir = copied();
		my $before = slurp("$dir/monitor.conf");
		my $r = setup($dir, $case->[0]);
		is($r->{exit}, 1, join ' ', %{ $case->[0] });
		like($r->{err}, $case->[1]);
		is(slurp("$dir/monitor.conf"), $before, 'the file is as it was');
	}
	$dir = copied();
	spew("$dir/consumer_secret", "\n");
	$r = setup($dir, {});
	is($r->{exit}, 1, 'an empty one is no secret');
	like($r->{err}, qr/holds no secret of at least 16 bytes/);
};

subtest 'values of any kind' => sub {
	my $dir = copied();
	my %value = (quotes => q(a"b'c), backslashes => '\\n\\\\x00\\', newline => "a\nb; enabled = false;\n", variable => '${HOME} $(id) `id`',
		comment => '# // /* */', brackets => '}; { ) ( ] [', control => "\t\r\x01\x7f", utf8 => "\xc3\xa4\xe2\x82\xac", spaces => '  a  ', end => '";');
	is(setup($dir, { PRODUCER_ENABLE => 'true', map { ("PRODUCER_METRIC_$_" => $value{$_}) } keys %value })->{exit}, 0);
	my $environment = effective($dir)->{'appctl-producer'}{environment};
	utf8::decode(my $utf8 = $value{utf8});
	is($environment->{"PRODUCER_METRIC_$_"}, $_ eq 'utf8' ? $utf8 : $value{$_}, $_) for sort keys %value;
	my $text = slurp("$dir/monitor.conf");
	is(setup($dir, { map { ("PRODUCER_METRIC_$_" => $value{$_}) } keys %value })->{out}, "nothing to change\n", 'a second time');
	is(setup($dir, { PRODUCER_METRIC_quotes => '' })->{out}, "nothing to change\n", 'set to nothing counts as not set');
	for my $case ([{ PRODUCER_VIPS => "\xff\xfe" }, qr/monitor\.conf: the value of PRODUCER_VIPS is no UTF-8/],
		[{ PRODUCER_ENABLE => 'maybe' }, qr/PRODUCER_ENABLE must be true or false/]) {
		my $r = setup($dir, $case->[0]);
		is($r->{exit}, 1);
		like($r->{err}, $case->[1]);
		is(slurp("$dir/monitor.conf"), $text, 'refused, and the file is as it was');
	}
	my $r = run_program(program('appctl-setup'), "$dir/monitor.conf", { env => { 'PRODUCER_A-B;x' => 1 } });
	is($r->{exit}, 1, 'a name that no shell lets through');
	like($r->{err}, qr/"PRODUCER_A-B;x" is no name of a setting/);
	my %tls = map { ("${_}USE_TLS" => 'true', "${_}CACERTFILE" => '/a/ca.pem', "${_}CERTFILE" => '/a/cert.pem', "${_}KEYFILE" => '/a/key.pem',
		"${_}CRLFILE" => '/a/crl.pem') } qw(CONSUMER_ PRODUCER_);
	is(setup($dir, \%tls)->{exit}, 0, 'certificates');
	my $m = effective($dir);
	is($m->{/^CONSUMER/ ? 'appctl-consumer' : 'appctl-producer'}{environment}{$_}, $tls{$_}, $_) for sort keys %tls;
};

subtest 'config/*.env with their lines for TLS' => sub {
	my $dir = copied();
	for my $side (qw(consumer producer)) {
		my $text = slurp("$dir/config/$side.env");
		like($text, qr/^#\U$side\E_$_=/m, "\U$side\E_$_ is there") for qw(USE_TLS CACERTFILE CERTFILE KEYFILE CRLFILE);
		spew("$dir/config/$side.env", $text =~ s/^#(\w+=)/$1/gmr);
	}
	my $r = run_program('sh', '-c', 'set -a; . ./config/consumer.env; . ./config/producer.env; set +a; ./script/setup_consumer_producer ./monitor.conf',
		{ directory => $dir, env => { APPCTL_LIBEXECDIR => top_builddir() } });
	is($r->{exit}, 0, 'they are taken over') or diag($r->{err});
	my $m = effective($dir);
	for my $side (qw(consumer producer)) {
		my %is = %{ $m->{"appctl-$side"}{environment} };
		is_deeply([@is{map { "\U$side\E_$_" } qw(USE_TLS CACERTFILE CERTFILE KEYFILE CRLFILE)}],
			['true', map { "/etc/appctl/tls/$_" } 'ca.pem', "$side.pem", "$side.key", 'crl.pem'], $side);
	}
};

subtest 'what the programs would refuse' => sub {
	for my $case ([{ CONSUMER_LISTEN_PORT => 'abc' }, qr/CONSUMER_LISTEN_PORT: "abc" cannot be used: it must be a whole number, from 0 to 65535/],
		[{ PRODUCER_INTERVAL => '-1' }, qr/PRODUCER_INTERVAL: "-1" cannot be used/], [{ CONSUMER_RETENTION => '1h' }, qr/CONSUMER_RETENTION: at least one day/],
		[{ CONSUMER_CERTFILE => '/a' }, qr/CONSUMER_CACERTFILE, CONSUMER_CERTFILE and CONSUMER_KEYFILE go together/],
		[{ PRODUCER_METRIC_Q => 'echo' }, qr/PRODUCER_METRIC_Q: a metric's name is /], [{ PRODUCER_OTLP_URL => 'x' }, qr/must begin with http/]) {
		my $dir = copied();
		my $before = slurp("$dir/monitor.conf");
		my $r = setup($dir, { CONSUMER_ENABLE => 'true', PRODUCER_ENABLE => 'true', %{ $case->[0] } });
		is($r->{exit}, 1, join ' ', %{ $case->[0] });
		like($r->{err}, $case->[1], '  and why');
		is(slurp("$dir/monitor.conf"), $before, '  nothing is changed');
		is(files($dir), 'config monitor.conf script', '  nothing is made');
	}
	my $dir = copied();
	my $r = setup($dir, { CONSUMER_LISTN_PORT => 1234, PRODUCER_PORTT => 1, CONSUMER_GROUP => 'kafka', CONSUMER_ENABLE => 'true' });
	is($r->{exit}, 0, 'names that nobody knows are left out');
	like($r->{err}, qr/left out: CONSUMER_LISTN_PORT: there is no such setting \(did you mean CONSUMER_LISTEN_PORT\?\)/, 'with the nearest one');
	like($r->{err}, qr/left out: PRODUCER_PORTT: .*PRODUCER_PORT\?/);
	like($r->{err}, qr/left out: CONSUMER_GROUP: there is no such setting$/m);
	unlike(slurp("$dir/monitor.conf"), qr/LISTN_PORT|PORTT|GROUP/);
	is(setup($dir, { PRODUCER_PORTT => 1 }, '-c')->{err}, '', 'those of the other side are nobody\'s concern');
};

subtest 'a drop-in of any layout' => sub {
	my %text = (
		'in one line' => 'applications: { appctl-consumer: { command = ["c"]; enabled = false } appctl-producer: { command = ["p"]; environment = { A = "1" } } };',
		'in a list' => "applications = (\n  { name = \"appctl-producer\"; command = [\"p\"]; /* why */ enabled = false; },\n"
			. "  { name = \"appctl-consumer\"; command = [\"c\"]; environment = [ \"A=1\", \"CONSUMER_LISTEN_PORT=1\" ]; }\n);\n",
		'wrapped' => "app_ctrl:\n{\n    applications:\n    {\n        appctl-consumer: { command = [\"c\"]; };\n        appctl-producer:\n        {\n"
			. "            command = [\"p\"];    # what it is\n            optional_applications = [\"web\"];\n        };\n    };\n};\n",
		'with strings that look like settings' => "# a\napplications:\n{\n\tappctl-consumer: { command = [\"c\", \"}\nCONSUMER_LISTEN_PORT = 1;\n\"]; environment: {\n"
			. "/*\n#CONSUMER_LISTEN_PORT = \"2\";\n*/\n}; };\n\tappctl-producer: { command = [\"p\"]; }; };\n",
		'without a last newline' => "applications:\n{\n\tappctl-consumer:\n\t{\n\t\tcommand = [\"c\"]\n\t}\n\tappctl-producer: {\n\tcommand = [\"p\"];\n\t}\n}",
	);
	for my $name (sort keys %text) {
		my $dir = copied($text{$name});
		chmod 0640, "$dir/monitor.conf";
		my %env = (CONSUMER_ENABLE => 'true', CONSUMER_LISTEN_PORT => 8888, PRODUCER_ENABLE => 'true', PRODUCER_PORT => 8888);
		my $r = setup($dir, \%env);
		is($r->{exit}, 0, $name) or diag($r->{err});
		my $m = effective($dir);
		is($m->{'appctl-consumer'}{environment}{CONSUMER_LISTEN_PORT}, 8888, '  the consumer');
		is($m->{'appctl-producer'}{environment}{PRODUCER_PORT}, 8888, '  the producer');
		is_deeply([map { $_->{enabled} } @$m{qw(appctl-consumer appctl-producer)}], [JSON::PP::true, JSON::PP::true], '  both enabled');
		ok((grep { $_ eq 'appctl-consumer' } @{ $m->{'appctl-producer'}{optional_applications} }), '  in order');
		is(mode_of("$dir/monitor.conf"), '0640', '  its mode is kept');
		is(setup($dir, \%env)->{out}, "nothing to change\n", '  a second run changes nothing') or diag(slurp("$dir/monitor.conf"));
		is(setup($dir, { CONSUMER_ENABLE => 'false' })->{exit}, 0, '  and off again');
		$m = effective($dir);
		is($m->{'appctl-consumer'}{enabled}, JSON::PP::false);
		ok(!(grep { $_ eq 'appctl-consumer' } @{ $m->{'appctl-producer'}{optional_applications} // [] }), '  the order too');
		my @rest = grep { /\S/ } split /\n/, slurp("$dir/monitor.conf");
		my @lost = grep { my $line = $_; $line =~ m{[#/]} && !grep { $_ eq $line } @rest } split /\n/, $text{$name};
		is("@lost", '', '  no comment is lost') unless $name =~ /list/;
	}
};

subtest 'what it cannot read whole it leaves alone' => sub {
	my %broken = (
		'syntax' => ["applications:\n{\n  appctl-consumer: { command = ; };\n};\n", qr/monitor\.conf:3: /],
		'never closed' => ["applications: {\n appctl-consumer: {\n", qr/monitor\.conf:\d: /],
		'NUL' => ["applications: {\n};\n\0", qr/monitor\.conf:3: NUL byte/],
		'empty' => ['', qr/neither appctl-consumer nor appctl-producer is defined here/],
		'another one' => ["applications: { web: { }; };\n", qr/neither appctl-consumer nor appctl-producer is defined here/],
		'one side' => ["applications: { appctl-producer: { command = [\"p\"]; }; };\n", qr/no application appctl-consumer is defined here/],
	);
	for my $name (sort keys %broken) {
		my $dir = copied($broken{$name}[0]);
		my $r = setup($dir, { CONSUMER_ENABLE => 'true' });
		is($r->{exit}, 1, $name);
		like($r->{err}, $broken{$name}[1], '  and why');
		is(slurp("$dir/monitor.conf"), $broken{$name}[0], '  the file is as it was');
		is(files($dir), 'config monitor.conf script', '  and alone');
	}
	my $dir = copied();
	unlink "$dir/monitor.conf";
	like(setup($dir, {})->{err}, qr/cannot read .*monitor\.conf: No such file/, 'no file');
	mkdir "$dir/monitor.conf";
	like(setup($dir, {})->{err}, qr/monitor\.conf is no regular file/, 'a directory');
	rmdir "$dir/monitor.conf";
	symlink "$contrib/monitor.conf", "$dir/link.conf";
	spew("$dir/real.conf", slurp("$contrib/monitor.conf"));
	symlink "real.conf", "$dir/monitor.conf";
	is(setup($dir, { PRODUCER_ENABLE => 'true' })->{exit}, 0, 'a link');
	ok(-l "$dir/monitor.conf" && -e "$dir/real.conf.bak", 'is followed, and stays');
};

subtest 'owners' => sub {
	plan(skip_all => 'needs root') if $> != 0;
	my ($uid, $gid) = (getpwnam('nobody'))[2, 3];
	my $dir = copied("applications:\n{\n\tappctl-consumer: { command = [\"c\"]; user = \"nobody\"; };\n\tappctl-producer: { command = [\"p\"]; user = \"nobody\"; };\n};\n");
	chown $uid, $gid, "$dir/monitor.conf";
	is(setup($dir, { CONSUMER_ENABLE => 'true', PRODUCER_PORT => 1 })->{exit}, 0);
	is_deeply([(stat "$dir/consumer_secret")[4], mode_of("$dir/consumer_secret")], [$uid, '0400'], 'the secret belongs to who uses it');
	is_deeply([(stat "$dir/monitor.conf")[4, 5]], [$uid, $gid], 'the file to whom it did');
	SKIP: {
		skip 'needs strace', 1 unless grep { -x "$_/strace" } split /:/, $ENV{PATH};
		unlink "$dir/consumer_secret";
		run_program('strace', '-f', '-o', "$dir/calls", '-e', 'trace=chown,lchown,fchownat', program('appctl-setup'), "$dir/monitor.conf",
			{ env => { CONSUMER_ENABLE => 'true', ASAN_OPTIONS => 'detect_leaks=0' } });
		is((stat "$dir/consumer_secret")[4], $uid, 'made again');
		unlike(slurp("$dir/calls"), qr/chown/, 'by no name that could have become another file\'s meanwhile');
	}
	$dir = copied("applications:\n{\n\tappctl-producer: { command = [\"p\"]; user = \"no-such-user\"; };\n};\n");
	my $r = setup($dir, { PRODUCER_PORT => 1 });
	is($r->{exit}, 0, 'a user that is not there yet');
	like($r->{err}, qr/there is no user no-such-user yet: make one .*, then chown no-such-user \S+consumer_secret/, 'is told what to do');
};

done_testing;
