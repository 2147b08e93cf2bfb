# SPDX-License-Identifier: Apache-2.0
"""What one would use instead, on the same model: restic and borg as Debian ships them, with their defaults. Each
keeps one encrypted copy, without an erasure code."""

import os
import secrets
import shutil

from measure import call, forget, run, size_of


class Peer:
    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder)
        self.repo, self.password = os.path.join(folder, "repo"), os.path.join(folder, "password")
        with open(self.password, "w") as f:
            f.write(secrets.token_hex(16))
        self.env = dict(os.environ)

    def measured(self, args, **more):
        return run(args, self.folder, os.path.join(self.folder, "out"), env=self.env, **more)

    def both(self, model):
        """Store and restore, and compare; what it took."""
        out = os.path.join(self.folder, "restored")
        os.makedirs(out)
        stored = self.store(model)
        size = size_of(self.repo)
        forget(self.repo)
        restored = self.restore(out)
        at = next(at for at, _, names in os.walk(out) if names)
        call("diff", "-r", model, at)
        shutil.rmtree(self.folder)
        return {"deposit": stored, "recover": restored, "stored_bytes": size}


class Restic(Peer):
    def store(self, model):
        self.base = ["restic", "-q", "--no-cache", "-r", self.repo, "--password-file", self.password]
        call(*self.base, "init")
        return self.measured([*self.base, "backup", model])

    def restore(self, out):
        return self.measured([*self.base, "restore", "latest", "--target", out])


class Borg(Peer):
    def store(self, model):
        self.env.update(BORG_PASSCOMMAND=f"cat {self.password}", BORG_BASE_DIR=os.path.join(self.folder, "base"))
        call("borg", "init", "-e", "repokey", self.repo, env=self.env)
        return self.measured(["borg", "create", self.repo + "::a", model])

    def restore(self, out):
        return self.measured(["borg", "extract", self.repo + "::a"], cwd=out)


def versions():
    return {"restic": call("restic", "version").decode().split()[1], "borg": call("borg", "--version").decode().split()[1]}
