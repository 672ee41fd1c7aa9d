# SPDX-License-Identifier: MIT
# What the app_ctrl document says of configuration, row by row.
use strict;
use warnings;
use Test::More;
use Appctl::Config;

my $command = 'command = ["/bin/sleep", "infinity"];';

# The document's first example: an order given from outside, roles, modes.
my $aeternity = <<"END";
applications: {
  gproc: { $command start_before = ["exometer_core"]; };
  exometer_core: { $command };
  aecore: { $command }; aechannel: { $command }; aehttp: { $command }; aestratum: { $command };
};
roles: { basic = []; active = ["aecore", "aechannel", "aehttp", "aestratum"]; };
modes: { normal = ["basic", "active"]; maintenance = ["basic"]; };
default_mode = "normal";
END
my $m = model(config($aeternity));
is_deeply($m->{applications}{gproc}{start_before}, ['exometer_core'], 'gproc starts before exometer_core');
is_deeply($m->{roles}, { basic => [], active => [qw(aechannel aecore aehttp aestratum)] }, 'roles are sets, sorted');
is_deeply($m->{modes}, { normal => [qw(active basic)], maintenance => ['basic'] }, 'modes are sets of roles');
is_deeply($m->{defined}{roles}, { basic => 'appctld.conf:6', active => 'appctld.conf:6' }, 'and it says where they are defined');
is($m->{default_mode}, 'normal', 'the default mode is there');

# setup before mnesia, whose own entry is not touched: an entry that only orders, beside the definition.
my $mnesia = "applications: { mnesia: { $command }; setup: { $command }; };\n";
$m = model(config($mnesia, 'setup.conf' => 'applications: { setup: { start_before = ["mnesia"]; }; };'));
is_deeply($m->{applications}{setup}{start_before}, ['mnesia'], 'a drop-in orders what another file defines');
is_deeply($m->{applications}{setup}{command}, ['/bin/sleep', 'infinity'], 'and the definition stays');
is($m->{defined}{applications}{setup}, 'appctld.conf:1', 'where it was');

# The same under the key app_ctrl, as the document has it in '$app_ctrl'.
$m = model(config($mnesia, 'setup.conf' => 'app_ctrl: { applications: { setup: { start_before = ["mnesia"]; }; }; };'));
is_deeply($m->{applications}{setup}{start_before}, ['mnesia'], 'app_ctrl may wrap it');

# modify, applications: add, possibly replacing; del, if present.
$m = model(config($mnesia, 'me.conf' => <<"END"));
app_ctrl: { modify: { applications = (
  { add: { setup: { start_before = ["mnesia"]; }; fresh: { $command }; }; },
  { del = ["absent"]; }
); }; };
END
is_deeply($m->{applications}{setup}{start_before}, ['mnesia'], 'modify adds to an entry');
ok($m->{applications}{fresh}, 'and makes one that is new');
$m = model(config($mnesia, 'me.conf' => 'modify: { applications = ( { del = ["setup"]; } ); };'));
is_deeply([keys %{ $m->{applications} }], ['mnesia'], 'modify deletes');

# modify, roles: join, leave, add, del.
my $sets = <<"END";
applications: { a: { $command }; b: { $command }; me: { $command }; };
roles: { basic = ["a"]; tools = ["me", "b"]; };
modes: { normal = ["basic"]; };
END
$m = model(config($sets, '20-me.conf' => 'modify: { roles: { basic = ( "join" ); }; };'));
is_deeply($m->{roles}{basic}, [qw(a me)], 'join: the drop-in\'s own application, by its file name without NN-');
$m = model(config($sets, 'x.conf' => 'application = "me"; modify: { roles: { basic = ( "join" ); }; };'));
is_deeply($m->{roles}{basic}, [qw(a me)], 'or by the name that it gives itself');
$m = model(config($sets, 'me.conf' => 'modify: { roles: { tools = ( "leave" ); }; };'));
is_deeply($m->{roles}{tools}, ['b'], 'leave');
$m = model(config($sets, 'me.conf' => 'modify: { roles: { basic = ( { add = ["b"]; }, { del = ["a"]; } ); }; };'));
is_deeply($m->{roles}{basic}, ['b'], 'add and del');

# modify, modes; a role and a mode that nobody had before.
$m = model(config($sets, '30-me.conf' => <<'END'));
modify: {
  roles: { mining_tools = ( "join" ); };
  modes: { development = ( { add = ["mining_tools"]; } ); normal = ( { add = ["tools"]; }, { del = ["basic"]; } ); };
};
END
is_deeply($m->{modes}, { development => ['mining_tools'], normal => ['tools'] }, 'modes are modified');
is($m->{defined}{roles}{mining_tools}, 'conf.d/30-me.conf:2', 'a role made by a drop-in is defined there');

# protected
$m = model(config($sets . 'protected = ["a"];', 'me.conf' => 'modify: { protected = ( "join", { del = ["a"]; } ); };'));
is_deeply($m->{protected}, ['me'], 'protected is modified in the same way');

# Drop-ins come in byte order of their names: the later one sees what the earlier one did.
$m = model(config($sets, '10-a.conf' => 'modify: { roles: { tools = ( "join" ); }; };',
	'9-b.conf' => 'modify: { roles: { tools = ( { del = ["a"]; } ); }; };'));
is_deeply($m->{roles}{tools}, [qw(b me)], '"10-" comes before "9-"');

# log_levels
is(check(config('log_levels = ( { level = "debug"; modules = ["engine", "spawn"]; } );'))->{exit}, 0, 'log levels by module');

# No default_mode, an empty file: everything there is, which may be nothing.
my $r = check(config(''));
is($r->{out}, "configuration is valid: 0 applications, 0 roles, 0 modes\n", 'an empty configuration is one');

done_testing;
