# SPDX-License-Identifier: Apache-2.0
"""The disk that a power cut leaves, made from what disk.c recorded.

What was synced is there. Of the rest anything may be: of a file's bytes any pages, of its new length all or what the
pages reach (what is between reads as zeros), of a folder's changes as many of the first as chance will have it.
"""

import os
import random
import shutil
import stat
import struct

HEAD = struct.Struct("=IIIIQQ")
CREATE, FOLDER, WRITE, CUT, RENAME, LINK, REMOVE, SYNC, SYNCED = range(1, 10)
PAGE = 4096


class Node:
    """A file or folder: what of it is durable, and what was done since."""

    def __init__(self, mode):
        self.mode, self.pending, self.deeds = mode, [], 0

    def do(self, deed):
        self.pending.append(deed)
        self.deeds += 1

    def sync(self, deeds):
        """The first so many of all that was ever done to it are durable."""
        most = max(0, deeds - (self.deeds - len(self.pending)))
        for deed in self.pending[:most]:
            self.make(deed)
        del self.pending[:most]


class File(Node):
    """Its deeds are (offset, bytes) or (size, None)."""

    def __init__(self, data=b"", mode=0o600):
        super().__init__(mode)
        self.data, self.size = bytearray(data), len(data)

    def put(self, offset, data):
        if data is None:
            del self.data[offset:]
        if len(self.data) < offset + len(data or b""):
            self.data.extend(bytes(offset + len(data or b"") - len(self.data)))
        if data is not None:
            self.data[offset:offset + len(data)] = data

    def make(self, deed):
        self.put(*deed)

    def write(self, offset, data):
        self.do((offset, data))
        self.size = offset if data is None else max(self.size, offset + len(data))

    def cut(self, chance):
        for offset, data in self.pending:
            if data is None and chance.random() < 0.5:
                self.put(offset, None)
            while data:
                end = PAGE - offset % PAGE
                if chance.random() < 0.5:
                    self.put(offset, data[:end])
                offset, data = offset + end, data[end:]
        if chance.random() < 0.5 and len(self.data) < self.size:
            self.put(self.size, None)


class Folder(Node):
    """Its deeds are lists of names and what they are of from then on, or None: each happens whole."""

    def __init__(self, mode=0o700):
        super().__init__(mode)
        self.now, self.kept = {}, {}

    @staticmethod
    def _change(names, changes):
        for name, what in changes:
            names.pop(name, None)
            if what is not None:
                names[name] = what

    def make(self, deed):
        self._change(self.kept, deed)

    def change(self, *changes):
        self._change(self.now, changes)
        self.do(changes)

    def cut(self, chance):
        self.sync(self.deeds - chance.randint(0, len(self.pending)))


class Disk:
    """Of the folder |root|; programs record to |log| when environment() is theirs."""

    def __init__(self, root, log, shim):
        self.root, self.log, self.shim = root, log, shim
        self._scan()

    def environment(self):
        return {"LD_PRELOAD": self.shim, "CAIRN_DISK_LOG": self.log,
                "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")}

    def _scan(self):
        """What is there now is durable."""
        self.inodes, self.syncs = {}, {}  # Number of a sync under way -> how many deeds it covers.
        self.promised = {}  # Name of a folder that a test made -> inode.
        self.top = self._take(self.root)
        with open(self.log, "wb"):
            pass

    def keep(self, folder):
        """Of a folder in the root that a test made since the last cut. It is there from the first record of what is in
        it on: before, its number may have been another's, who was removed."""
        self.promised[os.path.relpath(folder, self.root)] = os.stat(folder).st_ino

    def _appear(self, name):
        self.top.now[name] = self.top.kept[name] = self.inodes[self.promised.pop(name)] = Folder()

    def _take(self, path):
        st = os.lstat(path)
        if stat.S_ISDIR(st.st_mode):
            found = Folder(stat.S_IMODE(st.st_mode))
            for name in os.listdir(path):
                inside = self._take(os.path.join(path, name))
                if inside is not None:
                    found.kept[name] = found.now[name] = inside
        elif stat.S_ISREG(st.st_mode):
            with open(path, "rb") as f:
                found = File(f.read(), stat.S_IMODE(st.st_mode))
        else:
            return None
        self.inodes[st.st_ino] = found
        return found

    def _parent(self, path):
        """The folder that a path stands in, and its name there; None when it is not ours."""
        path = os.path.relpath(os.path.normpath(path), self.root)
        if path.startswith(".."):
            return None, None
        *above, name = path.split("/")
        at = self.top
        for part in above:
            at = at.now.get(part)
            if not isinstance(at, Folder):
                return None, None
        return at, name

    def _replay(self, kind, inode, at, path, other, data):
        top = os.path.relpath(path, self.root).split("/")[0] if path else None
        if top in self.promised:
            self._appear(top)
        known = self.inodes.get(inode)
        folder, name = self._parent(path) if path else (None, None)
        if kind in (CREATE, FOLDER) and folder is None:
            self.inodes.pop(inode, None)  # The number of one of ours who was removed.
        elif kind in (CREATE, FOLDER):
            self.inodes[inode] = File() if kind == CREATE else Folder()
            folder.change((name, self.inodes[inode]))
        elif kind in (WRITE, CUT) and known is not None:
            known.write(at, data if kind == WRITE else None)
        elif kind == SYNC and known is not None:
            self.syncs[at] = known.deeds
        elif kind == SYNCED and known is not None:
            known.sync(self.syncs.pop(at))
        elif kind == REMOVE and folder is not None:
            folder.change((name, None))
        elif kind in (RENAME, LINK) and folder is not None:
            to, new = self._parent(other)
            what = folder.now.get(name)
            assert to is folder or kind == LINK, "only names within a folder are followed"
            to.change(*([(name, None)] if kind == RENAME else []), (new, what))

    def _read(self):
        with open(self.log, "rb") as f:
            log = f.read()
        at = 0
        while at < len(log):
            kind, path, other, size, inode, offset = HEAD.unpack_from(log, at)
            at += HEAD.size
            ends = (at + path, at + path + other, at + path + other + size)
            self._replay(kind, inode, offset, log[at:ends[0]].decode(), log[ends[0]:ends[1]].decode(),
                         log[ends[1]:ends[2]])
            at = ends[2]
        for name in list(self.promised):
            self._appear(name)

    def _modes(self):
        for at, folders, names in os.walk(self.root):
            for name in folders + names:
                st = os.lstat(os.path.join(at, name))
                if st.st_ino in self.inodes:
                    self.inodes[st.st_ino].mode = stat.S_IMODE(st.st_mode)

    def _put(self, path, what, chance):
        if chance is not None:
            what.cut(chance)
        if isinstance(what, File):
            with open(path, "wb") as f:
                f.write(what.data)
            os.utime(path, (self.now_s, self.now_s))
        else:
            os.mkdir(path)
            for name, inside in what.kept.items():
                self._put(os.path.join(path, name), inside, chance)
        os.chmod(path, what.mode)

    def cut(self, homes, chance: random.Random | None = None):
        """Nobody runs any more. Leave of those folders what a cut may leave: without |chance|, what is synced."""
        self._read()
        self._modes()
        self.now_s = os.stat(self.log).st_mtime
        for home in homes:
            name = os.path.relpath(home, self.root)
            what = self.top.kept.get(name)
            shutil.rmtree(home, ignore_errors=True)
            if what is not None:
                self._put(home, what, chance)
        self._scan()
