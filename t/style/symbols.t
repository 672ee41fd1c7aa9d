# SPDX-License-Identifier: MIT
# What was built: core and wire import no system call, and each program links what it may and no more.
use strict;
use warnings;
use Test::More;
use Appctl::Style;
use Appctl::Test;

needs_program('nm', 'readelf');
my $build = top_builddir();

sub lines_of {
	my $r = run_program(@_);
	die "@_: $r->{err}\n" if $r->{exit};
	return split /\n/, $r->{out};
}

# Computing only: memory, text, numbers, sorting.
my $computing = qr/^(
	mem\w+ | str(?!error_r)\w+ | (re|c|m)alloc | reallocarray | free | aligned_alloc
	| v?s?n?printf | v?snprintf | v?sscanf | __\w*(printf|scanf|strto\w+|memcpy|memset|memmove|str\w*cpy|str\w*cat)_chk | __isoc\d+_\w+
	| qsort(_r)? | bsearch | abs | labs | is(alpha|digit|alnum|space|print|xdigit|upper|lower)\w* | to(upper|lower) | __ctype_\w+
	| gmtime_r | timegm | __errno_location | __stack_chk_fail | __assert_fail | abort
	| pow | exp | log2? | floor | ceil | round | l?l?round | fmod | ldexp | frexp | isnan | isinf | __isinf | __isnan | __fp\w+ | fmin | fmax
	| nettle_\w+ | explicit_bzero | __explicit_bzero_chk
	| va_\w+ | __libc_current_sigrt(min|max) | _GLOBAL_OFFSET_TABLE_ | __(asan|ubsan|sanitizer)\w* | __start_\w+ | __stop_\w+ | sigabbrev_np
)$/x;

# { symbol => where } of the named kinds in the objects of one convenience library.
sub symbols {
	my ($library, $kinds) = @_;
	my %found;
	my $object = '';
	for (lines_of('nm', "$build/.libs/lib$library.a")) {
		$object = $1 if /^(\S+\.o):$/;
		my ($kind, $symbol) = /\s([A-Za-z])\s+(\S+)$/ or next;
		$found{$symbol} = $object if index($kinds, $kind) >= 0;
	}
	return \%found;
}

# What the headers of the pure folders declare is looked at where it is defined.
my $declared = join '', map { slurp(top_srcdir() . "/$_") } tree_files(qr{^src/(base|core|wire)/.*\.h$});
for my $library (qw(core wire)) {
	my $undefined = symbols($library, 'U');
	my @foreign = grep { $_ !~ $computing && $declared !~ /\b\Q$_\E\b/ } sort keys %$undefined;
	is_deeply([map { "$undefined->{$_}: $_" } @foreign], [], "$library asks nothing of the system");
	is_deeply([grep { /^log_/ } keys %$undefined], [], "$library logs nothing");
}

# Beside the C library itself (and what the compiler and sanitizers bring).
my %links = (
	'appctld' => qr/^$/,
	'appctl-lookup' => qr/^$/,
	'appctl-probe' => qr/^libcurl\.so/,
	'appctl-producer' => qr/^lib(ev|jansson|curl|sqlite3|seccomp|wslay|gnutls|nettle)\.so/,
	'appctl-node' => qr/^lib(ev|wslay|nettle|hogweed|gnutls|jansson|config|seccomp)\.so/,
	'appctl-engine' => qr/^lib(ev|config|jansson)\.so/,
	'appctl-consumer' => qr/^lib(ev|wslay|nettle|hogweed|gnutls|jansson|sqlite3|pq|microhttpd|seccomp)\.so/,
	'appctl-tasks' => qr/^lib(ev|jansson|seccomp)\.so/,
	'appctl-setup' => qr/^lib(config|jansson)\.so/,
	'appctl-monitor' => qr/^lib(smartcols|jansson|sqlite3|pq)\.so/,
	'appctl' => qr/^lib(appctl|smartcols|jansson)\.so/,
);
for my $name (sort keys %links) {
	my ($binary) = grep { -e } "$build/.libs/$name", "$build/$name";
	ok($binary, "$name is built") or next;
	my @needed = map { /\(NEEDED\).*\[(.*)\]/ ? $1 : () } lines_of('readelf', '-d', $binary);
	my @others = grep { !/^(libc\.so|libm\.so|ld-linux|libasan|libubsan|libgcc_s)/ && $_ !~ $links{$name} } @needed;
	is("@others", '', "$name links what it may");
}

done_testing;
