#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""supbench: baselines of process supervisors, against the physical limit.

  supbench.py start   -n 100,1000 -r 5 -p limit-vfork,limit-cgroup,appctld,s6,runit,supervisord,systemd
  supbench.py restart -n 100           -p ...      kill -9 one after the other, then each again at once, then all
  supbench.py storm   -n 100 -s 10     -p ...      services which exit(1) at once; status latency meanwhile
  supbench.py order                    -p ...      chain 100x1 and diamond 10x10 with readiness
Needs root on Linux, python3, and (per peer) the Debian packages s6, runit, supervisor, systemd.
svc and minsup (the two C programs beside this file), appctld and appctl are taken from $BENCH_BUILD, a build directory
where `make bench-programs` was run; default ../build/bench.
One JSON line per run on stdout; a table at the end on stderr.
CPU: the whole tree's CPU from a cpuacct (v1) or cpu.stat (v2) cgroup where one can be made; the supervisor's own
processes' from /proc/PID/schedstat. Times are CLOCK_MONOTONIC: services stamp themselves and report by a FIFO.
"""
import argparse, ctypes, json, os, re, select, shutil, signal, statistics, struct, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get("BENCH_BUILD", os.path.join(HERE, "../build/bench")))
SVC, MINSUP = os.path.join(BUILD, "bench/svc"), os.path.join(BUILD, "bench/minsup")
REC = struct.Struct("=Qiiii")
now = time.monotonic_ns
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)          # PR_SET_CHILD_SUBREAPER: orphans come to us


def rd(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        return b""


def put(path, text, mode=0o644):
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)


def tree(root):
    """pids below root (all generations) -> comm"""
    kids, comm = {}, {}
    for d in os.listdir("/proc"):
        if d.isdigit():
            s = rd(f"/proc/{d}/stat")
            if s:
                r = s.rindex(b")")
                comm[int(d)] = s[s.index(b"(") + 1:r].decode(errors="replace")
                f = s[r + 2:].split()
                if f[0] != b"Z":
                    kids.setdefault(int(f[1]), []).append(int(d))
    out, todo = {}, [root]
    while todo:
        for k in kids.get(todo.pop(), ()):
            out[k] = comm[k]
            todo.append(k)
    return out


class Cgroup:
    def __init__(self):
        self.dirs, self.use = [], None
        name = f"supbench-{os.getpid()}"
        try:
            if os.path.isdir("/sys/fs/cgroup/cpuacct"):
                d = f"/sys/fs/cgroup/cpuacct/{name}"
                os.mkdir(d)
                self.dirs, self.use = [d], lambda: int(rd(d + "/cpuacct.usage"))
                for h in ("systemd", "unified"):         # so that systemd --user works below its own group
                    if os.path.isdir(f"/sys/fs/cgroup/{h}"):
                        os.mkdir(f"/sys/fs/cgroup/{h}/{name}")
                        self.dirs.append(f"/sys/fs/cgroup/{h}/{name}")
            else:
                d = f"/sys/fs/cgroup/{name}"
                os.mkdir(d)
                self.dirs = [d]
                self.use = lambda: int(rd(d + "/cpu.stat").split()[1]) * 1000
        except OSError as e:
            print("no cgroup:", e, file=sys.stderr)

    def join(self):
        for d in self.dirs:
            with open(d + "/cgroup.procs", "w") as f:
                f.write("0")

    def cpu(self):
        return self.use() if self.use else 0

    def close(self):
        for top in self.dirs:
            for d, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(d)
                except OSError:
                    pass


class Fifo:
    def __init__(self, path):
        os.mkfifo(path)
        os.chmod(path, 0o666)
        self.path, self.fd = path, os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            import fcntl
            fcntl.fcntl(self.fd, 1031, 1 << 20)          # F_SETPIPE_SZ
        except OSError:
            pass
        self.buf = b""

    def take(self):
        try:
            while True:
                b = os.read(self.fd, 1 << 20)
                if not b:
                    break
                self.buf += b
        except BlockingIOError:
            pass
        n = len(self.buf) // REC.size * REC.size
        r = [x[:4] for x in REC.iter_unpack(self.buf[:n])]
        self.buf = self.buf[n:]
        return r

    def gone(self, timeout):
        """wait until the last service has closed it"""
        p, end = select.poll(), now() + int(timeout * 1e9)
        p.register(self.fd, select.POLLIN)
        while now() < end:
            for _, ev in p.poll(max(1, (end - now()) // 1000000)):
                if ev & select.POLLIN:
                    self.take()
                elif ev & select.POLLHUP:
                    return now()
        return 0


class Peer:
    """one supervisor in one configuration"""
    mode, throttle, maxn, settle = "p", "", 5000, 2       # settle: s until the start limiter has forgotten

    def __init__(self, d, fifo):
        self.d, self.fifo, self.env = d, fifo, dict(os.environ, BENCH_FIFO=fifo)

    def svc(self, i, mode=None):
        return [SVC, self.fifo, str(i), mode or self.mode]

    def prepare(self, n): pass
    def order(self, layers, width): raise NotImplementedError
    def go(self): pass                                    # after exec: what starts the services, if a command does
    def status(self): return {}
    def stop(self, pid): os.kill(pid, signal.SIGTERM)
    def cleanup(self): pass


class Limit(Peer):
    method = "vfork"

    def prepare(self, n):
        self.argv = [MINSUP, self.method, str(n), self.fifo, SVC, self.mode]

    def order(self, layers, width):
        self.argv = [MINSUP, self.method + "-chain", f"{layers}x{width}", self.fifo, SVC]


class Appctld(Peer):
    throttle, settle = "none for the first restart, then 0.1 s doubling until it was up for 10 s", 12
    extra = ""

    def app(self, i, keys="", mode=None):
        argv = ", ".join(json.dumps(a) for a in self.svc(i, mode))
        return f'{{ name = "s{i:05d}"; command = [{argv}]; log = {{ type = "null"; }}; {self.extra}{keys} }}'

    def write(self, apps):
        os.makedirs(f"{self.d}/conf.d")
        os.mkdir(f"{self.d}/run")
        put(f"{self.d}/appctld.conf", "applications: (\n" + ",\n".join(apps) + "\n);\n")
        self.env["APPCTL_LIBEXECDIR"] = BUILD
        self.argv = [f"{BUILD}/appctld", "-c", f"{self.d}/appctld.conf", "-r", f"{self.d}/run"]

    def prepare(self, n):
        self.write([self.app(i) for i in range(n)])

    def order(self, layers, width):
        apps = []
        for i in range(layers * width):
            first = (i // width - 1) * width
            deps = ", ".join(f'"s{first + k:05d}"' for k in range(width)) if first >= 0 else ""
            apps.append(self.app(i, f'ready = {{ type = "fd"; }}; applications = [{deps}];', "n"))
        self.write(apps)

    def status(self):
        ctl = [f"{BUILD}/appctl", "-r", f"{self.d}/run", "status"]
        return {"one": ctl + ["s00000"], "all": ctl}


class AppctldBest(Appctld):
    throttle, settle, extra = "none", 2, "backoff = { min = 0.0; max = 0.0; };"


class S6(Peer):
    script = True
    throttle = "1 s between two starts"

    def prepare(self, n):
        self.scan = os.path.join(self.d, "scan")
        os.mkdir(self.scan)
        for i in range(n):
            s = f"{self.scan}/s{i:05d}"
            os.mkdir(s)
            if self.script:
                put(s + "/run", f"#!/bin/sh\nexec {SVC} {self.fifo} {i} {self.mode}\n", 0o755)
            else:
                os.symlink(SVC, s + "/run")
        os.utime(self.scan, (1e9, 1e9))                   # runsvdir waits 1 s when the directory is fresh
        self.env["BENCH_MODE"] = self.mode
        self.argv = ["s6-svscan", "-c", str(max(n, 4)), self.scan]

    def status(self):
        return {"one": ["s6-svstat", f"{self.scan}/s00000"]}

    def stop(self, pid):
        subprocess.run(["s6-svscanctl", "-t", self.scan], check=True)


class S6bin(S6):
    script = False


class Runit(S6):
    maxn = 1000
    throttle = "1 s when it ran for less than 1 s"

    def prepare(self, n):
        super().prepare(n)
        self.argv = ["runsvdir", "-P", self.scan]

    def status(self):
        return {"one": ["sv", "status", f"{self.scan}/s00000"],
                "all": ["sh", "-c", f"exec sv status {self.scan}/*"]}

    def stop(self, pid):
        os.kill(pid, signal.SIGHUP)


class Runitbin(Runit):
    script = False


class Supervisord(Peer):
    throttle = "none after a success; start retries back off 1, 2, 3 s (startretries=3)"
    opts = ""

    def prepare(self, n):
        c = f"{self.d}/supervisord.conf"
        t = (f"[supervisord]\nnodaemon=true\nlogfile={self.d}/log\npidfile={self.d}/pid\nminfds={max(1024, 3 * n + 100)}\nsilent=true\n"
             f"childlogdir={self.d}\n"
             f"[unix_http_server]\nfile={self.d}/sock\n[supervisorctl]\nserverurl=unix://{self.d}/sock\n"
             "[rpcinterface:supervisor]\n"
             "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n")
        for i in range(n):
            t += (f"[program:s{i:05d}]\ncommand={' '.join(self.svc(i))}\nautorestart=true\nredirect_stderr=true\n"
                  f"stdout_logfile=NONE\n{self.opts}")
        put(c, t)
        self.c = c
        self.argv = ["supervisord", "-n", "-c", c]

    def status(self):
        return {"one": ["supervisorctl", "-c", self.c, "status", "s00000"],
                "all": ["supervisorctl", "-c", self.c, "status"]}


class SupervisordBest(Supervisord):
    opts = "startsecs=0\n"


class Systemd(Peer):
    """systemd --user in a private mount namespace (so that it believes the system was booted with systemd)"""
    throttle = "RestartSec=100ms, at most 5 starts in 10 s"
    opts, unit, settle = "Restart=always\n", "", 12

    def head(self):
        self.u = f"{self.d}/cfg/systemd/user"
        os.makedirs(self.u)
        os.mkdir(f"{self.d}/run", 0o700)
        os.mkdir(f"{self.d}/home")
        self.env.update(XDG_RUNTIME_DIR=f"{self.d}/run", HOME=f"{self.d}/home", XDG_CONFIG_HOME=f"{self.d}/cfg",
                        SYSTEMD_LOG_LEVEL="notice", SYSTEMD_LOG_TARGET="null", SYSTEMD_UNIT_PATH=f"{self.u}:")
        self.argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                     "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && "
                     "exec /lib/systemd/systemd --user --unit=bench.target"]

    def unitfile(self, i, mode, extra="", unit=""):
        put(f"{self.u}/s{i:05d}.service",
            f"[Unit]\n{self.unit}{unit}[Service]\n{self.opts}{extra}ExecStart={' '.join(self.svc(i, mode))}\n")

    def prepare(self, n):
        self.head()
        for i in range(n):
            self.unitfile(i, self.mode)
        put(f"{self.u}/bench.target", "[Unit]\n" + "".join(f"Wants=s{i:05d}.service\n" for i in range(n)))

    def order(self, layers, width):
        self.head()
        for l in range(layers):
            for w in range(width):
                dep = " ".join(f"s{(l - 1) * width + k:05d}.service" for k in range(width)) if l else ""
                self.unitfile(l * width + w, "s", "Type=notify\n", f"Requires={dep}\nAfter={dep}\n" if dep else "")
        n = layers * width
        put(f"{self.u}/bench.target", "[Unit]\n" + "".join(f"Requires=s{i:05d}.service\n" for i in range(n - width, n)))

    def status(self):
        return {"one": ["systemctl", "--user", "show", "-p", "ActiveState", "s00000.service"],
                "all": ["systemctl", "--user", "--no-pager", "list-units", "s*.service"]}

    def stop(self, pid):
        subprocess.run(["systemctl", "--user", "--no-block", "start", "exit.target"], env=self.env, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class SystemdBest(Systemd):
    opts, unit = "Restart=always\nRestartSec=0\n", "StartLimitIntervalSec=0\n"


def lim(m):
    return type("Limit_" + m, (Limit,), {"method": m})


class Limit2t(Limit):
    def __init__(self, *a):
        super().__init__(*a)
        self.env["MINSUP_THREADS"] = "2"


PEERS = {"limit-" + m: lim(m) for m in ("fork", "vfork", "spawn", "clone3", "cgroup", "session")}
PEERS.update({"limit-vfork-2t": Limit2t, "appctld": Appctld, "appctld-best": AppctldBest, "s6": S6, "s6-bin": S6bin, "runit": Runit, "runit-bin": Runitbin, "supervisord": Supervisord,
              "supervisord-best": SupervisordBest, "systemd": Systemd, "systemd-best": SystemdBest})


class Run:
    def __init__(self, name, n, setup, mode="p"):
        self.d = tempfile.mkdtemp(prefix="supbench-")
        os.chmod(self.d, 0o755)
        self.fifo = Fifo(self.d + "/fifo")
        self.cg = Cgroup()
        self.p = PEERS[name](self.d, self.fifo.path)
        self.p.mode = mode
        self.n = n
        setup(self.p)
        log = os.open(self.d + "/out", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
        nul = os.open("/dev/null", os.O_RDONLY)
        r, w = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            try:
                os.setsid()
                self.cg.join()
                os.dup2(nul, 0); os.dup2(log, 1); os.dup2(log, 2)
                os.write(w, struct.pack("=Q", now()))
                os.execvpe(self.p.argv[0], self.p.argv, self.p.env)
            finally:
                os._exit(127)
        self.t0 = struct.unpack("=Q", os.read(r, 8))[0]
        for x in (r, w, log, nul):
            os.close(x)
        self.p.go()

    def reports(self, want, timeout, seen=None):
        seen = {} if seen is None else seen
        end = now() + int(timeout * 1e9)
        while len(seen) < want and now() < end:
            for t, pid, i, _ in self.fifo.take():
                seen.setdefault(i, (t, pid))
            time.sleep(0.002)
        return seen

    def sup(self):
        """the supervisor's own processes"""
        t = tree(os.getpid())
        t[self.pid] = "main"
        return [p for p, c in t.items() if c not in ("svc", "run") and rd(f"/proc/{p}/cmdline")]

    def services(self):
        return [p for p, c in tree(os.getpid()).items() if c in ("svc", "run")]

    def end(self):
        t = tree(os.getpid())
        for p in sorted(t, reverse=True):
            try:
                os.kill(p, signal.SIGCONT); os.kill(p, signal.SIGKILL)
            except OSError:
                pass
        try:
            os.kill(self.pid, signal.SIGKILL)
        except OSError:
            pass
        for _ in range(2000):
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                break
            for p in tree(os.getpid()):
                try:
                    os.kill(p, signal.SIGKILL)
                except OSError:
                    pass
            time.sleep(0.01)
        os.close(self.fifo.fd)
        self.p.cleanup()
        self.cg.close()
        if not os.environ.get("BENCH_KEEP"):
            shutil.rmtree(self.d, ignore_errors=True)


