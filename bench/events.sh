#!/bin/sh
# SPDX-License-Identifier: MIT
# events.sh BUILD: the raw limit of fan-out over Unix streams, redis pub/sub, and appctld replaying what it has, in
# alternation, to K subscribers; then the latency of one message or event to the last of them.  REPS: how often (3).
set -eu
build=$(cd "${1:?build directory}" && pwd)
reps=${REPS:-3} apps=500 dir=$(mktemp -d) redis='' appctld=''
# shellcheck disable=SC2086 # no words where nothing was started
trap 'kill $redis $appctld 2>/dev/null; wait; rm -rf "$dir"' EXIT

# until COMMAND...: waits up to 10 s
until_true() {
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ $tries -lt 100 ]
		sleep 0.1
	done
}

mkdir "$dir/run" "$dir/conf.d"
{
	echo 'applications: ('
	i=0
	while [ $i -lt $apps ]; do
		[ $i = 0 ] || echo ,
		printf '{ name = "s%d"; command = ["%s/bench/svc", "/dev/null", "0"]; log = { type = "null"; }; }' $i "$build"
		i=$((i + 1))
	done
	echo '); roles: { all = ['
	i=0
	while [ $i -lt $apps ]; do
		[ $i = 0 ] || echo ,
		printf '"s%d"' $i
		i=$((i + 1))
	done
	echo ']; }; modes: { a = ["all"]; b = ["all"]; }; default_mode = "a";'
} >"$dir/appctld.conf"
APPCTL_LIBEXECDIR=$build "$build/appctld" -c "$dir/appctld.conf" -r "$dir/run" >"$dir/log" 2>&1 &
appctld=$!
redis-server --port 0 --unixsocket "$dir/s" --save '' --appendonly no --daemonize no --dir "$dir" \
	--client-output-buffer-limit 'pubsub 0 0 0' >"$dir/log2" 2>&1 &
redis=$!
until_true redis-cli -s "$dir/s" ping
until_true "$build/appctl" -r "$dir/run" await 10

rep=0
while [ $rep -lt "$reps" ]; do
	rep=$((rep + 1))
	for k in 1 10 100; do
		m=$((640000 / k))
		m=$((m - m % 64))
		"$build/bench/pubsub" raw $k $m 1
		"$build/bench/pubsub" raw $k $((m * 4)) 64
		"$build/bench/pubsub" redis $k $m 64 "$dir/s"
		"$build/bench/pubsub" appctld $k $((2 * apps)) 1 "$dir/run/events.sock"
		"$build/bench/pubsub" lat $k 500
		"$build/bench/pubsub" applat $k 500 "$dir/run"
	done
done
