#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Stewards' nodes as real processes on the loopback.

usage: daemon.py PATH-TO-CAIRND PATH-TO-CAIRN PATH-TO-CAIRN-CUSTODIAN PATH-TO-KNOCK [unittest arguments]

CAIRN_KILLS sets how often a node is killed (default 6). CAIRN_CLOCK is the library that moves a process's clocks
(integration/clock.c); tests that need it are skipped without.
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
import subprocess
import sys
import tempfile
import time
import unittest

CAIRND, CAIRN, CUSTODIAN, KNOCK = (os.path.abspath(sys.argv.pop(1)) for _ in range(4))
KILLS = int(os.environ.get("CAIRN_KILLS", "6"))
SEED = int(os.environ.get("CAIRN_SEED", random.SystemRandom().getrandbits(32)))
CLOCK = os.environ.get("CAIRN_CLOCK")
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
        self.admin = os.path.join(self.home, "admin.sock")
        self.process = None

    def init_args(self, **changes):
        options = {"--home": self.home, "--name": f"Steward {self.index}", "--jurisdiction": f"J{self.index}",
                   "--provider": f"Provider {self.index}", "--listen": f"127.0.0.1:{self.port}", "--data": self.data,
                   "--capacity": "1GiB", "--reserve": "1MiB", "--custody": self.test.path(f"c{self.index}", "card"),
                   "--operator": self.op + ".pub"}
        options.update({"--" + k: v for k, v in changes.items()})
        return ["init"] + [x for k, v in options.items() if v is not None for x in (k, v)]

    def init(self, **changes):
        if not os.path.exists(self.op):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "op", "-f", self.op], check=True)
            call(CUSTODIAN, "init", "--home", self.test.path(f"c{self.index}"), check=0)
        call(CAIRND, *self.init_args(**changes), check=0)
        with open(self.card, "wb") as f:
            f.write(call(CAIRND, "card", "--home", self.home, check=0).stdout)

    def install(self, check=0, charter="charter", secret="network.psk"):
        return call(CAIRND, "install", "--home", self.home, "--json", self.test.path(charter),
                    self.test.path(secret), check=check)

    def start(self, ready=True, env=None):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([CAIRND, "run", "--home", self.home, "--log-format", "json"],
                                            stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL,
                                            env={**os.environ, **(env or {})})
        if ready:
            line = self.process.stdout.readline().decode()
            self.test.assertEqual(line, f"READY 127.0.0.1:{self.port}\n", self.said())
            line = self.process.stdout.readline().decode()
            self.test.assertEqual(line, f"ADMIN {self.admin}\n", self.said())

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

    def run_fails(self, code, words, **more):
        done = call(CAIRND, "run", "--home", self.home, **more)
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

    def ask(self, resource, method="GET", body=None):
        """One request of the admin API: the code of HTTP, and the answer."""
        connection = http.client.HTTPConnection("cairnd", timeout=PATIENCE)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(PATIENCE)
        connection.sock.connect(self.admin)
        connection.request(method, resource, body)
        response = connection.getresponse()
        answer = response.read()
        response.close()
        connection.close()
        is_json = response.getheader("Content-Type") == "application/json"
        return response.status, json.loads(answer) if is_json else answer

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
                                    ("listen", "0.0.0.0:7117", 2), ("capacity", "1.5GiB", 2),
                                    ("operator", None, 2), ("operator", node.op, 2), ("custody", None, 2),
                                    ("custody", node.op, 20), ("custody", self.path("none"), 10),
                                    ("operator", self.path("none"), 2), ("name", "a\nb", 2),
                                    ("passphrase-file", self.path("none"), 10)):
            done = call(CAIRND, *node.init_args(**{option: value}))
            self.assertEqual(done.returncode, code, (option, value, done.stderr))
            self.assertNotEqual(done.stderr, b"")
            self.assertFalse(os.path.exists(node.home), option)
            self.assertFalse(os.path.exists(node.data), option)

    def test_init_finds_a_place_for_shards(self):
        node = Node(self, 1, 7117)
        node.init(data=None, capacity=None)
        facts = json.loads(call(CAIRND, "check-config", "--home", node.home, "--json", check=0).stdout)
        self.assertEqual(facts["data"], os.path.join(node.home, "data"))
        self.assertGreater(facts["capacity"], 0)

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
        self.assertEqual((facts["lab-quota"], facts["feed-quota"]), (0, 1 << 30))
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
        call(CUSTODIAN, "init", "--home", self.path("c1"), check=0)
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

    # -- admin API

    def test_admin_status_says_how_the_node_is(self):
        nodes = self.network(4)
        for n in nodes:
            n.start()
        self.wait_connected(nodes)
        node = nodes[0]
        self.assertEqual(stat.S_IMODE(os.stat(node.admin).st_mode), 0o600)
        self.wait(lambda: len(node.ask("/v1/status")[1]["links"]) == 3)
        code, status = node.ask("/v1/status")
        self.assertEqual((code, status["schema"], status["covers"]), (200, "cairn.status/1", "this node"))
        self.assertEqual((status["name"], status["pid"]), ("Steward 1", node.process.pid))
        self.assertEqual(status["listen"], [f"127.0.0.1:{node.port}"])
        self.assertEqual(status["stewards"], {"linked": 3, "others": 3, "away": []})
        self.assertEqual({x["member"] for x in status["links"]}, {f"Steward {i}" for i in (2, 3, 4)})
        self.assertEqual({x["role"] for x in status["links"]}, {"steward"})
        self.assertEqual(len(status["feeds"]), 4)
        self.assertEqual({(x["quota"], x["over_quota"]) for x in status["feeds"]}, {(1 << 30, False)})
        self.assertEqual(status["bytes"]["capacity"], 1 << 30)
        self.assertGreater(status["bytes"]["volume_free"], 0)
        self.assertEqual((status["network"]["stewards"], status["network"]["f"]), (4, 1))
        self.assertEqual((status["custodian"]["configured"], status["custodian"]["reachable"]), (False, False))
        self.assertEqual(len(status["trouble"]), 1)
        self.assertIn("no custodian", status["trouble"][0])
        nodes[1].stop()
        self.wait(lambda: node.ask("/v1/status")[1]["stewards"]["linked"] == 2)
        self.assertEqual(len(node.ask("/v1/status")[1]["trouble"]), 1)  # f of them may be away.
        away, = node.ask("/v1/status")[1]["stewards"]["away"]
        self.assertEqual((away["member"], away["away_s"] < PATIENCE), ("Steward 2", True))
        self.assertTrue(away["since"])
        nodes[2].stop(signal.SIGKILL, None)
        self.wait(lambda: len(node.ask("/v1/status")[1]["trouble"]) == 2)
        self.assertEqual(node.ask("/v1/deposits")[1]["deposits"], [])
        self.assertEqual(node.ask("/v1/releases")[1]["releases"], [])
        node.stop()
        self.assertFalse(os.path.exists(node.admin))

    def test_admin_socket_is_made_anew_but_never_over_something_else(self):
        node = self.network(4)[0]
        node.start()
        node.stop(signal.SIGKILL, None)
        self.assertTrue(stat.S_ISSOCK(os.stat(node.admin).st_mode))
        node.start()
        self.assertEqual(node.ask("/v1/status")[0], 200)
        node.stop()
        with open(node.admin, "w") as f:
            f.write("mine")
        node.run_fails(1, "no socket")
        with open(node.admin) as f:
            self.assertEqual(f.read(), "mine")
        os.unlink(node.admin)
        node.start()
        node.stop()

    def test_cairn_status_is_for_people_and_programs(self):
        nodes = self.network(4)
        for n in nodes[:3]:
            n.start()
        self.wait_connected(nodes[:3])
        node = nodes[0]
        self.wait(lambda: node.ask("/v1/status")[1]["stewards"]["linked"] == 2)
        status = ["status", "--home", node.home]
        done = call(CAIRN, *status, check=3)  # It has no custodian.
        for words in ("node       Steward 1", "to 2 of 3 other stewards", "Steward 2", "custodian  none", "TROUBLE"):
            self.assertIn(words, done.stdout.decode())
        facts = json.loads(call(CAIRN, *status, "--json", check=3).stdout)
        self.assertEqual((facts["schema"], facts["name"], facts["stewards"]["linked"]),
                         ("cairn.status/1", "Steward 1", 2))
        call(CAIRN, "status", "--socket", node.admin, check=3)
        node.stop()
        done = call(CAIRN, *status, check=30)
        self.assertEqual(done.stdout, b"")
        self.assertIn(b"cairnd", done.stderr)

    def test_cairn_status_with_all_well(self):
        nodes = self.make(3)
        custodian = self.path("c4", "socket")
        node = Node(self, 4, free_ports(1)[0])
        self.addCleanup(node.end)
        node.init(custodian=custodian)
        nodes.append(node)
        self.found(nodes)
        for n in nodes:
            facts = json.loads(n.install().stdout)
            n.start()
        self.wait_connected(nodes)
        home = self.path("c4")
        call(CUSTODIAN, "pin", "--home", home, self.path("charter"), self.path("network.psk"),
             "--fingerprint", facts["fingerprint"], check=0)
        serving = subprocess.Popen([CUSTODIAN, "run", "--home", home, "--socket", custodian],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        self.addCleanup(serving.wait)
        self.addCleanup(serving.kill)
        self.wait(lambda: call(CAIRN, "status", "--home", node.home).returncode == 0)
        said = node.ask("/v1/status")[1]["custodian"]
        self.assertEqual((said["reachable"], said["shares"]), (True, 0))
        serving.kill()
        self.wait(lambda: not node.ask("/v1/status")[1]["custodian"]["reachable"])
        self.assertIn(b"NOT THERE", call(CAIRN, "status", "--home", node.home, check=3).stdout)

    def test_admin_refuses_what_is_not_there(self):
        node = self.network(4)[0]
        node.start()
        for resource, method, body, code in (
                ("/", "GET", None, 404), ("/v1/nothing", "GET", None, 404), ("/v2/status", "GET", None, 404),
                ("/v1/status", "POST", b"", 405), ("/v1/releases", "DELETE", None, 405),
                ("/v1/deposits/xyz", "GET", None, 400), ("/v1/deposits/0123456", "GET", None, 400),
                ("/v1/deposits/" + "0" * 65, "GET", None, 400), ("/v1/deposits/01234567", "GET", None, 404),
                ("/v1/releases/" + "0" * 64 + "/ticket", "GET", None, 404),
                ("/v1/releases/" + "0" * 64 + "/approval", "POST", b"x", 404),
                ("/v1/releases", "POST", b"garbage", 400), ("/v1/releases", "POST", b"", 400),
                ("/v1/releases", "POST", bytes(65537), 413), ("/v1/status", "GET", b"body", 400)):
            got, answer = node.ask(resource, method, body)
            self.assertEqual((got, answer["schema"]), (code, "cairn.error/1"), (resource, method, answer))
            self.assertGreater(answer["status"], 0)
            self.assertTrue(answer["error"])
        node.stop()

    def test_admin_stops_with_clients_that_hang(self):
        node = self.network(4)[0]
        node.start()
        clients = []
        for sent in (b"", b"GET /v1/st", b"POST /v1/releases HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"):
            s = socket.socket(socket.AF_UNIX)
            s.connect(node.admin)
            s.sendall(sent)
            clients.append(s)
        self.assertEqual(node.ask("/v1/status")[0], 200)
        node.stop()
        for s in clients:
            s.close()

    def test_systemd_is_told(self):
        node = self.network(4)[0]
        path = self.path("notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.bind(path)
            s.settimeout(PATIENCE)
            node.start(env={"NOTIFY_SOCKET": path})
            self.assertEqual(s.recv(100), b"READY=1")
            node.stop()
            self.assertEqual(s.recv(100), b"STOPPING=1")
        node.start(env={"NOTIFY_SOCKET": "/nowhere" * 40})
        node.stop()

    def test_custodian_that_is_not_there_is_told(self):
        node = Node(self, 1, free_ports(1)[0])
        self.addCleanup(node.end)
        node.init(custodian=self.path("custodian.sock"))
        self.nodes = [node]
        self.make(3)
        self.found(self.nodes)
        node.install()
        facts = json.loads(call(CAIRND, "check-config", "--home", node.home, "--json", check=0).stdout)
        self.assertEqual(facts["custodian"], self.path("custodian.sock"))
        node.start()
        self.wait(lambda: any("custodian:" in line for line in node.lines()))
        custodian = node.ask("/v1/status")[1]["custodian"]
        self.assertEqual((custodian["configured"], custodian["reachable"]), (True, False))
        self.assertTrue(custodian["since"])
        node.stop()

    # -- clocks

    def clock(self, seconds):
        """Environment of processes whose clocks stand so far ahead, and go on from there."""
        with open(self.path("clock.new"), "w") as f:
            f.write(str(seconds))
        os.replace(self.path("clock.new"), self.path("clock"))
        return {"LD_PRELOAD": CLOCK, "CAIRN_CLOCK_FILE": self.path("clock"),
                "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")}

    @unittest.skipUnless(CLOCK, "CAIRN_CLOCK is not set")
    def test_clock_before_the_charter(self):
        node = self.network(4)[0]
        node.run_fails(1, "clock", env={**os.environ, **self.clock(-2 * 86400)})
        node.start(env=self.clock(-86400 // 2))
        node.stop()

    @unittest.skipUnless(CLOCK, "CAIRN_CLOCK is not set")
    def test_certificates_are_renewed(self):
        nodes = self.network(4)[:2]
        for n in nodes:
            n.start(env=self.clock(0))
        self.wait_connected(nodes)
        before = [sum(" up, " in line for line in n.lines()) for n in nodes]
        self.clock(9 * 86400)  # Longer than a certificate lives.
        self.wait(lambda: [n.ask("/v1/status")[0] for n in nodes] == [200, 200] and
                  all(sum(" up, " in line for line in n.lines()) > b for n, b in zip(nodes, before)))
        self.wait_connected(nodes)
        for n in nodes:
            self.assertNotIn("another time", n.said())
            n.stop()

    @unittest.skipUnless(CLOCK, "CAIRN_CLOCK is not set")
    def test_a_steward_that_is_away_for_a_day_is_named(self):
        nodes = self.network(4)
        for n in nodes[:3]:
            n.start(env=self.clock(0))
        self.wait_connected(nodes[:3])
        status = nodes[0].ask("/v1/status")[1]
        self.assertEqual([(x["member"], x["since"]) for x in status["stewards"]["away"]], [("Steward 4", None)])
        self.assertNotIn("Steward 4", "".join(status["trouble"]))
        nodes[1].stop()
        self.wait(lambda: nodes[0].ask("/v1/status")[1]["stewards"]["linked"] == 1)
        self.clock(86400 + 60)

        def named():
            trouble = "".join(nodes[0].ask("/v1/status")[1]["trouble"])
            return "no link to Steward 2 for 1 d" in trouble and "no link to Steward 4 for 1 d" in trouble
        self.wait(named)
        said = call(CAIRN, "status", "--home", nodes[0].home, check=3).stdout.decode()
        self.assertIn("NOT LINKED for 1 d", said)
        self.assertIn("NOT LINKED since this node was started, 1 d", said)
        for n in (nodes[0], nodes[2]):
            n.stop()

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