def sched(pids):
    return sum(int((rd(f"/proc/{p}/schedstat").split() or [0])[0]) for p in pids)


def ctxt(pids):
    n = 0
    for p in pids:
        n += sum(int(x) for x in re.findall(rb"ctxt_switches:\s+(\d+)", rd(f"/proc/{p}/status")))
    return n


def pss(pids):
    k = {b"Pss": 0, b"Private": 0, b"VmPTE": 0}
    for p in pids:
        m = rd(f"/proc/{p}/smaps_rollup")
        for key, v in re.findall(rb"^(\w+):\s+(\d+) kB", m, re.M):
            if key == b"Pss":
                k[b"Pss"] += int(v)
            if key.startswith(b"Private_"):
                k[b"Private"] += int(v)
        k[b"VmPTE"] += sum(int(x) for x in re.findall(rb"VmPTE:\s+(\d+)", rd(f"/proc/{p}/status")))
    return {a.decode().lower() + "_kib": v for a, v in k.items()}


def cmdtime(argv, env, reps):
    t = []
    fa = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0), (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0)]
    for _ in range(reps):
        a = now()
        pid = os.posix_spawnp(argv[0], argv, env, file_actions=fa)
        os.waitpid(pid, 0)
        t.append((now() - a) / 1e6)
    return t


