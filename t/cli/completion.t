# SPDX-License-Identifier: MIT
# The completion scripts, in the shells they are for.
use strict;
use warnings;
use Test::More;
use Time::HiRes;
use Appctl::FakeServer;
use Appctl::Test;

my $build = top_builddir();
my $appctl = program('appctl');
my $fake = Appctl::FakeServer->new(control => sub {
	return { modes => ['maintenance', 'normal'], roles => {}, mode_roles => {} } if $_[0]{method} =~ /ListModes/;
	return { applications => ['api', 'db', 'web-server'], edges => [] };
});
my $dir = $fake->dir;
symlink $appctl, "$dir/appctl";
mkdir "$dir/sub directory";

# { command => [options] } as --help has them.
my (%options, %letters);
my @commands = run_program($appctl, '--help')->{out} =~ /^  ([a-z-]+) /mg;
for my $c (@commands) {
	my $help = run_program($appctl, $c, '--help')->{out};
	$options{$c} = [$help =~ /^  (?:-\w, |    )(--[a-z-]+)/mg];
	$letters{$c} = [$help =~ /^  (-\w), /mg];
}

sub sorted { join ' ', sort @_ }

# --- bash: what the function offers for the last word -----------------------

# Each line of input is a command line; each line of output what is offered, between bars.
sub bash_offers {
	my @lines = @_;
	spew("$dir/lines", join '', map { "$_\n" } @lines);
	my $r = run_program('bash', '--norc', '-c', <<'BASH', 'bash', "$build/contrib/completion/bash/appctl", "$dir/lines", { directory => $dir, env => { PATH => "$dir:$ENV{PATH}" } });
set -u
. "$1"
compopt() { :; }
complete -p appctl >/dev/null || exit 9
while IFS= read -r line; do
	eval "COMP_WORDS=($line)"
	[[ $line == *' ' ]] && COMP_WORDS+=('')
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$line COMP_POINT=${#line} COMPREPLY=()
	_appctl appctl "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
	IFS='|'; echo "${COMPREPLY[*]}"; unset IFS
done <"$2"
BASH
	is($r->{err}, '', 'bash has nothing to say');
	return map { [split /\|/] } split /\n/, $r->{out}, -1;
}

SKIP: {
	skip 'needs bash', 1 unless grep { -x "$_/bash" } split /:/, $ENV{PATH};
	my @cases = (
		['appctl ' => @commands],
		['appctl exp' => 'explain'],
		['appctl --j' => '--json'],
		["appctl -r $dir status " => qw(api db web-server)],
		["appctl -r $dir status api d" => 'db'],
		["appctl --runtime-dir $dir mode " => qw(maintenance normal)],
		["appctl mode -r $dir norm" => 'normal'],
		["appctl -r $dir mode normal " => ()],
		["appctl -r $dir explain web" => 'web-server'],
		["appctl -r $dir explain web-server " => ()],
		["appctl -r $dir start --wait = 5 w" => 'web-server'],
		['appctl kill -s US' => qw(USR1 USR2)],
		["appctl -r $dir kill -s HUP a" => 'api'],
		['appctl events app_r' => 'app_running'],
		['appctl events --since 5 mode_s' => 'mode_stable'],
		['appctl loglevel d' => 'debug'],
		['appctl loglevel debug spa' => 'spawn'],
		['appctl -r sub' => 'sub directory'],
		['appctl check se' => 'seen'],
		['appctl monitor ' => qw(apps events history nodes top)],
		['appctl monitor hi' => 'history'],
		['appctl monitor nodes ' => ()],
		['appctl run --user roo' => 'root'],
		['appctl -r /nonexistent status ' => ()],
	);
	my @offers = bash_offers(map { $_->[0] } @cases);
	for (@cases) {
		my ($line, @want) = @$_;
		is(sorted(@{ shift @offers }), sorted(@want), "bash: $line");
	}
	@offers = bash_offers(map { "appctl $_ -" } @commands);
	is(sorted(@{ shift @offers }), sorted(@{ $options{$_} }, @{ $letters{$_} }), "bash: the options of $_ are those of its help") for @commands;
}

# --- zsh: what the line becomes ---------------------------------------------

# Drives an interactive zsh through a terminal of its own: each line, then Tab.
sub zsh_completes {
	my @lines = @_;
	spew("$dir/lines", join '', map { "$_\n" } @lines);
	spew("$dir/zshrc", <<"ZSH");
unsetopt beep; PS1= PS2= RPS1=
fpath=($build/contrib/completion/zsh \$fpath)
autoload -Uz compinit; compinit -u -D
bindkey -e
zstyle ':completion:*' insert-tab false
unsetopt auto_list auto_menu list_beep auto_param_slash
tell() { print -r -- "\$BUFFER" >>$dir/told; BUFFER=; }
zle -N tell; bindkey '^X^T' tell
print ready >$dir/ready
ZSH
	unlink "$dir/told", "$dir/ready";
	my $r = run_program('zsh', '-f', '-c', <<'ZSH', 'zsh', $dir, { env => { PATH => "$dir:$ENV{PATH}", TERM => 'dumb', ZDOTDIR => $dir }, directory => $dir, timeout => 60 });
zmodload zsh/zpty zsh/zselect
zpty -b shell "zsh -f -i"
eat() { local x; while zpty -r -t shell x; do :; done; }
until_there() { local n=0; until [[ -e $1 && $(wc -l <$1) -ge $2 ]]; do eat; zselect -t 2; (( ++n > 1000 )) && exit 9; done; }
zpty -w shell "source $1/zshrc"
until_there $1/ready 1
n=0
while IFS= read -r line; do
	zpty -w -n shell "$line"$'\t\C-x\C-t'
	until_there $1/told $((++n))
done <$1/lines
zpty -d shell
ZSH
	is($r->{exit}, 0, 'zsh was driven to its end') or diag($r->{out}, $r->{err});
	return split /\n/, slurp("$dir/told");
}

SKIP: {
	skip 'needs zsh', 1 unless grep { -x "$_/zsh" } split /:/, $ENV{PATH};
	my @cases = (
		['appctl exp' => 'appctl explain '],
		['appctl --jso' => 'appctl --json '],
		["appctl -r $dir status a" => "appctl -r $dir status api "],
		["appctl -r $dir status api d" => "appctl -r $dir status api db "],
		["appctl --runtime-dir=$dir mode m" => "appctl --runtime-dir=$dir mode maintenance "],
		["appctl mode -r $dir norm" => "appctl mode -r $dir normal "],
		["appctl -r $dir mode normal m" => "appctl -r $dir mode normal m"],
		["appctl -r $dir start --wait=5 w" => "appctl -r $dir start --wait=5 web-server "],
		["appctl -r $dir kill -s US" => "appctl -r $dir kill -s USR"],
		["appctl -r $dir kill -s HUP a" => "appctl -r $dir kill -s HUP api "],
		['appctl events app_r' => 'appctl events app_running '],
		['appctl events app_running mode_s' => 'appctl events app_running mode_stable '],
		['appctl loglevel d' => 'appctl loglevel debug '],
		['appctl loglevel debug spa' => 'appctl loglevel debug spawn '],
		['appctl check se' => 'appctl check seen '],
		['appctl monitor hi' => 'appctl monitor history '],
		['appctl monitor top --db' => 'appctl monitor top --db'],
		['appctl monitor nodes n' => 'appctl monitor nodes n'],
	);
	# Every option of every command, but for its last letter.
	for my $c (@commands) {
		for my $o (@{ $options{$c} }) {
			next if grep { $_ ne $o && index($_, substr $o, 0, -1) == 0 } @{ $options{$c} };
			push @cases, ["appctl $c " . substr($o, 0, -1), qr/^appctl $c $o(=| |$)/];
		}
	}
	my @told = zsh_completes(map { $_->[0] } @cases);
	for (@cases) {
		my ($line, $want) = @$_;
		my $got = shift @told;
		ref $want ? like($got, $want, "zsh: $line") : is($got, $want, "zsh: $line");
	}
}

done_testing;
