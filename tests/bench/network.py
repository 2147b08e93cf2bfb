# SPDX-License-Identifier: Apache-2.0
"""A network of real processes on the loopback: stewards, custodians, a lab, and what is done with them."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time

from measure import Failed, call, cpu_of, forget, rss_of, run

PLACES = "NL SE JP KE EC BG AU CA BR IN FR NZ ZA MX NO PT".split()
PATIENCE_S = 120
SETTLE_S = 30


class Proxy:
    """Lets |rate| bytes a second through, each way, between an address and the one behind it."""

    PIECE = 16384

    def __init__(self, address, behind, rate):
        self.behind, self.rate = behind, rate
        self.free_at = [0.0, 0.0]
        self.lock = threading.Lock()
        self.listener = socket.socket()
        # Small buffers, or the kernel's alone take in what a second lets through.
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(address)
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.socket()
            far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            try:
                far.connect(self.behind)
            except OSError:
                near.close()
                continue
            for way, (a, b) in enumerate(((near, far), (far, near))):
                threading.Thread(target=self.carry, args=(a, b, way), daemon=True).start()

    def carry(self, a, b, way):
        try:
            while piece := a.recv(self.PIECE):
                with self.lock:
                    self.free_at[way] = max(self.free_at[way], time.monotonic()) + len(piece) / self.rate
                    wait = self.free_at[way] - time.monotonic()
                if wait > 0:
                    time.sleep(wait)
                b.sendall(piece)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()


class Network:
    """n stewards with a custodian each. |slowed|: (steward, bytes a second), who is reached through a Proxy."""

    def __init__(self, bin_dir, folder, n, t, slowed=None):
        self.bin, self.folder, self.n, self.t, self.slowed = bin_dir, folder, n, t, slowed
        self.processes, self.proxy = {}, None
        os.makedirs(folder)
        try:
            self.found()
        except BaseException:
            self.close()
            raise

    def path(self, name):
        return os.path.join(self.folder, name)

    def cairn(self, *args):
        return call(os.path.join(self.bin, "cairn"), *args)

    def json(self, *args):
        return json.loads(self.cairn(*args, "--json"))

    # --- Founding ---------------------------------------------------------------------------------------------------

    def found(self):
        net = f"127.{random.randint(2, 250)}.{random.randint(0, 250)}"
        indices = range(1, self.n + 1)
        for i in indices:
            self.make_steward(i, net)
        self.cairn("id", "new", "--home", self.path("lab"), "--name", "Lab")
        with open(self.path("lab.card"), "wb") as f:
            f.write(self.cairn("id", "card", "--home", self.path("lab")))
        cards = [self.path(f"s{i}.card") for i in indices]
        draft, charter, psk = self.path("draft"), self.path("charter"), self.path("network.psk")
        self.cairn("network", "found", *cards, self.path("lab.card"), "-o", draft, "--secret", psk, "--name", "Bench")
        for i in indices:
            self.cairn("network", "sign", draft, "--key", self.path(f"op{i}"), "-o", self.path(f"op{i}.sig"))
        self.cairn("network", "assemble", draft, *(self.path(f"op{i}.sig") for i in indices), "-o", charter)
        fingerprint = self.json("network", "show", charter)["fingerprint"]
        for i in indices:
            call(os.path.join(self.bin, "cairnd"), "install", "--home", self.path(f"s{i}"), charter, psk)
            call(os.path.join(self.bin, "cairn-custodian"), "pin", "--home", self.path(f"c{i}"), charter, psk,
                 "--fingerprint", fingerprint)
            self.start("cairn-custodian", f"c{i}")
            self.start("cairnd", f"s{i}")
        self.cairn("id", "install", "--home", self.path("lab"), charter, psk)
        for i in indices:
            self.wait(f"links of steward {i}", lambda i=i: self.links(i) >= self.n - 1)

    def make_steward(self, i, net):
        where = ["--listen", f"{net}.{i}:7117"]
        if self.slowed and self.slowed[0] == i:
            where = ["--listen", f"{net}.{i + 100}:7117", "--address", f"{net}.{i}:7117"]
            self.proxy = Proxy((f"{net}.{i}", 7117), (f"{net}.{i + 100}", 7117), self.slowed[1])
        call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path(f"op{i}"))
        call(os.path.join(self.bin, "cairn-custodian"), "init", "--home", self.path(f"c{i}"))
        call(os.path.join(self.bin, "cairnd"), "init", "--home", self.path(f"s{i}"), "--name", f"Steward {i}",
             "--jurisdiction", PLACES[i - 1], *where, "--custody", self.path(f"c{i}/card"),
             "--custodian", self.path(f"c{i}/socket"), "--operator", self.path(f"op{i}.pub"))
        with open(self.path(f"s{i}.card"), "wb") as f:
            f.write(call(os.path.join(self.bin, "cairnd"), "card", "--home", self.path(f"s{i}")))

    def start(self, program, home):
        with open(self.path(home + ".log"), "ab") as log:
            self.processes[home] = subprocess.Popen([os.path.join(self.bin, program), "run", "--home", self.path(home)],
                                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def links(self, i):
        return len(self.json("status", "--home", self.path(f"s{i}"))["links"])

    def wait(self, what, ready):
        """Until |ready|; that a command of it fails is part of waiting."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                if ready():
                    return
                said = ""
            except Failed as e:
                said = f": {e}"
            if time.monotonic() > until:
                raise Failed(f"{what} did not come about in {PATIENCE_S} s{said}")
            time.sleep(0.1)

    def close(self):
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
        if self.proxy:
            self.proxy.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- What is measured -------------------------------------------------------------------------------------------

    def spent(self, kind):
        """Processor seconds of all stewards ("s") or custodians ("c")."""
        return sum(cpu_of(p.pid) for home, p in self.processes.items() if home.startswith(kind))

    def peaks(self):
        """The largest peak of memory of each kind of process."""
        return {name: max(rss_of(p.pid) for home, p in self.processes.items() if home.startswith(kind))
                for name, kind in (("cairnd", "s"), ("cairn-custodian", "c"))}

    def settle(self):
        """Until the nodes have nothing more to say to each other, so that it is not charged to what comes next."""
        until = time.monotonic() + SETTLE_S
        before = self.spent("s")
        while time.monotonic() < until:
            time.sleep(1)
            now = self.spent("s")
            if now - before < 0.03 * self.n / 7:
                return
            before = now

    def measured(self, args, **more):
        self.settle()
        before = {kind: self.spent(kind) for kind in "sc"}
        r = run([os.path.join(self.bin, "cairn"), *args], self.folder, self.path("out"), **more)
        r.update(stewards_cpu_s=self.spent("s") - before["s"], custodians_cpu_s=self.spent("c") - before["c"])
        r["peak_rss"] = {"cairn": r.pop("rss"), **self.peaks()}
        return r

    def deposit(self, model, k, *more, **options):
        """Deposit a folder; the answer of the command is in "said"."""
        cert = self.path("certificate")
        r = self.measured(["deposit", "create", "--home", self.path("lab"), "-k", str(k), "-n", str(self.n), "-t",
                           str(self.t), "--label", "Bench", "--certificate", cert, "--progress", "none", "--json",
                           *more, model], **options)
        with open(self.path("out"), errors="replace") as f:
            lines = f.read().splitlines()
        said = [json.loads(line) for line in lines if line.startswith("{")]
        r["said"] = said[-1] if said else {}
        return r

    def release(self, name="request"):
        """Have t operators approve a release; the file names of ticket and keys."""
        request, ticket = self.path(name), self.path(name + ".ticket")
        known = {r["id"] for r in self.json("release", "list", "--home", self.path("s1"))["releases"]}
        self.cairn("release", "request", self.path("certificate"), "--name", "Bench", "--purpose", "Measure", "-o",
                   request)
        self.cairn("release", "submit", request, "--home", self.path("s1"))
        releases = self.json("release", "list", "--home", self.path("s1"))["releases"]
        release_id = next(r["id"] for r in releases if r["id"] not in known)
        for i in range(1, self.t + 1):
            home, text = self.path(f"s{i}"), self.path(f"{name}.{i}.txt")
            self.wait("the request", lambda home=home: self.cairn("release", "show", release_id, "--home", home))
            self.cairn("release", "show", release_id, "--to-sign", text, "--home", home)
            call("ssh-keygen", "-q", "-Y", "sign", "-n", "cairn-approval@v1", "-f", self.path(f"op{i}"), text)
            self.cairn("release", "approve", release_id, "--signature", text + ".sig", "--home", home)
        self.wait("the ticket",
                  lambda: self.cairn("release", "ticket", release_id, "--home", self.path("s1"), "-o", ticket) is not None)
        return ticket, request + ".key"

    def recover(self, ticket, keys, out):
        forget(self.folder)
        return self.measured(["recover", "--ticket", ticket, "--keys", keys, "--progress", "none", out])

    # --- Trouble ----------------------------------------------------------------------------------------------------

    def pause(self, i):
        self.processes[f"s{i}"].send_signal(signal.SIGSTOP)

    def resume(self, i):
        self.processes[f"s{i}"].send_signal(signal.SIGCONT)

    def intake(self, i):
        """Bytes of shards that a steward is receiving."""
        total = 0
        for at, _, names in os.walk(self.path(f"s{i}")):
            total += sum(os.path.getsize(os.path.join(at, name)) for name in names if name == "shard.part")
        return total
