#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Whole networks of real processes: deposits, faults, releases, recoveries.

usage: network.py PATH-TO-CAIRN PATH-TO-CAIRND PATH-TO-CAIRN-CUSTODIAN PATH-TO-READER [unittest arguments]

The reader is tests/reader/recover.py. CAIRN_KILLS sets how often a process is killed in each story (default 6),
CAIRN_SEED repeats a run's choices, CAIRN_LIMIT is how many seconds anything may take before it counts as hung.
"""

import atexit
import collections
import glob
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import unittest

from network_world import KILLED, LIMIT, Network, Programs, call, memory_high, spawn, tree, wait, write
from proxy import Proxy

Programs.cairn, Programs.cairnd, Programs.custodian, READER = (os.path.abspath(sys.argv.pop(1)) for _ in range(4))
KILLS = int(os.environ.get("CAIRN_KILLS", "6"))
SEED = int(os.environ.get("CAIRN_SEED", random.SystemRandom().getrandbits(32)))
with open(Programs.cairnd, "rb") as _program:
    SANITIZED = b"__asan_init" in _program.read()
# How long a deposit waits for who is not there; not for who is slow.
PATIENCE = "12" if SANITIZED else "3"
MIB = 1 << 20

sys.path.insert(0, os.path.dirname(READER))
import recover as reader  # noqa: E402


class NetworkCase(unittest.TestCase):
    """Tests that share a network, in the order of their names; each leaves it as it found it."""

    stewards = 7

    @classmethod
    def setUpClass(cls):
        cls.net = Network(cls.stewards, random.Random(f"{SEED}-{cls.__name__}"))
        cls.addClassCleanup(cls.net.close)
        cls.prepare()

    @classmethod
    def prepare(cls):
        cls.net.init()
        cls.net.found()
        cls.net.start()

    def setUp(self):
        self.rng = random.Random(f"{SEED}-{self.id()}")
        began = time.monotonic()
        self.addCleanup(lambda: print(f"{time.monotonic() - began:.1f} s", file=sys.stderr))

    def path(self, *names):
        return self.net.path(*names)

    def moment(self, most):
        time.sleep(self.rng.uniform(0.02, most))

    def restores(self, certificate, want, *options):
        """A release of that deposit gives these files."""
        release, folder = self.net.release(certificate, self.rng.sample(self.net.running(), 3))
        out = self.path(f"restored-{release[:16]}")
        self.net.recover(folder, out, *options)
        self.assertEqual(tree(out), want)
        shutil.rmtree(out)

    def half_way(self, model, sig, *options, least=5, most=100):
        """A deposit that got a signal when so many segments of it were committed."""
        for _ in range(50):
            process = self.net.deposit_start(model, *options)
            wait(lambda: self.net.committed() > least or process.poll() is not None, pause=0.002)
            process.send_signal(sig)
            time.sleep(0.05)
            if process.poll() in (None, -signal.SIGKILL) and least < self.net.committed() < most:
                return process
            process.kill()
            process.wait(LIMIT)
            shutil.rmtree(os.path.join(self.net.lab, "deposits"), ignore_errors=True)
        self.fail("it is always done before it can be stopped")

    def papers(self, certificate):
        """Manifest, receipts and acknowledgements of a certificate, its path or bytes (docs/FORMAT.md 13)."""
        if isinstance(certificate, str):
            with open(certificate, "rb") as f:
                certificate = f.read()
        self.assertEqual(certificate[:4], b"CRNC")
        return reader.unpack_all(certificate[4:])[2:]

    def one_word_of_each(self, deposit, certificates):
        """No steward has said two things about its shard, whomever one asks."""
        said = {}
        certificates += [s.ask(f"/v1/deposits/{deposit}/certificate") for s in self.net.running()]
        for certificate in certificates:
            manifest, receipts, acknowledgements = self.papers(certificate)
            self.assertEqual(said.setdefault("manifest", manifest), manifest)
            for entry in receipts:
                header, _, payload = reader.unpack_all(entry)
                author = reader.unpack_all(header)[2]
                self.assertEqual(said.setdefault(("receipt", author), payload), payload)
            for entry in acknowledgements:
                header = reader.unpack_all(reader.unpack_all(entry)[0])
                said.setdefault(("ack", header[2]), entry)
        return said

    def entries(self):
        """How many entries every feed has, once all who run agree."""
        def agreed():
            feeds = [{f["member"]: f["entries"] for f in s.status()["feeds"]} for s in self.net.running()]
            return feeds[0] if all(f == feeds[0] for f in feeds) else None
        return wait(agreed, "the feeds do not come to agree")


class Life(NetworkCase):
    """A deposit, its release, and what is left when lab and stewards are lost."""

    @classmethod
    def prepare(cls):
        for s in cls.net:
            s.node_options = s.custodian_options = ["--verbose"]
        super().prepare()
        cls.model = cls.net.model("model", 8 * MIB)
        cls.want = tree(cls.model)
        cls.cert = cls.net.path("cert")
        cls.made = cls.net.deposit(cls.model, "--certificate", cls.cert, "--verify", "full")

    def all_say(self, release, what):
        for s in self.net.running():
            wait(lambda: what(s.ask(f"/v1/releases/{release}") or {}),
                 lambda: f"{s.name}: {s.ask('/v1/releases/' + release)}")

    def refused(self, done, code, words):
        self.assertEqual((done.returncode, done.stdout), (code, b""), done.stderr)
        self.assertIn(words, done.stderr.decode())

    def nothing_moved(self, release):
        for s in self.net.running():
            shown = s.ask(f"/v1/releases/{release}")
            self.assertEqual((shown["decisions"], shown["open"]), ([], False), (s.name, shown))
            self.assertEqual(s.cairn("release", "status", release).returncode, 22)
            self.refused(s.cairn("release", "ticket", release, "-o", self.path("no-ticket")), 22, "release")
            self.assertFalse(os.path.exists(self.path("no-ticket")))

    # -- the deposit

    def test_a_certificate_proves_the_deposit(self):
        self.assertEqual((self.made["receipts"], self.made["acknowledgements"], self.made["sealed"]), (7, 7, True))
        self.assertEqual(self.made["verified_segments"], self.made["segments"])
        facts = self.net.verify(self.cert)
        self.assertEqual((facts["deposit"], facts["sealed"], facts["fingerprint"]),
                         (self.made["deposit"], True, self.net.fingerprint))
        for s in self.net:
            shown = wait(lambda: (lambda d: d if d and d["sealed"] else None)(
                s.ask(f"/v1/deposits/{self.made['deposit']}")))
            self.assertEqual((shown["receipts"], shown["acknowledgements"], shown["state"]), (7, 7, "held"))
            with open(self.path("again.cert"), "wb") as f:
                f.write(s.ask(f"/v1/deposits/{self.made['deposit']}/certificate"))
            self.assertTrue(self.net.verify(self.path("again.cert"))["sealed"])
        with open(self.cert, "rb") as f:
            paper = bytearray(f.read())
        for _ in range(5):
            bad = bytearray(paper)
            bad[self.rng.randrange(4, len(bad))] ^= 1 << self.rng.randrange(8)
            write(self.path("bad.cert"), bad)
            done = call(Programs.cairn, "deposit", "verify", self.path("bad.cert"))
            self.assertIn(done.returncode, (1, 12, 20))  # 1: it says that it is of a later format.
            self.assertIn(b"is false", done.stderr)

    def test_b_stewards_keep_what_strangers_can_read(self):
        for s in self.net:
            folder, = s.shards()
            self.assertEqual(sorted(os.listdir(folder)), ["charter", "manifest", "shard", "sums", "tree"], "docs/FORMAT.md 2")

    # -- releases that are not to be

    def test_c_two_approvals_are_not_three(self):
        net = self.net
        release, _ = net.request(self.cert, net[1])
        for s in (net[1], net[2]):
            net.approve(release, s)
        net.approve(release, net[2])  # Twice by one counts once.
        self.all_say(release, lambda r: sorted(r.get("approvals", [])) == ["Steward 1", "Steward 2"])
        # Their own operators' words are all that a custodian could act upon: give it time to do so wrongly.
        time.sleep(1)
        self.nothing_moved(release)

    def test_d_approvals_that_do_not_count(self):
        net = self.net
        release, _ = net.request(self.cert, net[1])
        other, _ = net.request(self.cert, net[1])
        net.wait_known(release, net)
        net.wait_known(other, net)
        stranger = self.path("operators", "stranger")
        call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "nobody", "-f", stranger, check=0)

        def approve(at, signature):
            return at.cairn("release", "approve", release, "--signature", signature)
        self.refused(approve(net[1], net.sign(release, net[1], stranger)), 12, "operator")
        self.refused(approve(net[1], net.sign(release, net[1], net[2].op)), 12, "operator")
        self.refused(approve(net[1], net.sign(other, net[1])), 12, "does not sign the text of this request")
        write(self.path("nonsense.sig"), b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n")
        self.assertEqual(approve(net[1], self.path("nonsense.sig")).returncode, 20)
        text = self.path("file.txt")
        net[1].cairn("release", "show", release, "--to-sign", text, check=0)
        call("ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", net[1].op, text, check=0)
        self.refused(approve(net[1], text + ".sig"), 12, "cairn-approval@v1")
        for s in net:
            self.assertEqual(s.ask(f"/v1/releases/{release}")["approvals"], [])
        self.nothing_moved(release)

    def test_e_who_denies_takes_no_part_and_others_do(self):
        net = self.net
        release, folder = net.request(self.cert, net[1])
        net.wait_known(release, net)
        net[1].cairn("release", "deny", release, "--yes", check=0)
        self.refused(net[1].cairn("release", "approve", release, "--signature", net.sign(release, net[1])), 12,
                     "has denied that request")
        for s in (net[3], net[5], net[7]):
            net.approve(release, s)
        net.ticket(release, net[3], folder)
        others = [f"Steward {i}" for i in range(2, 8)]
        self.all_say(release, lambda r: sorted(r["decisions"]) == others)
        self.assertTrue(net[1].ask(f"/v1/releases/{release}")["denied"])
        net.recover(folder, self.path("denied"))
        self.assertEqual(tree(self.path("denied")), self.want)
        for s in net:
            self.assertNotIn("Steward 1", s.ask(f"/v1/releases/{release}")["decisions"])

    def test_f_tickets_and_keys_go_together(self):
        net = self.net
        stewards = self.rng.sample(net.stewards, 3)
        _, mine = net.release(self.cert, stewards)
        _, theirs = net.release(self.cert, stewards)
        out = self.path("nothing")
        for ticket, keys, words in ((theirs, mine, "not those of the request"), (mine, theirs, "not those of")):
            done = call(Programs.cairn, "recover", "--ticket", os.path.join(ticket, "ticket"), "--keys",
                        os.path.join(keys, "request.key"), out)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(words, done.stderr.decode())
        with open(os.path.join(mine, "ticket"), "rb") as f:
            paper = bytearray(f.read())
        os.mkdir(self.path("forged"))
        shutil.copy(os.path.join(mine, "request.key"), self.path("forged"))
        for at in (self.rng.randrange(4), self.rng.randrange(4, len(paper) - 40)):
            bad = bytearray(paper)
            bad[at] ^= 1
            write(self.path("forged", "ticket"), bad, 0o600)
            done = call(*net.recover_args(self.path("forged"), out))
            self.assertNotEqual(done.returncode, 0, f"byte {at} of the ticket")
            self.assertNotEqual(done.stderr, b"")
        # With another secret no steward so much as answers.
        bad = bytearray(paper)
        bad[-1] ^= 1
        write(self.path("forged", "ticket"), bad, 0o600)
        said = self.path("forged", "said")
        with open(said, "wb") as f:
            process = spawn(*net.recover_args(self.path("forged"), out, "--verbose"), stdout=f, stderr=f)

        def refused_by_all():
            with open(said) as f:
                text = f.read()
            self.assertNotIn(": connected", text)
            return all(f"{s.name} ({s.address}): not reached" in text for s in net)
        wait(refused_by_all)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(LIMIT), 130)
        self.assertFalse(os.path.exists(out) and os.listdir(out))

    # -- recipients

    def test_g_a_recipient_that_is_killed_goes_on(self):
        net = self.net
        _, folder = net.release(self.cert, self.rng.sample(net.stewards, 3))
        out = self.path("restored")
        for _ in range(KILLS):
            process = spawn(*net.recover_args(folder, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.moment(0.8)
            process.send_signal(self.rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGINT)))
            code = process.wait(LIMIT)
            KILLED["recipients"] += code == -signal.SIGKILL
            self.assertIn(code, (0, -signal.SIGKILL, 130, -signal.SIGINT))
        net.recover(folder, out)
        self.assertEqual(tree(out), self.want)
        net.recover(folder, out)
        first = os.path.join(out, "weights", "part-0.dat")
        with open(first, "r+b") as f:
            f.write(b"another")
        self.assertIn(b"--force", net.recover(folder, out, check=1).stderr)
        net.recover(folder, out, "--force")
        self.assertEqual(tree(out), self.want)

    def test_h_a_release_while_nodes_are_killed(self):
        net = self.net
        release, folder = net.request(self.cert, net[1])
        approving = self.rng.sample(net.stewards, 3)
        for s in approving:
            net.approve(release, s)
        for _ in range(2 * KILLS):
            s = self.rng.choice(net.stewards)
            self.rng.choice((s.end_node, s.end_custodian, s.kill))()
            self.moment(0.2)
            s.start()
            self.moment(0.2)
        net.start()
        net.ticket(release, self.rng.choice(net.stewards), folder)
        # The policy is met, so all custodians decide, each once.
        names = sorted(s.name for s in net)
        self.all_say(release, lambda r: sorted(r.get("decisions", [])) == names and r["open"])
        net.recover(folder, self.path("stormy"))
        self.assertEqual(tree(self.path("stormy")), self.want)

    def secrets(self):
        """Each secret of this network that lies in the clear in a file, with the files that it may be in."""
        found = collections.defaultdict(set)
        for at, _, names in os.walk(self.net.temp):
            for path in (os.path.join(at, name) for name in names):
                if not os.path.isfile(path):
                    continue
                with open(path, "rb") as f:
                    data = f.read(1 << 16)
                if data[:4] == b"CRNK":
                    self.assertEqual(os.stat(path).st_mode & 0o777, 0o600, path)
                    self.assertEqual(data[5], 0, "in the clear, so that the test can read it")
                    payload, purpose = data[68:-16], data[6]
                    parts = [payload] if len(payload) == 32 else reader.unpack_all(payload)[1:4]
                    for part in parts[:2] if purpose == 5 else parts:  # A recipient's third is public.
                        found[part].add(path)
                elif data[:8] == b"CRNSHARE":
                    share = reader.read_share(path)
                    for scalar in (share.f, share.g):
                        found[scalar.to_bytes(32, "little")].add(path)
                elif os.path.basename(path) == "ticket":
                    self.assertEqual(os.stat(path).st_mode & 0o777, 0o600, path)
                    found[data[-32:]].add(path)
        return found

    def test_i_secrets_stay_in_their_places(self):
        net = self.net
        _, folder = net.release(self.cert, self.rng.sample(net.stewards, 3))
        done = net.recover(folder, self.path("restored-i"), "--verbose", "--save-shares", self.path("opened-i"))
        write(self.path("recover.log"), done.stdout + done.stderr)
        secrets = self.secrets()
        # Of nodes, custodians, lab, recipient, network, release; and three shares.
        self.assertGreaterEqual(len(secrets), 7 * 3 + 7 * 3 + 3 + 2 + 1 + 1 + 3 * 2)
        self.assertTrue(all(len(secret) == 32 for secret in secrets))
        looked = 0
        for at, _, names in os.walk(net.temp):
            for path in (os.path.join(at, name) for name in names if name not in ("shard", "tree")):
                if not os.path.isfile(path) or at.startswith((self.model, self.path("restored-i"))):
                    continue
                with open(path, "rb") as f:
                    data = f.read()
                looked += 1
                for secret, places in secrets.items():
                    if path not in places:
                        self.assertFalse(secret in data or secret.hex().encode() in data.lower(),
                                         f"{path} holds a secret of {places}")
        self.assertTrue(all(s.said() and s.custodian_said() for s in net))
        self.assertGreater(looked, 7 * 10)
        shutil.rmtree(self.path("restored-i"))
        shutil.rmtree(self.path("opened-i"))

    # -- the end

    def test_z_lab_and_three_stewards_are_lost(self):
        net = self.net
        shutil.rmtree(self.model)
        shutil.rmtree(net.lab)
        lost = self.rng.sample(net.stewards, 3)
        for s in lost:
            s.destroy()
        left = [s for s in net if s not in lost]
        for s in left:
            s.kill()
        net.start(left)
        shown = json.loads(left[0].cairn("deposit", "list", "--json", check=0).stdout)
        self.assertIn(self.made["deposit"], [d["id"] for d in shown["deposits"]])
        with open(self.path("left.cert"), "wb") as f:
            f.write(left[1].cairn("deposit", "export", self.made["deposit"], check=0).stdout)
        _, folder = net.release(self.path("left.cert"), left[:3])
        shares = self.path("opened")
        net.recover(folder, self.path("all"), "--save-shares", shares)
        self.assertEqual(tree(self.path("all")), self.want)
        net.recover(folder, self.path("some"), "--only", "weights/part-1.dat", "--only", "empty")
        self.assertEqual(tree(self.path("some")), {p: self.want[p] for p in ("weights/part-1.dat", "empty")})
        # Without Cairn: what lies in the stewards' folders, and the shares.
        folders = []
        for i, s in enumerate(left):
            folders.append(self.path(f"carried-{i}"))
            shutil.copytree(s.shards()[0], folders[-1])
        opened = sorted(glob.glob(os.path.join(shares, "share-*")))
        self.assertEqual(len(opened), 3)
        call("/usr/bin/python3", READER, "--verify", "--shards", *folders, "--shares", *opened, self.path("read"),
             check=0)
        self.assertEqual(tree(self.path("read")), self.want)
        call(Programs.cairn, "recover", "--from", *folders, "--shares", *opened, self.path("offline"), check=0)
        self.assertEqual(tree(self.path("offline")), self.want)


class Faults(NetworkCase):
    """Deposits while something is wrong with the lab, a node, a custodian."""

    def setUp(self):
        super().setUp()
        self.net.start()
        self.cert = self.path(f"{self.id().split('.')[-1]}.cert")

    def run_until_killed(self, model, sig, most, *options):
        """One run, that many seconds long at most: its exit code."""
        process = self.net.deposit_start(model, *options)
        try:
            process.wait(self.rng.uniform(0.02, most))
        except subprocess.TimeoutExpired:
            process.send_signal(sig)
        code = process.wait(LIMIT)
        KILLED["labs"] += code == -signal.SIGKILL
        return code

    def test_a_lab_that_is_killed_goes_on(self):
        net = self.net
        model = net.model("killed", 16 * MIB)
        before = self.entries()
        code = None
        for kill in range(3 * KILLS):
            sig = signal.SIGKILL if kill % 3 else signal.SIGINT
            code = self.run_until_killed(model, sig, 0.4, "--certificate", self.cert)
            self.assertIn(code, (0, -signal.SIGKILL, 130, -signal.SIGINT), net.deposit_said()[-2000:])
            if code == 0:
                break
        if code != 0:
            net.deposit(model, "--certificate", self.cert)
        facts = net.verify(self.cert)
        self.assertTrue(facts["sealed"])
        self.one_word_of_each(facts["deposit"], [self.cert])
        after = self.entries()
        for member, entries in after.items():
            self.assertEqual(entries - before.get(member, 0), 1 if member == "Example Lab" else 2, member)
        self.restores(self.cert, tree(model))

    def test_aa_the_same_again_changes_nothing(self):
        net = self.net
        model = net.model("once", 2 * MIB)
        first = net.deposit(model)
        self.assertFalse(first["already"])
        before = self.entries()
        again = net.deposit(model, "--certificate", self.cert)
        self.assertEqual((again["deposit"], again["already"], again["sealed"]), (first["deposit"], True, True))
        self.assertEqual(net.verify(self.cert)["deposit"], first["deposit"])
        self.assertEqual(self.entries(), before)
        # Another label, a wish, or a touched file: another deposit.
        ids = {first["deposit"]}
        for change in (("--label", "another"), ("--again",), ()):
            if not change:
                os.utime(os.path.join(model, "run.sh"))
            made = net.deposit(model, *change)
            self.assertFalse(made["already"])
            ids.add(made["deposit"])
        self.assertEqual(len(ids), 4)

    def elsewhere(self, mounts, model, *options):
        """A deposit where these mounts are, which nobody else sees; skips where that is not allowed."""
        if call("unshare", "-m", "true").returncode != 0:
            self.skipTest("no mounts of its own are allowed here")
        return call("unshare", "-m", "sh", "-ec", mounts + '\nexec "$@"', "sh",
                    *self.net.deposit_args(model, *options, "--json"))

    def lab_read_only(self):
        return f"mount --bind {self.net.lab} {self.net.lab}\nmount -o remount,ro,bind {self.net.lab}"

    def test_ab_what_cannot_be_written_is_known_before_anything_is_sent(self):
        net = self.net
        model = net.model("nowhere", MIB)
        before = tree(net.lab)
        want = tree(model)
        for where, code, words in ((self.path("none", "cert"), 10, "no such path"),
                                   (self.path("operators"), 1, "is a folder"), ("/dev/null", 1, "no regular file"),
                                   (os.path.join(model, "cert"), 1, "in the model itself"),
                                   (os.path.join(model, "README.md"), 1, "no certificate")):
            said = net.deposit(model, "--certificate", where, check=code)
            self.assertIn(words, said)
            self.assertNotIn("offering", said)
        done = self.elsewhere(self.lab_read_only(), model)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(b"read-only", done.stderr)
        self.assertNotIn(b"offering", done.stderr)
        self.assertNotIn(b"erase", done.stderr)
        self.assertEqual((tree(net.lab), tree(model)), (before, want))

    def test_ac_a_copy_that_fails_fails_nothing_else(self):
        net = self.net
        model = net.model("copied", MIB)
        small = self.path("small")
        os.mkdir(small)
        full = f"mount -t tmpfs -o size=8k none {small}\ndd if=/dev/zero of={small}/full 2>&- || :"
        done = self.elsewhere(full, model, "--certificate", os.path.join(small, "cert"))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(b"no space left", done.stderr)
        self.assertIn(b"the deposit is made, and this is its certificate", done.stderr)
        before = self.entries()
        made = net.deposit(model, "--certificate", os.path.join(small, "cert"))
        self.assertEqual((made["already"], made["sealed"]), (True, True))
        self.assertEqual(net.verify(os.path.join(small, "cert"))["deposit"], made["deposit"])
        done = self.elsewhere(self.lab_read_only(), model)  # What is made needs nothing written.
        self.assertEqual((done.returncode, json.loads(done.stdout)["already"]), (0, True), done.stderr)
        self.assertEqual(self.entries(), before)

    def poke(self, model, name, at):
        with open(os.path.join(model, name), "r+b") as f:
            f.seek(at)
            byte = f.read(1)[0]
            f.seek(at)
            f.write(bytes([byte ^ 0x55]))

    def test_b_a_model_that_changes_is_noticed(self):
        net = self.net
        model = net.model("changing", 12 * MIB, parts=1)
        self.half_way(model, signal.SIGKILL).wait(LIMIT)
        self.poke(model, "run.sh", 3)  # Among the first bytes of the model.
        self.poke(model, "weights/part-0.dat", 100)
        first = net.deposit(model, check=20)
        self.assertIn("changed since the deposit began", first)
        self.assertNotIn("(null)", first)
        self.poke(model, "run.sh", 3)
        self.poke(model, "weights/part-0.dat", 100)
        with open(os.path.join(model, "weights/part-0.dat"), "ab") as f:
            f.write(b"more")
        said = net.deposit(model, check=20)
        self.assertIn("bytes now and was", said)
        os.truncate(os.path.join(model, "weights/part-0.dat"), 12 * MIB)
        said = net.deposit(model, "--label", "another", check=20)
        self.assertNotIn("(null)", said)
        # What was not sealed yet may change: then that is the model.
        self.poke(model, "weights/part-0.dat", 12 * MIB - 1)
        net.deposit(model, "--certificate", self.cert)
        self.assertTrue(net.verify(self.cert)["sealed"])
        self.restores(self.cert, tree(model))

    def test_c_a_model_that_changes_while_it_is_read(self):
        net = self.net
        model = net.model("moving", 12 * MIB)
        # A file that is being read, and one that was read long ago.
        for name, least, most in (("weights/part-2.dat", 140, 185), ("weights/part-0.dat", 80, 185)):
            process = self.half_way(model, signal.SIGSTOP, "--certificate", self.cert, least=least, most=most)
            before = len(net.deposit_said())
            self.poke(model, name, 100)
            process.send_signal(signal.SIGCONT)
            self.assertNotEqual(process.wait(LIMIT), 0, "sealed with mixed content")
            said = net.deposit_said()[before:]
            self.assertIn("changed while it was read", said)
            self.assertNotIn("the manifest is published", said)
            self.assertFalse(os.path.exists(self.cert))
            self.poke(model, name, 100)
            shutil.rmtree(os.path.join(net.lab, "deposits"))
        net.deposit(model, "--certificate", self.cert)
        self.restores(self.cert, tree(model))

    def test_d_nodes_and_custodians_that_are_killed(self):
        net = self.net
        model = net.model("storm", 16 * MIB)
        before = self.entries()
        down, kills, runs = [], 0, 0
        process = net.deposit_start(model, "--certificate", self.cert, "--patience", PATIENCE)
        while True:
            self.moment(0.3)
            if kills < 3 * KILLS and len(down) < 2:
                s = self.rng.choice([s for s in net if s not in down])
                what = self.rng.choice((s.end_node, s.end_custodian, s.kill))
                what()
                down.append(s)
                kills += 1
            elif down:
                down.pop(self.rng.randrange(len(down))).start()
            if self.rng.random() < 0.1 and kills < 3 * KILLS:
                process.kill()
                KILLED["labs"] += process.wait(LIMIT) == -signal.SIGKILL
            if process.poll() is not None:
                runs += 1
                if process.returncode == 0:
                    break
                self.assertLess(runs, 40, net.deposit_said()[-3000:])
                if runs > 20:
                    kills = 3 * KILLS
                process = net.deposit_start(model, "--certificate", self.cert, "--patience", PATIENCE)
        net.start()
        facts = net.verify(self.cert)
        self.assertEqual((facts["receipts"], facts["sealed"]), (7, True))
        said = self.one_word_of_each(facts["deposit"], [self.cert])
        self.assertEqual(sum(key[0] == "receipt" for key in said), 7)
        for member, entries in self.entries().items():
            self.assertLessEqual(entries - before.get(member, 0), 1 if member == "Example Lab" else 2, member)
        self.restores(self.cert, tree(model))

    def test_e_a_steward_that_is_away_is_filled_in_later(self):
        net = self.net
        model = net.model("away", 4 * MIB)
        away = self.rng.choice(net.stewards)
        away.kill()
        said = net.deposit(model, "--patience", PATIENCE, "--certificate", self.cert, check=10)
        for words in ("only 6 of 7 stewards have given a receipt", away.name, "do not delete your copy"):
            self.assertIn(words, said)
        self.assertFalse(os.path.exists(self.cert))
        net.start()
        made = net.deposit(model, "--certificate", self.cert)
        self.assertEqual((made["receipts"], made["sealed"], made["resumed"]), (7, True, True))
        self.assertEqual(net.verify(self.cert)["receipts"], 7)
        # Its shard is as good as any other: it alone with three more restores.
        others = self.rng.sample([s for s in net if s is not away], 3)
        for s in others:
            s.kill()
        self.restores(self.cert, tree(model))

    def test_f_less_than_all_is_said(self):
        net = self.net
        model = net.model("margin", 2 * MIB)
        away = self.rng.sample(net.stewards, 3)
        away[0].kill()
        made = net.deposit(model, "--patience", PATIENCE, "--accept-margin", "--certificate", self.cert)
        self.assertEqual((made["receipts"], made["sealed"]), (6, False))
        self.assertFalse(net.verify(self.cert, check=1)["sealed"])
        self.assertTrue(net.deposit(model, "--accept-margin")["already"])
        away[1].kill()
        away[2].kill()
        said = net.deposit(model, "--patience", PATIENCE, check=10)
        self.assertIn("only 4 of 7 stewards", said)
        said = net.deposit(model, "--patience", PATIENCE, "--accept-margin", check=10)
        for words in ("only 4 of 7 stewards", "and 5 must", away[0].name, away[1].name, away[2].name):
            self.assertIn(words, said)
        net.start()
        made = net.deposit(model)
        self.assertEqual((made["sealed"], made["already"]), (True, False))

    def test_g_a_steward_that_stands_still_is_set_aside(self):
        net = self.net
        model = net.model("still", 12 * MIB)
        still = self.rng.choice(net.stewards)
        process = net.deposit_start(model, "--patience", PATIENCE, "--certificate", self.cert)
        self.moment(0.8)
        still.node.send_signal(signal.SIGSTOP)
        try:
            code = process.wait(LIMIT)
        finally:
            still.node.send_signal(signal.SIGCONT)
        self.assertIn(code, (0, 10), net.deposit_said()[-2000:])  # 0: it had all it needed from that one.
        if code != 0:
            self.assertIn(f"{still.name}:", net.deposit_said()[-2000:])
            net.deposit(model, "--certificate", self.cert)
        self.assertEqual(net.verify(self.cert)["receipts"], 7)
        self.restores(self.cert, tree(model))

    def test_h_custodians_that_are_away_are_waited_for(self):
        net = self.net
        model = net.model("custodians", 2 * MIB)
        away = self.rng.sample(net.stewards, 3)
        for s in away:
            s.end_custodian()
        said = net.deposit(model, "--patience", PATIENCE, "--certificate", self.cert, check=10)
        self.assertIn("only 4 of 7 stewards have acknowledged their key share, and 5 must", said)
        for s in away:
            self.assertIn(s.name, said)
        self.assertFalse(os.path.exists(self.cert))
        away[0].start_custodian()
        before = len(net.deposit_said())
        self.assertEqual(net.deposit_start(model, "--patience", PATIENCE, "--certificate", self.cert).wait(LIMIT), 0)
        self.assertRegex(net.deposit_said()[before:], "[0-5] of 7 custodians acknowledged; waiting for the others")
        made = net.verify(self.cert)
        self.assertEqual((made["receipts"], made["acknowledgements"], made["sealed"]), (7, 5, True))
        net.start()
        self.restores(self.cert, tree(model))

    def test_ha_stewards_that_stand_still_after_their_receipts_end_the_reading_too(self):
        net = self.net
        model = net.model("receipts", 64 * MIB)
        before = len(net.deposit_said())
        process = net.deposit_start(model, "--verify", "full", "--patience", PATIENCE, "--certificate", self.cert)
        while "dealing the key shares" not in net.deposit_said()[before:] and process.poll() is None:
            time.sleep(0.001)
        still = self.rng.sample(net.stewards, 4)
        for s in still:
            s.node.send_signal(signal.SIGSTOP)
        try:
            code = process.wait(LIMIT)
        finally:
            for s in still:
                s.node.send_signal(signal.SIGCONT)
        self.assertIn(code, (0, 10), net.deposit_said()[before:])  # 0: it had all it needed from those four.
        if code != 0:
            self.assertRegex(net.deposit_said()[before:], "have acknowledged their key share|could not be read back")
            net.deposit(model, "--certificate", self.cert)
        self.assertEqual(net.verify(self.cert)["receipts"], 7)
        self.restores(self.cert, tree(model))

    @unittest.skipIf(SANITIZED, "sanitizers take memory of their own")
    def test_i_memory_stays_small(self):
        net = self.net
        model = net.model("large", 64 * MIB, parts=1)
        process = net.deposit_start(model)
        lab = 0
        while process.poll() is None:
            lab = max(lab, memory_high(process.pid))
            time.sleep(0.01)
        self.assertEqual(process.returncode, 0, net.deposit_said()[-2000:])
        high = {s.name: memory_high(s.node.pid) for s in net}
        high["cairn"] = lab
        print(f"most memory, KiB: {high}", file=sys.stderr)
        for who, kib in high.items():
            self.assertTrue(0 < kib < 300 * 1024, (who, kib))


class Slow(NetworkCase):
    """Stewards that are reached, and give a few bytes a second."""

    stewards = 4
    code = ("-k", "2", "-n", "4", "-t", "2")

    @classmethod
    def prepare(cls):
        net = cls.net
        cls.proxies = {}
        for s in net:
            s.behind = f"{net.net}.{s.index + 100}:{net.port}"
            proxy = Proxy((f"{net.net}.{s.index}", net.port), (f"{net.net}.{s.index + 100}", net.port))
            cls.proxies[s.name] = proxy
            cls.addClassCleanup(proxy.close)
        super().prepare()

    def setUp(self):
        super().setUp()
        for proxy in self.proxies.values():
            proxy.quicken()

    def test_a_steward_that_drips_holds_nothing_up(self):
        net = self.net
        model, cert, out = net.model("slow", 2 * MIB), self.path("slow.cert"), self.path("slow-restored")
        net.deposit(model, "--certificate", cert, *self.code)
        _, folder = net.release(cert, list(net)[:3])
        shards = {s["shard"]: s["name"] for s in net.verify(cert)["stewards"]}
        # Whoever recovers asks the first shards first. The handshake passes; then comes the table, and then cells.
        slow = self.proxies[shards[0]]
        slow.drip(4000)
        said = net.recover(folder, out, "--patience", "3600").stderr.decode()
        self.assertEqual(tree(out), tree(model))
        self.assertTrue(slow.dripping)
        self.assertEqual(said.count(f"{shards[0]} is slow: after "), 1, said)
        self.assertLess(said.index(" is slow: after "), said.index("restoring: done"), said)

    def test_b_stewards_that_drip_do_not_hold_up_a_deposit(self):
        net = self.net
        model, cert = net.model("slowly", 8 * MIB), self.path("slowly.cert")
        names = sorted(self.proxies)[:2]
        # Enough for all that a steward says while it takes its shard: what is read back at the end comes in drops.
        for name in names:
            self.proxies[name].drip(500000)
        made = net.deposit(model, "--certificate", cert, "--verify", "full", "--patience", "3600", *self.code)
        self.assertEqual(made["verified_segments"], made["segments"])
        self.assertEqual(len(net.verify(cert)["stewards"]), 4)


class Care(NetworkCase):
    """Keys under passphrases, one process for each home, no room, no volume."""

    def setUp(self):
        super().setUp()
        self.net.start()

    stewards = 4
    code = ("-k", "2", "-n", "4", "-t", "2")

    @classmethod
    def prepare(cls):
        net = cls.net
        write(net.path("right"), b"a long sentence\n", 0o600)
        write(net.path("wrong"), b"another sentence\n", 0o600)
        right = ["--passphrase-file", net.path("right")]
        net[1].node_options = net[2].custodian_options = net.lab_options = right
        net[1].init(*right)
        net[2].init(custody_options=right)
        net[3].init("--capacity", "12MiB")
        net[4].init()
        net.init_lab(*right)
        net.found()
        net.start()

    def refused(self, args, code, *words):
        done = call(*args)
        said = done.stderr.decode()
        self.assertEqual((done.returncode, done.stdout), (code, b""), said)
        for w in words:
            self.assertIn(w, said)
        return said

    def alive(self):
        self.net.wait_connected()
        for s in self.net:
            self.assertIsNone(s.node.poll(), s.name)
            self.assertIsNone(s.custodian.poll(), s.name)

    def test_a_wrong_passphrases(self):
        net = self.net
        wrong = ["--passphrase-file", net.path("wrong")]
        model = net.model("small", MIB)
        lab = [Programs.cairn, "deposit", "create", "--home", net.lab, *self.code, "--ignore-lint"]
        self.refused([*lab, *wrong, model], 12, "passphrase")
        self.refused([*lab, model], 12, "passphrase")
        self.refused([*lab, "--passphrase-file", net.path("none"), model], 10, "none")
        net[1].end_node()
        net[2].end_custodian()
        node = [Programs.cairnd, "run", "--home", net[1].home]
        custodian = [Programs.custodian, "run", "--home", net[2].custody]
        self.refused(node + wrong, 12, "passphrase")
        self.refused(custodian + wrong, 12, "passphrase")
        self.refused(node, 12, "passphrase")
        self.refused(custodian, 1, "no terminal to ask for the passphrase")
        net.start()
        self.alive()
        # An unfinished deposit keeps its passphrase.
        process = net.deposit_start(model, *self.code)
        wait(lambda: process.poll() is not None or glob.glob(os.path.join(net.lab, "deposits", "*", "segments")))
        process.kill()
        process.wait(LIMIT)
        self.refused([*lab, *wrong, model], 12, "passphrase")
        made = net.deposit(model, *self.code, "--certificate", net.path("small.cert"))
        self.assertTrue(made["sealed"])

    def test_b_one_process_for_each_home(self):
        net = self.net
        self.refused([Programs.cairnd, "run", "--home", net[4].home], 13, f"process {net[4].node.pid}")
        self.refused([Programs.custodian, "run", "--home", net[4].custody], 13, f"{net[4].custodian.pid}")
        self.alive()
        model, other = net.model("twice", 8 * MIB), net.model("thrice", MIB)
        process = self.half_way(model, signal.SIGSTOP, *self.code, "--certificate", net.path("twice.cert"))
        try:
            for folder in (model, other):
                self.refused(net.deposit_args(folder, *self.code), 13, f"{process.pid}")
        finally:
            process.send_signal(signal.SIGCONT)
        self.assertEqual(process.wait(LIMIT), 0, net.deposit_said()[-2000:])
        self.assertTrue(net.verify(net.path("twice.cert"))["sealed"])

    def test_c_no_volume_no_start(self):
        s = self.net[4]
        s.end_node()
        data = os.path.join(s.home, "data")
        os.rename(data, data + ".away")
        self.refused([Programs.cairnd, "run", "--home", s.home], 11, "data")
        os.mkdir(data)
        self.refused([Programs.cairnd, "run", "--home", s.home], 11, "mount its disk")
        os.rmdir(data)
        os.rename(data + ".away", data)
        self.net.start()
        self.alive()

    def test_d_no_capacity_no_shard(self):
        net = self.net
        small = net.model("fits", MIB)
        net.deposit(small, *self.code, "--certificate", self.path("fits.cert"))
        held = net[3].status()["bytes"]
        said = net.deposit(net.model("too-much", 32 * MIB), *self.code, "--patience", PATIENCE, check=10)
        self.assertIn("Steward 3: this steward has no capacity left", said)
        self.assertIn("only 3 of 4 stewards", said)
        self.assertEqual(net[3].status()["bytes"]["held"], held["held"])
        self.assertEqual(net[3].status()["bytes"]["reserved"], held["reserved"])
        self.restores(self.path("fits.cert"), tree(small))
        self.alive()

    def test_e_a_full_disk_refuses_and_keeps(self):
        net, s = self.net, self.net[4]
        data, kept = os.path.join(s.home, "data"), self.path("data4")
        if os.geteuid() != 0:
            self.skipTest("only root can mount a small disk")
        small = net.model("fits-too", MIB)
        s.end_node()
        os.rename(data, kept)
        os.mkdir(data)
        used = int(call("du", "-sk", kept, check=0).stdout.split()[0])
        if call("mount", "-t", "tmpfs", "-o", f"size={used + 5 * 1024}k", "none", data).returncode != 0:
            os.rmdir(data)
            os.rename(kept, data)
            net.start()
            self.skipTest("a small disk cannot be mounted here")
        try:
            call("cp", "-a", kept + "/.", data, check=0)
            net.start()
            net.deposit(small, *self.code, "--certificate", self.path("fits-too.cert"))
            # Steward 3 has no room either, so two of four are not enough. What
            # they say is believed at once, however long the patience is.
            said = net.deposit(net.model("much-too-much", 32 * MIB), *self.code, "--patience", "60", check=10)
            self.assertIn("Steward 4:", said)
            self.assertRegex(said, "Steward 4: [^;]*(room|full|space)")
            self.restores(self.path("fits-too.cert"), tree(small))
            s.end_node()
            call("cp", "-a", data + "/.", kept, check=0)
        finally:
            s.end_node()
            call("umount", "-l", data)
            os.rmdir(data)
            os.rename(kept, data)
            net.start()
        self.alive()

    def test_f_a_custodian_whose_disk_is_full_keeps_what_it_has(self):
        net, full, disk = self.net, (self.net[3], self.net[4]), self.path("disk")
        filler = os.path.join(disk, "filler")
        if os.geteuid() != 0:
            self.skipTest("only root can mount a small disk")
        os.mkdir(disk)
        if call("mount", "-t", "tmpfs", "-o", "size=20m", "none", disk).returncode != 0:
            self.skipTest("a small disk cannot be mounted here")
        try:
            for s in full:
                s.end_custodian(signal.SIGTERM)
                shutil.move(os.path.join(s.custody, "store"), os.path.join(disk, s.name))
                os.symlink(os.path.join(disk, s.name), os.path.join(s.custody, "store"))
            net.start()
            model, cert = net.model("keys", MIB), self.path("keys.cert")
            deposit = (model, *self.code, "--patience", PATIENCE, "--certificate", cert)
            write(filler, bytes(8 * MIB))
            said = net.deposit(*deposit, check=10)
            self.assertIn("only 2 of 4 stewards have acknowledged their key share, and 3 must", said)
            for s in full:
                self.assertRegex(said, f"{s.name}: the disk of this custodian is full.*deal again")
                self.assertIn("kept for decisions", s.custodian_said())
            os.unlink(filler)
            self.assertEqual(net.deposit(*deposit)["acknowledgements"], 4)
            # No room at all: others decide. With room again, a restart is enough.
            with open(filler, "wb", buffering=0) as f, self.assertRaises(OSError):
                while True:
                    f.write(bytes(4096))
            release, folder = net.request(cert, net[1])
            for s in (net[1], net[2]):
                net.approve(release, s)
            for s in full:
                wait(lambda: "cannot keep what it decides" in (s.ask(f"/v1/releases/{release}")["trouble"] or ""))
                self.assertIsNone(s.custodian.poll())
            net.ticket(release, net[1], folder)
            net.recover(folder, self.path("keys"))
            self.assertEqual(tree(self.path("keys")), tree(model))
            os.unlink(filler)
            for s in full:
                s.end_custodian(signal.SIGTERM)
                s.start_custodian()
            for s in net:
                wait(lambda: len(s.ask(f"/v1/releases/{release}")["decisions"]) == 4)
        finally:
            for s in full:
                s.end_custodian(signal.SIGTERM)
                if os.path.islink(os.path.join(s.custody, "store")):
                    os.unlink(os.path.join(s.custody, "store"))
                    shutil.move(os.path.join(disk, s.name), os.path.join(s.custody, "store"))
            call("umount", "-l", disk)
            net.start()
        self.alive()

    def test_g_a_custodian_put_back_from_an_old_backup(self):
        net, s = self.net, self.net[4]
        store, cert = os.path.join(s.custody, "store"), self.path("old.cert")
        status = [Programs.custodian, "status", "--home", s.custody, "--json"]
        old = set(os.listdir(store))
        model = net.model("old", MIB)
        net.deposit(model, *self.code, "--certificate", cert)
        share = (set(os.listdir(store)) - old).pop()
        before = json.loads(call(*status, check=0).stdout)
        self.assertEqual(s.status()["custodian"]["missing"], 0)
        s.end_custodian(signal.SIGTERM)
        os.rename(os.path.join(store, share), self.path(share))
        after = json.loads(call(*status, check=0).stdout)
        self.assertEqual((before["shares"] - after["shares"], after["since"]), (1, before["since"]))
        s.start_custodian()
        self.net.wait_connected()
        self.assertEqual(s.status()["custodian"]["missing"], 1)
        self.assertIn("lacks 1 of the key shares", "".join(s.status()["trouble"]))
        self.assertIn(f"{after['shares']} shares, the last ", s.custodian_said())
        release, folder = net.request(cert, net[1])
        for other in (net[1], net[2]):
            net.approve(release, other)
        wait(lambda: "no share of that deposit" in (s.ask(f"/v1/releases/{release}")["trouble"] or ""))
        net.ticket(release, net[1], folder)
        net.recover(folder, self.path("old"))
        self.assertEqual(tree(self.path("old")), tree(model))
        # Rows are written once: what any backup has can be put beside the others.
        s.end_custodian(signal.SIGTERM)
        os.rename(self.path(share), os.path.join(store, share))
        s.start_custodian()
        wait(lambda: len(s.ask(f"/v1/releases/{release}")["decisions"]) == 4)
        self.assertEqual(s.status()["custodian"]["missing"], 0)
        self.assertEqual(json.loads(call(*status, check=0).stdout)["shares"], before["shares"])

    def test_h_a_lab_has_its_quota(self):
        net, s = self.net, self.net[4]
        conf = os.path.join(s.home, "cairnd.conf")

        def set_quota(old, new):
            s.end_node()
            with open(conf) as f:
                text = f.read()
            self.assertIn(f'lab-quota = "{old}"', text)
            with open(conf, "w") as f:
                f.write(text.replace(f'lab-quota = "{old}"', f'lab-quota = "{new}"'))
            net.start()
            net.wait_connected()

        small = net.model("quota", MIB)
        set_quota("0", "4KiB")
        said = net.deposit(small, *self.code, "--patience", PATIENCE, check=10)
        self.assertIn("Steward 4: shards of one lab may take 4096 bytes of this steward", said)
        lab, = s.status()["labs"]
        self.assertEqual(lab["quota"], 4096)
        set_quota("4KiB", "0")
        net.deposit(small, *self.code, "--certificate", self.path("quota.cert"))
        lab, = s.status()["labs"]
        self.assertEqual((lab["bytes"], lab["quota"]), (s.status()["bytes"]["held"], 4 << 30))
        self.alive()

    def test_i_a_node_put_back_from_an_old_backup(self):
        net, s, cert = self.net, self.net[4], self.path("since.cert")
        s.end_node(signal.SIGTERM)
        shutil.copytree(os.path.join(s.home, "db"), self.path("db"))
        net.start()
        deposit = net.deposit(net.model("since", MIB), *self.code, "--certificate", cert)["deposit"]
        status = s.status()
        self.assertEqual((status["shards"]["missing"], "".join(status["trouble"]).count("signs nothing")), (0, 0))
        s.end_node(signal.SIGTERM)
        shutil.rmtree(os.path.join(s.home, "db"))
        shutil.copytree(self.path("db"), os.path.join(s.home, "db"))
        net.start()
        wait(lambda: s.status()["shards"]["missing"] == 1, lambda: str(s.status()))
        trouble = "".join(s.status()["trouble"])
        self.assertIn("1 shards are missing", trouble)
        self.assertIn("this node signs nothing more", trouble)
        self.assertEqual(s.ask(f"/v1/deposits/{deposit}")["state"], "missing")
        self.assertIn("1 missing", s.cairn("status", check=3).stdout.decode())
        said = net.deposit(net.model("after", MIB), *self.code, "--patience", PATIENCE, check=10)
        self.assertIn("its feed is halted", said)
        self.alive()


if __name__ == "__main__":
    print(f"seed {SEED} (CAIRN_SEED repeats it)", file=sys.stderr)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    atexit.register(lambda: print(f"killed by SIGKILL: {dict(KILLED)}", file=sys.stderr))
    unittest.main(verbosity=2)