def q(v, f):
    v = sorted(v)
    return v[min(len(v) - 1, int(f * len(v)))] if v else None


def start(name, n, idle, statreps):
    r = Run(name, n, lambda p: p.prepare(n))
    out = {"peer": name, "n": n}
    try:
        seen = r.reports(n, 60 + n / 20)
        out["reported"] = len(seen)
        if seen:
            out["start_ms"] = (max(t for t, _ in seen.values()) - r.t0) / 1e6
        time.sleep(2.5)                                   # let it settle (supervisord: startsecs)
        sup = r.sup()
        out.update(sup_procs=len(sup), cpu_tree_ms=r.cg.cpu() / 1e6, cpu_sup_ms=sched(sup) / 1e6, **pss(sup))
        if idle:
            a, b = ctxt(sup), sched(sup)
            time.sleep(idle)
            out.update(idle_ctxt_per_s=(ctxt(sup) - a) / idle, idle_cpu_pct=(sched(sup) - b) / idle / 1e7)
        if statreps:
            for k, a in r.p.status().items():
                t = cmdtime(a, r.p.env, statreps)
                out[f"status_{k}_ms"] = statistics.median(t)
                out[f"status_{k}_max_ms"] = max(t)
            out["true_ms"] = statistics.median(cmdtime(["/bin/true"], r.p.env, statreps))
        c = r.cg.cpu()
        t = now()
        r.p.stop(r.pid)
        g = r.fifo.gone(60)
        out["stop_ms"] = (g - t) / 1e6 if g else None
        for _ in range(1000):
            if os.waitpid(r.pid, os.WNOHANG)[0]:
                out["stop_exit_ms"] = (now() - t) / 1e6
                break
            time.sleep(0.005)
        out["stop_cpu_tree_ms"] = (r.cg.cpu() - c) / 1e6
    finally:
        r.end()
    return out


