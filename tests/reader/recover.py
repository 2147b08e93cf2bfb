#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Restore the files of a Cairn deposit from any k shards and any t key shares.

Written from docs/FORMAT.md alone; the section numbers in the comments are those of
that page.  It shares no code and no table with Cairn.  It needs Python 3.11 or later
and two packages, `cryptography` (AES-256-GCM, Ed25519) and `zstandard`.

Exit codes: 0 ok, 1 failed, 2 usage, 20 something does not have the bytes that it
should have, 21 too few shards or key shares.
"""

import argparse
import collections
import hashlib
import hmac
import itertools
import json
import os
import re
import struct
import sys
import tempfile
from functools import lru_cache

import zstandard
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FAILED, INTEGRITY, TOO_FEW = 1, 20, 21          # 2: usage, by argparse
LEAF = 4096
MAX_CATALOGUE = 64 << 20
MAX_TRIES = 2000                # subsets of shards or shares to try before giving up


class Stop(Exception):
    """Ends the run with an exit code and a text that says what to do next."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class Damaged(Exception):
    """These bytes are not what the format page, or a hash, says they are."""


def need(condition, text):
    if not condition:
        raise Damaged(text)


def show(text):
    """Text from a deposit, made harmless for a terminal."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


class Report:
    """What is told on the way; standard error at once, and kept for --json."""

    def __init__(self):
        self.damaged, self.notes = [], []

    def damage(self, what, why):
        if {"what": what, "why": why} not in self.damaged:
            self.damaged.append({"what": what, "why": why})
            print(f"recover: DAMAGED {show(what)}: {show(why)}", file=sys.stderr)

    def note(self, text):
        self.notes.append(text)
        print(f"recover: {show(text)}", file=sys.stderr)


# ---- 1. Conventions: hashes, HKDF (RFC 5869), canonical msgpack ---------------------

def sha256(data):
    return hashlib.sha256(data).digest()


def tagged_hash(algorithm, dst, *parts):                        # TH256, TH512
    domain = b"cairn/v1/" + dst.encode()
    h = hashlib.new(algorithm, bytes([len(domain)]) + domain)
    for part in parts:
        h.update(struct.pack("<Q", len(part)) + part)
    return h.digest()


def hkdf_expand(prk, info, length):                             # with SHA-512
    out = block = b""
    for counter in range(1, -(-length // 64) + 1):
        block = hmac.digest(prk, block + info + bytes([counter]), "sha512")
        out += block
    return out[:length]


# first byte -> kind, bytes of the number that follows, least number that needs this form
LONG_FORMS = {
    0xcc: ("uint", 1, 128), 0xcd: ("uint", 2, 1 << 8), 0xce: ("uint", 4, 1 << 16), 0xcf: ("uint", 8, 1 << 32),
    0xc4: ("bin", 1, 0), 0xc5: ("bin", 2, 1 << 8), 0xc6: ("bin", 4, 1 << 16),
    0xd9: ("text", 1, 32), 0xda: ("text", 2, 1 << 8), 0xdb: ("text", 4, 1 << 16),
    0xdc: ("array", 2, 16), 0xdd: ("array", 4, 1 << 16), 0xde: ("map", 2, 16), 0xdf: ("map", 4, 1 << 16)}


def unpack(data, at=0, depth=0):
    """The msgpack value that begins at `at`, and where it ends."""
    def take(count):
        nonlocal at
        need(count <= len(data) - at, "msgpack is cut short")
        at += count
        return data[at - count:at]

    first = take(1)[0]
    if first < 0x80:
        kind, number = "uint", first
    elif first < 0x90:
        kind, number = "map", first & 15
    elif first < 0xa0:
        kind, number = "array", first & 15
    elif first < 0xc0:
        kind, number = "text", first & 31
    elif first in (0xc0, 0xc2, 0xc3):
        return {0xc0: None, 0xc2: False, 0xc3: True}[first], at
    else:
        need(first in LONG_FORMS, f"msgpack type {first:#x} is not allowed")
        kind, width, least = LONG_FORMS[first]
        number = int.from_bytes(take(width), "big")
        need(number >= least, "msgpack value is not in its shortest form")
    if kind == "uint":
        return number, at
    if kind == "bin":
        return take(number), at
    if kind == "text":
        try:
            text = take(number).decode("utf-8")
        except UnicodeDecodeError:
            raise Damaged("msgpack text is not UTF-8") from None
        need("\0" not in text, "msgpack text holds a NUL")
        return text, at
    need(depth < 8, "msgpack is nested too deeply")
    need(number <= len(data) - at, "msgpack is cut short")
    if kind == "array":
        items = []
        for _ in range(number):
            item, at = unpack(data, at, depth + 1)
            items.append(item)
        return items, at
    pairs, last = {}, -1
    for _ in range(number):
        key, at = unpack(data, at, depth + 1)
        need(type(key) is int and key > last, "msgpack map keys are not ascending integers")
        pairs[key], at = unpack(data, at, depth + 1)
        last = key
    return pairs, at


def unpack_all(data):
    value, end = unpack(data)
    need(end == len(data), "bytes behind the msgpack value")
    return value


KINDS = {
    "u": lambda v: type(v) is int, "b": lambda v: type(v) is bytes, "s": lambda v: type(v) is str,
    "h": lambda v: type(v) is bytes and len(v) == 32,           # bin32
    "a": lambda v: type(v) is list, "*": lambda v: True,
    "H": lambda v: type(v) is list and all(KINDS["h"](x) for x in v)}


def fields(value, kinds, what):
    """`value`, if it is an array of just these kinds of elements."""
    kinds = kinds.split()
    need(type(value) is list and len(value) == len(kinds), f"{what} is not an array of {len(kinds)}")
    for number, (item, kind) in enumerate(zip(value, kinds)):
        need(KINDS[kind](item), f"element {number} of the {what} is of the wrong kind")
    return value


# ---- 5. The manifest ----------------------------------------------------------------

class Manifest:
    def __init__(self, raw, lab_key=None):
        header, signature, payload = fields(unpack_all(raw), "b b b", "manifest")
        (one, net, author, incarnation, seq, prev, root, kind, length, digest, _, _) = fields(
            unpack_all(header), "u h h u u h h u u h u u", "manifest header")
        need(one == 1 and kind == 1, "the feed entry is not a manifest of format 1")
        self.hash = sha256(payload)
        need(length == len(payload) and digest == self.hash, "the payload does not have the hash in its header")
        self.author = author

        # A deposit made offline is signed by its author id, which is a key.  A lab of a
        # network may have changed its key since; only the charter tells.
        offline = net == bytes(32)
        need(not offline or prev == bytes(32) and incarnation == seq == 0 and root == sha256(b""),
             "it is of no network, but not the first entry of a key")
        self.signature_checked = bool(lab_key) or offline
        if self.signature_checked:
            try:
                Ed25519PublicKey.from_public_bytes(lab_key or author).verify(
                    signature, tagged_hash("sha512", "feed", net, header))
            except (InvalidSignature, ValueError):
                raise Damaged("its signature is not by " + ("--lab-key" if lab_key else "its author")) from None

        (version, suites, self.net, self.deposit, random, self.label, self.time, self.total, self.segment_size,
         self.segments, self.catalogue_segments, self.k, self.n, self.t, self.shard_size, self.roots, _,
         self.epoch, self.commitments, self.key_commitment, _, _, *later) = fields(
             unpack_all(payload), "u a h h h s u u u u u u u u u H H u H h b u * *", "manifest payload")
        need(version == 1 and suites == [1, 1, 1, 1],
             f"version {version} and suites {suites} are not known to this reader; find a newer format page")
        need(later == [0, 0], "numbers 22 and 23 have a meaning that this reader does not know")
        need(self.net == net, "header and payload name different networks")
        need(self.deposit == tagged_hash("sha256", "deposit-id", net, author, random),
             "its author speaks for another's deposit: the id is not made of the author's")
        need(1 <= self.k <= 48 and self.k < self.n <= 64 and 1 <= self.t <= self.n, "k, n, t make no sense")
        need(len(self.roots) == self.n and len(self.commitments) == self.t, "wrong number of roots or commitments")
        need(self.segment_size % LEAF == 0 and 64 << 10 <= self.segment_size <= 64 << 20, "bad segment size")
        need(1 <= self.catalogue_segments <= self.segments, "bad number of catalogue segments")
        self.commitments = [ristretto_decode(e) for e in self.commitments]
        # 3: trailer and segment table are at the end of a shard, so their place follows
        self.table_offset = self.shard_size - LEAF - -(-8 * self.segments // LEAF) * LEAF
        need(self.shard_size % LEAF == 0 and self.table_offset > LEAF, "bad shard length")


# ---- 3. A shard, and 4. the tree ----------------------------------------------------

class Shard:
    """A shard file.  A shard with a fault is still used, but only when no other is left:
    every segment that it helps to restore is proved by its tags."""

    def __init__(self, folder, manifest, report):
        self.name, self.manifest, self.report = os.path.join(folder, "shard"), manifest, report
        self.index, self.faulty, self.checked = None, False, False
        self.file = open(self.name, "rb")
        size = self.file.seek(0, 2)
        if size != manifest.shard_size:
            self.fault(f"has {size} bytes, not {manifest.shard_size}")
        for read, offset in ((self.read_trailer, max(0, size - LEAF)), (self.read_preamble, 0)):
            try:
                read(self.at(offset, LEAF))
            except Damaged as e:
                self.fault(str(e))

    def fault(self, why):
        self.faulty = True
        self.report.damage(self.name, why)

    def at(self, offset, size):
        try:
            self.file.seek(offset)
            data = self.file.read(size)
        except OSError as e:                                    # a bad sector, say
            raise Damaged(f"bytes from {offset} on cannot be read: {e.strerror}") from None
        need(len(data) == size, "the file ends too early")
        return data

    def read_trailer(self, data):
        need(data[:8] == b"CRNTRAIL" and data[80:112] == sha256(data[:80]), "the trailer is damaged")
        (version, content, code, tree, zero, index, k, n, segment_size, segments, catalogue, zeros, table_offset,
         deposit) = struct.unpack("<HBBBBHHHIQIIQ32s", data[8:80])
        need((version, content, code, tree) == (1, 1, 1, 1), "trailer: version or suite not known to this reader")
        need(zero == zeros == 0 and not any(data[112:]), "the trailer is damaged")
        m = self.manifest
        if deposit != m.deposit:
            raise Stop(FAILED, f"{self.name} belongs to deposit {deposit.hex()}, not to {m.deposit.hex()}: "
                               "give folders of one deposit only")
        need((k, n, segment_size, segments, catalogue, table_offset) ==
             (m.k, m.n, m.segment_size, m.segments, m.catalogue_segments, m.table_offset) and index < n,
             "the trailer does not agree with the manifest")
        self.index = index

    def read_preamble(self, data):
        """For people, so only a check; it also has the index, if the trailer is damaged."""
        found = re.match(rb"CRNSHARD 1\nDeposit: ([0-9a-f]{64})\nNetwork: [0-9a-f]{64}\nLab: [0-9a-f]{64}\n"
                         rb"Shard: (\d{1,5}) of (\d{1,5}), any (\d{1,5}) restore\nLabel: [^\n]*\n\n", data)
        need(found and data.endswith(b"\n") and found[1].decode() == self.manifest.deposit.hex(),
             "the preamble is damaged")
        index, n, k = (int(x) for x in found.groups()[1:])
        need((n, k) == (self.manifest.n, self.manifest.k) and index < n and self.index in (None, index),
             "the preamble does not agree with trailer and manifest")
        self.index = index

    def table(self):
        """[(leaves, ciphertext length)] of the segments."""
        m = self.manifest
        raw = self.at(m.table_offset, m.shard_size - LEAF - m.table_offset)
        entries = list(struct.iter_unpack("<II", raw[:8 * m.segments]))
        need(not any(raw[8 * m.segments:]), "the segment table is not padded with zeros")
        message = 5 + m.segment_size                            # 6: no message is longer
        longest = 24 + 32 + message + 16 * (message // 16384 + 1)
        need(all(leaves == -(-size // (m.k * LEAF)) and size <= longest for leaves, size in entries)
             and LEAF * (1 + sum(leaves for leaves, _ in entries)) == m.table_offset, "the segment table is damaged")
        return entries

    def check_root(self):
        """RFC 6962: hashes of complete subtrees, the largest first, wait in `waiting`."""
        if self.checked:
            return
        self.checked = True
        try:
            waiting = []
            for count in range(self.manifest.shard_size // LEAF):
                node = sha256(b"\0" + self.at(count * LEAF, LEAF))
                while count & 1:
                    node = sha256(b"\1" + waiting.pop() + node)
                    count >>= 1
                waiting.append(node)
            node = waiting.pop()
            while waiting:
                node = sha256(b"\1" + waiting.pop() + node)
            need(node == self.manifest.roots[self.index], "it does not have the Merkle root in the manifest")
        except Damaged as e:
            self.fault(f"shard {self.index}: {e}; ask its steward for a sound copy")


# ---- 7. The key: Pedersen shares over ristretto255 (RFC 9496) -----------------------

Q = 2**252 + 27742317777372353535851937790883648493
P = 2**255 - 19
EDWARDS_D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)


def ristretto_decode(data):                                     # RFC 9496, 4.3.1 and 4.2
    s = int.from_bytes(data, "little")
    need(s < P and not s & 1, "not an element of ristretto255")
    u1, u2 = (1 - s * s) % P, (1 + s * s) % P
    v = (-EDWARDS_D * u1 * u1 - u2 * u2) % P
    w = v * u2 * u2 % P                                         # its inverse square root:
    root = pow(w, 3, P) * pow(pow(w, 7, P), (P - 5) // 8, P) % P
    check = w * root * root % P
    if check in (P - 1, -SQRT_M1 % P):
        root = root * SQRT_M1 % P
    x = 2 * s * root * u2 % P
    x = P - x if x & 1 else x
    y = u1 * root * root * u2 * v % P
    need(check in (1, P - 1) and not x * y % P & 1 and y, "not an element of ristretto255")
    return x, y, 1, x * y % P


def add(p, q):                          # extended coordinates X, Y, Z, T, as in RFC 8032
    a, b = (p[1] - p[0]) * (q[1] - q[0]), (p[1] + p[0]) * (q[1] + q[0])
    c, d = 2 * EDWARDS_D * p[3] * q[3], 2 * p[2] * q[2]
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(scalar, point):
    result = (0, 1, 1, 0)
    for bit in bin(scalar)[2:]:
        result = add(result, result)
        if bit == "1":
            result = add(result, point)
    return result


def same_element(p, q):
    return (p[0] * q[1] - q[0] * p[1]) % P == 0 or (p[1] * q[1] - p[0] * q[0]) % P == 0


BASE = "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76"        # RFC 9496, A.1
PEDERSEN_H = "8ecf7d46f8d9bec86711def2de4a28f73b931b4d9fd8cf9c30d3f41edcf36268"

Share = collections.namedtuple("Share", "name deposit manifest_hash epoch i f g")


def read_share(path):
    with open(path, "rb") as file:
        raw = file.read(1 << 16)
    need(raw[:8] == b"CRNSHARE", "not an opened key share")
    one, deposit, manifest_hash, epoch, i, f, g = fields(unpack_all(raw[8:]), "u h h u u h h", "share")
    f, g = int.from_bytes(f, "little"), int.from_bytes(g, "little")
    need(one == 1 and i >= 1 and f < Q and g < Q, "not a key share of format 1")
    return Share(path, deposit, manifest_hash, epoch, i, f, g)


def agrees(share, commitments):
    """f(i) B + g(i) H = sum over k of i^k E_k"""
    left = add(multiply(share.f, ristretto_decode(bytes.fromhex(BASE))),
               multiply(share.g, ristretto_decode(bytes.fromhex(PEDERSEN_H))))
    right = (0, 1, 1, 0)
    for commitment in reversed(commitments):
        right = add(multiply(share.i, right), commitment)
    return same_element(left, right)


def recover_key(m, shares, given, report):
    """The content root.  No byte of a shard is decrypted before the key commitment holds."""
    groups = collections.defaultdict(dict)                      # shares of one manifest and epoch
    for share in shares:
        ours = (share.manifest_hash, share.epoch) == (m.hash, m.epoch)
        if share.deposit != m.deposit:
            report.note(f"{share.name} is a share of deposit {share.deposit.hex()}: not used")
        elif ours and not (share.i <= m.n and agrees(share, m.commitments)):
            report.damage(share.name, f"share {share.i} does not fit the commitments in the manifest: not used")
        else:
            if not ours:
                report.note(f"{share.name} is of another manifest, epoch {share.epoch}: only of use with its like")
            groups[share.manifest_hash, share.epoch][share.i, share.f, share.g] = share

    for group in groups.values():           # of one i there may be a damaged copy, too
        sets = (c for c in itertools.combinations(group.values(), m.t) if len({share.i for share in c}) == m.t)
        for chosen in itertools.islice(sets, MAX_TRIES):
            s = 0
            for a in chosen:                                    # Lagrange, at zero
                weight = 1
                for b in chosen:
                    if b is not a:
                        weight = weight * b.i * pow(b.i - a.i, -1, Q) % Q
                s = (s + a.f * weight) % Q
            salt = tagged_hash("sha256", "root-salt", m.deposit)
            prk = hmac.digest(salt, s.to_bytes(32, "little"), "sha512")         # HKDF-Extract
            if hmac.compare_digest(hkdf_expand(prk, b"cairn/v1/key-commit", 32), m.key_commitment):
                return hkdf_expand(prk, b"cairn/v1/content-root", 32)
    most = max((len({i for i, _, _ in group}) for group in groups.values()), default=0)
    if most >= m.t:
        raise Stop(INTEGRITY, f"no {m.t} of the {most} shares give the key that the manifest commits to: "
                              "ask the stewards to open their shares again")
    raise Stop(INTEGRITY if given >= m.t and report.damaged else TOO_FEW,
               f"{most} different usable key shares of one epoch, {m.t} needed: ask the stewards for more")


# ---- 6. From shards to plaintext ----------------------------------------------------

# GF(2^8) with the polynomial 0x11d: powers of x and their logarithms.
EXP, LOG = [1] * 510, [0] * 256
for power in range(1, 510):
    doubled = EXP[power - 1] << 1
    EXP[power] = doubled ^ 0x11d if doubled & 0x100 else doubled
for power in range(255):
    LOG[EXP[power]] = power


def gf_multiply(a, b):
    return EXP[LOG[a] + LOG[b]] if a and b else 0


def gf_inverse(a):
    return EXP[255 - LOG[a]]


@lru_cache(None)
def multiples(factor):
    """factor * byte for all bytes, for bytes.translate."""
    return bytes(gf_multiply(factor, value) for value in range(256))


def combine(terms):
    """The sum of factor * cell.  A sum is XOR: of whole cells at once, as big integers."""
    total, size = 0, 0
    for factor, cell in terms:
        size = len(cell)
        total ^= int.from_bytes(cell.translate(multiples(factor)), "little")
    return total.to_bytes(size, "little")


def invert(matrix):
    """Gauss and Jordan, over GF(2^8)."""
    size = len(matrix)
    rows = [list(row) + [int(i == j) for j in range(size)] for i, row in enumerate(matrix)]
    for column in range(size):
        pivot = next(r for r in range(column, size) if rows[r][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        factor = gf_inverse(rows[column][column])
        rows[column] = [gf_multiply(factor, x) for x in rows[column]]
        for r in range(size):
            if r != column:
                factor = rows[r][column]
                rows[r] = [x ^ gf_multiply(factor, y) for x, y in zip(rows[r], rows[column])]
    return [row[size:] for row in rows]


def join_cells(k, cells):
    """k cells {index: bytes} -> the padded ciphertext.  Take what is known of the first k
    cells off the parity cells; what remains is as many equations as cells are missing."""
    missing = [j for j in range(k) if j not in cells]
    if missing:
        parity = [r for r in cells if r >= k]
        known = [j for j in cells if j < k]
        rests = [combine([(1, cells[r])] + [(gf_inverse(r ^ j), cells[j]) for j in known]) for r in parity]
        weights = invert([[gf_inverse(r ^ j) for j in missing] for r in parity])
        for j, row in zip(missing, weights):
            cells[j] = combine(zip(row, rests))
    return b"".join(cells[j] for j in range(k))


def open_segment(content_root, deposit, index, ciphertext):
    """Ciphertext -> message: C2SP chunked-encryption, SHA-512 and AES-256-GCM."""
    number = struct.pack("<Q", index)
    key = hkdf_expand(content_root, b"cairn/v1/segment" + number, 32)
    context = tagged_hash("sha256", "segment-ctx", deposit, number)
    salt, commitment, chunks = ciphertext[:24], ciphertext[24:56], memoryview(ciphertext)[56:]
    derived = hkdf_expand(key, b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + context, 76)
    need(hmac.compare_digest(derived[44:], commitment), "its key commitment does not hold")
    aead, base_nonce = AESGCM(derived[:32]), int.from_bytes(derived[32:44], "big")
    full, rest = divmod(len(chunks), 16384 + 16)
    need(rest >= 16, "its ciphertext is cut short")             # the last chunk is never full
    message = []
    for c in range(full + 1):
        nonce = (base_nonce ^ c).to_bytes(12, "big")
        try:
            message.append(aead.decrypt(nonce, bytes(chunks[c * 16400:(c + 1) * 16400]), None))
        except InvalidTag:
            raise Damaged(f"the tag of its chunk {c} does not hold") from None
    return b"".join(message)


def unwrap(message, segment_size):
    """Message -> plaintext."""
    need(len(message) >= 5, "its message has no header")
    codec, size = struct.unpack("<BI", message[:5])
    plain = message[5:]
    need(codec in (0, 1) and 0 < size <= segment_size, f"its codec {codec} is unknown, or it is empty or too long")
    if codec == 1:
        try:
            frame = zstandard.get_frame_parameters(plain)
            need(frame.content_size == size, "its zstd frame is of another length, or does not say")
            need(frame.window_size <= 8 << 20 and frame.dict_id == 0, "its zstd frame asks for too much")
            plain = zstandard.ZstdDecompressor().decompress(plain, max_output_size=size, allow_extra_data=False)
        except zstandard.ZstdError as e:
            raise Damaged(f"its zstd frame: {e}") from None
    need(len(plain) == size, "its plaintext does not have the length that it should")
    return plain


class Segments:
    """The plaintext of every segment of a deposit, one at a time."""

    def __init__(self, manifest, shards, content_root, report):
        self.manifest, self.shards, self.content_root, self.report = manifest, shards, content_root, report
        self.last, self.tables, self.lost = (None, b""), [], {}
        for shard in shards:
            try:
                self.tables.append((shard, shard.table()))
            except Damaged as e:
                shard.fault(str(e))
        if any(table != self.tables[0][1] for _, table in self.tables):
            self.audit()
        if not self.tables:
            raise Stop(INTEGRITY, "no shard has a sound segment table: bring shards from other stewards")
        self.table = min(self.tables, key=lambda x: x[0].faulty)[1]
        self.offsets = list(itertools.accumulate((LEAF * leaves for leaves, _ in self.table), initial=LEAF))

    def audit(self):
        for shard in self.shards:
            shard.check_root()

    def choices(self):
        """Sets of k shards: sound before faulty, cells of ciphertext before parity."""
        order = sorted(self.shards, key=lambda s: (s.faulty, s.index))
        return (c for c in itertools.combinations(order, self.manifest.k)
                if len({s.index for s in c}) == self.manifest.k)

    def attempt(self, index, chosen):
        leaves, size = self.table[index]
        try:
            cells = {shard.index: shard.at(self.offsets[index], leaves * LEAF) for shard in chosen}
            padded = join_cells(self.manifest.k, cells)
            message = open_segment(self.content_root, self.manifest.deposit, index, padded[:size])
            return unwrap(message, self.manifest.segment_size)
        except Damaged as e:
            raise Damaged(f"segment {index} does not open: {e}") from None

    def plaintext(self, index):
        if self.last[0] != index:
            if index in self.lost:
                raise Damaged(self.lost[index])
            self.last = (None, b"")                             # one segment in memory, not two
            self.last = (index, self.find(index))
        return self.last[1]

    def find(self, index):
        try:
            return self.attempt(index, next(self.choices()))
        except Damaged as e:
            reason = str(e)
        self.report.note(f"{reason}; looking for the damaged shard (this reads all of them)")
        self.audit()
        for chosen in itertools.islice(self.choices(), MAX_TRIES):
            try:
                return self.attempt(index, chosen)
            except Damaged as e:
                reason = str(e)
            if not any(shard.faulty for shard in chosen):
                reason += "; yet these shards are as the manifest describes them, so it was written like this"
                break
        self.lost[index] = reason
        raise Damaged(reason)


# ---- 8. The catalogue and the files -------------------------------------------------

Entry = collections.namedtuple("Entry", "path size mode sha256 first offset kind dtypes")


def read_catalogue(segments):
    m = segments.manifest
    data, size = [], 0
    for index in range(m.segments - m.catalogue_segments, m.segments):
        data.append(segments.plaintext(index))
        size += len(data[-1])
        need(size <= MAX_CATALOGUE, "longer than 64 MiB")
    data = b"".join(data)
    head, at = unpack(data)
    one, count, total, _, _, _ = fields(head, "u u u s u s", "catalogue head")
    need(one == 1, "not of format 1")
    entries = []
    for _ in range(count):
        value, at = unpack(data, at)
        entry = Entry(*fields(value, "s u u h u u s a", "catalogue entry"))
        need(not any(name in ("", ".", "..") for name in entry.path.split("/"))
             and not any(c < " " or "\x7f" <= c <= "\x9f" for c in entry.path) and len(entry.path.encode()) <= 4095
             and not (os.name == "nt" and set(entry.path) & set("\\:")), f"the path {entry.path!r} is not safe")
        need(entry.mode <= 0o777, f"{entry.path!r} has a mode beyond 0777")
        need(not entries or entries[-1].path.encode() < entry.path.encode(), "paths are not in ascending order")
        entries.append(entry)
    provenance, at = unpack(data, at)
    need(type(provenance) is list and all(type(x) is bytes for x in provenance), "statements of the wrong kind")
    need(at == len(data), "bytes behind the catalogue")
    need(total == m.total == sum(e.size for e in entries), "sizes do not add up to that in the manifest")
    folders = {e.path[:i] for e in entries for i, c in enumerate(e.path) if c == "/"}
    need(not any(e.path in folders for e in entries), "a path is both file and folder")
    return entries


def file_pieces(segments, entry):
    """The bytes of a file, piece by piece."""
    index, offset, left = entry.first, entry.offset, entry.size
    end = segments.manifest.segments - segments.manifest.catalogue_segments
    while left:
        need(index < end, "the file goes on past the last segment")
        plain = segments.plaintext(index)
        need(offset <= len(plain), "the file begins outside its segment")
        piece = memoryview(plain)[offset:offset + left]
        left -= len(piece)
        index, offset = index + 1, 0
        yield piece


def place_of(out, entry):
    return os.path.join(out, *entry.path.split("/"))


def look_at(out, entry, force):
    """What is at the place of a file: "absent", "same", "differs", or a reason to refuse."""
    folder = out
    for name in entry.path.split("/")[:-1]:
        folder = os.path.join(folder, name)
        if os.path.islink(folder):
            return f"{folder} is a symbolic link"
        if os.path.lexists(folder) and not os.path.isdir(folder):
            return f"{folder} is in the way"
    target = place_of(out, entry)
    if not os.path.lexists(target):
        return "absent"
    if os.path.isdir(target) and not os.path.islink(target):
        return f"{target} is a folder"
    if os.path.isfile(target) and not os.path.islink(target) and os.path.getsize(target) == entry.size:
        with open(target, "rb") as file:
            if hashlib.file_digest(file, "sha256").digest() == entry.sha256:
                return "same"
    return "differs" if force else f"{target} exists and differs"


def write_file(segments, entry, out):
    """Into a temporary name; renamed once all bytes have the hash in the catalogue."""
    target = place_of(out, entry)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".cairn-recover-", dir=os.path.dirname(target))
    try:
        h = hashlib.sha256()
        with os.fdopen(handle, "wb") as file:
            for piece in file_pieces(segments, entry):
                h.update(piece)
                file.write(piece)
            need(h.digest() == entry.sha256, "the bytes do not have the SHA-256 in the catalogue")
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, entry.mode)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


# ---- The program --------------------------------------------------------------------

def read_shares(paths, report):
    shares = []
    for path in paths:
        try:
            shares.append(read_share(path))
        except OSError as e:
            report.note(f"{path}: {e.strerror}")
        except Damaged as e:
            report.damage(path, str(e))
    return shares


def read_manifest(folders, shares, lab_key, report):
    """The manifest of the deposit; of several, the one that most shares, then folders, have."""
    found = []
    for folder in folders:
        path = os.path.join(folder, "manifest")
        try:
            with open(path, "rb") as file:
                found.append(Manifest(file.read(64 << 20), lab_key))
        except OSError as e:
            report.note(f"{path}: {e.strerror}")
        except Damaged as e:
            report.damage(path, str(e))
    if not found:
        raise Stop(INTEGRITY, "no folder has a sound manifest: copy that of another steward (all keep the same)")
    deposits = sorted({m.deposit.hex() for m in found})
    if len(deposits) > 1:
        raise Stop(FAILED, f"the folders are of different deposits ({', '.join(deposits)}): give those of one")
    weight = collections.Counter([share.manifest_hash for share in shares] * 1000 + [m.hash for m in found])
    best = max(found, key=lambda m: weight[m.hash])
    if len({m.hash for m in found}) > 1:
        report.note(f"the folders have different manifests; using {best.hash.hex()}")
    return best


def open_shards(folders, manifest, needed, report):
    shards = []
    for folder in folders:
        try:
            shards.append(Shard(folder, manifest, report))
        except OSError as e:
            report.note(f"{os.path.join(folder, 'shard')}: {e.strerror}")
    usable = [shard for shard in shards if shard.index is not None]
    different = len({shard.index for shard in usable})
    if different < needed:
        raise Stop(INTEGRITY if len(shards) >= needed and len(usable) < len(shards) else TOO_FEW,
                   f"{different} different usable shards, {needed} needed: bring shards of other stewards")
    return usable


def verify(shards, report):
    """Every shard alone against its root in the manifest, for which no key is needed."""
    for shard in shards:
        shard.check_root()
        if not shard.faulty:
            report.note(f"{shard.name}: shard {shard.index}, Merkle root ok")


def run(args, report, result):
    shares = read_shares(args.shares, report)
    m = read_manifest(args.shards, shares, args.lab_key, report)
    signature = "signature ok" if m.signature_checked else "signature not checked: needs the charter (or --lab-key)"
    result.update(deposit=m.deposit.hex(), network=m.net.hex(), lab=m.author.hex(), label=m.label,
                  manifest_hash=m.hash.hex(), signature=signature, k=m.k, n=m.n, t=m.t)
    report.note(f"deposit {m.deposit.hex()}, \"{m.label}\", by lab {m.author.hex()}; {signature}")
    if not args.shares:
        shards = open_shards(args.shards, m, 1, report)
        verify(shards, report)
        if report.damaged or len(shards) < len(args.shards):
            raise Stop(INTEGRITY, "some of what was given is damaged or not there (see above): have it replaced")
        return
    shards = open_shards(args.shards, m, m.k, report)
    content_root = recover_key(m, shares, len(args.shares), report)
    report.note("key commitment ok")
    segments = Segments(m, shards, content_root, report)
    if args.verify:
        verify(shards, report)
    try:
        entries = read_catalogue(segments)
    except Damaged as e:
        raise Stop(INTEGRITY, f"the catalogue cannot be read: {e}: bring shards of other stewards") from None

    def under(entry, path):
        return entry.path == path or entry.path.startswith(path.rstrip("/") + "/")
    unknown = [path for path in args.only if not any(under(e, path) for e in entries)]
    if unknown:
        raise Stop(FAILED, f"not in the deposit: {', '.join(unknown)}: --list shows what is")
    if args.only:
        entries = [e for e in entries if any(under(e, path) for path in args.only)]
    result["files"] = [dict(path=e.path, size=e.size, mode=f"{e.mode:04o}", sha256=e.sha256.hex(), kind=e.kind,
                            status="listed") for e in entries]
    if args.list:
        if not args.json:
            for e in entries:
                print(f"{e.mode:04o} {e.size:>14} {e.sha256.hex()} {show(e.path)}")
    else:
        restore(args, segments, entries, report, result)
    if args.verify and report.damaged:
        raise Stop(INTEGRITY, ("" if args.list else "all files are restored, but ")
                   + "some of what was given is damaged (see above): have it replaced")


def restore(args, segments, entries, report, result):
    places = [look_at(args.out, e, args.force) for e in entries]
    refused = [place for place in places if place not in ("absent", "same", "differs")]
    if refused:
        raise Stop(FAILED, f"nothing was written: {'; '.join(refused)}: name another OUT (or --force to replace files)")
    os.makedirs(args.out, exist_ok=True)
    failed = 0
    for entry, place, told in zip(entries, places, result["files"]):
        try:
            if place == "same":
                os.chmod(place_of(args.out, entry), entry.mode)
            else:
                write_file(segments, entry, args.out)
            told["status"] = "already there" if place == "same" else "restored"
        except Damaged as e:
            failed += 1
            told["status"] = "failed"
            report.damage(f"file {entry.path}", f"not restored: {e}")
    if failed:
        raise Stop(INTEGRITY, f"{failed} of {len(entries)} files could not be restored: "
                              "bring shards of other stewards and run again; files in place are kept")
    if not args.json:
        print(f"{len(entries)} file(s) of \"{show(segments.manifest.label)}\" are in {args.out}, as deposited")


def parse_arguments(argv):
    p = argparse.ArgumentParser(
        prog="recover.py", allow_abbrev=False,
        usage="recover.py --shards DIR... --shares FILE... [--only PATH]... [--list] [--verify] [--json] "
              "[--force] [--lab-key HEX] OUT\n"
              "       recover.py --verify --shards DIR... [--json] [--lab-key HEX]",
        description="Restore the files of a Cairn deposit into the folder OUT, or check shards without a key.")
    p.add_argument("--shards", metavar="DIR", nargs="+", action="extend", default=[],
                   help="folders with the files shard and manifest; k of them are needed")
    p.add_argument("--shares", metavar="FILE", nargs="+", action="extend", default=[],
                   help="opened key shares; t of them are needed")
    p.add_argument("--only", metavar="PATH", action="append", default=[], help="this file or folder only")
    p.add_argument("--list", action="store_true", help="show the files, restore none; OUT may be left away")
    p.add_argument("--verify", action="store_true",
                   help="compute the Merkle root of every shard first; exit 20 if anything given is damaged; "
                        "without --shares and OUT do only that, with any number of shards")
    p.add_argument("--json", action="store_true", help="tell the result as JSON on standard output")
    p.add_argument("--force", action="store_true", help="replace files in OUT that differ")
    p.add_argument("--lab-key", metavar="HEX", help="the key that must have signed the manifest")
    args, rest = p.parse_known_args(argv)
    rest = [word for word in rest if word != "--"]
    if any(word.startswith("-") for word in rest) or len(rest) > 1:
        p.error(f"cannot make sense of: {' '.join(rest)}")
    # OUT is the last word; behind a list of folders or shares it was taken as one of them
    args.out = rest[0] if rest else None
    lists = [word for word in argv if word in ("--shards", "--shares")]
    only_verify = args.verify and not args.shares and not args.list and args.out is None
    if args.out is None and lists and not args.list and not only_verify:
        args.out = (args.shards if lists[-1] == "--shards" else args.shares).pop()
    forgotten = args.out and (os.path.isfile(args.out) or all(
        os.path.isfile(os.path.join(args.out, name)) for name in ("shard", "manifest")))
    if not args.shards or not (only_verify or args.shares and not forgotten and (args.out or args.list)):
        p.error("needed: --shards with folders, --shares with files, and as the last word OUT, a folder for the files")
    try:
        args.lab_key = bytes.fromhex(args.lab_key) if args.lab_key else None
        if args.lab_key is not None and len(args.lab_key) != 32:
            raise ValueError
    except ValueError:
        p.error("--lab-key: 64 hex digits")
    return args


def main(argv):
    try:
        args = parse_arguments(argv)
    except SystemExit as e:
        return e.code
    report, result, code = Report(), {}, 0
    try:
        run(args, report, result)
    except Stop as e:
        code, result["error"] = e.code, str(e)
    except OSError as e:
        code, result["error"] = FAILED, f"{e.filename or ''}: {e.strerror}"
    if code:
        print(f"recover: {show(result['error'])}", file=sys.stderr)
    if args.json:
        print(json.dumps(dict(result, ok=code == 0, exit=code, damaged=report.damaged, notes=report.notes), indent=1))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
