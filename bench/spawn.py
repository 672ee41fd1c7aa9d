#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""spawn.py BUILD [-n COUNT] [-r ROUNDS]: a command run here, and the same on another node over loopback.

Two appctlds with appctl-node, linked over 127.0.0.1.  In alternation, COUNT times each:
  command   `appctl run -- true`, `appctl spawn -n here -- true`, `appctl spawn -n there -- true`: from exec to exit
  calls     the same from one process: Run over control.sock, Connect over node.sock; to the start and to the end of it
Prints one JSON line a kind: medians and 95th percentiles in microseconds, and how much longer than local it took.
"""
import argparse
import json
import os
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time


class Node:
    def __init__(self, build, base, name, address, port, peer, settings=''):
        self.build, self.name = build, name
        self.dir = f'{base}/{name}'
        os.makedirs(f'{self.dir}/run')
        os.makedirs(f'{self.dir}/conf.d')
        self.write('cookie', 'a0f1b2c3d4e5968778695a4b3c2d1e0f' * 2 + '\n', 0o400)
        self.write('node.conf', f'cookie_file = "{self.dir}/cookie"; listen = "{address}"; port = {port}; remote_user = "root";\n'
                   f'peers = ( {{ name = "{peer[0]}"; address = "{peer[1]}"; port = {peer[2]}; }} );\n{settings}\n')
        self.write('appctld.conf', f'node = "{name}"; applications: {{ appctl-node: {{ ready = {{ type = "notify"; }}; '
                   f'runtime_directory = "node"; command = ["{build}/appctl-node", "-c", "{self.dir}/node.conf"]; }}; }};\n')
        env = {**os.environ, 'APPCTL_LIBEXECDIR': build}
        self.log = open(f'{self.dir}/log', 'w')
        self.process = subprocess.Popen([f'{build}/appctld', '-c', f'{self.dir}/appctld.conf', '-r', f'{self.dir}/run'],
                                        env=env, stdout=self.log, stderr=self.log)

    def write(self, name, text, mode=0o644):
        with open(f'{self.dir}/{name}', 'w') as f:
            f.write(text)
        os.chmod(f'{self.dir}/{name}', mode)

    def wait(self):
        deadline = time.time() + 20
        while not os.path.exists(f'{self.dir}/run/node/node.sock'):
            if time.time() > deadline:
                sys.exit(f'{self.name} did not come up:\n' + open(f'{self.dir}/log').read())
            time.sleep(0.02)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    return s


def call(s, method, parameters, **flags):
    s.sendall(json.dumps({'method': method, 'parameters': parameters, **flags}).encode() + b'\0')


def message(s, have=b''):
    while b'\0' not in have:
        more = s.recv(65536)
        if not more:
            sys.exit('the connection was closed')
        have += more
    one, rest = have.split(b'\0', 1)
    reply = json.loads(one)
    if 'error' in reply:
        sys.exit(f'refused: {reply}')
    return reply, rest


def run_here(node, s):
    fds = [os.open('/dev/null', os.O_RDWR) for _ in range(3)]
    text = json.dumps({'method': 'org.appctl.Control.Run', 'more': True, 'parameters': {
        'definition': {'restart': 'temporary', 'command': ['/bin/true']}}}).encode() + b'\0'
    begin = time.perf_counter()
    s.sendall(text[:-1])
    socket.send_fds(s, [text[-1:]], fds)
    reply, rest = message(s)
    end = started = time.perf_counter()
    if reply.get('continues'):	# it has not ended already
        message(s, rest)
        end = time.perf_counter()
    for fd in fds:
        os.close(fd)
    return started - begin, end - begin


def run_there(node, target):
    begin = time.perf_counter()
    s = connect(f'{node.dir}/run/node/node.sock')
    call(s, 'org.appctl.Node.Connect', {'node': target, 'service': 'spawn', 'framed': True, 'args': {'command': ['/bin/true']}})
    _, have = message(s)
    started = time.perf_counter()
    while True:
        if len(have) >= 12:
            length, kind = struct.unpack_from('<IB', have)
            if len(have) >= 12 + length:
                if kind == 10:
                    break
                have = have[12 + length:]
                continue
        have += s.recv(65536)
    end = time.perf_counter()
    s.close()
    return started - begin, end - begin


def command(argv):
    begin = time.perf_counter()
    status = subprocess.call(argv, stdin=subprocess.DEVNULL, close_fds=False)
    if status != 0:
        sys.exit(f'{argv} ended with {status}')
    return time.perf_counter() - begin


def say(kind, how, seconds, local):
    us = sorted(1e6 * t for t in seconds)
    median = statistics.median(us)
    line = {'bench': 'spawn', 'kind': kind, 'how': how, 'median_us': round(median), 'p95_us': round(us[len(us) * 95 // 100])}
    if local is not None:
        line['more_us'] = round(median - local)
    print(json.dumps(line), flush=True)
    return median


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('build')
    ap.add_argument('-n', type=int, default=200)
    a = ap.parse_args()
    build = os.path.abspath(a.build)
    base = tempfile.mkdtemp(prefix='appctl-bench-', dir=os.environ.get('TMPDIR', '/dev/shm'))
    os.chmod(base, 0o755)
    port = 20000 + os.getpid() % 20000
    here = Node(build, base, 'here', '127.0.0.1', port, ('there', '127.0.0.1', port + 1))
    there = Node(build, base, 'there', '127.0.0.1', port + 1, ('here', '127.0.0.1', port))
    try:
        here.wait()
        there.wait()
        measure(a, build, here)
    finally:
        here.stop()
        there.stop()
        shutil.rmtree(base)


def measure(a, build, here):
    appctl = [f'{build}/appctl', '-r', f'{here.dir}/run']
    argvs = {'local': appctl + ['run', '--', 'true'], 'own node': appctl + ['spawn', '-n', 'here', '--', 'true'],
             'other node': appctl + ['spawn', '-n', 'there', '--', 'true']}
    control = connect(f'{here.dir}/run/control.sock')
    kinds = {'local': lambda: run_here(here, control), 'own node': lambda: run_there(here, 'here'),
             'other node': lambda: run_there(here, 'there')}
    whole, start, end = ({k: [] for k in argvs} for _ in range(3))
    for i in range(a.n + 5):	# the first ones make links and fill caches
        for how in argvs:
            t = command(argvs[how])
            s, e = kinds[how]()
            if i >= 5:
                whole[how].append(t)
                start[how].append(s)
                end[how].append(e)
    for kind, times in ('command', whole), ('call to start', start), ('call to end', end):
        local = say(kind, 'local', times['local'], None)
        for how in 'own node', 'other node':
            say(kind, how, times[how], local)


if __name__ == '__main__':
    main()
