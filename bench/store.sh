#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# store.sh BUILD [REPETITIONS]: rows into PostgreSQL and SQLite, through the store, through a whole consumer, and barely; batches
# decoded, by jansson, and WebSocket messages alone.  All take turns; a JSON line each.  As root: the server runs as user postgres.
# DATABASES (postgres sqlite)
set -eu -o pipefail
build=$(cd "${1:?build directory}" && pwd)
repetitions=${2:-3}
producers=${PRODUCERS:-16}
bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
dir=$(mktemp -d)
chmod 755 "$dir"
mkdir "$dir/pg"
chown postgres "$dir/pg"
as_postgres() { (cd / && setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"); }
consumer=
end() {
	[ -z "$consumer" ] || kill "$consumer" 2>/dev/null || true
	as_postgres "$bin/pg_ctl" -D "$dir/pg/data" -m immediate stop >/dev/null 2>&1 || true
	rm -rf "$dir"
}
trap end EXIT
as_postgres "$bin/initdb" -A trust -E UTF8 -D "$dir/pg/data" >/dev/null
as_postgres "$bin/pg_ctl" -w -D "$dir/pg/data" -l "$dir/pg/log" \
	-o "-c listen_addresses='' -k $dir/pg -c shared_buffers=256MB -c max_wal_size=4GB" start >/dev/null
admin="host=$dir/pg user=postgres dbname"

# A database with its tables and the partitions of today, made anew.
fresh() {
	"$bin/psql" -qX "$admin=postgres" -c "DROP DATABASE IF EXISTS m" -c "CREATE DATABASE m" -c CHECKPOINT 2>/dev/null
	"$build/appctl-consumer" --init-db "$admin=m" >/dev/null
	"$build/bench/store" pg-store 1 1 "host=$dir/pg user=appctl_writer dbname=m" >/dev/null
	"$bin/psql" -qX "$admin=m" -c "TRUNCATE batch, prc"
}

wait_for_line() { while ! grep -q "$1" "$2"; do sleep 0.05; done; }

# NAME VARIABLE=VALUE BATCHES ROWS
through_consumer() {
	local port began now
	printf 'a secret for this measurement\n' >"$dir/secret"
	chmod 0400 "$dir/secret"
	: >"$dir/log"
	env CONSUMER_ENABLE=true CONSUMER_LISTEN_PORT=0 CONSUMER_USE_TLS=false CONSUMER_SECRET_FILE="$dir/secret" "$2" \
		"$build/appctl-consumer" 2>"$dir/log" &
	consumer=$!
	wait_for_line "takes batches" "$dir/log"
	port=$(sed -n 's/.*listening on .* port //p' "$dir/log")
	began=$(date +%s%N)
	"$build/t/monitor/producers" "$port" "$dir/secret" 0 "$producers" "$(($3 / producers))" "$4" >/dev/null
	now=$(date +%s%N)
	kill "$consumer"
	wait "$consumer" || true
	consumer=
	awk -v mode="$1" -v r="$(($3 * $4))" -v ns=$((now - began)) 'BEGIN { printf "{\"mode\":\"%s\",\"rows\":%d,\"rows_per_s\":%.0f}\n", mode, r, r / ns * 1e9 }'
}

postgres_rows() {
	local database="host=$dir/pg user=appctl_writer dbname=m"
	fresh && "$build/bench/store" pg-bare "$1" "$2" "$database"
	fresh && "$build/bench/store" pg-store "$1" "$2" "$database"
	fresh && through_consumer pg-consumer CONSUMER_DATABASE="$database" "$1" "$2"
}

sqlite_rows() {
	rm -f "$dir"/s.db*
	"$build/bench/store" sqlite-bare "$1" "$2" "$dir/s.db"
	rm -f "$dir"/s.db*
	"$build/bench/store" sqlite-store "$1" "$2" "$dir/s.db"
	rm -f "$dir"/s.db*
	through_consumer sqlite-consumer CONSUMER_SQLITE="$dir/s.db" "$1" "$2"
}

for _ in $(seq "$repetitions"); do
	"$build/bench/wsbench" event 16384 40000
	"$build/bench/store" decode 20000 118
	"$build/bench/store" jansson 2000 118
	for rows in 100 1000; do
		for database in ${DATABASES:-postgres sqlite}; do
			"${database}_rows" $((400000 / rows)) $rows
		done
	done
done
