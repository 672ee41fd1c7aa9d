# SPDX-License-Identifier: MIT
# appctl-lookup: what the name service says, as lines of JSON.
use strict;
use warnings;
use JSON::PP;
use Test::More;
use Appctl::Test;

sub lookup {
	my $r = run_program(program('appctl-lookup'), @_);
	is($r->{exit}, 0, "@_") or diag($r->{err});
	return map { decode_json($_) } split /\n/, $r->{out};
}

my ($name, undef, $uid, $gid, undef, undef, undef, $home, $shell) = getpwuid(0);
my ($user) = lookup("u:$name");
is($user->{$_->[0]}, $_->[1], "root's $_->[0]") for ['user', $name], ['name', $name], ['uid', $uid], ['gid', $gid], ['home', $home], ['shell', $shell];
ok((grep { $_ == $gid } @{ $user->{groups} }), 'its own group is among the groups');

# A user who is in another group too, where this system has one.
while (my ($group, undef, $id, $members) = getgrent) {
	my ($member) = split ' ', $members // '' or next;
	my ($u) = lookup("u:$member");
	ok((grep { $_ == $id } @{ $u->{groups} // [] }), "$member is in $group");
	last;
}

($user) = lookup('u:0');
is_deeply([@$user{qw(user name uid)}], ['0', $name, 0], 'a number for a user');
my ($group) = lookup('g:' . getgrgid(0));
is_deeply($group, { group => scalar getgrgid(0), gid => 0 }, 'a group');
($group) = lookup('g:54321');
is_deeply($group, { group => '54321', gid => 54321 }, 'a group number needs no name');

my @many = lookup('u:no-such-user', 'g:no-such-group', 'u:', "u:a\"\\\n\xff", 'g:4294967295', 'u:0');
is(scalar @many, 6, 'as many answers as questions');
is($many[$_]{error}, 'not found', "answer $_") for 0 .. 4;
is($many[5]{uid}, 0, 'in their order');

is(run_program(program('appctl-lookup'), 'x:root')->{exit}, 2, 'neither user nor group');
is(run_program('/bin/sh', '-c', 'exec "$1" u:root >/dev/full', 'sh', program('appctl-lookup'))->{exit}, 1, 'an answer that cannot be written');
is(run_program(program('appctl-lookup'))->{exit}, 0, 'nothing asked');

done_testing;
