# SPDX-License-Identifier: Apache-2.0
"""A network of real processes for tests: stewards with their custodians and operators, a lab, recipients.

Everything lies in one folder of its own, on addresses 127.x.y.z that nobody else has, and is killed and removed by
Network.close(), or by the kernel when the test itself is killed.
"""

import collections
import ctypes
import hashlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

# Long enough for sanitizers on a busy machine; nothing waits for so long when all is well.
LIMIT = int(os.environ.get("CAIRN_LIMIT", "240"))
PR_SET_PDEATHSIG = 1
SEGMENT_RECORD = 56  # Of a lab's journal, node/deposit/journal_commit.c.
_libc = ctypes.CDLL(None)
# What was killed in the middle of its work, by what it is.
KILLED = collections.Counter()


class Programs:
    """Paths of the programs, set once by the test."""
    cairn = cairnd = custodian = None


def _die_with_test():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(*args, **more):
    more.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen(args, preexec_fn=_die_with_test, **more)


def call(*args, check=None, limit=LIMIT, **more):
    """Run a program to its end; |check| is the exit code that it must have."""
    more.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run(args, capture_output=True, timeout=limit, preexec_fn=_die_with_test, **more)
    if check is not None and done.returncode != check:
        raise AssertionError(f"{' '.join(args)}: exit {done.returncode}, not {check}\n"
                             f"{done.stdout.decode(errors='replace')}\n{done.stderr.decode(errors='replace')}")
    return done


def wait(what, words="it did not come about", limit=LIMIT, pause=0.05):
    """Until what() is true, and that is returned."""
    until = time.monotonic() + limit
    while True:
        found = what()
        if found:
            return found
        if time.monotonic() > until:
            raise AssertionError(words() if callable(words) else words)
        time.sleep(pause)


def tree(folder):
    """Every file of a folder: path -> (digest, mode)."""
    found = {}
    for at, _, names in os.walk(folder, followlinks=True):
        for name in names:
            path = os.path.join(at, name)
            with open(path, "rb") as f:
                digest = hashlib.file_digest(f, "sha256").hexdigest()
            found[os.path.relpath(path, folder)] = (digest, os.stat(path).st_mode & 0o777)
    return found


