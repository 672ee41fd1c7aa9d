# SPDX-License-Identifier: MIT
# Errors say where, what and what would be right, and they say it all at once.
use strict;
use warnings;
use Test::More;
use Appctl::Config;

is_deeply(refused(config(<<'END', '10-web.conf' => <<'IN', 'x.conf' => "\nroles: { storage = [\"db\"]; };\n")), [
nod = "alice";
default_mode = "nromal";
applications: {
  db: { command = ["/bin/true"]; restrat = "permanent"; shutdown = "soon";
        user = "no-such-user-here"; };
};
roles: { storage = ["database"]; };
modes: { normal = ["storge"]; };
END
applications: { web: { command = ["x"]; applications = ["dbb"]; nice = 99; sockets = []; }; };
modify: { roles: { storge = ( "leave" ); }; };
IN
	'appctld.conf:1: nod: unknown key (did you mean node?)',
	'appctld.conf:2: default_mode: unknown mode "nromal" (did you mean normal?)',
	'appctld.conf:4: applications.db.restrat: unknown key (did you mean restart?)',
	'appctld.conf:4: applications.db.shutdown: is no time (a time, "brutal_kill" or "infinity")',
	'appctld.conf:5: applications.db.user: unknown user "no-such-user-here"',
	'appctld.conf:7: roles.storage: unknown application "database"',
	'appctld.conf:8: modes.normal: unknown role "storge" (did you mean storage?)',
	'conf.d/10-web.conf:1: applications.web.nice: must be from -20 to 19',
	'conf.d/10-web.conf:1: applications.web.sockets: not supported by this version',
	'conf.d/10-web.conf:1: applications.web.applications: unknown application "dbb" (did you mean db?)',
	'conf.d/10-web.conf:2: modify.roles: no role "storge" (did you mean storage?)',
	'conf.d/x.conf:2: roles.storage: defined twice, first in appctld.conf:7',
], 'all at once, in the order of the files');

# Every file is read, and each tells its first fault of syntax.
is_deeply(refused(config("a = ;\nb = ;\n", 'b.conf' => "x: {\n", 'c.conf' => "node = \"n\";\n", 'd.conf' => "\n\ny = 1 2;\n")), [
	'appctld.conf:1: syntax error',
	'conf.d/b.conf:1: x: { is never closed',
	'conf.d/d.conf:3: syntax error',
], 'syntax errors, one a file');

is_deeply(refused(config(<<'END')), [
applications: {
  a: { applications = ["b"]; };
  b: { start_after = ["c"]; };
  c: { };
  d: { start_before = ["c"]; applications = ["a"]; };
};
END
	'appctld.conf:2: applications.a.applications: cycle: a -> b -> c -> d -> a: a needs b (appctld.conf:2),'
	. ' b starts after c (appctld.conf:3), d starts before c (appctld.conf:5), d needs a (appctld.conf:5) (take one of these out)',
], 'a cycle is a path with the place of every edge');

like(refused(config('applications: { a: { applications = ["a"]; }; };'))->[0], qr/^appctld\.conf:1: .*"a" refers to itself$/, 'a self-dependency');
like(refused(config("applications: { a: { };\n a: { }; };"))->[0], qr/^appctld\.conf:2: applications\.a: defined twice, first in appctld\.conf:1$/,
	'a name twice in one file');
like(refused(config('applications: { p: { start_after = ["a"]; }; a: { }; }; protected = ["p"];'))->[0],
	qr/applications\.p\.start_after: a protected application cannot start after one that is not protected/, 'protected comes first');
like(refused(config('modify: { };'))->[0], qr/modify: belongs into a drop-in/, 'modify in the main file');
like(refused(config('', 'me.conf' => 'application = "a b";'))->[0], qr/application: "a b" is no name/, 'a drop-in with a bad name');
like(refused(config('', 'me.conf' => 'app_ctrl: { app_ctrl: { }; };'))->[0], qr/app_ctrl does not nest/, 'a wrapper in a wrapper');
like(refused('/nonexistent/appctld.conf')->[0], qr{appctld\.conf: cannot open: No such file or directory \(write one, see},
	'a main file that is not there');
like(refused(config('applications: { a: { command = "x"; group = "no-such-group-here"; }; };'))->[0],
	qr/applications\.a\.group: unknown group "no-such-group-here"/, 'an unknown group');
like(refused(config('access = ( { user = "no-such-user-here"; level = "read"; } );'))->[0],
	qr/access\.user: unknown user "no-such-user-here"/, 'an unknown user in access');
for my $key (qw(health watchdog cgroup sandbox)) {
	is_deeply(refused(config("applications: { a: { command = \"x\"; $key: { }; }; };")),
		["appctld.conf:1: applications.a.$key: not supported by this version"], "$key is refused, not ignored");
}

done_testing;
