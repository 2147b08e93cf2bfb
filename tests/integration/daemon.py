#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Stewards' nodes as real processes on the loopback.

usage: daemon.py PATH-TO-CAIRND PATH-TO-CAIRN PATH-TO-CUSTODY-HALF PATH-TO-KNOCK [unittest arguments]

CAIRN_KILLS sets how often a node is killed (default 6).
"""

import json
import os
import pty
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

CAIRND, CAIRN, CUSTODY, KNOCK = (os.path.abspath(sys.argv.pop(1)) for _ in range(4))
KILLS = int(os.environ.get("CAIRN_KILLS", "6"))
SEED = int(os.environ.get("CAIRN_SEED", random.SystemRandom().getrandbits(32)))
PATIENCE = 60


def call(program, *args, check=None, **more):
    done = subprocess.run([program, *args], capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL, **more)
    if check is not None and done.returncode != check:
        raise AssertionError(f"{program} {' '.join(args)}: exit {done.returncode}, not {check}\n"
                             f"{done.stdout!r}\n{done.stderr.decode()}")
    return done


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Node:
    """One steward: its home, its volume, and at times its process."""

    def __init__(self, test, index, port):
        self.test, self.index, self.port = test, index, port
        self.home = test.path(f"s{index}")
        self.data = test.path(f"d{index}")
        self.op = test.path(f"op{index}")
        self.card = test.path(f"s{index}.card")
        self.log = test.path(f"s{index}.log")
        self.process = None

    def init_args(self, **changes):
        options = {"--home": self.home, "--name": f"Steward {self.index}", "--jurisdiction": f"J{self.index}",
                   "--provider": f"Provider {self.index}", "--listen": f"127.0.0.1:{self.port}", "--data": self.data,
                   "--capacity": "1GiB", "--reserve": "1MiB", "--custody": self.test.path(f"c{self.index}"),
                   "--operator": self.op + ".pub"}
        options.update({"--" + k: v for k, v in changes.items()})
        return ["init"] + [x for k, v in options.items() if v is not None for x in (k, v)]

    def init(self, **changes):
        if not os.path.exists(self.op):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "op", "-f", self.op], check=True)
            with open(self.test.path(f"c{self.index}"), "wb") as f:
                f.write(call(CUSTODY, check=0).stdout)
        call(CAIRND, *self.init_args(**changes), check=0)
        with open(self.card, "wb") as f:
            f.write(call(CAIRND, "card", "--home", self.home, check=0).stdout)

    def install(self, check=0, charter="charter", secret="network.psk"):
        return call(CAIRND, "install", "--home", self.home, "--json", self.test.path(charter),
                    self.test.path(secret), check=check)

    def start(self, ready=True):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([CAIRND, "run", "--home", self.home, "--log-format", "json"],
                                            stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL)
        if ready:
            line = self.process.stdout.readline().decode()
            self.test.assertEqual(line, f"READY 127.0.0.1:{self.port}\n", self.said())

    def stop(self, sig=signal.SIGTERM, check=0):
        self.process.send_signal(sig)
        code = self.process.wait(PATIENCE)
        self.process.stdout.close()
        self.process = None
        if check is not None:
            self.test.assertEqual(code, check, self.said())

    def end(self):
        if self.process is not None:
            self.stop(signal.SIGKILL, None)

    def run_fails(self, code, words):
        done = call(CAIRND, "run", "--home", self.home)
        self.test.assertEqual(done.returncode, code, done.stderr.decode())
        self.test.assertIn(words, done.stderr.decode())
        self.test.assertEqual(done.stdout, b"")

    def said(self):
        with open(self.log) as f:
            return f.read()

    def lines(self):
        # The last line may be half written yet.
        whole = [line for line in self.said().splitlines(keepends=True) if line.endswith("\n")]
        return [json.loads(line)["text"] for line in whole if line.startswith("{")]

    def links(self):
        """Names of the stewards to which a link is up now."""
        up = {}
        for text in self.lines():
            words = text.split(" ")
            if text.startswith("0 feeds") or " feeds, " in text:
                up = {}  # A new process.
            elif words[0] == "link" and words[2] == "up,":
                up[words[1]] = " ".join(words[4:6])
            elif words[0] == "link" and words[2] == "down,":
                up.pop(words[1], None)
        return sorted(up.values())


class Daemon(unittest.TestCase):
    def setUp(self):
        self.rng = random.Random(f"{SEED}-{self.id()}")
        self.temp = tempfile.mkdtemp(prefix="cairn-test-")
        self.addCleanup(shutil.rmtree, self.temp, ignore_errors=True)
        self.nodes = []

    def path(self, *names):
        return os.path.join(self.temp, *names)

    def make(self, count):
        """Stewards with cards, in no network."""
        for index, port in enumerate(free_ports(count), len(self.nodes) + 1):
            node = Node(self, index, port)
            self.addCleanup(node.end)
            node.init()
            self.nodes.append(node)
        return self.nodes

    def found(self, nodes, charter="charter", secret="network.psk", others=()):
        draft = self.path(charter + ".draft")
        call(CAIRN, "network", "found", *(n.card for n in nodes), *others, "--name", "Stones", "-o", draft,
             "--secret", self.path(secret), check=0)
        signatures = []
        for n in nodes:
            signatures.append(self.path(f"{charter}.sig{n.index}"))
            call(CAIRN, "network", "sign", "--key", n.op, draft, "-o", signatures[-1], check=0)
        call(CAIRN, "network", "assemble", draft, *signatures, "-o", self.path(charter), check=0)

    def network(self, count):
        self.make(count)
        self.found(self.nodes)
        for n in self.nodes:
            n.install()
        return self.nodes

    def wait(self, what, words=""):
        until = time.monotonic() + PATIENCE
        while not what():
            self.assertLess(time.monotonic(), until, words or "\n".join(n.said() for n in self.nodes
                                                                       if os.path.exists(n.log)))
            time.sleep(0.05)

    def wait_connected(self, nodes):
        names = {n.index: f"Steward {n.index}" for n in nodes}
        for n in nodes:
            want = sorted(name for i, name in names.items() if i != n.index)
            self.wait(lambda: n.links() == want)

    # -- init and card

    def test_init_makes_a_home_once(self):
        node = self.make(1)[0]
        for name in ("keys", "cairnd.conf", "custody", "db", "card"):
            self.assertTrue(os.path.exists(os.path.join(node.home, name)), name)
        self.assertEqual(os.stat(os.path.join(node.home, "keys")).st_mode & 0o777, 0o600)
        self.assertEqual(os.stat(node.home).st_mode & 0o777, 0o700)
        with open(os.path.join(node.home, "keys"), "rb") as f:
            keys = f.read()
        done = call(CAIRND, *node.init_args(data=self.path("other")), check=1)
        self.assertIn(b"already", done.stderr)
        self.assertFalse(os.path.exists(self.path("other")))
        call(CAIRND, *node.init_args(home=self.path("h2")), check=1)  # The volume is another node's.
        self.assertFalse(os.path.exists(self.path("h2", "keys")))
        with open(os.path.join(node.home, "keys"), "rb") as f:
            self.assertEqual(f.read(), keys)

    def test_init_checks_before_it_makes(self):
        node = Node(self, 1, 7117)
        node.init()
        shutil.rmtree(node.home)
        shutil.rmtree(node.data)
        for option, value, code in (("name", None, 2), ("jurisdiction", None, 2), ("listen", "127.0.0.1", 2),
                                    ("listen", "0.0.0.0:7117", 2), ("capacity", "1.5GiB", 2), ("capacity", None, 2),
                                    ("operator", None, 2), ("operator", node.op, 2), ("custody", None, 2),
                                    ("custody", node.op, 20), ("custody", self.path("none"), 10),
                                    ("operator", self.path("none"), 2), ("data", None, 2), ("name", "a\nb", 2),
                                    ("passphrase-file", self.path("none"), 10)):
            done = call(CAIRND, *node.init_args(**{option: value}))
            self.assertEqual(done.returncode, code, (option, value, done.stderr))
            self.assertNotEqual(done.stderr, b"")
            self.assertFalse(os.path.exists(node.home), option)
            self.assertFalse(os.path.exists(node.data), option)

    def test_card_stays_until_something_changes(self):
        node = self.make(1)[0]
        card = ["card", "--home", node.home]
        first = call(CAIRND, *card, check=0).stdout
        self.assertEqual(call(CAIRND, *card, check=0).stdout, first)
        facts = json.loads(call(CAIRND, *card, "--json", check=0).stdout)
        self.assertEqual((facts["seq"], facts["card"]), (1, first.hex()))
        self.edit(node, '"Steward 1"', '"Steward One"')
        facts = json.loads(call(CAIRND, *card, "--json", check=0).stdout)
        self.assertEqual((facts["seq"], facts["name"]), (2, "Steward One"))
        self.assertEqual(call(CAIRND, *card, check=0).stdout.hex(), facts["card"])
        master, slave = pty.openpty()
        done = subprocess.run([CAIRND, *card], stdout=slave, stderr=subprocess.PIPE, timeout=PATIENCE)
        os.close(slave)
        os.close(master)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"terminal", done.stderr)

    def edit(self, node, old, new):
        path = os.path.join(node.home, "cairnd.conf")
        with open(path) as f:
            text = f.read()
        self.assertIn(old, text)
        with open(path, "w") as f:
            f.write(text.replace(old, new))

    def test_check_config_names_the_line(self):
        node = self.make(1)[0]
        facts = json.loads(call(CAIRND, "check-config", "--home", node.home, "--json", check=0).stdout)
        self.assertEqual((facts["name"], facts["capacity"], facts["data"]), ("Steward 1", 1 << 30, node.data))
        path = os.path.join(node.home, "cairnd.conf")
        with open(path) as f:
            line = 1 + [x.split(" ")[0] for x in f].index("capacity")
        self.edit(node, 'capacity = "1GiB"', 'capacity = "lots"')
        for command in ("check-config", "card", "run"):
            done = call(CAIRND, command, "--home", node.home, check=11)
            self.assertIn(f"{path}:{line}: 'capacity'", done.stderr.decode())
        os.unlink(path)
        call(CAIRND, "check-config", "--home", node.home, check=11)
        call(CAIRND, "check-config", check=2, env={k: v for k, v in os.environ.items() if k != "CAIRN_HOME"})

    def test_sealed_keys_ask_for_their_passphrase(self):
        node = Node(self, 1, 7117)
        for name, text in (("right", "a long sentence\n"), ("wrong", "another\n")):
            with open(self.path(name), "w", opener=lambda p, f: os.open(p, f, 0o600)) as f:
                f.write(text)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", node.op], check=True)
        with open(self.path("c1"), "wb") as f:
            f.write(call(CUSTODY, check=0).stdout)
        call(CAIRND, *node.init_args(**{"passphrase-file": self.path("right")}), check=0)
        card = ["card", "--home", node.home]
        call(CAIRND, *card, check=12)
        call(CAIRND, *card, "--passphrase-file", self.path("wrong"), check=12)
        call(CAIRND, *card, "--passphrase-file", self.path("right"), check=0)

    # -- install

    def test_install_takes_only_what_fits(self):
        nodes = self.make(5)
        self.found(nodes[:4])
        self.found(nodes[1:], "charter2", "network2.psk")
        nodes[0].install(check=10, charter="charter2", secret="network2.psk")
        nodes[1].install(check=20, charter="charter", secret="network2.psk")
        with open(self.path("charter"), "rb") as f:
            good = bytearray(f.read())
        for _ in range(8):
            bad = bytearray(good)
            bad[self.rng.randrange(len(bad))] ^= 1 << self.rng.randrange(8)
            with open(self.path("bad"), "wb") as f:
                f.write(bad)
            self.assertNotEqual(call(CAIRND, "install", "--home", nodes[0].home, self.path("bad"),
                                     self.path("network.psk")).returncode, 0)
        self.assertFalse(os.path.exists(os.path.join(nodes[0].home, "charter")))
        nodes[0].run_fails(11, "in no network yet")
        facts = json.loads(nodes[1].install().stdout)
        self.assertEqual((facts["stewards"], facts["epoch"], len(facts["fingerprint"])), (4, 0, 47))
        nodes[1].install()
        nodes[1].install(check=1, charter="charter2", secret="network2.psk")
        psk = os.path.join(nodes[1].home, "network.psk")
        self.assertEqual(os.stat(psk).st_mode & 0o777, 0o600)
        with open(psk, "rb") as f, open(self.path("network.psk"), "rb") as g:
            self.assertEqual(f.read(), g.read())

    # -- run

    def test_stewards_find_each_other_again(self):
        nodes = self.network(4)
        for n in nodes:
            n.start()
        self.wait_connected(nodes)
        for kill in range(KILLS):
            victim = self.rng.choice(nodes)
            rest = [n for n in nodes if n is not victim]
            victim.stop(*((signal.SIGKILL, None) if self.rng.random() < 0.7 else (signal.SIGTERM, 0)))
            self.wait_connected(rest)
            victim.start()
            self.wait_connected(nodes)
        with open(self.path("network.psk"), "rb") as f:
            secret = f.read()[68:100]
        for n in nodes:
            n.stop()
            said = n.said()
            self.assertNotIn(secret.hex(), said)
            for line in said.splitlines():
                self.assertEqual(json.loads(line)["schema"], "cairn.log/1")

    def test_strangers_do_no_harm(self):
        nodes = self.network(4)
        nodes[0].start()
        for size in (0, 1, 47, 48, 49, 4096, 100_000):
            with socket.create_connection(("127.0.0.1", nodes[0].port), timeout=PATIENCE) as s:
                try:
                    s.sendall(self.rng.choice((b"", b"GET / HTTP/1.1\r\n\r\n", b"CRNP\1\1\0\0")) + self.rng.randbytes(size))
                except OSError:
                    pass
        nodes[1].start()
        self.wait_connected(nodes[:2])
        nodes[0].stop()

    def test_only_members_with_good_papers_come_in(self):
        nodes = self.make(4)
        lab = self.path("lab")
        call(CAIRN, "id", "new", "--home", lab, "--name", "A lab", check=0)
        self.found(nodes, others=(os.path.join(lab, "card"),))
        nodes[0].install()
        nodes[0].start()
        for how, want, words in (
                ("good", 0, "from A lab"), ("empty", 3, "shows no certificate"), ("garbage", 3, "shows no certificate"),
                ("net", 3, "another network"), ("key", 3, "another key"), ("unknown", 3, "not in the charter"),
                ("forged", 3, "false certificate"), ("past", 3, "another time"), ("future", 3, "another time"),
                ("itself", 3, "false certificate"), ("recipient", 3, "no member"), ("good", 0, "from A lab")):
            done = call(KNOCK, lab, self.path("charter"), self.path("network.psk"), f"127.0.0.1:{nodes[0].port}", how)
            self.assertEqual(done.returncode, want, (how, done.stderr))
            self.wait(lambda: any(words in line for line in nodes[0].lines()[-3:]), (how, nodes[0].said()))
        nodes[0].stop()

    def test_another_network_does_not_mix(self):
        nodes = self.make(5)
        self.found(nodes[:4])
        self.found(nodes[1:], "charter2", "network2.psk")
        nodes[0].install()
        nodes[1].install(charter="charter2", secret="network2.psk")
        nodes[2].install()
        for n in nodes[:3]:
            n.start()
        self.wait_connected([nodes[0], nodes[2]])
        self.assertEqual(nodes[1].links(), [])

    def test_one_daemon_for_each_home(self):
        node = self.network(4)[0]
        node.start()
        node.run_fails(13, f"process {node.process.pid}")
        node.stop()
        node.start()
        node.stop(signal.SIGINT)

    def test_wrong_mounts_are_refused(self):
        nodes = self.network(4)
        data = nodes[0].data
        os.rename(data, data + ".away")
        nodes[0].run_fails(11, "d1")
        os.mkdir(data)
        nodes[0].run_fails(11, "mount its disk")
        self.assertEqual(os.listdir(data), [])
        os.rmdir(data)
        os.rename(nodes[1].data, data)
        nodes[0].run_fails(11, "mount the right disk")

    def test_database_that_is_not_there_or_damaged(self):
        nodes = self.network(4)
        db = os.path.join(nodes[0].home, "db")
        os.rename(db, db + ".away")
        nodes[0].run_fails(11, "db")
        self.assertFalse(os.path.exists(db))
        os.rename(db + ".away", db)
        nodes[0].start()
        nodes[0].stop()
        with open(os.path.join(db, "CURRENT"), "w") as f:
            f.write("nonsense\n")
        done = call(CAIRND, "run", "--home", nodes[0].home)
        self.assertIn(done.returncode, (1, 20), done.stderr)
        self.assertNotEqual(done.stderr, b"")

    def test_port_in_use(self):
        node = self.network(4)[0]
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.1", node.port))
            s.listen()
            node.run_fails(1, f"127.0.0.1:{node.port}")
        node.start()
        node.stop()


if __name__ == "__main__":
    print(f"seed {SEED} (CAIRN_SEED repeats it)", file=sys.stderr)
    unittest.main()
