# SPDX-License-Identifier: MIT
# README's "Several nodes", line by line, as root on a machine where appctl is installed: with the user that it makes, and the
# files of contrib/node as they are.  In namespaces, so that of this machine nothing is changed.
use strict;
use warnings;

use Test::More;

use Appctl::Test;

needs_root();
needs_program('unshare', 'useradd', 'setpriv');
needs_cgroup();

my ($block) = slurp(top_srcdir() . '/README.md') =~ /^## Several nodes\n.*?^```\n(.*?)^```$/ms;
my ($setup, $use) = split /\n\n/, $block, 2;
my ($conf) = run_program('setpriv', '--reuid', 65534, '--clear-groups', program('appctl-node'), '--check', { env => { XDG_CONFIG_HOME => '/nonexistent' } })->{err} =~ m{^(/\S+)/node\.conf:};
my $dir = Appctl::Test::scratch_directory();
plan(skip_all => 'the place for configuration is not one that can be laid over: ' . ($conf // '')) if ($conf // '') !~ m{^(/etc|/usr/local)/};
plan(skip_all => 'no overlay of /etc can be had here') if run_program('unshare', '--mount', 'sh', '-ec', overlays())->{exit} != 0;
ok(1, 'an ordinary user without a configuration of its own reads the system\'s');

sub overlays {
	return join "\n", "mount -t tmpfs tmpfs $dir", map {
		my $n = $_ =~ tr{/}{_}r;
		"mkdir $dir/$n.up $dir/$n.work\nmount -t overlay overlay -o lowerdir=$_,upperdir=$dir/$n.up,workdir=$dir/$n.work $_"
	} '/etc', '/usr/local', '/var/lib';
}

s{/etc/appctl}{$conf}g for $setup, $use;
$use =~ s{^.*-t -n.*\n}{}m;
$use =~ s{\bbob\b}{alice}g;
my $built = top_builddir();
my $programs = join ' ', map { "$built/$_" } qw(appctl appctld appctl-engine appctl-lookup appctl-node appctl-probe appctl-tasks);
my $source = top_srcdir();
my $script = join "\n", 'set -e', overlays(), <<"END";
mount -t tmpfs tmpfs /run
export APPCTL_LIBEXECDIR=/usr/local/bin PATH=/usr/local/bin:\$PATH
cp $programs /usr/local/bin
mkdir -p $conf/conf.d
printf 'node = "alice";\\napplications: { chat: { command = ["sleep", "1000"]; }; };\\n' >$conf/appctld.conf
cd $source
appctld >$dir/log 2>&1 &
appctld=\$!
trap 'cat $dir/log >&2' EXIT
until appctl status >/dev/null 2>&1; do sleep 0.05; done
cp contrib/node/node.conf $dir/node.conf.was
@{[ $setup =~ s{^(cp contrib/node/node\.conf .*)$}{$1\nsed -i 's|"/etc/appctl/|"$conf/|' $conf/node.conf}mr ]}
appctl await 20
echo "--- use"
$use
echo "--- more"
appctl receive chat
appctl task -n alice -- id -un
appctl task -- id -un
appctl spawn -n alice -- id -un
appctl -n alice restart chat
appctl -n alice --json status chat >/dev/null
! appctl -n alice reload
grep -E '^(NoNewPrivs|Seccomp|CapEff):' /proc/\$(pgrep -x appctl-node)/status
trap - EXIT
kill \$appctld
wait \$appctld || :
END
my $r = run_program('unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', $script, { timeout => 60 });
is($r->{exit}, 0, 'the commands work as shown') or diag($r->{err}, $r->{out});
my ($used, $more) = $r->{out} =~ /--- use\n(.*)--- more\n(.*)/s;
like($used, qr/^\w+ .*\d\d:\d\d:\d\d/m, 'a command ran on the node');
like($more, qr/^hey\nappctl-node\nappctl-node\nappctl-node\n/, 'a message arrived; tasks and commands run as the user of appctl-node');
like($more, qr/^CapEff:\t0+\nNoNewPrivs:\t1\nSeccomp:\t2\n/m, 'which has no privileges, can gain none, and is bound by a filter');
done_testing;
