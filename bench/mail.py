#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mail.py BUILD [-n COUNT] [-p PINGS] [-r ROUNDS]: messages of 200 bytes from an application to one on another node, over loopback.

In turn: two appctlds with appctl-node (sender, mail.sock, appctl-node, TLS, appctl-node, mailbox on disk, mail.sock, reader);
two processes over GnuTLS and nothing else (the round trip also along a chain of processes such as
ours, that only pass on what comes); two Erlang nodes, which neither encrypt nor keep.  Messages a second, and
the round trip's median.  Prints a JSON line a round and, at the end, medians and ratios.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

from spawn import Node

SIZE = 200


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


def appctl(bench, here, there, count, pings):
    reader = subprocess.Popen([bench, 'receive', f'{there.dir}/run', str(count)], stdout=subprocess.PIPE, text=True)
    user = subprocess.run([f'{there.build}/appctl', '-r', f'{there.dir}/run', 'self'], check=True, stdout=subprocess.PIPE, text=True)
    to = user.stdout.strip()
    begun = float(output(bench, 'send', f'{here.dir}/run', to, str(SIZE), str(count))[0])
    ended = float(reader.communicate()[0])
    echo = subprocess.Popen([bench, 'echo', f'{there.dir}/run', str(pings)])
    trip = float(output(bench, 'ping', f'{here.dir}/run', to, str(pings))[0])
    echo.wait()
    return count / (ended - begun), trip


def erlang(base, count, pings):
    rate, trip = output('erl', '-noinput', '-sname', f'bench_a_{os.getpid()}', '-pa', base, '-eval', f'mailbench:main(["{SIZE}", "{count}", "{pings}"]).')
    return float(rate), float(trip)


def tls(bench, count, pings):
    return float(output(bench, 'tls', str(SIZE), str(count))[0]), float(output(bench, 'tlsping', str(SIZE), str(pings))[0])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('build')
    parser.add_argument('-n', type=int, default=1000000)
    parser.add_argument('-p', type=int, default=5000)
    parser.add_argument('-r', type=int, default=3)
    o = parser.parse_args()
    build = os.path.abspath(o.build)
    bench = f'{build}/bench/mailbench'
    base = tempfile.mkdtemp(prefix='appctl-bench-')
    subprocess.run(['erlc', '-o', base, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'mailbench.erl')], check=True)
    room = 'mailbox = { messages = 10000000; size = "1G"; };'
    port = 20000 + os.getpid() % 20000
    here = Node(build, base, 'here', '127.0.0.1', port, ('there', '127.0.0.1', port + 1), room)
    there = Node(build, base, 'there', '127.0.0.1', port + 1, ('here', '127.0.0.1', port), room)
    os.environ['ERL_EPMD_PORT'] = str(port + 2)	# one of our own, which ends with us
    subprocess.run(['epmd', '-daemon'], check=True)
    found, chain = {}, []
    try:
        for node in (here, there):
            node.wait()
        for _ in range(o.r):
            chain.append(float(output(bench, 'chain', str(SIZE), str(o.p))[0]))
            print(json.dumps({'bench': 'mail', 'who': 'chain', 'round_trip_us': chain[-1]}), flush=True)
            for name, one in (('appctl', lambda: appctl(bench, here, there, o.n, o.p)), ('tls', lambda: tls(bench, o.n, o.p)),
                              ('erlang', lambda: erlang(base, o.n, o.p))):
                rate, trip = one()
                found.setdefault(name, []).append((rate, trip))
                print(json.dumps({'bench': 'mail', 'who': name, 'messages_per_s': round(rate), 'round_trip_us': trip}), flush=True)
    finally:
        here.stop()
        there.stop()
        subprocess.run(['epmd', '-kill'], stdout=subprocess.DEVNULL)
        shutil.rmtree(base)
    rate = {k: statistics.median(v[0] for v in found[k]) for k in found}
    trip = {k: statistics.median(v[1] for v in found[k]) for k in found}
    print(f'ratio mail | appctl {rate["appctl"]:.0f}/s: {rate["appctl"] / rate["erlang"]:.2f} Erlang ({rate["erlang"]:.0f}/s), '
          f'{rate["appctl"] / rate["tls"]:.2f} TLS ({rate["tls"]:.0f}/s)')
    chain = statistics.median(chain)
    print(f'ratio mail round trip | appctl {trip["appctl"]:.0f} us: {trip["appctl"] / trip["erlang"]:.2f} Erlang ({trip["erlang"]:.0f} us), '
          f'{trip["appctl"] / trip["tls"]:.2f} TLS ({trip["tls"]:.0f} us), {trip["appctl"] / chain:.2f} chain ({chain:.0f} us)')


if __name__ == '__main__':
    sys.exit(main())
