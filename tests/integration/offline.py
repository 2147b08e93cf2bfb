#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Deposit and recovery without a network, on real processes and files.

usage: offline.py PATH-TO-CAIRN [unittest arguments]

What is written by `cairn` is read by `cairn` and by the independent reader
(tests/reader/recover.py); what the reader's own writer makes is read by `cairn`.
CAIRN_KILLS sets how many processes are killed (default 20).
"""

import hashlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
READER = os.path.join(ROOT, "tests", "reader")
sys.path.insert(0, READER)
CAIRN = os.path.abspath(sys.argv.pop(1))
KILLS = int(os.environ.get("CAIRN_KILLS", "20"))
SEED = int(os.environ.get("CAIRN_SEED", random.SystemRandom().getrandbits(32)))


def run(*args, check=None, timeout=300, **more):
    done = subprocess.run([CAIRN, *args], capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, **more)
    if check is not None and done.returncode != check:
        raise AssertionError(f"cairn {' '.join(args)}: exit {done.returncode}, not {check}\n"
                             f"{done.stdout}{done.stderr}")
    return done


def tree(folder):
    """Every file of a folder: path -> (digest, mode)."""
    found = {}
    for at, _, names in os.walk(folder, followlinks=True):
        for name in names:
            path = os.path.join(at, name)
            with open(path, "rb") as f:
                digest = hashlib.sha256(f.read()).hexdigest()
            found[os.path.relpath(path, folder)] = (digest, os.stat(path).st_mode & 0o777)
    return found


class Offline(unittest.TestCase):
    def setUp(self):
        self.rng = random.Random(f"{SEED}-{self.id()}")
        self.temp = tempfile.mkdtemp(prefix="cairn-test-")
        self.addCleanup(shutil.rmtree, self.temp, ignore_errors=True)
        self.model = self.path("model")
        self.out = self.path("shards")
        os.mkdir(self.model)

    def path(self, *names):
        return os.path.join(self.temp, *names)

    def put(self, name, data, mode=0o644):
        path = os.path.join(self.model, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)
        os.chmod(path, mode)

    def small_model(self, size=700_000):
        self.put("weights/a.dat", self.rng.randbytes(size))
        self.put("weights/b.dat", bytes(size // 2) + b"text " * 9000, 0o600)
        self.put("empty", b"")
        self.put("z-last-empty", b"")
        self.put("run.sh", b"#!/bin/sh\n", 0o755)
        self.put("weights/one", b"1")

    def create(self, *more, check=0, segment="64KiB", **kw):
        return run("deposit", "create", "--offline", self.out, "--segment-size", segment,
                   "--ignore-lint", *more, self.model, check=check, **kw)

    def shard(self, i):
        return os.path.join(self.out, f"shard-{i:02}")

    def share(self, i):
        return os.path.join(self.out, "shares", f"share-{i:02}")

    def recover(self, shards, shares, *more, out="restored", check=0):
        return run("recover", *more, "--from", *(self.shard(i) for i in shards),
                   "--shares", *(self.share(i) for i in shares), self.path(out), check=check)

    def flip(self, path, at, bit=0):
        with open(path, "r+b") as f:
            f.seek(at)
            byte = f.read(1)[0]
            f.seek(at)
            f.write(bytes([byte ^ 1 << bit]))

    # -- the main road

    def test_any_k_shards_and_t_shares_restore(self):
        self.small_model()
        os.symlink("weights/one", os.path.join(self.model, "link"))
        self.create("--verify", "full")
        want = tree(self.model)
        for round in range(8):
            shards = self.rng.sample(range(7), 4)
            shares = self.rng.sample(range(1, 8), 3)
            self.recover(shards, shares, out=f"r{round}")
            self.assertEqual(tree(self.path(f"r{round}")), want, (shards, shares))

    def test_other_codes_and_codecs(self):
        self.small_model(200_000)
        want = tree(self.model)
        for k, n, t, codec in ((1, 2, 1, "raw"), (10, 16, 6, "zstd"), (20, 30, 10, "auto")):
            self.out = self.path(f"out-{n}")
            self.create("-k", str(k), "-n", str(n), "-t", str(t), "--codec", codec)
            self.recover(self.rng.sample(range(n), k), self.rng.sample(range(1, n + 1), t), out=f"r{n}")
            self.assertEqual(tree(self.path(f"r{n}")), want)

    def test_a_model_that_compresses_in_places(self):
        # Runs of segments of either kind, and changes in the middle of one.
        for i in range(4):
            self.put(f"{i}-dense", self.rng.randbytes(self.rng.randrange(2 << 20, 4 << 20)))
            self.put(f"{i}-loose", b"%d loose " % i * 250_000)
        for codec in "auto", "raw":
            self.out = self.path(f"out-{codec}")
            self.create("--verify", "full", "--codec", codec, segment="1MiB")
            self.recover(self.rng.sample(range(7), 4), (1, 3, 5), out=f"r-{codec}")
            self.assertEqual(tree(self.path(f"r-{codec}")), tree(self.model))
        auto, raw = (os.path.getsize(self.path(f"out-{codec}", "shard-00", "shard")) for codec in ("auto", "raw"))
        self.assertLess(auto, raw - 4_000_000 // 4)  # 8 MB are loose, and most of them lie in segments of their own.

    def test_an_empty_model(self):
        self.put("nothing", b"")
        self.create()
        self.recover(range(4), (1, 2, 3))
        self.assertEqual(tree(self.path("restored")), tree(self.model))

    def test_only_some_files(self):
        self.small_model()
        self.create()
        self.recover(range(3, 7), (2, 4, 6), "--only", "weights", "--only", "empty")
        self.assertEqual(sorted(tree(self.path("restored"))),
                         ["empty", "weights/a.dat", "weights/b.dat", "weights/one"])
        done = self.recover(range(4), (1, 2, 3), "--only", "weightz", out="r2", check=10)
        self.assertIn("no file 'weightz'", done.stderr)
        self.assertNotIn("give more shards", done.stderr)

    def test_json(self):
        self.small_model()
        plan = json.loads(run("deposit", "plan", "--json", self.model, check=0).stdout)
        self.assertEqual(plan["schema"], "cairn.deposit.plan/1")
        self.assertEqual(plan["bytes"], sum(os.path.getsize(os.path.join(self.model, p)) for p in tree(self.model)))
        made = json.loads(self.create("--json").stdout)
        self.assertEqual(made["schema"], "cairn.deposit.create/1")
        got = json.loads(self.recover(range(4), (1, 2, 3), "--json").stdout)
        self.assertEqual((got["schema"], got["deposit"]), ("cairn.recover/1", made["deposit"]))
        bad = self.recover(range(3), (1, 2, 3), "--json", out="r2", check=21)
        error = json.loads(bad.stderr.strip().splitlines()[-1])
        self.assertEqual((error["schema"], error["code"]), ("cairn.error/1", 21))

    # -- two implementations

    def test_independent_reader_reads_what_cairn_writes(self):
        self.small_model()
        self.create()
        shards = [self.shard(i) for i in self.rng.sample(range(7), 4)]
        shares = [self.share(i) for i in self.rng.sample(range(1, 8), 3)]
        done = subprocess.run(["/usr/bin/python3", os.path.join(READER, "recover.py"), "--verify", "--shards", *shards,
                               "--shares", *shares, self.path("restored")], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(tree(self.path("restored")), tree(self.model))

    def test_what_the_preamble_tells_a_stranger_is_so(self):
        import recover
        self.small_model()
        self.create()
        with open(os.path.join(self.shard(3), "shard"), "rb") as f:
            text = " ".join(f.read(4096).decode().split())
        with open(os.path.join(self.shard(3), "manifest"), "rb") as f:
            payload = recover.unpack_all(recover.unpack_all(f.read())[2])
        t, roots, holders = map(int, re.search(
            r"payload has at (\d+) t, at (\d+) the roots of all shards, at (\d+) the holders, counting from 0",
            text).groups())
        self.assertEqual((payload[t], len(payload[roots]), payload[holders]), (3, 7, []))
        self.assertEqual({len(root) for root in payload[roots]}, {32})

    def foreign(self, files, **more):
        argv, sys.argv = sys.argv, sys.argv[:1] + [str(SEED)]  # It seeds itself when imported.
        import selftest
        sys.argv = argv
        dep = selftest.Deposit(self.path("foreign"), files, **more)
        for i in range(1, dep.n + 1):
            os.chmod(dep.share(i), 0o600)
        return dep

    def foreign_recover(self, dep, check=0, out="restored"):
        return run("recover", "--from", *(dep.shard(i) for i in range(dep.k)), "--shares",
                   *(dep.share(i) for i in range(1, dep.t + 1)), self.path(out), check=check)

    def test_cairn_reads_what_another_writer_makes(self):
        files = {"a": (self.rng.randbytes(300_000), 0o644), "b/c": (b"", 0o600), "b/d": (b"x" * 70_000, 0o755)}
        for ragged in (False, True):
            dep = self.foreign(files, ragged=ragged)
            self.foreign_recover(dep, out=f"r{ragged}")
            self.assertEqual(tree(self.path(f"r{ragged}")),
                             {p: (hashlib.sha256(d).hexdigest(), m) for p, (d, m) in files.items()})
            shutil.rmtree(dep.folder)

    def test_an_empty_segment_is_refused(self):
        dep = self.foreign({"a": (self.rng.randbytes(70_000), 0o644)}, hollow=True)
        done = self.foreign_recover(dep, check=20)
        self.assertFalse(os.path.exists(self.path("restored", "a")), done.stderr)

    def test_wicked_catalogues_write_nothing_outside(self):
        for path in ("../evil", "/tmp/evil-cairn", "b/../../evil", "..", "b//c", "b/", "a/b"):
            def renamed(entries, path=path):
                entries[1][0] = path
                return sorted(entries, key=lambda e: e[0].encode())
            dep = self.foreign({"a": (b"x" * 20, 0o644), "b/c": (b"y" * 70_000, 0o600)}, entries=renamed)
            done = self.foreign_recover(dep, check=None)
            self.assertNotEqual(done.returncode, 0, path)
            self.assertIn("catalogue", done.stderr)
            self.assertFalse(os.path.exists(self.path("evil")) or os.path.exists("/tmp/evil-cairn"))
            shutil.rmtree(dep.folder)
            shutil.rmtree(self.path("restored"), ignore_errors=True)

    def test_links_in_the_target_are_not_followed(self):
        self.small_model()
        self.create()
        outside = self.path("outside")
        os.mkdir(outside)
        os.mkdir(self.path("restored"))
        os.symlink(outside, self.path("restored", "weights"))
        done = self.recover(range(4), (1, 2, 3), check=None)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("link", done.stderr)
        self.assertEqual(os.listdir(outside), [])

    # -- too little, or damaged

    def test_too_few_shards_or_shares(self):
        self.small_model()
        self.create()
        done = self.recover((0, 3, 6), (1, 2, 3), check=21)
        self.assertIn("bring 1 more", done.stderr)
        done = self.recover(range(4), (1, 7), check=21)
        self.assertIn("bring 1 more", done.stderr)
        self.assertEqual(tree(self.path("restored")) if os.path.exists(self.path("restored")) else {}, {})

    def test_a_flipped_bit_is_named_and_routed_around(self):
        self.small_model()
        self.create()
        size = os.path.getsize(os.path.join(self.shard(0), "shard"))
        for round in range(6):
            at = self.rng.randrange(4096, size - 12288)
            self.flip(os.path.join(self.shard(1), "shard"), at)
            self.recover((0, 1, 2, 3, 5), (1, 2, 3), out=f"r{round}")
            self.assertEqual(tree(self.path(f"r{round}")), tree(self.model), at)
            done = self.recover((0, 1, 2, 3), (1, 2, 3), out=f"bad{round}", check=None)
            if done.returncode == 0:  # In a part that no file needs.
                self.assertEqual(tree(self.path(f"bad{round}")), tree(self.model))
            else:
                self.assertEqual(done.returncode, 21, done.stderr)
                self.assertIn("shard-01", done.stderr)
            self.flip(os.path.join(self.shard(1), "shard"), at)

    def test_a_lost_or_torn_tree_is_made_again(self):
        self.small_model()
        self.create()
        os.remove(os.path.join(self.shard(0), "tree"))
        os.truncate(os.path.join(self.shard(1), "tree"), 40)
        self.flip(os.path.join(self.shard(2), "tree"), 7)
        self.recover(range(4), (1, 2, 3))
        self.assertEqual(tree(self.path("restored")), tree(self.model))

    def test_bad_manifests_and_shares_are_left_out(self):
        self.small_model()
        self.create()
        for name in ("manifest", "shard"):
            os.truncate(os.path.join(self.shard(4 + (name == "shard")), name), 100)
        self.flip(os.path.join(self.shard(6), "manifest"), 300)
        self.flip(self.share(3), 130)
        done = self.recover(range(7), (1, 2, 3, 4))
        self.assertEqual(tree(self.path("restored")), tree(self.model))
        for what in ("shard-04", "shard-05", "shard-06"):
            self.assertIn(what, done.stderr)
        self.assertRegex(done.stderr, "share(-0| )3")

    def test_a_manifest_that_speaks_for_another_s_deposit_is_left_out(self):
        self.small_model()
        self.create()
        import recover
        path = os.path.join(self.shard(0), "manifest")
        with open(path, "rb") as f:
            theirs = recover.unpack_all(recover.unpack_all(f.read())[2])
        false = self.foreign({"a": (b"x" * 20, 0o644)}, payload=lambda mine: theirs)
        done = self.foreign_recover(false, check=None)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.stderr.count("speaks for another's deposit"), 4)
        shutil.copy(os.path.join(false.shard(0), "manifest"), path)
        done = self.recover(range(5), (1, 2, 3))
        self.assertIn(f"'{path}' is damaged, or its author speaks for another's deposit", done.stderr)
        self.assertEqual(tree(self.path("restored")), tree(self.model))

    def test_existing_files_that_differ_are_kept(self):
        self.small_model()
        self.create()
        os.mkdir(self.path("restored"))
        with open(self.path("restored", "empty"), "w") as f:
            f.write("mine")
        done = self.recover(range(4), (1, 2, 3), check=1)
        self.assertIn("exists and differs", done.stderr)
        with open(self.path("restored", "empty")) as f:
            self.assertEqual(f.read(), "mine")
        self.recover(range(4), (1, 2, 3), "--force")
        self.assertEqual(tree(self.path("restored")), tree(self.model))

    def test_a_deposit_into_its_own_model_is_refused_at_once(self):
        self.small_model()
        for out in (self.model, self.path("model", "out"), self.path("model", "weights", "new", "er"), ""):
            self.out = out
            done = self.create(check=None)
            self.assertEqual(done.returncode, 2 if out == "" else 1, done.stderr)
            self.assertEqual(sorted(os.listdir(self.model)), ["empty", "run.sh", "weights", "z-last-empty"])
        done = run("deposit", "create", "--offline", "out", "--ignore-lint", ".", cwd=self.model)
        self.assertIn("in the model itself", done.stderr)

    def test_what_cannot_be_written_is_refused_before_the_work(self):
        self.small_model()
        # The model and the folder for the shards, the wrong way round.
        shards = self.path("new")
        done = run("deposit", "create", "--offline", self.model, "--ignore-lint", shards, check=10)
        os.mkdir(shards)
        done = run("deposit", "create", "--offline", self.model, "--ignore-lint", shards, check=1)
        self.assertIn("which is of no deposit", done.stderr)
        self.assertEqual(sorted(os.listdir(self.model)), ["empty", "run.sh", "weights", "z-last-empty"])
        os.mkdir(self.out)
        os.mkdir(os.path.join(self.out, "lost+found"))
        self.create()
        with open(self.path("file"), "w") as f:
            f.write("mine")
        done = self.recover(range(4), (1, 2, 3), out="file", check=1)
        self.assertIn("in the way of a folder", done.stderr)
        # Until then nothing was opened: not one shard is looked at.
        done = run("recover", self.path("file"), "--from", self.shard(0), "--shares", self.share(1), check=1)
        self.assertNotIn("good shards", done.stderr)

    def test_keys_and_lists_of_a_lab(self):
        home = self.path("lab")
        run("id", "new", "--home", home, "--name", "Lab", check=0)
        self.assertIn("no deposit is known here", run("deposit", "list", "--home", home, check=0).stderr)
        with open(os.path.join(home, "deposits"), "w"):
            pass
        self.assertIn("no home", run("deposit", "list", "--home", home + "x", check=10).stderr)
        # What cannot be looked at is not called empty.
        for more in ((), ("--json",)):
            done = run("deposit", "list", "--home", home, *more, check=1)
            self.assertNotIn("no deposit is known", done.stderr)
        self.assertIn("deposits", done.stdout)
        done = run("release", "request", self.path("none"), "-o", "x", "--keys", "x", "--name", "n", "--purpose", "p",
                   check=2)
        self.assertIn("same file", done.stderr)

    def test_shards_of_two_deposits(self):
        self.small_model()
        self.create()
        want, first = tree(self.model), self.out
        self.out = self.path("others")
        self.put("weights/one", b"2")
        self.create()
        strangers = [self.shard(0), self.shard(0), self.shard(1), self.shard(2)]
        shards = [os.path.join(first, f"shard-{i:02}") for i in (6, 2, 2, 3, 4)]
        done = run("recover", "--from", *strangers, *shards, "--shares",
                   *(os.path.join(first, "shares", f"share-{i:02}") for i in (1, 2, 3)), self.path("restored"), check=0)
        self.assertEqual(tree(self.path("restored")), want)
        self.assertEqual(done.stderr.count("is of another deposit"), 4)
        self.assertIn("is shard 2 again", done.stderr)

    def test_folders_from_a_stranger(self):
        self.small_model()
        self.create()
        victim = self.path("victim")
        with open(victim, "w") as f:
            f.write("untouched")
        os.remove(os.path.join(self.shard(0), "tree"))
        os.symlink(victim, os.path.join(self.shard(0), "tree.new"))
        for i, name in ((1, "manifest"), (2, "shard"), (3, "tree")):
            os.remove(os.path.join(self.shard(i), name))
            os.mkfifo(os.path.join(self.shard(i), name))
        done = self.recover(range(6), (1, 2, 3))
        self.assertEqual(tree(self.path("restored")), tree(self.model))
        self.assertEqual(done.stderr.count("left out"), 2)
        with open(victim) as f:
            self.assertEqual(f.read(), "untouched")

    def test_a_model_with_the_names_of_our_temporary_files(self):
        for name in (".cairn-part-3", "a", "b", "c", ".cairn-part~-9", "weights/.cairn-part-3", ".cairn-tmp-x"):
            self.put(name, name.encode())
        self.create()
        self.recover(range(4), (1, 2, 3))
        self.assertEqual(tree(self.path("restored")), tree(self.model))

    @unittest.skipIf(os.geteuid() != 0, "only root can become somebody else")
    def test_little_memory_that_can_be_locked(self):
        def become():
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
            os.setgid(65534)
            os.setuid(65534)
        os.chmod(self.temp, 0o777)
        os.chmod(self.model, 0o755)
        self.put("one", b"1")
        self.create("-k", "42", "-n", "64", "-t", "22", preexec_fn=become)
        args = ("--from", *(self.shard(i) for i in range(64)), "--shares", *(self.share(i) for i in range(1, 65)))
        run("recover", *args, self.path("restored"), check=0, preexec_fn=become)
        self.assertEqual(tree(self.path("restored")), tree(self.model))

    # -- interruptions

    def killed(self, args, after):
        """Start, SIGKILL after some seconds; was it still running?"""
        p = subprocess.Popen([CAIRN, *args], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             stdin=subprocess.DEVNULL)
        try:
            p.wait(timeout=after)
            return p.returncode
        except subprocess.TimeoutExpired:
            p.send_signal(signal.SIGKILL)
            p.wait()
            return None

    def test_sigkill_at_random_moments_of_a_deposit(self):
        self.small_model(3_000_000)
        args = ("deposit", "create", "--offline", self.out, "--segment-size", "64KiB", "--ignore-lint", "--codec", "raw",
                self.model)
        kills = done = 0
        while kills < KILLS:
            code = self.killed(args, self.rng.uniform(0, 0.35))
            if code is None:
                kills += 1
                continue
            self.assertIn(code, (0, 1), "an earlier run had finished, or this one did")
            if not os.path.exists(os.path.join(self.out, "journal")):
                done += 1
                self.recover(self.rng.sample(range(7), 4), self.rng.sample(range(1, 8), 3), out=f"r{done}")
                self.assertEqual(tree(self.path(f"r{done}")), tree(self.model))
                shutil.rmtree(self.path(f"r{done}"))
                shutil.rmtree(self.out)
        # The last one killed may have made a folder and no journal yet, or have finished.
        if os.path.exists(os.path.join(self.out, "journal")) or not os.path.exists(self.shard(3) + "/manifest"):
            run(*args, check=0)
        self.recover(range(3, 7), (1, 4, 7), out="last")
        self.assertEqual(tree(self.path("last")), tree(self.model))

    def test_sigkill_at_random_moments_of_a_recovery(self):
        self.small_model(3_000_000)
        self.create("--codec", "raw")
        args = ("recover", "--from", *(self.shard(i) for i in (1, 3, 4, 6)), "--shares",
                *(self.share(i) for i in (1, 3, 5)), self.path("restored"))
        for _ in range(KILLS // 2):
            if self.killed(args, self.rng.uniform(0, 0.15)) == 0:
                self.assertEqual(tree(self.path("restored")), tree(self.model))
                shutil.rmtree(self.path("restored"))
        run(*args, check=0)
        self.assertEqual(tree(self.path("restored")), tree(self.model))

    def test_ctrl_c_stops_cleanly_and_the_next_run_goes_on(self):
        self.small_model(30_000_000)
        args = [CAIRN, "deposit", "create", "--offline", self.out, "--segment-size", "64KiB", "--ignore-lint", "--codec",
                "raw", "--progress", "json", self.model]
        p = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while not os.path.exists(os.path.join(self.out, "journal", "segments")):
            time.sleep(0.01)
        time.sleep(0.1)
        p.send_signal(signal.SIGINT)
        _, said = p.communicate(timeout=60)
        self.assertEqual(p.returncode, 130, said)
        self.assertIn("run the same command to go on", said)
        made = json.loads(self.create("--codec", "raw", "--json").stdout)
        self.assertTrue(made["resumed"])
        self.recover(range(4), (1, 2, 3))
        self.assertEqual(tree(self.path("restored")), tree(self.model))

    def interrupted(self, least=20):
        """A deposit that was killed after so many segments were committed."""
        args = ("deposit", "create", "--offline", self.out, "--segment-size", "64KiB", "--ignore-lint", "--codec", "raw",
                self.model)
        p = subprocess.Popen([CAIRN, *args], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        segments = os.path.join(self.out, "journal", "segments")
        while not (os.path.exists(segments) and os.path.getsize(segments) >= 56 * least):
            self.assertIsNone(p.poll(), "too fast to be interrupted")
            time.sleep(0.002)
        p.send_signal(signal.SIGKILL)
        p.wait()

    def test_a_source_that_changes_between_runs_is_noticed(self):
        self.small_model(30_000_000)
        self.interrupted()
        path = os.path.join(self.model, "weights/a.dat")
        stat = os.stat(path)
        self.flip(path, 1000)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        done = self.create("--codec", "raw", check=None)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("changed since the deposit began", done.stderr)
        self.flip(path, 1000)
        self.create("--codec", "raw")
        self.recover(range(4), (1, 2, 3))
        self.assertEqual(tree(self.path("restored")), tree(self.model))

    def salts(self, name, segments):
        """With what the first of these segments begin: five leaves a cell each, when they are raw."""
        with open(os.path.join(self.shard(0), name), "rb") as f:
            return [f.seek(4096 * (1 + 5 * i)) and f.read(24) for i in range(segments)]

    def test_an_older_journal_that_is_put_back(self):
        self.small_model(30_000_000)
        journal, older = os.path.join(self.out, "journal"), self.path("older")
        self.interrupted()
        shutil.copytree(journal, older)
        before = os.path.getsize(os.path.join(older, "segments")) // 56
        self.interrupted(before + 40)
        after = os.path.getsize(os.path.join(journal, "segments")) // 56
        seen = self.salts("shard.part", after)
        shutil.rmtree(journal)
        shutil.copytree(older, journal)
        self.create("--codec", "raw")
        salts = self.salts("shard", after)
        sure = before - 4  # The last commit may not have come to its end, and is of so many segments at most.
        self.assertEqual(salts[:sure], seen[:sure])
        self.assertGreater(after, before + 20)
        self.assertEqual(len(set(salts[before:]) & set(seen)), 0, "what is sealed again is sealed under new salts")
        self.recover(range(3, 7), (2, 4, 6))
        self.assertEqual(tree(self.path("restored")), tree(self.model))

    def test_a_journal_that_is_lost(self):
        self.small_model(30_000_000)
        self.interrupted()
        with open(os.path.join(self.shard(0), "shard.part"), "rb") as f:
            before = f.read(4096).split(b"\n")[1]
        shutil.rmtree(os.path.join(self.out, "journal"))
        self.create("--codec", "raw")
        with open(os.path.join(self.shard(0), "shard"), "rb") as f:
            after = f.read(4096).split(b"\n")[1]
        self.assertTrue(before.startswith(b"Deposit: ") and after.startswith(b"Deposit: "))
        self.assertNotEqual(before, after)
        self.recover(range(4), (1, 2, 3))
        self.assertEqual(tree(self.path("restored")), tree(self.model))

    def test_other_settings_for_an_unfinished_deposit_are_refused(self):
        self.small_model(30_000_000)
        self.interrupted()
        done = self.create("--codec", "raw", "-k", "3", check=None)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("other settings", done.stderr)

    def test_a_plan_that_was_cut_off_does_not_stay(self):
        self.small_model()
        os.makedirs(os.path.join(self.out, "journal"))
        with open(os.path.join(self.out, "journal", ".cairn-tmp-abcdef"), "w") as f:
            f.write("half a plan")
        self.create()
        self.assertNotIn("journal", " ".join(os.listdir(self.out)))
        self.recover(range(4), (1, 2, 3))

    def test_a_folder_of_somebody_else_is_no_journal(self):
        self.small_model()
        for name in ("journal", "journal.done"):
            self.out = self.path("out-" + name)
            os.makedirs(os.path.join(self.out, name))
            for mine in ("plan.txt", "lock"):
                with open(os.path.join(self.out, name, mine), "w") as f:
                    f.write("mine")
            before = tree(self.out)
            done = self.create(check=1)
            self.assertIn("plan.txt", done.stderr)
            self.assertEqual(tree(self.out), before)

    def test_a_finished_shard_in_an_unfinished_deposit(self):
        self.small_model(30_000_000)
        self.interrupted()
        shutil.copy(os.path.join(self.shard(3), "shard.part"), os.path.join(self.shard(3), "shard"))
        done = self.create("--codec", "raw", check=None)
        self.assertGreater(done.returncode, 0)
        self.assertIn("finished shard 3", done.stderr)

    def test_two_at_once_on_one_journal(self):
        self.small_model(30_000_000)
        args = ["deposit", "create", "--offline", self.out, "--segment-size", "64KiB", "--ignore-lint", self.model]
        p = subprocess.Popen([CAIRN, *args], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not os.path.exists(os.path.join(self.out, "journal", "plan")):
            time.sleep(0.002)
        done = run(*args)
        self.assertEqual(done.returncode, 13, done.stderr)
        self.assertIn(str(p.pid), done.stderr)
        self.assertEqual(p.wait(), 0)

    def test_a_finished_deposit_is_not_overwritten(self):
        self.small_model()
        self.create()
        before = tree(self.out)
        done = self.create(check=1)
        self.assertIn("choose another folder", done.stderr)
        self.assertEqual({p: v for p, v in tree(self.out).items() if "journal" not in p}, before)

    def test_a_sealed_journal_asks_for_its_passphrase(self):
        self.small_model(20_000_000)
        right, wrong = self.path("right"), self.path("wrong")
        for path, text in ((right, "correct horse\n"), (wrong, "battery staple\n")):
            with open(path, "w") as f:
                f.write(text)
            os.chmod(path, 0o600)
        args = ("deposit", "create", "--offline", self.out, "--segment-size", "64KiB", "--ignore-lint", "--codec", "raw",
                "--passphrase-file", right, self.model)
        p = subprocess.Popen([CAIRN, *args], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        segments = os.path.join(self.out, "journal", "segments")
        while not (os.path.exists(segments) and os.path.getsize(segments) > 56 * 5):
            self.assertIsNone(p.poll())
            time.sleep(0.002)
        p.kill()
        p.wait()
        done = self.create("--codec", "raw", "--passphrase-file", wrong, check=12)
        self.assertIn("wrong passphrase", done.stderr)
        self.assertIn("none was given", self.create("--codec", "raw", check=12).stderr)
        self.create("--codec", "raw", "--passphrase-file", right)
        self.recover(range(4), (1, 2, 3))
        self.assertEqual(tree(self.path("restored")), tree(self.model))

    # -- the machine says no

    def test_a_full_disk_is_refused_before_the_first_byte(self):
        if os.geteuid() != 0:
            self.skipTest("mounting a small disk needs root")
        self.small_model(3_000_000)
        os.mkdir(self.out)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", self.out],
                          stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("no mounts here")
        try:
            done = self.create("--codec", "raw", check=None)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("space", done.stderr)
            self.assertIn("do not delete your copy", done.stderr)
        finally:
            subprocess.run(["umount", self.out], check=True)

    def test_bad_sources_are_refused_with_their_name(self):
        done = run("deposit", "plan", self.path("nowhere"), check=10)
        self.assertIn("nowhere", done.stderr)
        os.mkfifo(os.path.join(self.model, "pipe"))
        self.assertIn("pipe", self.create(check=1).stderr)
        os.remove(os.path.join(self.model, "pipe"))
        os.symlink(".", os.path.join(self.model, "loop"))
        self.assertIn("loop", self.create(check=1).stderr)
        os.remove(os.path.join(self.model, "loop"))
        with open(os.path.join(self.model.encode(), b"bad-\xff"), "w"):
            pass
        self.assertIn("not UTF-8", self.create(check=1).stderr)

    def test_wrong_flags(self):
        self.small_model()
        for more in (("-k", "5"), ("-t", "2"), ("-t", "6"), ("--segment-size", "65537"), ("--codec", "lzma"),
                     ("--nonsense",), ("-n", "999"), ("--label", "a\nb")):
            done = self.create(*more, check=2, segment="64KiB")
            self.assertTrue(done.stderr.strip(), more)
        self.assertFalse(os.path.exists(self.out))
        # A segment that would not fit into the memory that is promised.
        done = run("deposit", "plan", "-k", "1", "-n", "64", "-t", "22",
                   "--segment-size", "64MiB", self.model, check=2)
        self.assertIn("smaller --segment-size", done.stderr)

    def test_no_secret_is_left_behind(self):
        self.small_model()
        done = self.create("--verbose")
        self.assertFalse(os.path.exists(os.path.join(self.out, "journal")))
        for i in range(1, 8):
            self.assertEqual(os.stat(self.share(i)).st_mode & 0o777, 0o600)
            with open(self.share(i), "rb") as f:
                scalar = f.read()[-64:-34]
            self.assertNotIn(scalar.hex(), done.stdout + done.stderr)
            for at, _, names in os.walk(self.out):
                for name in names:
                    if "share-" not in name:
                        with open(os.path.join(at, name), "rb") as f:
                            self.assertNotIn(scalar, f.read())

    # -- lint

    def lint(self, check):
        return {(f["level"], f["path"]) for f in
                json.loads(run("deposit", "plan", "--json", self.model, check=check).stdout)["findings"]}

    def test_lint(self):
        header = json.dumps({"w": {"dtype": "BF16", "shape": [2, 4], "data_offsets": [0, 16]}}).encode()
        good = len(header).to_bytes(8, "little") + header + bytes(16)
        self.put("model.safetensors", good)
        self.put("LICENSE", b"x")
        self.put("README.md", b"x")
        self.assertEqual(self.lint(0), set())
        plan = json.loads(run("deposit", "plan", "--json", self.model).stdout)
        self.assertEqual(plan["parameters"], 8)
        self.put("model.safetensors", good[:-1])
        self.assertIn(("error", "model.safetensors"), self.lint(1))
        self.put("model.safetensors", good)
        for name in ("lfs.bin", "lfs.safetensors"):
            self.put(name, b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n")
        self.put("old.pt", b"x")
        self.put("tiny.gguf", b"GGUF" + (3).to_bytes(4, "little") + (1 << 60).to_bytes(8, "little") + bytes(8))
        self.put("model.safetensors.index.json", json.dumps(
            {"metadata": {"total_size": 17}, "weight_map": {"w": "model.safetensors", "v": "missing.safetensors"}}).encode())
        found = self.lint(1)
        for want in (("error", "lfs.bin"), ("warning", "old.pt"), ("error", "tiny.gguf"),
                     ("error", "model.safetensors.index.json"), ("warning", "model.safetensors.index.json")):
            self.assertIn(want, found)
        self.assertEqual(run("deposit", "plan", self.model).stdout.count(" lfs.safetensors: "), 1)
        done = run("deposit", "create", "--offline", self.out, self.model, check=1)
        self.assertIn("Git LFS pointer", done.stderr)
        self.assertFalse(os.path.exists(self.out))


if __name__ == "__main__":
    print(f"seed {SEED} (CAIRN_SEED repeats it)", file=sys.stderr)
    unittest.main()