def write(path, data, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb", opener=lambda p, f: os.open(p, f, mode)) as f:
        f.write(data)
    os.chmod(path, mode)


def memory_high(pid):
    """The most memory that a process has held so far, in KiB; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/status") as f:
            return next((int(line.split()[1]) for line in f if line.startswith("VmHWM:")), 0)
    except OSError:
        return 0


class Steward:
    """An institution: a node, a custodian, an operator."""

    def __init__(self, network, index):
        self.network, self.index = network, index
        self.name = f"Steward {index}"
        self.address = f"{network.net}.{index}:{network.port}"
        self.behind = None  # Where it listens, if something else does at its address.
        self.home, self.custody = network.path(f"s{index}"), network.path(f"c{index}")
        self.op = network.path("operators", f"op{index}")
        self.card = network.path(f"s{index}.card")
        self.log, self.custody_log = network.path(f"s{index}.log"), network.path(f"c{index}.log")
        self.admin = os.path.join(self.home, "admin.sock")
        self.node = self.custodian = None
        self.node_options, self.custodian_options = [], []  # Of `run`.

    def init(self, *options, custody_options=()):
        call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"operator of {self.name}", "-f", self.op, check=0)
        call(Programs.custodian, "init", "--home", self.custody, *custody_options, check=0)
        call(Programs.cairnd, "init", "--home", self.home, "--name", self.name, "--jurisdiction", f"J{self.index}",
             "--provider", f"Provider {self.index}", "--listen", self.behind or self.address,
             *(("--address", self.address) if self.behind else ()),
             "--custody", os.path.join(self.custody, "card"), "--custodian", os.path.join(self.custody, "socket"),
             "--operator", self.op + ".pub", "--reserve", "1MiB",
             *(() if "--capacity" in options else ("--capacity", "4GiB")), *options, check=0)
        done = call(Programs.cairnd, "card", "--home", self.home, *self.node_options, check=0)
        with open(self.card, "wb") as f:
            f.write(done.stdout)

    def _run(self, log, *args):
        with open(log, "ab") as f:
            return spawn(*args, stdout=f, stderr=f)

    def start_node(self):
        assert self.node is None
        self.node = self._run(self.log, Programs.cairnd, "run", "--home", self.home, *self.node_options)

    def start_custodian(self):
        assert self.custodian is None
        self.custodian = self._run(self.custody_log, Programs.custodian, "run", "--home", self.custody,
                                   *self.custodian_options)

    def start(self):
        """What of it does not run."""
        if self.custodian is None:
            self.start_custodian()
        if self.node is None:
            self.start_node()

    def end_node(self, sig=signal.SIGKILL):
        if self.node is not None:
            self.node.send_signal(sig)
            KILLED["nodes"] += self.node.wait(LIMIT) == -signal.SIGKILL
            self.node = None

    def end_custodian(self, sig=signal.SIGKILL):
        if self.custodian is not None:
            self.custodian.send_signal(sig)
            KILLED["custodians"] += self.custodian.wait(LIMIT) == -signal.SIGKILL
            self.custodian = None

    def kill(self):
        self.end_node()
        self.end_custodian()

    def destroy(self):
        """Machine and disk are lost."""
        self.kill()
        shutil.rmtree(self.home)
        shutil.rmtree(self.custody)

    def said(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def custodian_said(self):
        with open(self.custody_log, errors="replace") as f:
            return f.read()

    def ask(self, resource):
        """GET of the admin API: JSON or octets; None when it does not answer well."""
        connection = http.client.HTTPConnection("cairnd", timeout=LIMIT)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(LIMIT)
        try:
            connection.sock.connect(self.admin)
            connection.request("GET", resource)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        if response.status != 200:
            return None
        is_json = response.getheader("Content-Type") == "application/json"
        return json.loads(answer) if is_json else answer

    def status(self):
        return self.ask("/v1/status")

    def cairn(self, *args, **more):
        return call(Programs.cairn, *args, "--home", self.home, **more)

    def shards(self):
        """Folders of the shards that it holds."""
        found = []
        for at, folders, names in os.walk(os.path.join(self.home, "data")):
            if "shard" in names:
                found.append(at)
        return found


class Network:
    """Stewards 1 to n (self[i]), a lab, and what a test does with them."""

    def __init__(self, stewards=7, rng=None):
        self.rng = rng or random.Random()
        self.temp = tempfile.mkdtemp(prefix="cairn-net-")
        self.lab = self.path("lab")
        self.lab_options = []
        self.requests = 0
        os.mkdir(self.path("operators"))
        self._choose_addresses(stewards)
        self.stewards = [Steward(self, i + 1) for i in range(stewards)]

    def __getitem__(self, index):
        return self.stewards[index - 1]

    def __iter__(self):
        return iter(self.stewards)

    def path(self, *names):
        return os.path.join(self.temp, *names)

    def _choose_addresses(self, stewards):
        chance = random.SystemRandom()
        for _ in range(100):
            self.net = f"127.{chance.randrange(1, 255)}.{chance.randrange(1, 255)}"
            self.port = chance.randrange(10000, 30000)
            try:
                for i in range(1, stewards + 1):
                    with socket.socket() as s:
                        s.bind((f"{self.net}.{i}", self.port))
                return
            except OSError:
                continue
        raise AssertionError("no free address")

    # -- founding

    def init_lab(self, *options):
        call(Programs.cairn, "id", "new", "--home", self.lab, "--name", "Example Lab", *options, check=0)

    def init(self):
        for s in self:
            s.init()
        self.init_lab()

    def found(self):
        """Charter, secret and everybody's papers, from the cards that init() made."""
        with open(self.path("lab.card"), "wb") as f:
            f.write(call(Programs.cairn, "id", "card", "--home", self.lab, check=0).stdout)
        draft, charter, secret = self.path("draft"), self.path("charter"), self.path("network.psk")
        call(Programs.cairn, "network", "found", *(s.card for s in self), self.path("lab.card"), "-o", draft,
             "--secret", secret, "--name", "Test network", check=0)
        for s in self:
            call(Programs.cairn, "network", "sign", draft, "--key", s.op, "-o", s.op + ".vote", check=0)
        call(Programs.cairn, "network", "assemble", draft, *(s.op + ".vote" for s in self), "-o", charter, check=0)
        shown = json.loads(call(Programs.cairn, "network", "show", charter, "--json", check=0).stdout)
        self.fingerprint = shown["fingerprint"]
        for s in self:
            call(Programs.cairnd, "install", "--home", s.home, *s.node_options, charter, secret, check=0)
            call(Programs.custodian, "pin", "--home", s.custody, charter, secret, "--fingerprint", self.fingerprint,
                 check=0)
        call(Programs.cairn, "id", "install", "--home", self.lab, charter, secret, *self.lab_options, check=0)

    def start(self, stewards=None, connected=True):
        """What does not run of these, and of all when none are named."""
        for s in stewards or self:
            s.start()
        if connected:
            self.wait_connected()

    def running(self):
        return [s for s in self if s.node is not None]

    def wait_connected(self):
        """Until all nodes that run have links to each other and reach their custodian, if that runs."""
        up = self.running()

        def well(s):
            status = s.status()
            return status is not None and status["stewards"]["linked"] >= len(up) - 1 and \
                (s.custodian is None or status["custodian"]["reachable"])
        for s in up:
            wait(lambda: well(s), lambda: f"{s.name} is not connected: {s.status()}\n{s.said()[-3000:]}")

    def close(self):
        before = KILLED.copy()
        for s in self:
            s.kill()
        KILLED.clear()
        KILLED.update(before)  # There is no story in these.
        shutil.rmtree(self.temp, ignore_errors=True)

    # -- deposits

    def model(self, name, size, parts=3):
        """A folder with files of random bytes, and some others."""
        folder = self.path(name)
        for i in range(parts):
            write(os.path.join(folder, "weights", f"part-{i}.dat"), self.rng.randbytes(size // parts))
        write(os.path.join(folder, "README.md"), b"A model.\n" * 1000)
        write(os.path.join(folder, "empty"), b"")
        write(os.path.join(folder, "run.sh"), b"#!/bin/sh\n", 0o755)
        return folder

    def deposit_args(self, model, *options, segment="64KiB"):
        return [Programs.cairn, "deposit", "create", "--home", self.lab, "--segment-size", segment, "--ignore-lint",
                *self.lab_options, *options, model]

    def deposit(self, model, *options, check=0, segment="64KiB"):
        """Run to its end; the JSON that it printed, or when it is to fail, what it said."""
        done = call(*self.deposit_args(model, *options, "--json", segment=segment), check=check)
        return json.loads(done.stdout) if check == 0 else done.stderr.decode()

    def deposit_start(self, model, *options, segment="64KiB"):
        log = open(self.path("deposit.log"), "ab")
        with log:
            return spawn(*self.deposit_args(model, *options, segment=segment), stdout=log, stderr=log)

    def committed(self):
        """How many segments of the deposit under way are in the lab's journal."""
        sizes = [0]
        for folder, _, names in os.walk(os.path.join(self.lab, "deposits")):
            if "segments" in names:
                try:
                    sizes.append(os.path.getsize(os.path.join(folder, "segments")))
                except OSError:  # It has just ended.
                    pass
        return max(sizes) // SEGMENT_RECORD

    def deposit_said(self):
        """What all deposits of deposit_start() have said so far."""
        if not os.path.exists(self.path("deposit.log")):
            return ""
        with open(self.path("deposit.log"), errors="replace") as f:
            return f.read()

    def verify(self, certificate, check=0):
        return json.loads(call(Programs.cairn, "deposit", "verify", "--json", certificate, check=check).stdout)

    def receipts_known(self, steward, deposit):
        shown = steward.ask(f"/v1/deposits/{deposit}")
        return shown["receipts"] if shown else 0

    # -- releases

    def request(self, certificate, at, check=0):
        """A recipient's request, submitted at a steward. Its id, and the recipient's folder."""
        self.requests += 1
        folder = self.path(f"recipient{self.requests}")
        os.mkdir(folder)
        request = os.path.join(folder, "request")
        call(Programs.cairn, "release", "request", certificate, "--name", f"Museum {self.requests}", "--purpose",
             "To read it again", "-o", request, check=0)
        done = at.cairn("release", "submit", request, "--json", check=check)
        return json.loads(done.stdout)["release"], folder

    def wait_known(self, release, stewards):
        for s in stewards:
            wait(lambda: s.ask(f"/v1/releases/{release}") is not None, f"{s.name} does not know the release")

    def sign(self, release, steward, key=None):
        """An operator reads the request at a steward and signs it: the signature's path."""
        text = self.path(f"{release[:16]}-{steward.index}-{os.path.basename(key or steward.op)}.txt")
        if os.path.exists(text + ".sig"):
            os.unlink(text + ".sig")
        steward.cairn("release", "show", release, "--to-sign", text, check=0)
        call("ssh-keygen", "-q", "-Y", "sign", "-n", "cairn-approval@v1", "-f", key or steward.op, text, check=0)
        return text + ".sig"

    def approve(self, release, steward, check=0):
        self.wait_known(release, [steward])
        return steward.cairn("release", "approve", release, "--signature", self.sign(release, steward), check=check)

    def ticket(self, release, at, folder):
        ticket = os.path.join(folder, "ticket")

        def given():
            if os.path.exists(ticket):
                os.unlink(ticket)
            return at.cairn("release", "ticket", release, "-o", ticket).returncode == 0
        wait(given, lambda: f"no ticket: {at.ask('/v1/releases/' + release)}\n{at.said()[-3000:]}")
        return ticket

    def release(self, certificate, stewards):
        """From request to ticket with approvals at those stewards: the recipient's folder."""
        release, folder = self.request(certificate, stewards[0])
        for s in stewards:
            self.approve(release, s)
        self.ticket(release, stewards[-1], folder)
        return release, folder

    def recover_args(self, folder, out, *options):
        return [Programs.cairn, "recover", "--ticket", os.path.join(folder, "ticket"), "--keys",
                os.path.join(folder, "request.key"), *options, out]

    def recover(self, folder, out, *options, check=0):
        return call(*self.recover_args(folder, out, *options), check=check)
