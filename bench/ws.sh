#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# ws.sh BUILD: messages a second through src/net, with rows decoded too, beside wslay's event layer and plain recv(2), in turn; medians and ratios. REPS (5)
set -eu
build=${1:?build directory}
for size in 1024 16384; do
	count=$((size == 1024 ? 400000 : 50000))
	for ((i = 0; i < ${REPS:-5}; i++)); do
		for mode in tcp event net rows; do
			"$build/bench/wsbench" $mode $size $count
		done
	done
done | tee /dev/stderr | python3 -c '
import collections, json, statistics, sys
found = collections.defaultdict(list)
for line in sys.stdin:
    one = json.loads(line)
    found[one["size"], one["mode"]].append(one["messages_per_s"])
for size in (1024, 16384):
    median = {mode: statistics.median(found[size, mode]) for mode in ("tcp", "event", "net", "rows")}
    print("ratio ws %d | net %.0f/s: %.2f event layer (%.0f/s), %.2f recv (%.0f/s); rows decoded %.0f/s: %.2f event layer" % (size,
          median["net"], median["net"] / median["event"], median["event"], median["net"] / median["tcp"], median["tcp"],
          median["rows"], median["rows"] / median["event"]))
'
