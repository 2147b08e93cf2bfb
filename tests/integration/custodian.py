#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A custodian as a real process: its home, its network, its socket.

usage: custodian.py PATH-TO-CAIRN-CUSTODIAN PATH-TO-CAIRND PATH-TO-CAIRN [unittest arguments]

CAIRN_KILLS sets how often a custodian is killed (default 6).
"""

import http.client
import json
import os
import pty
import random
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

CUSTODIAN, CAIRND, CAIRN = (os.path.abspath(sys.argv.pop(1)) for _ in range(3))
KILLS = int(os.environ.get("CAIRN_KILLS", "6"))
SEED = int(os.environ.get("CAIRN_SEED", random.SystemRandom().getrandbits(32)))
PATIENCE = 60
SIZE_MAX = 256 << 10
with open(CUSTODIAN, "rb") as _program:
    SANITIZED = b"__asan_init" in _program.read()
MEMORY = (512 if SANITIZED else 24) << 20  # More than it may ever take.


def call(program, *args, check=None, **more):
    more.setdefault("start_new_session", True)  # Without a terminal.
    done = subprocess.run([program, *args], capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL, **more)
    if check is not None and done.returncode != check:
        raise AssertionError(f"{program} {' '.join(args)}: exit {done.returncode}, not {check}\n"
                             f"{done.stdout!r}\n{done.stderr.decode()}")
    return done


class Connection:
    """Speaks protocol/custody.h, or what it likes."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        try:
            self.socket.connect(path)  # With a time limit it would not wait for its turn.
        except OSError:
            self.socket.close()
            raise
        self.socket.settimeout(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def say(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # Closed, which is for the test to expect.

    def ask(self, message):
        self.say(struct.pack(">I", len(message)) + message)

    def read(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def answer(self):
        return self.read(struct.unpack(">I", self.read(4))[0])

    def is_closed(self):
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def hello(self, net):
        self.ask(b"\x93\x01\xc4\x20" + net + b"\xc4\x20" + net)  # Founded: the charter's hash is the network's id.
        return self.answer()


class Custodian(unittest.TestCase):
    def setUp(self):
        self.rng = random.Random(f"{SEED}-{self.id()}")
        self.temp = tempfile.mkdtemp(prefix="cairn-test-")
        self.addCleanup(shutil.rmtree, self.temp, ignore_errors=True)
        self.home = self.path("c1")
        self.socket = self.path("c1", "socket")
        self.log = self.path("log")
        self.process = None
        self.ports = {}
        self.addCleanup(self.kill)

    def path(self, *names):
        return os.path.join(self.temp, *names)

    def read(self, *names):
        with open(self.path(*names), "rb") as f:
            return f.read()

    def write(self, name, data, mode=0o600):
        with open(self.path(name), "wb", opener=lambda p, f: os.open(p, f, mode)) as f:
            f.write(data)
        return self.path(name)

    def steward(self, index, *options):
        """A custodian and a node with its half of the card."""
        op, home = self.path(f"op{index}"), self.path(f"s{index}")
        call(CUSTODIAN, "init", "--home", self.path(f"c{index}"), *options, check=0)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "op", "-f", op], check=True)
        call(CAIRND, "init", "--home", home, "--name", f"Steward {index}", "--jurisdiction", f"J{index}", "--provider",
             f"Provider {index}", "--listen", f"127.0.0.1:{self.port(index)}", "--data", self.path(f"d{index}"),
             "--capacity", "1GiB", "--reserve", "1MiB", "--custody", self.path(f"c{index}", "card"), "--operator",
             op + ".pub", "--custodian", self.path(f"c{index}", "socket"), check=0)
        self.write(f"s{index}.card", call(CAIRND, "card", "--home", home, check=0).stdout)

    def port(self, index):
        """A free one, the same each time, and no other steward's."""
        while index not in self.ports:
            with socket.socket() as s:
                s.bind(("127.0.0.1", 0))
                port = s.getsockname()[1]
            if port not in self.ports.values():
                self.ports[index] = port
        return self.ports[index]

    def found(self, indices, charter="charter", secret="network.psk"):
        draft, signatures = self.path(charter + ".draft"), []
        call(CAIRN, "network", "found", *(self.path(f"s{i}.card") for i in indices), "--name", "Stones", "-o", draft,
             "--secret", self.path(secret), check=0)
        for i in indices:
            signatures.append(self.path(f"{charter}.sig{i}"))
            call(CAIRN, "network", "sign", "--key", self.path(f"op{i}"), draft, "-o", signatures[-1], check=0)
        call(CAIRN, "network", "assemble", draft, *signatures, "-o", self.path(charter), check=0)

    def network(self, *options):
        self.steward(1, *options)
        for i in range(2, 5):
            self.steward(i)
        self.found(range(1, 5))

    def pin(self, *options, charter="charter", secret="network.psk", check=None):
        return call(CUSTODIAN, "pin", "--home", self.home, "--json", self.path(charter), self.path(secret), *options,
                    check=check)

    def fingerprint(self, charter="charter"):
        text = call(CAIRN, "network", "show", "--json", self.path(charter), check=0).stdout
        return json.loads(text)["fingerprint"]

    def pinned(self, *options):
        self.network(*options)
        facts = json.loads(self.pin("--fingerprint", self.fingerprint(), check=0).stdout)
        self.net = bytes.fromhex(facts["net"])

    def status(self):
        return json.loads(call(CUSTODIAN, "status", "--home", self.home, "--json", check=0).stdout)

    def start(self, *options, at=None, **more):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([CUSTODIAN, "run", "--home", self.home, "--log-format", "json", *options],
                                            stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, **more)
        self.assertEqual(self.process.stdout.readline().decode(), f"READY {at or self.socket}\n", self.said())

    def stop(self, sig=signal.SIGTERM, check=0):
        self.process.send_signal(sig)
        code = self.process.wait(PATIENCE)
        self.process.stdout.close()
        self.process = None
        if check is not None:
            self.assertEqual(code, check, self.said())

    def kill(self):
        if self.process is not None:
            self.stop(signal.SIGKILL, None)

    def run_fails(self, code, words, *options):
        done = call(CUSTODIAN, "run", "--home", self.home, *options)
        self.assertIn(done.returncode, code if isinstance(code, tuple) else (code,), done.stderr.decode())
        self.assertIn(words, done.stderr.decode())
        self.assertEqual(done.stdout, b"")

    def said(self):
        with open(self.log) as f:
            return f.read()

    def works(self, at=None):
        with Connection(at or self.socket) as c:
            self.assertEqual(c.hello(self.net)[:2], b"\x96\x0a")

    # -- init

    def test_init_makes_a_home_once(self):
        facts = json.loads(call(CUSTODIAN, "init", "--home", self.home, "--json", check=0).stdout)
        self.assertEqual(len(facts["encryption_key"]), 64)
        modes = {name: stat.S_IMODE(os.stat(self.path(*name.split("/"))).st_mode)
                 for name in ("c1", "c1/keys", "c1/card", "c1/store")}
        self.assertEqual(modes, {"c1": 0o700, "c1/keys": 0o600, "c1/card": 0o644, "c1/store": 0o700})
        keys, card = self.read("c1", "keys"), self.read("c1", "card")
        self.assertIn(bytes.fromhex(facts["signing_key"]), card)
        done = call(CUSTODIAN, "init", "--home", self.home, check=1)
        self.assertIn(b"already", done.stderr)
        self.assertEqual((self.read("c1", "keys"), self.read("c1", "card")), (keys, card))
        for name in ("keys", "card", "charter", "network.psk", "store"):
            home = self.path("h-" + name)
            os.mkdir(home)
            with open(os.path.join(home, name), "w"):
                pass
            call(CUSTODIAN, "init", "--home", home, check=1)
            self.assertEqual(os.listdir(home), [name])
        os.mkdir(self.path("empty"))
        call(CUSTODIAN, "init", "--home", self.path("empty"), check=0)

    def test_help_and_mistakes(self):
        self.assertIn(b"cairn-custodian COMMAND --help", call(CUSTODIAN, "--help", check=0).stdout)
        for command, words in (("init", "--passphrase-file"), ("pin", "--fingerprint"), ("run", "group"),
                               ("status", "passphrase")):
            self.assertIn(words, call(CUSTODIAN, command, "--help", check=0).stdout.decode())
            env = {k: v for k, v in os.environ.items() if k != "CAIRN_HOME"}
            args = ("a", "b") if command == "pin" else ()
            self.assertIn(b"--home", call(CUSTODIAN, command, *args, check=2, env=env).stderr)
            if command != "init":
                call(CUSTODIAN, command, "--home", self.path("none"), *args, check=11 if command == "run" else 10)
        call(CUSTODIAN, "init", "--home", self.home, check=0)
        call(CUSTODIAN, "run", "--home", self.home, "--log-format", "xml", check=2)
        call(CUSTODIAN, "pin", "--home", self.home, "a", check=2)
        self.run_fails(11, "pinned to no network")
        self.assertIsNone(self.status()["network"])

    # -- pin

    def test_pin_takes_only_what_fits(self):
        self.network()
        self.steward(5)
        self.found(range(2, 6), "charter2", "network2.psk")
        self.found(range(1, 5), "charter3", "network3.psk")
        right = self.fingerprint()
        self.pin("--fingerprint", self.fingerprint("charter3"), check=12)
        self.pin("--fingerprint", right[:-1], check=2)
        self.pin("--fingerprint", "yes", check=2)
        self.assertIn(b"terminal", self.pin(check=2).stderr)
        self.pin("--fingerprint", right, secret="network3.psk", check=20)
        self.assertIn(b"has the keys", self.pin("--fingerprint", self.fingerprint("charter2"), charter="charter2",
                                                secret="network2.psk", check=10).stderr)
        os.chmod(self.path("network.psk"), 0o644)
        self.pin("--fingerprint", right, check=12)
        os.chmod(self.path("network.psk"), 0o600)
        good = self.read("charter")
        for _ in range(8):
            bad = bytearray(good)
            bad[self.rng.randrange(len(bad))] ^= 1 << self.rng.randrange(8)
            self.write("bad", bad)
            self.assertNotEqual(self.pin("--fingerprint", right, charter="bad").returncode, 0)
        self.assertFalse(os.path.exists(self.path("c1", "charter")))
        self.assertFalse(os.path.exists(self.path("c1", "network.psk")))

        facts = json.loads(self.pin("--fingerprint", right.replace(" ", "-"), check=0).stdout)
        self.assertEqual((facts["steward"], facts["epoch"], facts["already"], facts["fingerprint"]),
                         ("Steward 1", 0, False, right))
        self.assertEqual(self.read("c1", "charter"), good)
        self.assertEqual(self.read("c1", "network.psk")[68:100], self.read("network.psk")[68:100])
        for name, mode in (("charter", 0o644), ("network.psk", 0o600)):
            self.assertEqual(stat.S_IMODE(os.stat(self.path("c1", name)).st_mode), mode)
        self.assertEqual(self.status()["network"], {"name": "Stones", "fingerprint": right, "epoch": 0,
                                                    "steward": "Steward 1"})

        # For good: the same again, and nothing else.
        self.assertTrue(json.loads(self.pin(check=0).stdout)["already"])
        self.pin("--fingerprint", self.fingerprint("charter3"), check=12)
        done = self.pin("--fingerprint", self.fingerprint("charter3"), charter="charter3", secret="network3.psk", check=12)
        self.assertIn(b"for good", done.stderr)
        self.assertEqual(self.read("c1", "charter"), good)

    def pin_at_terminal(self, typed):
        """The exit code, and what the terminal showed."""
        pid, tty = pty.fork()
        if pid == 0:
            os.execv(CUSTODIAN, [CUSTODIAN, "pin", "--home", self.home, self.path("charter"), self.path("network.psk")])
        shown = b""
        try:
            while b"Type yes" not in shown:
                shown += os.read(tty, 4096)
            os.write(tty, typed)
            while True:
                shown += os.read(tty, 4096)
        except OSError:
            pass  # The end of a terminal.
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.close(tty)
        return code, shown.decode()

    def test_pin_asks_at_the_terminal(self):
        self.network()
        for typed in (b"\n", b"no\n", b"yesyesyesyesyesyes\n", b"YES\n", b"\x04"):
            code, _ = self.pin_at_terminal(typed)
            self.assertEqual(code, 12, typed)
            self.assertFalse(os.path.exists(self.path("c1", "charter")))
        code, shown = self.pin_at_terminal(b"yes\n")
        self.assertEqual(code, 0, shown)
        self.assertIn(self.fingerprint(), shown)
        self.assertIn("Steward 1", shown)
        self.assertTrue(os.path.exists(self.path("c1", "charter")))

    # -- run

    def test_runs_until_it_is_asked_to_end(self):
        self.pinned()
        for sig in (signal.SIGTERM, signal.SIGINT):
            self.start()
            self.assertEqual(stat.S_IMODE(os.stat(self.socket).st_mode), 0o600)
            self.assert_hardened()
            with Connection(self.socket) as c:  # One that is still there in the end.
                self.assertEqual(c.hello(self.net)[:2], b"\x96\x0a")
                self.assertEqual(c.hello(bytes(31) + b"\1")[:2], b"\x93\x14")
                self.stop(sig)
            self.assertFalse(os.path.exists(self.socket))
        secrets = (self.read("network.psk")[68:100], self.read("c1", "keys")[68:])
        said = self.said()
        for line in said.splitlines():
            self.assertEqual(json.loads(line)["schema"], "cairn.log/1")
        self.assertIn("hello: refused", said)
        for secret in secrets:
            self.assertNotIn(secret.hex(), said)

    def facts(self, name):
        with open(f"/proc/{self.process.pid}/{name}") as f:
            return f.read()

    def assert_hardened(self):
        self.assertRegex(self.facts("limits"), r"Max core file size +0 +0 ")
        if not SANITIZED:  # They lock nothing.
            self.assertNotRegex(self.facts("status"), r"VmLck:\s+0 kB")
        # What cannot be dumped belongs to root in /proc, and can be traced by nobody.
        self.assertEqual(os.stat(f"/proc/{self.process.pid}/mem").st_uid, 0)

    def memory(self):
        return int(next(l for l in self.facts("status").splitlines() if l.startswith("VmHWM")).split()[1]) << 10

    @unittest.skipUnless(os.geteuid() == 0, "needs users")
    def test_users(self):
        """The custodian of one user, the node of another, and a third who may use the socket."""
        mine, nodes, third = 65533, 65534, 65532
        self.pinned()
        os.chmod(self.temp, 0o755)
        run = self.path("run")
        os.mkdir(run)
        os.chown(run, mine, nodes)
        os.chmod(run, 0o2755)
        for at, _, names in os.walk(self.home):
            for name in [at, *(os.path.join(at, n) for n in names)]:
                os.chown(name, mine, mine)
        at = os.path.join(run, "socket")

        def ask(user, group):
            code = ("import socket,sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
                    "s.sendall(bytes.fromhex(sys.argv[2])); sys.stdout.write(s.recv(6).hex())")
            hello = b"\x93\x01\xc4\x20" + self.net + b"\xc4\x20" + self.net
            done = subprocess.run([sys.executable, "-c", code, at, (struct.pack(">I", len(hello)) + hello).hex()],
                                  user=user, group=group, extra_groups=[], cwd="/", capture_output=True, timeout=PATIENCE)
            return "960a" in done.stdout.decode()

        self.run_fails(2, "no user of this host", "--peer", "nobody-at-all")
        self.start("--socket", at, "--peer", str(nodes), at=at, user=mine)
        self.assert_hardened()
        st = os.stat(at)
        self.assertEqual((stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid), (0o660, mine, nodes))
        self.assertEqual([ask(*who) for who in ((mine, mine), (nodes, nodes), (third, nodes), (third, third), (0, 0))],
                         [True, True, False, False, False])
        self.assertIn(f"of user {third}; if that is the node's, give it with --peer", self.said())
        self.stop()
        self.start("--socket", at, at=at, user=mine)
        self.assertEqual([ask(*who) for who in ((mine, mine), (nodes, nodes), (0, 0))], [True, False, False])
        self.stop()

    def test_one_process_for_each_home(self):
        self.pinned()
        self.start()
        self.run_fails(13, f"process {self.process.pid}")
        self.run_fails(13, f"process {self.process.pid}", "--socket", self.path("other"))
        self.pin(check=13)
        self.works()
        self.assertEqual(self.status()["network"]["steward"], "Steward 1")
        self.stop()

    def test_sealed_keys_ask_for_their_passphrase(self):
        right, wrong = self.write("right", b"a long sentence\n"), self.write("wrong", b"another\n")
        self.pinned("--passphrase-file", right)
        self.assertTrue(self.status()["sealed"])
        self.run_fails(12, "wrong passphrase", "--passphrase-file", wrong)
        self.run_fails(1, "terminal")
        self.run_fails(11, "none", "--passphrase-file", self.path("none"))
        self.start("--passphrase-file", right)
        self.works()
        self.stop()

    def test_home_that_was_tampered_with(self):
        self.pinned()
        for name, code, words in (("charter", (12, 20), "charter"), ("network.psk", 12, "damaged"), ("keys", 12, "damaged"),
                                  ("card", 20, "card")):
            good = self.read("c1", name)
            bad = bytearray(good)
            bad[-3] ^= 4
            self.write(os.path.join("c1", name), bytes(bad))
            self.run_fails(code, words)
            self.write(os.path.join("c1", name), good)
        # Keys and card of two custodians.
        shutil.copy(self.path("c1", "keys"), self.path("keys"))
        shutil.copy(self.path("c2", "keys"), self.path("c1", "keys"))
        self.run_fails(11, "not of one custodian")
        shutil.copy(self.path("keys"), self.path("c1", "keys"))
        self.start()
        self.works()
        self.stop()

    def test_store_that_is_not_there_is_no_empty_one(self):
        self.pinned()
        store = self.path("c1", "store")
        os.rename(store, self.path("away"))
        self.run_fails(11, "store")
        call(CUSTODIAN, "status", "--home", self.home, check=10)
        os.mkdir(store, 0o700)  # What a disk leaves that is not mounted.
        self.run_fails(11, "mount its disk")
        self.assertIn(b"mount its disk", call(CUSTODIAN, "status", "--home", self.home, check=10).stderr)
        self.assertIn(b"already", call(CUSTODIAN, "init", "--home", self.home, check=1).stderr)
        self.assertEqual(os.listdir(store), [])
        os.rmdir(store)
        shutil.copytree(self.path("c2", "store"), store)
        self.run_fails(11, "mount the right disk")
        shutil.rmtree(store)
        os.symlink(self.path("away"), store)  # As good as a mount, and the home may move.
        os.rename(self.home, self.path("moved"))
        self.home, self.socket = self.path("moved"), self.path("moved", "socket")
        self.start()
        self.works()
        self.stop()

    def test_socket_elsewhere_and_in_the_way(self):
        self.pinned()
        os.mkdir(self.path("run"), 0o750)
        at = self.path("run", "socket")
        self.start("--socket", at, at=at)
        self.works(at)
        self.assertFalse(os.path.exists(self.socket))
        self.stop()
        self.write("file", b"text")
        self.run_fails(1, "is no socket", "--socket", self.path("file"))
        self.assertEqual(self.read("file"), b"text")
        self.run_fails(1, "check its folder", "--socket", self.path("none", "socket"))
        self.run_fails(1, "longer than", "--socket", self.path("x" * 108))
        with socket.socket(socket.AF_UNIX) as s:  # Of a living process.
            s.bind(self.socket)
            s.listen()
            self.run_fails(13, "another process serves")
        self.start()  # Its name is still there, and dead.
        self.works()
        self.stop()

    def test_killed_and_started_again(self):
        self.pinned()
        ended = threading.Event()
        wrong = []

        def ask_on():
            while not ended.is_set():
                try:
                    with Connection(self.socket) as c:
                        while not ended.is_set():
                            answer = c.hello(self.net)
                            if answer[:2] != b"\x96\x0a":
                                wrong.append(answer)
                except (OSError, EOFError):
                    time.sleep(0.01)

        askers = [threading.Thread(target=ask_on) for _ in range(3)]
        for a in askers:
            a.start()
        try:
            for _ in range(KILLS):
                self.start()
                time.sleep(self.rng.random() * 0.2)
                self.stop(signal.SIGKILL, -signal.SIGKILL)
                self.write("c1/store/.cairn-tmp-abcdef", b"half")
        finally:
            ended.set()
            for a in askers:
                a.join()
        self.assertEqual(wrong, [])
        self.start()
        self.works()
        self.assertEqual(set(os.listdir(self.path("c1", "store"))), {"cairn-volume", "cairn-lock"})
        self.stop()

    def custodian_of_node(self):
        """What the admin API of the node says of its custodian."""
        connection = http.client.HTTPConnection("cairnd", timeout=PATIENCE)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(PATIENCE)
        connection.sock.connect(self.path("s1", "admin.sock"))
        connection.request("GET", "/v1/status")
        status = json.loads(connection.getresponse().read())
        connection.close()
        return status["custodian"]

    def wait_reachable(self, reachable):
        until = time.monotonic() + PATIENCE
        while self.custodian_of_node()["reachable"] != reachable:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.05)

    def test_node_finds_its_custodian(self):
        self.pinned()
        call(CAIRND, "install", "--home", self.path("s1"), self.path("charter"), self.path("network.psk"), check=0)
        with open(self.path("node.log"), "wb") as log:
            node = subprocess.Popen([CAIRND, "run", "--home", self.path("s1")], stdout=subprocess.PIPE, stderr=log,
                                    stdin=subprocess.DEVNULL)
        try:
            self.assertIn(b"READY", node.stdout.readline())
            self.assertIn(b"ADMIN", node.stdout.readline())
            self.wait_reachable(False)
            for _ in range(2):
                self.start()
                self.wait_reachable(True)
                self.stop(signal.SIGKILL, -signal.SIGKILL)
                self.wait_reachable(False)
            # Another steward's custodian at the same place.
            self.home = self.path("c2")
            self.pin("--fingerprint", self.fingerprint(), check=0)
            os.unlink(self.socket)
            self.start("--socket", self.socket)
            time.sleep(1.5)
            self.assertFalse(self.custodian_of_node()["reachable"])
            self.stop()
            self.assertIn("another steward", self.read("node.log").decode())
            node.terminate()
            self.assertEqual(node.wait(PATIENCE), 0)
        finally:
            node.kill()
            node.wait()
            node.stdout.close()

    def test_garbage_does_no_harm(self):
        self.pinned()
        self.start()
        with Connection(self.socket) as good:
            for data in (b"\0\0\0\0", struct.pack(">I", SIZE_MAX + 1), b"\xff\xff\xff\xff", b"\0\0\0\1\xc1",
                         b"\0\0\0\2\x91\x05", b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\2\x91\x01"):
                with Connection(self.socket) as c:
                    c.say(data)
                    self.assertTrue(c.is_closed(), data)
                self.assertEqual(good.hello(self.net)[:2], b"\x96\x0a")
            for _ in range(40):
                with Connection(self.socket) as c:
                    size = self.rng.randrange(1, 3000)
                    c.say((b"" if self.rng.random() < 0.5 else struct.pack(">I", size)) + self.rng.randbytes(size))
            with Connection(self.socket) as half:
                half.say(struct.pack(">I", SIZE_MAX) + bytes(SIZE_MAX - 1))
                self.assertEqual(good.hello(self.net)[:2], b"\x96\x0a")
                half.say(b"\0")
                self.assertTrue(half.is_closed())
            self.assertEqual(good.hello(self.net)[:2], b"\x96\x0a")
            # The greatest good message: the answer says no, and the connection stays.
            entry, envelope = bytes(60000), bytes(200)
            good.ask(b"\x95\x02\xc5" + struct.pack(">H", len(entry)) + entry + b"\x01\x00\xc4" +
                     bytes([len(envelope)]) + envelope)
            self.assertEqual(good.answer()[:2], b"\x93\x14")
        crowd = [Connection(self.socket) for _ in range(20)]
        self.works()
        for c in crowd:
            c.__exit__()
        self.works()
        self.assertIn("what is no request", self.said())
        self.assertLess(self.memory(), MEMORY)
        self.stop()


if __name__ == "__main__":
    print(f"seed {SEED} (CAIRN_SEED repeats it)", file=sys.stderr)
    unittest.main()
