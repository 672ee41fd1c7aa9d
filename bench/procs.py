#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""procs: what it costs to look at all processes.

  procs.py [-n 1000,5000] [-r 3]     the producer's sampler, bare readers, top, netdata's apps.plugin, node_exporter
  procs.py --every 2 -n 1000         a sample each 2 s for 20 s, the sampler alone and the whole producer: share of a processor
  procs.py --places 100000           its memory with so many processes (files that look like /proc)

svc, minsup, procsample and t/monitor/sample are taken from $BENCH_BUILD, where `make bench-programs` was run.
Microseconds of the processor, user and system, for each process that there is and each sample; all take turns in each
round, medians of the rounds.  One JSON line each on stdout, ratios to the bare reader of stat and statm at the end.
"""
import argparse, json, os, shutil, statistics, subprocess, sys, tempfile, time, urllib.request

BUILD = os.path.abspath(os.environ.get("BENCH_BUILD", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../build/bench")))
SAMPLE = os.path.join(BUILD, "t/monitor/sample")
APPS_PLUGIN = "/usr/lib/netdata/plugins.d/apps.plugin"
NOTHING_CHOSEN = ["sample_size=1", "cpu_min=1e6", "memory_min=1e15", "growth_min=1e15", "io_min=1e15"]
NUL = subprocess.DEVNULL


def pids():
    return [d for d in os.listdir("/proc") if d.isdigit()]


def cpu_us(pid):
    total = 0
    for t in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{t}/schedstat") as f:
            total += int(f.read().split()[0])
    return total / 1e3


class Sampler:
    def __init__(self, *options):
        self.p = subprocess.Popen([SAMPLE, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, order):
        self.p.stdin.write(order + "\n")
        self.p.stdin.flush()
        lines = []
        while (line := self.p.stdout.readline()) != ".\n":
            lines.append(line)
        return lines

    def end(self):
        self.p.stdin.close()
        self.p.wait()


def sampler(*options):
    s = Sampler(*options)
    us = json.loads(s.ask("spin 30")[-1])["us"]
    known = json.loads(s.ask("counts")[-1])["known"]
    s.end()
    return us / known


def bare(files):
    r = subprocess.run([os.path.join(BUILD, "bench/procsample"), files, "30"], input="\n".join(pids()), capture_output=True, text=True)
    return float(r.stdout)


def once(argv):
    """top, a run of its own for each sample"""
    before = os.times()
    subprocess.run(argv, stdout=NUL, stderr=NUL)
    after = os.times()
    return (after.children_user + after.children_system - before.children_user - before.children_system) * 1e6 / len(pids())


def daemon(argv, sample):
    """one that runs on: its processor time over a sample"""
    p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=NUL, stderr=NUL)
    try:
        time.sleep(2)
        sample()
        before = cpu_us(p.pid)
        for _ in range(3):
            sample()
        return (cpu_us(p.pid) - before) / 3 / len(pids())
    finally:
        p.kill()
        p.wait()


def node_exporter():
    port = 19100
    argv = ["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port}", "--collector.disable-defaults", "--collector.processes"]
    return daemon(argv, lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read())


def peers():
    all_peers = {
        "bare stat,statm": lambda: bare("stat,statm"),
        "bare stat": lambda: bare("stat"),
        "sampler, cpu and memory": lambda: sampler(*NOTHING_CHOSEN),
        "sampler, all tables": lambda: sampler(),
        "top -b -n1": lambda: once(["top", "-b", "-n1", "-w", "512"]),
    }
    if os.access(APPS_PLUGIN, os.X_OK):
        all_peers["apps.plugin"] = lambda: daemon([APPS_PLUGIN, "1"], lambda: time.sleep(1))
    if shutil.which("prometheus-node-exporter"):
        all_peers["node_exporter"] = node_exporter
    return all_peers


class Services:
    """n processes that do nothing"""
    def __init__(self, n):
        self.p = subprocess.Popen([os.path.join(BUILD, "bench/minsup"), "vfork", str(n), "/dev/null", os.path.join(BUILD, "bench/svc")])
        before = -1
        while len(pids()) != before:
            before = len(pids())
            time.sleep(0.5)

    def end(self):
        self.p.terminate()
        self.p.wait()


def compare(n, rounds):
    services, took = Services(n), {}
    for _ in range(rounds):
        for name, measure in peers().items():
            took.setdefault(name, []).append(measure())
    services.end()
    median = {name: statistics.median(v) for name, v in took.items()}
    for name, v in took.items():
        print(json.dumps({"part": "procs", "n": n, "what": name, "us": round(median[name], 2), "all": [round(x, 2) for x in v]}), flush=True)
    base = median["bare stat,statm"]
    print(f"ratio {n} | " + ", ".join(f"{name} {v / base:.2f}" for name, v in median.items()), file=sys.stderr)


class Producer:
    """The whole one, with a consumer that is out of reach: everything goes into its spool"""
    def __init__(self, seconds):
        self.dir = tempfile.mkdtemp()
        with open(f"{self.dir}/secret", "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as f:
            f.write("procs.py compares\n")
        env = {"PRODUCER_ENABLE": "true", "PRODUCER_PORT": "1", "PRODUCER_INTERVAL": str(seconds), "PRODUCER_EVENTS": "false",
               "PRODUCER_SECRET_FILE": f"{self.dir}/secret", "PRODUCER_SPOOL": f"{self.dir}/spool", "PATH": os.environ["PATH"]}
        self.p = subprocess.Popen([os.path.join(BUILD, "appctl-producer")], env=env, stdin=NUL, stderr=NUL)

    def end(self):
        self.p.terminate()
        self.p.wait()
        shutil.rmtree(self.dir)


def share(p, seconds, each):
    """of a processor, over that time"""
    began, before = time.monotonic(), cpu_us(p.pid)
    while time.monotonic() - began < seconds:
        each()
    return round((cpu_us(p.pid) - before) / 1e4 / (time.monotonic() - began), 3)


def every(n, seconds):
    services, s, producer = Services(n), Sampler(), Producer(seconds)
    try:
        s.ask("take")
        time.sleep(2 * seconds)
        alone = share(s.p, 20, lambda: (time.sleep(seconds), s.ask("take")))
        whole = share(producer.p, 20, lambda: time.sleep(seconds))
        print(json.dumps({"part": "every", "n": n, "seconds": seconds, "sampler_percent": alone, "producer_percent": whole,
                          "producer_pss_kib": resident_kib(producer.p.pid)}))
    finally:
        producer.end()
        s.end()
        services.end()


def resident_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


def places(n):
    proc = tempfile.mkdtemp(dir="/dev/shm")
    s = Sampler(f"proc={proc}", "memory_min=1")
    try:
        for have, want in ((0, n // 4), (n // 4, n // 2), (n // 2, n)):
            for pid in range(want, have, -1):
                os.mkdir(f"{proc}/{pid}")
                with open(f"{proc}/{pid}/stat", "w") as f:
                    f.write(f"{pid} (fake) S 1 1 1 0 -1 0 9 0 0 0 5 0 0 0 20 0 1 0 7 0 100 0\n")
                with open(f"{proc}/{pid}/statm", "w") as f:
                    f.write("1000 100 0 0 0 0 0\n")
            for _ in range(20):
                s.ask("take")
            print(json.dumps({"part": "places", **json.loads(s.ask("counts")[-1]), "pss_kib": resident_kib(s.p.pid),
                              "us_per_sample": json.loads(s.ask("spin 5")[-1])["us"]}), flush=True)
    finally:
        s.end()
        shutil.rmtree(proc)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", default="1000,5000")
    parser.add_argument("-r", type=int, default=3)
    parser.add_argument("--every", type=float)
    parser.add_argument("--places", type=int)
    o = parser.parse_args()
    if o.places:
        return places(o.places)
    for n in map(int, o.n.split(",")):
        every(n, o.every) if o.every else compare(n, o.r)


main()