def restart(name, n, kills):
    r = Run(name, n, lambda p: p.prepare(n))
    out = {"peer": name, "n": n}
    try:
        seen = r.reports(n, 60)
        time.sleep(3)
        pidof = {}
        for p in r.services():
            c = rd(f"/proc/{p}/cmdline").split(b"\0")
            if len(c) > 3:
                pidof[int(c[2])] = p
            else:
                pidof[int(re.sub(r"\D", "", os.path.basename(os.readlink(f"/proc/{p}/cwd"))) or 0)] = p

        def kill1(i, timeout=8):
            r.fifo.take()
            t = now()
            os.kill(pidof[i], signal.SIGKILL)
            end = t + int(timeout * 1e9)
            while now() < end:
                for ts, pid, j, _ in r.fifo.take():
                    if j == i:
                        return (ts - t) / 1e6, pid
                time.sleep(0.0003)
            return None, None
        first, second = [], []
        c0, k0 = r.cg.cpu(), 0
        ids = sorted(pidof)
        for i in (ids * (kills // len(ids) + 1))[:kills]:
            ms, pid = kill1(i)
            if ms is None:
                out["lost"] = out.get("lost", 0) + 1
                continue
            first.append(ms)
            if pid and os.path.exists(f"/proc/{pid}") and rd(f"/proc/{pid}/comm").strip() in (b"svc", b"run"):
                pidof[i] = pid                             # not in another pid namespace
            time.sleep(0.005)
        out["cpu_per_kill_ms"] = (r.cg.cpu() - c0) / 1e6 / max(1, len(first))
        time.sleep(2)
        cur = {}
        for p in r.services():
            c = rd(f"/proc/{p}/cmdline").split(b"\0")
            cur[int(c[2]) if len(c) > 3 else int(re.sub(r"\D", "", os.path.basename(os.readlink(f"/proc/{p}/cwd"))) or 0)] = p
        pidof.update(cur)
        for i in ids[:10]:                                 # killed again at once after its restart
            ms, pid = kill1(i)
            if ms is None:
                continue
            pidof[i] = pid
            if rd(f"/proc/{pidof[i]}/comm").strip() not in (b"svc", b"run"):
                break
            ms, pid = kill1(i)
            if ms is None:
                out["second_lost"] = out.get("second_lost", 0) + 1
                continue
            second.append(ms)
        out.update(kills=len(first), first_p50_ms=q(first, .5), first_p99_ms=q(first, .99),
                   first_max_ms=max(first, default=None), second_p50_ms=q(second, .5), second_max_ms=max(second, default=None))
        time.sleep(r.p.settle)
        r.fifo.take()
        sv = r.services()
        t = now()
        for p in sv:
            os.kill(p, signal.SIGKILL)
        seen = r.reports(len(sv), 12)
        if seen:
            out.update(mass_n=len(sv), mass_back=len(seen), mass_ms=(max(x for x, _ in seen.values()) - t) / 1e6)
    finally:
        r.end()
    return out


def ask(r, secs, each=lambda: None):
    """How long commands take: a status of one, a table, and /bin/true for what any command has to wait."""
    lat, t0, turn = {}, now(), 0
    while now() - t0 < secs * 1e9:
        each()
        commands = r.p.status()
        if "all" in commands and turn % 16:
            del commands["all"]
        if commands:
            commands["true"] = ["/bin/true"]
        for k, a in commands.items():
            lat.setdefault(k, []).extend(cmdtime(a, r.p.env, 1))
        turn += 1
        time.sleep(0.005 if commands else 0.1)
    return lat


def latencies(prefix, lat):
    return {f"{prefix}_{k}_{what}_ms": x for k, v in lat.items()
            for what, x in (("p50", statistics.median(v)), ("p99", q(v, .99)), ("max", max(v)))}


def idle_status(name, n):
    """The same when nothing ends."""
    r = Run(name, n, lambda p: p.prepare(n))
    try:
        r.reports(n, 60)
        time.sleep(1)
        return latencies("idle", ask(r, 4)) if r.p.status() else {}
    finally:
        r.end()


def storm(name, n, secs):
    out = {"peer": name, "n": n, **idle_status(name, n)}
    r = Run(name, n, lambda p: p.prepare(n), mode="x")
    try:
        time.sleep(1)
        r.fifo.take()
        sup = r.sup()
        c, b, taken, t0 = r.cg.cpu(), sched(sup), [], now()
        lat = ask(r, secs, lambda: taken.append(len(r.fifo.take())))
        el = (now() - t0) / 1e9
        cnt = sum(taken) + len(r.fifo.take())
        sup = [p for p in sup if os.path.exists(f"/proc/{p}")]
        out.update(secs=el, starts_per_s=cnt / el, cpu_tree_pct=(r.cg.cpu() - c) / el / 1e7,
                   cpu_sup_pct=(sched(sup) - b) / el / 1e7)
        out.update(latencies("storm", lat))
    finally:
        r.end()
    return out


def order(name, layers, width):
    n = layers * width
    r = Run(name, n, lambda p: p.order(layers, width))
    out = {"peer": name, "n": n, "shape": f"{layers}x{width}"}
    try:
        seen = r.reports(n, 60)
        out["reported"] = len(seen)
        if seen:
            ts = [t for t, _ in seen.values()]
            out.update(wall_ms=(max(ts) - r.t0) / 1e6, span_ms=(max(ts) - min(ts)) / 1e6)
            ok = all(max(seen[l * width + w][0] for w in range(width)) <= min(seen[(l + 1) * width + w][0] for w in range(width))
                     for l in range(layers - 1)) if len(seen) == n else None
            out["in_order"] = ok
        out["cpu_tree_ms"] = r.cg.cpu() / 1e6
    finally:
        r.end()
    return out


def ratios(rows):
    """How often longer than each limit, by medians of this run."""
    median = lambda v, f: statistics.median([x[f] for x in v if isinstance(x.get(f), (int, float))] or [0])
    for n, shape in sorted({key[:2] for key in rows}):
        limits = {p: rows[n, shape, p] for p in ("limit-vfork", "limit-cgroup", "limit-session") if (n, shape, p) in rows}
        for peer in sorted({key[2] for key in rows if key[:2] == (n, shape)} - set(limits)):
            v = rows[n, shape, peer]
            cells = []
            for f in ("start_ms", "stop_ms", "cpu_tree_ms", "wall_ms", "first_p50_ms", "first_p99_ms", "mass_ms", "starts_per_s"):
                parts = [f"{median(v, f) / median(l, f):.2f} {p[6:]}" for p, l in limits.items() if median(v, f) and median(l, f)]
                if parts:
                    cells.append(f"{f} {', '.join(parts)}")
            if cells:
                print("ratio", n, shape, peer, "|", "; ".join(cells), file=sys.stderr)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("what", choices=["start", "restart", "storm", "order"])
    a.add_argument("-n", default="100")
    a.add_argument("-r", type=int, default=1)
    a.add_argument("-s", type=float, default=10)
    a.add_argument("-k", type=int, default=100)
    a.add_argument("-p", default="limit-vfork,limit-cgroup,appctld,s6,runit,supervisord,systemd")
    a.add_argument("--shapes", default="100x1,10x10")
    a.add_argument("--idle", type=float, default=0)
    a.add_argument("--status", type=int, default=0)
    o = a.parse_args()
    signal.signal(signal.SIGTERM, lambda *a: sys.exit(1))
    rows = {}
    for n in [int(x) for x in o.n.split(",")]:
        for rep in range(o.r):
            for name in o.p.split(","):                   # alternately
                if n > PEERS[name].maxn:
                    continue
                try:
                    if o.what == "start":
                        res = [start(name, n, o.idle if rep == 0 else 0, o.status if rep == 0 else 0)]
                    elif o.what == "restart":
                        res = [restart(name, n, o.k)]
                    elif o.what == "storm":
                        res = [storm(name, n, o.s)]
                    else:
                        res = [order(name, *map(int, x.split("x"))) for x in o.shapes.split(",")]
                except Exception as e:
                    print(f"{name} {n}: {type(e).__name__}: {e}", file=sys.stderr)
                    continue
                for x in res:
                    print(json.dumps(x), flush=True)
                    key = (x["n"], x.get("shape", ""), name)
                    rows.setdefault(key, []).append(x)
    for key, v in sorted(rows.items()):
        cells = []
        for f in sorted({f for x in v for f in x} - {"peer", "n", "shape"}, key=lambda f: list(v[0]).index(f) if f in v[0] else 99):
            s = [x[f] for x in v if isinstance(x.get(f), (int, float))]
            if s:
                cells.append(f"{f} {min(s):.4g}/{statistics.median(s):.4g}/{max(s):.4g}" if len(s) > 1 and min(s) != max(s) else f"{f} {s[0]:.4g}")
        print(*key, "|", "; ".join(cells), file=sys.stderr)
    ratios(rows)


main()
