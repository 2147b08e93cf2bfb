#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A network whose power is cut, all at once: what was acknowledged is there, and all goes on.

usage: power.py PATH-TO-CAIRN PATH-TO-CAIRND PATH-TO-CAIRN-CUSTODIAN PATH-TO-DISK.SO [unittest arguments]

CAIRN_CUTS sets how often that happens in each story (default 2), CAIRN_SEED repeats a run's choices.
"""

import os
import random
import signal
import subprocess
import sys
import time
import unittest

from disk import Disk
from network_world import LIMIT, Network, Programs, spawn, tree, wait

Programs.cairn, Programs.cairnd, Programs.custodian, SHIM = (os.path.abspath(sys.argv.pop(1)) for _ in range(4))
CUTS = int(os.environ.get("CAIRN_CUTS", "2"))
SEED = int(os.environ.get("CAIRN_SEED", random.SystemRandom().getrandbits(32)))
CODE = ("-k", "2", "-n", "4", "-t", "2")


class Power(unittest.TestCase):
    """One network; the stories stand in the order of their names, and build on each other."""

    @classmethod
    def setUpClass(cls):
        cls.rng = random.Random(SEED)
        cls.net = Network(4, cls.rng)
        cls.addClassCleanup(cls.net.close)
        cls.disk = Disk(cls.net.temp, cls.net.temp + ".disk", SHIM)
        cls.addClassCleanup(os.unlink, cls.disk.log)
        os.environ.update(cls.disk.environment())
        cls.recipients = []
        cls.cert = cls.net.path("lab", "certificate")
        cls.model = cls.net.model("model", 24 << 20)
        cls.want = tree(cls.model)

    def cut(self, chance, *processes):
        for process in processes:
            process.kill()
            process.wait(LIMIT)
        for s in self.net:
            s.kill()
        homes = [home for s in self.net for home in (s.home, s.custody)]
        self.disk.cut([*homes, self.net.lab, *self.recipients], chance)

    def start(self):
        self.net.start()
        for s in self.net:
            self.assertEqual([f for f in s.status()["feeds"] if f.get("halted") or f.get("forked")], [])

    def test_a_what_is_made_lasts(self):
        """Homes, charter, secrets and pins are there when the commands that make them end."""
        self.net.init()
        self.cut(None)
        self.net.found()
        self.cut(None)
        self.start()

    def test_b_a_deposit_goes_on(self):
        for i in range(CUTS):
            process = self.net.deposit_start(self.model, *CODE, "--certificate", self.cert)
            before = self.net.committed()
            wait(lambda: self.net.committed() > before + 5 or process.poll() is not None, pause=0.002)
            time.sleep(self.rng.uniform(0, 0.1))
            self.cut(self.rng if i % 2 == 1 else None, process)
            self.start()
        self.net.deposit(self.model, *CODE, "--certificate", self.cert)
        self.cut(None)
        self.start()
        facts = self.net.verify(self.cert)
        self.assertEqual((facts["receipts"], facts["sealed"]), (4, True))
        again = self.net.deposit(self.model, *CODE, "--certificate", self.cert)
        self.assertEqual(again["deposit"], facts["deposit"])
        self.assertEqual([len(s.shards()) for s in self.net], [1] * 4)

    def test_c_a_release_goes_on(self):
        net = self.net
        release, folder = net.request(self.cert, net[1])
        self.disk.keep(folder)
        self.recipients.append(folder)
        net.wait_known(release, net)
        for s in (net[2], net[3]):
            net.approve(release, s)
            self.cut(self.rng)
            self.start()
        net.ticket(release, net[4], folder)
        self.cut(None)
        self.start()
        out = net.path("restored")
        self.recipients.append(out)
        for i in range(CUTS):
            process = spawn(*net.recover_args(folder, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(self.rng.uniform(0, 0.5))
            process.send_signal(signal.SIGKILL)
            self.cut(self.rng if i % 2 == 0 else None, process)
            self.start()
        net.recover(folder, out)
        self.cut(None)
        self.assertEqual(tree(out), self.want)


if __name__ == "__main__":
    print(f"CAIRN_SEED={SEED}", file=sys.stderr)
    unittest.main(verbosity=2)
