#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tests recover.py against deposits that this file writes itself, from docs/FORMAT.md.

The writer below is made from the page alone, like the reader, and on purpose in
another way: definitions instead of tables, recursion instead of stacks, affine points.
It uses nothing of recover.py; that is only run, through its command line.

Usage: selftest.py [SEED [TEST...]], a test being the name of a function without test_
"""

import contextlib
import functools
import hashlib
import hmac
import io
import itertools
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

import zstandard
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)
import recover                                                  # noqa: E402  (only main and unpack_all are used)

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else int.from_bytes(os.urandom(4), "big")
rng = random.Random(SEED)
os.fsync = lambda _: None          # the disk is not under test

# ==== The writer =====================================================================


def th(name, dst, *parts):
    d = b"cairn/v1/" + dst
    return hashlib.new(name, bytes([len(d)]) + d + b"".join(len(p).to_bytes(8, "little") + p for p in parts)).digest()


def expand(prk, info, length):
    t, out, i = b"", b"", 1
    while len(out) < length:
        t = hmac.new(prk, t + info + bytes([i]), hashlib.sha512).digest()
        out, i = out + t, i + 1
    return out[:length]


def pack(v):
    def head(n, small, forms):
        if small is not None and n < small[1]:
            return bytes([small[0] + n])
        for byte, width in forms:
            if n < 1 << 8 * width:
                return bytes([byte]) + n.to_bytes(width, "big")
    if v is None or v is True or v is False:
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[v]
    if isinstance(v, int):
        return head(v, (0, 128), [(0xcc, 1), (0xcd, 2), (0xce, 4), (0xcf, 8)])
    if isinstance(v, bytes):
        return head(len(v), None, [(0xc4, 1), (0xc5, 2), (0xc6, 4)]) + v
    if isinstance(v, str):
        raw = v.encode()
        return head(len(raw), (0xa0, 32), [(0xd9, 1), (0xda, 2), (0xdb, 4)]) + raw
    return head(len(v), (0x90, 16), [(0xdc, 2), (0xdd, 4)]) + b"".join(pack(x) for x in v)


# ristretto255, RFC 9496, on affine points
p = 2**255 - 19
q = 2**252 + 27742317777372353535851937790883648493
d = -121665 * pow(121666, p - 2, p) % p
i_ = pow(2, (p - 1) // 4, p)


def even(x):
    return x % p if x % p % 2 == 0 else -x % p


def root_of_ratio(u, v):                    # SQRT_RATIO_M1
    r = even(pow(u * pow(v, p - 2, p), (p + 3) // 8, p))
    for candidate in (r, even(r * i_)):
        if (v * candidate * candidate - u) % p == 0:
            return True, candidate
    for candidate in (r, even(r * i_)):
        if (v * candidate * candidate - i_ * u) % p == 0:
            return False, candidate
    raise ArithmeticError


def plus(a, b):
    (x1, y1), (x2, y2) = a, b
    m = d * x1 * x2 * y1 * y2
    return (x1 * y2 + x2 * y1) * pow(1 + m, -1, p) % p, (y1 * y2 + x1 * x2) * pow(1 - m, -1, p) % p


@functools.lru_cache(None)
def doubled(point, often):
    return plus(doubled(point, often - 1), doubled(point, often - 1)) if often else point


def times(n, point):
    return functools.reduce(plus, (doubled(point, e) for e in range(n.bit_length()) if n >> e & 1), (0, 1))


def encode(point):
    x, y = point
    u1, u2 = (1 + y) * (1 - y), x * y
    _, r = root_of_ratio(1, u1 * u2 * u2)
    den1, den2 = r * u1, r * u2
    z_inv = den1 * den2 * x * y
    if x * y * z_inv % p & 1:
        x, y, den2 = y * i_, x * i_, den1 * root_of_ratio(1, -1 - d)[1]
    if x * z_inv % p & 1:
        y = -y
    return even(den2 * (1 - y)).to_bytes(32, "little")


def elligator(t):
    r = i_ * t * t % p
    u, v = (r + 1) * (1 - d * d) % p, (-1 - r * d) * (r + d) % p
    square, s = root_of_ratio(u, v)
    c = -1 if square else r
    s = s if square else -even(s * t)
    n = (c * (r - 1) * (d - 1) ** 2 - v) % p
    root = 25063068953384623474111414158702152701244531502492656460079210482610430750235    # sqrt(-d - 1)
    w0, w1, w2, w3 = 2 * s * v, n * root, 1 - s * s, 1 + s * s
    return w0 * pow(w1, -1, p) % p, w2 * pow(w3, -1, p) % p


def one_way_map(data):
    halves = [int.from_bytes(data[o:o + 32], "little") % 2**255 for o in (0, 32)]
    return plus(elligator(halves[0]), elligator(halves[1]))


y_ = 4 * pow(5, -1, p) % p
B = (root_of_ratio(y_ * y_ - 1, d * y_ * y_ + 1)[1], y_)
H = one_way_map(th("sha512", b"pedersen-H", encode(B)))


# GF(2^8), by definition
def gf(a, b):
    out = 0
    while b:
        out ^= a if b & 1 else 0
        a, b = a << 1, b >> 1
        a ^= 0x11d if a & 0x100 else 0
    return out


INVERSE = {a: next(b for b in range(1, 256) if gf(a, b) == 1) for a in range(1, 256)}
ROWS = {a: bytes(gf(a, b) for b in range(256)) for a in range(256)}


def tree_root(leaves):                      # RFC 6962, 2.1
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + tree_root(leaves[:split]) + tree_root(leaves[split:])).digest()


def seal(content_root, deposit, index, message, no_last_chunk, commitment):
    n = struct.pack("<Q", index)
    salt = rng.randbytes(24)
    keys = expand(expand(content_root, b"cairn/v1/segment" + n, 32),
                  b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + th("sha256", b"segment-ctx", deposit, n),
                  76)
    out = [salt, commitment or keys[44:]]
    chunks = [message[o:o + 16384] for o in range(0, len(message) + 1, 16384)]
    if no_last_chunk:
        chunks = chunks[:-1]
    for c, chunk in enumerate(chunks):
        nonce = bytes(a ^ b for a, b in zip(keys[32:44], c.to_bytes(12, "big")))
        out.append(AESGCM(keys[:32]).encrypt(nonce, chunk, None))
    return b"".join(out)


class Deposit:
    """A deposit in `folder`: s0 .. s6 (the stewards' folders) and share1 .. share7."""

    def __init__(self, folder, files, k=4, n=7, t=3, segment_size=65536, net=bytes(32), epoch=0, **lie):
        self.folder, self.k, self.n, self.t, self.files = folder, k, n, t, files
        self.key = Ed25519PrivateKey.generate()
        public = self.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.public = public
        author = public if net == bytes(32) else rng.randbytes(32)
        random = rng.randbytes(32)
        deposit = th("sha256", b"deposit-id", net, author, random)
        label = "Selbsttest öß"
        # 7
        f, g = [[rng.randrange(q) for _ in range(t)] for _ in range(2)]
        prk = hmac.new(th("sha256", b"root-salt", deposit), f[0].to_bytes(32, "little"), hashlib.sha512).digest()
        content_root, key_commitment = (expand(prk, b"cairn/v1/" + w, 32) for w in (b"content-root", b"key-commit"))
        if lie.get("key_commitment"):
            key_commitment = rng.randbytes(32)
        commitments = [encode(plus(times(a, B), times(b, H))) for a, b in zip(f, g)]
        # 8: plaintext of the files, in segments that are full, or of random length
        stream = b"".join(files[name][0] for name in sorted(files, key=str.encode))
        segments, entries, position, start = [], [], 0, 0
        places = []
        while position < len(stream):
            size = rng.randint(1, segment_size) if lie.get("ragged") else segment_size
            places.append((position, len(segments)))
            segments.append(stream[position:position + size])
            position += size
            if lie.get("hollow") and len(segments) == 1:
                segments.append(b"")        # says nothing, and is in nobody's way
        for name in sorted(files, key=str.encode):
            data, mode = files[name]
            before = [x for x in places if x[0] <= start] or [(0, 0)]
            entries.append([name, len(data), mode, hashlib.sha256(data).digest(), before[-1][1],
                            start - before[-1][0], "", [["F16", len(data)]] if len(data) > 100 else []])
            start += len(data)
        entries = lie.get("entries", lambda e: e)(entries)
        catalogue = pack([1, len(entries), len(stream), label, 1700000000, "selftest"])
        catalogue += b"".join(pack(e) for e in entries) + pack(lie.get("provenance", [b"statement"])) + lie.get("catalogue_tail", b"")
        catalogue = lie.get("catalogue", lambda c: c)(catalogue)
        parts = [catalogue[o:o + segment_size] for o in range(0, len(catalogue), segment_size)]
        catalogue_segments = len(parts)
        segments += parts
        # 6
        self.cells, cells, table = [], [b""] * n, b""
        for index, plain in enumerate(segments):
            codec = index % 2
            payload = zstandard.ZstdCompressor().compress(plain) if codec else plain
            if len(payload) > len(plain):
                codec, payload = 0, plain
            message = lie.get("message", lambda i, m: m)(index, struct.pack("<BI", codec, len(plain)) + payload)
            c = seal(content_root, deposit, index, message, lie.get("no_last_chunk"), lie.get("commitment"))
            leaves = next(x for x in itertools.count(len(c) // (k * 4096)) if k * x * 4096 >= len(c))
            table += struct.pack("<II", leaves, len(c))
            c = c.ljust(k * leaves * 4096, b"\0")
            pieces = [c[j * leaves * 4096:(j + 1) * leaves * 4096] for j in range(k)]
            for r in range(k, n):
                total = 0
                for j in range(k):
                    total ^= int.from_bytes(pieces[j].translate(ROWS[INVERSE[r ^ j]]), "big")
                pieces.append(total.to_bytes(leaves * 4096, "big"))
            self.cells.append((4096 + len(cells[0]), leaves * 4096))
            cells = [a + b for a, b in zip(cells, pieces)]
        # 3
        self.table_offset = 4096 + len(cells[0])
        table = lie.get("table", lambda x: x)(table)
        table = table.ljust(-(-len(table) // 4096) * 4096, b"\0")
        shards, roots = [], []
        for index in range(n):
            lines = (f"CRNSHARD 1\nDeposit: {deposit.hex()}\nNetwork: {net.hex()}\nLab: {author.hex()}\n"
                     f"Shard: {index} of {n}, any {k} restore\nLabel: {label}\n\nA piece of something.")
            trailer = b"CRNTRAIL" + struct.pack("<HBBBBHHHIQIIQ", 1, 1, 1, 1, 0, index, k, n, segment_size,
                                                len(segments), catalogue_segments, 0, self.table_offset) + deposit
            trailer += hashlib.sha256(trailer).digest()
            shard = lines.encode().ljust(4095) + b"\n" + cells[index] + table + trailer.ljust(4096, b"\0")
            shards.append(shard)
            roots.append(tree_root([shard[o:o + 4096] for o in range(0, len(shard), 4096)]))
        self.shard_size = len(shards[0])
        # 5
        payload = [1, [1, 1, 1, 1], net, deposit, random, label, 1700000000, len(stream), segment_size, len(segments),
                   catalogue_segments, k, n, t, len(shards[0]), roots, [], epoch, commitments, key_commitment,
                   pack([1, 2, 1]), 0, 0, 0]
        payload = lie.get("payload_bytes", lambda x: x)(pack(lie.get("payload", lambda x: x)(payload)))
        manifest_hash = hashlib.sha256(payload).digest()
        header = [1, net, author, 0, 0, bytes(32), hashlib.sha256(b"").digest(), 1, len(payload), manifest_hash,
                  1700000000000, 0]
        header = lie.get("header_bytes", lambda x: x)(pack(lie.get("header", lambda h: h)(header)))
        manifest = pack([header, self.key.sign(th("sha512", b"feed", net, header)), payload])
        for index in range(n):
            os.makedirs(self.shard(index))
            write(os.path.join(self.shard(index), "shard"), shards[index])
            write(os.path.join(self.shard(index), "manifest"), manifest)
        def open_shares(f, g, manifest_hash, epoch, suffix=""):
            for i in range(1, n + 1):
                value = [sum(c * i**e for e, c in enumerate(poly)) % q for poly in (f, g)]
                opened = [1, deposit, manifest_hash, epoch, i, *(x.to_bytes(32, "little") for x in value)]
                write(self.share(i) + suffix, b"CRNSHARE" + pack(opened))
        open_shares(f, g, manifest_hash, epoch)
        if lie.get("reshared"):             # the same secret, shared again
            f, g = [f[0]] + [rng.randrange(q) for _ in f[1:]], [rng.randrange(q) for _ in g]
            open_shares(f, g, rng.randbytes(32), epoch + 1, "-new")

    def shard(self, index):
        return os.path.join(self.folder, f"s{index}")

    def share(self, i):
        return os.path.join(self.folder, f"share{i}")


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def read(path):
    with open(path, "rb") as file:
        return file.read()


# ==== The tests ======================================================================

TEMP = tempfile.mkdtemp(prefix="cairn-selftest-")
COUNT = 0


def check(condition, what):
    global COUNT
    COUNT += 1
    if not condition:
        raise AssertionError(what)


def fresh(name="out"):
    path = os.path.join(TEMP, name)
    shutil.rmtree(path, ignore_errors=True)
    return path


def run(deposit, shards, shares, *options, out=None, folder=None, clean=True):
    """Runs the reader; -> exit code, what it said, and its JSON."""
    out = out or (fresh() if clean else os.path.join(TEMP, "out"))
    said, told = io.StringIO(), io.StringIO()
    argv = ["--json", *options, "--shards", *(s if isinstance(s, str) else deposit.shard(s) for s in shards),
            "--shares", *(s if isinstance(s, str) else deposit.share(s) for s in shares), out]
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(told):
        code = recover.main(argv)
    result = json.loads(told.getvalue())
    check(result["exit"] == code and result["ok"] == (code == 0), "JSON and exit code agree")
    return code, said.getvalue(), result


def restored(files, out=None):
    """Does OUT hold these files, with these modes, and nothing else?"""
    out = out or os.path.join(TEMP, "out")
    found = {}
    for folder, _, names in os.walk(out):
        for name in names:
            path = os.path.join(folder, name)
            mode = os.stat(path).st_mode & 0o7777
            os.chmod(path, mode | 0o400)    # whoever is not root may not read all
            found[os.path.relpath(path, out)] = (read(path), mode)
            os.chmod(path, mode)
    return found == files


@contextlib.contextmanager
def broken(path, change):
    """The file with some bytes changed, for a while."""
    before = read(path)
    write(path, change(before))
    try:
        yield
    finally:
        write(path, before)


def flip(offset, bit=None):
    def change(data):
        data = bytearray(data)
        data[offset] ^= 1 << (rng.randrange(8) if bit is None else bit)
        return bytes(data)
    return change


def model(size):
    """Half noise, half compressible."""
    return rng.randbytes(size // 2) + b"\x3c\x00\x11" * (size // 6) + b"e" * (size - size // 2 - size // 6 * 3)


FILES = {
    "README.md": (b"# hello\n", 0o644),
    "empty": (b"", 0o600),
    "weights/model-00001.safetensors": (model(300_001), 0o440),
    "weights/model-00002.safetensors": (model(65_536), 0o644),
    "weights/é ü.bin": (rng.randbytes(131_073), 0o755),
    "weights/zero/empty too": (b"", 0o444),
    "z": (b"\0" * 70_000, 0o640),
}
ALL, SHARES = range(7), range(1, 8)


def test_known_answers(_):
    check(encode(B).hex() == "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76", "RFC 9496: B")
    check(encode(times(2, B)).hex() == "6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919", "RFC 9496: 2B")
    check(encode(H).hex() == "8ecf7d46f8d9bec86711def2de4a28f73b931b4d9fd8cf9c30d3f41edcf36268", "the page's H")
    for _ in range(20):
        point = times(rng.randrange(q), B)
        twin = recover.ristretto_decode(encode(point))
        check(recover.same_element(twin, (*point, 1, point[0] * point[1] % p)), "decode")
        check(not recover.same_element(twin, recover.add(twin, recover.ristretto_decode(encode(B)))), "not all are the same")
    value = int.from_bytes(encode(B), "little")
    for text in ((p - value).to_bytes(32, "little").hex(), (2 * p - value).to_bytes(32, "little").hex(),
                 "01" + "00" * 31, "ff" * 32, "ed" + "ff" * 30 + "7f", "ec" + "ff" * 30 + "7f",      # RFC 9496, A.3
                 "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
                 "4eac077a713c57b4f4397629a4145982c661f48044dd3f96427d40b147d9742f",
                 "3eb858e78f5a7254d8c9731174a94f76755fd3941c0ac93735c07ba14579630e"):
        with contextlib.suppress(recover.Damaged):
            recover.ristretto_decode(bytes.fromhex(text))
            check(False, f"{text} is not an element")
    good = {"00": 0, "7f": 127, "cc80": 128, "cdffff": 65535, "ce00010000": 65536, "cf0000000100000000": 2**32,
            "c0": None, "c3": True, "c400": b"", "a161": "a", "9101": [1], "820005" "0106": {0: 5, 1: 6}, "80": {},
            "d920" + "61" * 32: "a" * 32, "91" * 8 + "00": [[[[[[[[0]]]]]]]]}
    for text, value in good.items():
        check(recover.unpack_all(bytes.fromhex(text)) == value, f"msgpack {text}")
    bad = ("", "cc7f", "cd00ff", "ce0000ffff", "cf00000000ffffffff", "ff", "d001", "ca00000000", "c500ff" + "00" * 255,
           "d91f" + "61" * 31, "da0020" + "61" * 32, "dc0001" "01", "dd0000000101", "de00010001", "82010001" "00",
           "8201000000", "81a16101", "c1", "d40000", "c70000", "a1ff", "a100", "a3eda080", "0000", "92", "9201",
           "ddffffffff", "c6ffffffff00", "91" * 9 + "00", "c40261")
    for text in bad:
        with contextlib.suppress(recover.Damaged):
            recover.unpack_all(bytes.fromhex(text))
            check(False, f"msgpack {text} must be refused")


def test_subsets(dep):
    for shards in itertools.combinations(ALL, 4):
        shares = rng.sample(SHARES, 3)
        code, said, _ = run(dep, rng.sample(shards, 4), shares)
        check(code == 0 and restored(FILES) and "DAMAGED" not in said, f"shards {shards} shares {shares}: {said}")
    for shares in itertools.combinations(SHARES, 3):
        shards = rng.sample(ALL, 4)
        code, said, _ = run(dep, shards, rng.sample(shares, 3), "--only", "README.md")
        check(code == 0 and restored({"README.md": FILES["README.md"]}), f"shards {shards} shares {shares}: {said}")
    code, said, result = run(dep, ALL, SHARES, "--verify")
    check(code == 0 and restored(FILES) and said.count("Merkle root ok") == 7 and "signature ok" in said, said)
    check([f["status"] for f in result["files"]] == ["restored"] * 7 and not result["damaged"], result)


def test_too_few(dep):
    for shards, shares in ((range(3), range(1, 4)), (range(4), (1, 2)), ((0, 1, 2, 2), (1, 2, 3)),
                           (range(4), (1, 2, 2)), ((0, 1, 2, "/nowhere"), (1, 2, 3)), (range(4), (1, 2, "/nowhere"))):
        code, said, _ = run(dep, shards, shares)
        check(code == 21 and "needed" in said and not os.path.exists(os.path.join(TEMP, "out")), f"{shards} {shares} {said}")


def zones(dep):
    """Offsets in a shard: one or more of every kind."""
    table, end = dep.table_offset, dep.shard_size
    return {"preamble magic": 3, "preamble deposit": 25, "preamble index": read(os.path.join(dep.shard(0), "shard")).index(b"Shard: ") + 7, "preamble text": 4000,
            "first cell": 4096 + rng.randrange(56), "a cell": rng.randrange(4096, table), "last cell": table - 4096,
            "table": table + 8 * rng.randrange(4) + rng.choice((0, 4)), "table padding": end - 4097,
            "trailer magic": end - 4096, "trailer version": end - 4088, "trailer index": end - 4082,
            "trailer offset": end - 4056, "trailer deposit": end - 4048, "trailer hash": end - 4016,
            "trailer padding": end - 1, "anywhere": rng.randrange(end)}


def test_flips_in_shards(dep):
    for victim in ALL:
        path = os.path.join(dep.shard(victim), "shard")
        for zone, offset in rng.sample(sorted(zones(dep).items()), 10):
            with broken(path, flip(offset)):
                what = f"shard {victim}, {zone} at {offset}: "
                if rng.random() < 0.5:
                    code, said, result = run(dep, ALL, (1, 3, 5), "--verify", "--only", "empty")
                    check(code == 20 and restored({"empty": FILES["empty"]}), what + said)
                    check({d["what"] for d in result["damaged"]} == {path}, what + "must be named: " + said)
                else:
                    code, said, result = run(dep, ALL, (1, 3, 5))
                    check(code == 0 and restored(FILES), what + "routed around: " + said)
                    check({d["what"] for d in result["damaged"]} <= {path}, what + said)
    for victim in ALL:                      # a cell that is in use: found without --verify, at the first try
        path = os.path.join(dep.shard(victim), "shard")
        offset, size = dep.cells[rng.choice((0, 2, 4))]         # full ones: no cell is all padding
        with broken(path, flip(offset + rng.randrange(56))):
            others = rng.sample([x for x in ALL if x != victim], 3)
            code, said, _ = run(dep, [victim, *others], (1, 2, 3))
            check(code == 20 and f"DAMAGED {path}" in said and "Merkle" in said, f"k with a damaged one: {said}")
            check(f"DAMAGED {dep.shard(others[0])}" not in said, said)
            spare = next(x for x in range(6, -1, -1) if x not in (victim, *others))
            code, said, result = run(dep, [victim, spare, *others], (1, 2, 3))
            check(code == 0 and restored(FILES), f"k + 1 with a damaged one: {said}")
    with broken(os.path.join(dep.shard(1), "shard"), lambda x: x[:-5000]):
        code, said, _ = run(dep, range(5), (1, 2, 3))
        check(code == 0 and restored(FILES) and "bytes, not" in said, said)


def test_trailers(dep):
    """Damage that is seen without --verify, and trailers with a good hash that lie."""
    path = os.path.join(dep.shard(0), "shard")
    for zone, offset in zones(dep).items():
        if "cell" not in zone and zone not in ("preamble text", "anywhere"):
            with broken(path, flip(offset)):
                code, said, _ = run(dep, ALL, (1, 3, 5), "--only", "empty")
                check(code == 0 and f"DAMAGED {path}" in said, f"{zone}: {said}")
    def other_digit(data):
        return data[:25] + (b"0" if data[25:26] != b"0" else b"1") + data[26:]
    for change in (other_digit, flip(dep.table_offset + 4, 0), flip(dep.table_offset, 0)):
        with broken(path, change):          # still well formed
            code, said, _ = run(dep, ALL, (1, 3, 5))
            check(code == 0 and restored(FILES) and f"DAMAGED {path}" in said, said)
    for offset, size in ((8, 2), (10, 1), (11, 1), (12, 1), (13, 1), (14, 2), (16, 2), (18, 2), (20, 4), (24, 8), (32, 4),
                         (36, 4), (40, 8)):
        def lie(data):
            trailer = bytearray(data[-4096:])
            value = int.from_bytes(trailer[offset:offset + size], "little") + 1
            trailer[offset:offset + size] = value.to_bytes(size, "little")
            trailer[80:112] = hashlib.sha256(trailer[:80]).digest()
            return data[:-4096] + trailer
        with broken(path, lie):
            code, said, _ = run(dep, range(5), (1, 3, 5))
            check(code == 0 and restored(FILES) and f"DAMAGED {path}" in said, f"trailer, {offset}: {said}")


def test_wicked_manifests(_):
    def put(place, value):
        def change(array):
            array[place] = value
            return array
        return change
    for place, value in ((0, 2), (1, rng.randbytes(32)), (3, 1), (4, 1), (5, rng.randbytes(32)), (6, bytes(32)), (7, 2), (8, 1),
                         (9, bytes(32))):
        code, said, _ = run(make("wicked", header=put(place, value)), range(4), (1, 2, 3))
        check(code == 20 and "no folder has a sound manifest" in said, f"header {place}: {said}")
    for place, value in ((0, 2), (1, [1, 1, 1, 2]), (1, [2, 1, 1, 1]), (2, rng.randbytes(32)), (3, bytes(31)), (3, bytes(32)),
                         (4, bytes(31)), (5, b"label"), (8, 65537), (8, 32768), (8, 128 << 20), (10, 0), (10, 99), (11, 0),
                         (11, 7), (11, 8), (12, 6), (13, 0), (13, 8), (14, 4097), (14, 8192), (15, [bytes(32)] * 6),
                         (15, [bytes(31)] * 7), (18, []), (18, [b"\1" + bytes(31)] * 3), (19, b""), (22, 1), (23, 1)):
        code, said, _ = run(make("wicked", payload=put(place, value)), range(4), (1, 2, 3))
        check(code == 20 and "no folder has a sound manifest" in said, f"payload {place}: {said}")
    for more in (dict(k=49, n=64), dict(k=40, n=65), dict(k=4, n=4)):
        code, said, _ = run(make("wicked", **more), range(4), (1, 2, 3))
        check(code == 20 and said.count("k, n, t make no sense") == 4, said)
    for place, value in ((7, 70_021), (9, 4), (15, [bytes(32)] * 7), (19, bytes(32))):
        code, said, _ = run(make("wicked", payload=put(place, value)), range(4), (1, 2, 3), "--verify")
        check(code == 20, f"payload {place}: {said}")


def test_another_s_deposit(dep):
    """Who has heard of an id, or has seen the whole manifest, cannot sign one of that deposit."""
    theirs = recover.unpack_all(recover.unpack_all(read(os.path.join(dep.shard(0), "manifest")))[2])
    def heard(mine):
        return mine[:3] + theirs[3:4] + mine[4:]
    for change in (heard, lambda mine: heard(mine)[:4] + theirs[4:5] + mine[5:], lambda mine: theirs):
        false = make("false", payload=change)
        code, said, _ = run(false, range(4), (1, 2, 3))
        check(code == 20 and said.count("speaks for another's deposit") == 4, said)
        path = os.path.join(dep.shard(0), "manifest")
        with broken(path, lambda _: read(os.path.join(false.shard(0), "manifest"))):
            code, said, _ = run(dep, range(4), (1, 2, 3))
            check(code == 0 and restored(dep.files) and f"DAMAGED {path}" in said, said)


def test_damage_everywhere(dep):
    """Five shards, each damaged in another segment: every segment still has four sound cells."""
    with contextlib.ExitStack() as stack:
        for victim in range(5):
            offset, size = dep.cells[victim]
            stack.enter_context(broken(os.path.join(dep.shard(victim), "shard"), flip(offset + 3)))
        code, said, _ = run(dep, range(5), (1, 2, 3))
        check(code == 0 and restored(FILES) and said.count("DAMAGED") == 5, said)
        copies = [os.path.join(TEMP, f"copy{x}") for x in range(2)]      # the same shard twice, one of them damaged
        for copy in copies:
            shutil.copytree(dep.shard(6), copy)
        with broken(os.path.join(copies[0], "shard"), flip(dep.cells[0][0])):
            code, said, _ = run(dep, [*copies, 0, 1, 2, 3], (1, 2, 3))
            check(code == 0 and restored(FILES), said)
        # two cells of one segment: the files in other segments come out, the rest is named
        stack.enter_context(broken(os.path.join(dep.shard(1), "shard"), flip(dep.cells[2][0] + 9)))
        stack.enter_context(broken(os.path.join(dep.shard(0), "shard"), flip(dep.cells[2][0] + 9)))
        code, said, result = run(dep, range(5), (1, 2, 3))
        status = {f["path"]: f["status"] for f in result["files"]}
        check(code == 20 and status["README.md"] == "restored" and status["z"] == "restored", said)
        check(status["weights/model-00001.safetensors"] == "failed", said)
        check(restored({f: FILES[f] for f in FILES if status[f] == "restored"}), "only whole files are left")
    offset = len(read(os.path.join(dep.shard(0), "shard"))) - 4000
    with broken(os.path.join(dep.shard(2), "shard"), flip(offset)):
        code, said, _ = run(dep, range(4), (1, 2, 3))
        check(code == 0 and restored(FILES) and "trailer" in said, "index from the preamble: " + said)
        with broken(os.path.join(dep.shard(2), "shard"), flip(3)):
            code, said, _ = run(dep, range(4), (1, 2, 3))
            check(code == 20 and "3 different usable shards, 4 needed" in said, said)


def test_flips_in_manifests(dep):
    size = len(read(os.path.join(dep.shard(0), "manifest")))
    for offset in (0, 1, 5, 150, 200, 250, size - 1, *(rng.randrange(size) for _ in range(20))):
        path = os.path.join(dep.shard(2), "manifest")
        with broken(path, flip(offset)):
            code, said, _ = run(dep, ALL, (5, 6, 7), "--only", "empty")
            check(code == 0 and f"DAMAGED {path}" in said, f"manifest, {offset}: {said}")
    with contextlib.ExitStack() as stack:
        for x in range(4):
            stack.enter_context(broken(os.path.join(dep.shard(x), "manifest"), flip(rng.randrange(size))))
        code, said, _ = run(dep, range(4), (5, 6, 7))
        check(code == 20 and "no folder has a sound manifest" in said, said)
        code, said, _ = run(dep, range(5), (5, 6, 7))
        check(code == 0 and restored(FILES), said)


def test_flips_in_shares(dep):
    size = len(read(dep.share(2)))
    for offset in (*range(0, size, 9), size - 66, size - 65, size - 33, size - 1):
        with broken(dep.share(2), flip(offset)):
            code, said, _ = run(dep, range(4), (1, 2, 4))
            check(code in (20, 21) and dep.share(2) in said, f"share, {offset}: {said}")
            check(not os.path.exists(os.path.join(TEMP, "out")), "nothing is written")
            code, said, _ = run(dep, range(4), (1, 2, 4, 7), "--only", "empty")
            check(code == 0 and dep.share(2) in said, f"share, {offset}: {said}")
            for other in (1, 4, 7):
                check(f"{dep.share(other)} " not in said and f"{dep.share(other)}:" not in said, said)
    for part in (size - 66, size - 33):                         # well formed, another number
        with broken(dep.share(2), flip(part + 5)):
            code, said, _ = run(dep, range(4), (1, 2, 4, 7), "--only", "empty")
            check(code == 0 and f"DAMAGED {dep.share(2)}: share 2 does not fit" in said, said)


def test_out(dep):
    out = os.path.join(TEMP, "out")
    run(dep, range(4), (1, 2, 3))
    os.chmod(os.path.join(out, "empty"), 0o644)
    code, said, result = run(dep, range(4), (1, 2, 3), clean=False)
    check(code == 0 and {f["status"] for f in result["files"]} == {"already there"} and restored(FILES), said)
    os.chmod(os.path.join(out, "z"), 0o600)
    write(os.path.join(out, "z"), b"mine")
    code, said, _ = run(dep, range(4), (1, 2, 3), clean=False)
    check(code == 1 and "differs" in said and "--force" in said and read(os.path.join(out, "z")) == b"mine", said)
    os.unlink(os.path.join(out, "README.md"))
    code, said, _ = run(dep, range(4), (1, 2, 3), clean=False)
    check(code == 1 and not os.path.exists(os.path.join(out, "README.md")), "refused before anything is written")
    code, said, _ = run(dep, range(4), (1, 2, 3), "--force", clean=False)
    check(code == 0 and restored(FILES), said)
    for links in ("weights", "z"):                              # symbolic links that lead away
        fresh()
        away = fresh("away")
        os.makedirs(out), os.makedirs(away)
        os.symlink(away if links == "weights" else os.path.join(away, "z"), os.path.join(out, links))
        code, said, _ = run(dep, range(4), (1, 2, 3), clean=False)
        check(code == 1 and os.listdir(away) == [], said)
    write(os.path.join(away, "z"), FILES["z"][0])               # even to the same bytes
    code, said, _ = run(dep, range(4), (1, 2, 3), clean=False)
    check(code == 1 and "differs" in said, said)
    code, said, _ = run(dep, range(4), (1, 2, 3), "--force", clean=False)
    check(code == 0 and os.listdir(away) == ["z"] and not os.path.islink(os.path.join(out, "z")) and restored(FILES), said)
    code, said, _ = run(dep, range(4), (1, 2, 3), "--only", "weights", "--only", "z")
    check(code == 0 and restored({f: x for f, x in FILES.items() if f[0] in "wz"}), said)
    code, said, _ = run(dep, range(4), (1, 2, 3), "--only", "weigh")
    check(code == 1 and "--list" in said, said)


def test_command_line(dep):
    def call(*argv):
        return subprocess.run([sys.executable, os.path.join(HERE, "recover.py"), *argv], capture_output=True, text=True)
    shards, shares, out = [dep.shard(x) for x in range(4)], [dep.share(x) for x in (1, 2, 3)], fresh()
    for argv in ((), ("--shards", *shards, out), ("--shards", *shards, "--shares", *shares, "--what", out),
                 ("--shards", *shards, "--shares", *shares, "--lab-key", "12", out),
                 ("--shards", *shards, "--shares", *shares),
                 ("--shares", *shares, "--shards", *shards)):
        done = call(*argv)
        check(done.returncode == 2 and "usage" in done.stderr and not os.path.exists(out), f"{argv}: {done}")
    for argv in (("--shards", *shards, "--shares", *shares, out), ("--shares", *shares, "--shards", *shards, out),
                 ("--shards", *shards, "--shares", *shares, "--json", out), ("--shares", *shares, "--shards", *shards, "--", out),
                 ("--shards", shards[0], "--shards", *shards[1:], "--shares", *shares, out, "--verify")):
        fresh()
        done = call(*argv)
        check(done.returncode == 0 and restored(FILES), f"{argv}: {done}")
    done = call("--verify", "--shards", *shards[:2])
    check(done.returncode == 0 and done.stderr.count("Merkle root ok") == 2, done)
    for argv in (("--verify", "--shares", *shares), ("--verify", "--list", "--shards", *shards)):
        check(call(*argv).returncode == 2, argv)
    check(call("--verify", "--shards", shards[0], out).returncode == 20, "a folder that is not there")
    with broken(os.path.join(shards[1], "shard"), flip(5000)):
        done = call("--verify", "--json", "--shards", *shards[:2])
        check(done.returncode == 20 and "Merkle root" in done.stderr and not json.loads(done.stdout)["ok"], done)
    fresh()
    done = call("--list", "--shards", *shards, "--shares", *shares)
    check(done.returncode == 0 and all(f in done.stdout for f in FILES) and not os.path.exists(out), done)
    sha = hashlib.sha256(FILES["z"][0]).hexdigest()
    check(f"0640          70000 {sha} z\n" in done.stdout, done.stdout)
    done = call("--shards", *shards, "--shares", *shares, "--list", out)
    check(done.returncode == 0 and not os.path.exists(out), done)


def make(name, files=None, **more):
    return Deposit(fresh(name), files or {"a": (b"x" * 20, 0o644), "b/c": (rng.randbytes(70_000), 0o600)}, **more)


def test_wicked_catalogues(_):
    def renamed(name, at=1):
        def change(entries):
            entries[at][0] = name
            return sorted(entries, key=lambda e: e[0].encode())
        return change
    def changed(column, value):
        def change(entries):
            entries[1][column] = value
            return entries
        return change
    outside = os.path.join(TEMP, "evil")
    wicked = {"path " + repr(x): renamed(x) for x in ("../evil", outside, "/evil", "b/../../evil", "..", ".", "b//c", "b/",
                                                      "b/./c", "", "a/b", "b/..", "b\n", "b\x1b[2J", "b\x7f",
                                                      "b\x85", "b/" + "c" * 4094)}
    wicked.update({
        "mode": changed(2, 0o4755), "size": changed(1, 70_001), "order": lambda e: e[::-1], "twice": lambda e: e + e[1:],
        "fields": lambda e: [x + [0] for x in e], "number as path": changed(0, 7), "short": lambda e: e[:1],
    })
    for name, change in wicked.items():
        dep = make("wicked", entries=change)
        code, said, _ = run(dep, range(4), (1, 2, 3))
        check(code == 20 and "catalogue cannot be read" in said, f"{name}: {code} {said}")
        check(not os.path.lexists(outside) and not os.path.exists(os.path.join(TEMP, "out")), name)
    for name, change in {"hash": changed(3, bytes(32)), "segment": changed(4, 9), "offset": changed(5, 1),
                         "far offset": changed(5, 99_999)}.items():
        code, said, result = run(make("wicked", entries=change), range(4), (1, 2, 3))
        check(code == 20 and restored({"a": (b"x" * 20, 0o644)}) and "file b/c: not restored" in said, f"{name}: {said}")
    for provenance in (b"", ["text"], [[b"nested"]]):
        code, said, _ = run(make("wicked", provenance=provenance), range(4), (1, 2, 3))
        check(code == 20 and "statements" in said, said)
    longest = "b/" + "é" * 100 + "c" * 50                       # a name that file systems can have
    code, said, _ = run(make("wicked", {longest: (b"1", 0o644)}, provenance=[]), range(4), (1, 2, 3))
    check(code == 0 and restored({longest: (b"1", 0o644)}), said)
    code, said, _ = run(make("wicked", catalogue_tail=b"\0"), range(4), (1, 2, 3))
    check(code == 20 and "behind the catalogue" in said, said)


def test_wicked_segments(_):
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 28))
    lies = {
        "codec": lambda i, m: b"\2" + m[1:], "length": lambda i, m: m[:1] + struct.pack("<I", 1) + m[5:],
        "too long": lambda i, m: struct.pack("<BI", 0, 65537) + bytes(65537), "no header": lambda i, m: b"\0\0\0",
        "more than it may": lambda i, m: struct.pack("<BI", 1, 65537) + zstandard.ZstdCompressor().compress(bytes(65537)),
        "bomb": lambda i, m: struct.pack("<BI", 1, 65536) + bomb,
        "bomb that hides its size": lambda i, m: struct.pack("<BI", 1, 65536)
        + zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1 << 24)),
        "behind the frame": lambda i, m: b"\1" + m[1:5] + zstandard.ZstdCompressor().compress(bytes(65536)) + b"\0",
        "frame too long": lambda i, m: struct.pack("<BI", 1, 65536) + zstandard.ZstdCompressor().compress(rng.randbytes(65536)),
        "empty": lambda i, m: struct.pack("<BI", 0, 0),
        "no frame": lambda i, m: b"\1" + m[1:5] + m[5:],
    }
    for name, lie in lies.items():
        dep = make("wicked", message=lambda i, m: lie(i, m) if i == 0 else m)
        code, said, _ = run(dep, ALL, (1, 2, 3))
        check(code == 20 and not os.path.exists(os.path.join(TEMP, "out", "a")), f"{name}: {said}")
        check(name != "bomb" or "of another length" in said, "refused before it is unpacked: " + said)
        if name in ("too long", "frame too long"):  # seen earlier, in the table
            check("no shard has a sound segment table" in said, said)
        else:
            check("DAMAGED " + dep.folder not in said and "was written like this" in said, f"{name}: {said}")
    hides = zstandard.ZstdCompressor(write_content_size=False).compress(b"x" * 65536)
    wide = b"\x28\xb5\x2f\xfd\x80\x78" + struct.pack("<I", 65536) + struct.pack("<I", 65536 << 3 | 3)[:3] + b"x"
    for name, frame in {"does not say": hides, "asks for too much": wide}.items():  # 32 MiB of history
        check(zstandard.ZstdDecompressor().decompress(frame, max_output_size=65536) == b"x" * 65536, name)
        dep = make("wicked", {"a": (b"x" * 70_000, 0o644)}, message=lambda i, m: b"\1" + m[1:5] + frame if i == 0 else m)
        code, said, _ = run(dep, range(4), (1, 2, 3))
        check(code == 20 and name in said, said)
    code, said, _ = run(make("wicked", {"a": (b"1" * 70_000, 0o644)}, hollow=True), range(4), (1, 2, 3))
    check(code == 20 and "it is empty" in said and not os.path.exists(os.path.join(TEMP, "out", "a")), said)
    code, said, _ = run(make("wicked", {"a": (b"", 0o644)}, no_last_chunk=True), range(4), (1, 2, 3))
    check(code == 20 and "cut short" in said, said)
    for place in (0, 4):
        code, said, _ = run(make("wicked", table=lambda t: flip(place + 3)(t)), range(4), (1, 2, 3))
        check(code == 20 and "no shard has a sound segment table" in said, said)
    code, said, _ = run(make("wicked", commitment=bytes(32)), range(4), (1, 2, 3))
    check(code == 20 and "commitment does not hold" in said, said)
    code, said, _ = run(make("wicked", key_commitment=True), ALL, SHARES)
    check(code == 20 and "the key that the manifest commits to" in said, said)


def test_bombs_in_the_catalogue(_):
    """What is small when sealed and large when read: refused before it costs anything."""
    zip_ = zstandard.ZstdCompressor().compress

    def sealed(frame):              # the last segment is the catalogue
        return lambda i, m: struct.pack("<BI", 1, 65536) + frame if i == 2 else m
    hides = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1 << 26))
    for name, more in {
        "frame": dict(message=sealed(zip_(bytes(1 << 28)))), "frame that hides its size": dict(message=sealed(hides)),
        "frame after frame": dict(message=sealed(zip_(bytes(65536)) * 2)),
        "array": dict(catalogue=lambda c: b"\xdd\xff\xff\xff\xff" + c), "text": dict(catalogue=lambda c: b"\xdb\xff\xff\xff\xff"),
        "tower": dict(catalogue=lambda c: b"\x91" * 100_000), "files": dict(catalogue=lambda c: b"\x96\1\xcf" + b"\xff" * 8 + c[3:]),
    }.items():
        code, said, _ = run(make("wicked", **more), range(4), (1, 2, 3))
        check(code == 20 and "catalogue cannot be read" in said, f"{name}: {said}")
        check(not os.path.exists(os.path.join(TEMP, "out")), name)


def test_torn_shards(dep):
    """Cut at any place, a shard is named; what others give is enough."""
    path, end = os.path.join(dep.shard(2), "shard"), dep.shard_size
    cuts = [0, 1, 4095, 4096, dep.table_offset, end - 4096, end - 4095, end - 4016, end - 3985, end - 3984, end - 1]
    for cut in cuts + [rng.randrange(end) for _ in range(5)]:
        with broken(path, lambda data: data[:cut]):
            code, said, result = run(dep, range(5), (1, 2, 3))
            check(code == 0 and restored(FILES), f"cut at {cut}: {said}")
            check({d["what"] for d in result["damaged"]} == {path} and f"has {cut} bytes, not {end}" in said, said)
            code, said, _ = run(dep, range(4), (1, 2, 3))
            check(code in (0, 20) and f"DAMAGED {path}" in said, f"cut at {cut}: {said}")
            check(code == 20 or restored(FILES), said)
    for data in (b"\0" * 10, b"CRNTRAIL" * 600):                # something behind the end
        with broken(path, lambda before: before + data):
            code, said, _ = run(dep, range(5), (1, 2, 3), "--verify", "--only", "empty")
            check(code == 20 and f"DAMAGED {path}" in said and restored({"empty": FILES["empty"]}), said)
    for name in ("shard", "manifest"):
        path = os.path.join(dep.shard(2), name)
        os.rename(path, path + ".away")
        os.mkdir(path)
        try:
            code, said, _ = run(dep, range(5), (1, 2, 3))
            check(code == 0 and restored(FILES) and "Is a directory" in said, said)
        finally:
            os.rmdir(path)
            os.rename(path + ".away", path)


def test_shares_that_are_given_twice(dep):
    """One share in many files counts once, and a damaged copy does not displace a sound one."""
    copy, other = os.path.join(TEMP, "copy-of-share"), make("twice", reshared=True)
    for deposit, suffix in ((dep, ""), (other, "-new")):
        shares = [deposit.share(i) + suffix for i in (1, 2, 3)]
        shutil.copy(shares[1], copy)
        code, said, _ = run(deposit, range(4), (shares[0], shares[1], copy, copy))
        check(code == 21 and "2 different usable key shares" in said, said)
        write(copy, flip(-50)(read(copy)))
        for order in itertools.permutations((*shares, copy)):
            code, said, _ = run(deposit, range(4), order)
            check(code == 0 and restored(deposit.files), said)
    # the same residues in another encoding
    for at in (-66, -32):
        raw = bytearray(read(dep.share(2)))
        raw[at:at + 32 or None] = (int.from_bytes(raw[at:at + 32 or None], "little") + q).to_bytes(32, "little")
        write(copy, raw)
        code, said, _ = run(dep, range(4), (1, copy, 3))
        check(code == 20 and "not a key share" in said, said)
    # the share of one index under the number of another
    forged = bytearray(read(dep.share(2)))
    check(forged[-69] == 2, "the index is there")
    forged[-69] = 4
    write(copy, forged)
    code, said, _ = run(dep, range(4), (1, 2, copy))
    check(code == 20 and "share 4 does not fit the commitments" in said, said)


def test_no_bit_ends_without_words(_):
    """One bit, inside of what is signed and sealed, by someone with the keys: refused in words, or restored."""
    seen = {0: 0, 20: 0}

    def flip_any(data):
        return flip(rng.randrange(len(data)))(data)
    layers = dict(catalogue=flip_any, payload_bytes=flip_any, header_bytes=flip_any, table=flip_any,
                  message=lambda i, m: flip(rng.randrange(min(40, len(m))))(m) if i == 2 else m)
    for layer, change in layers.items():
        for _ in range(20 if layer == "catalogue" else 5):
            dep = make("wicked", **{layer: change})
            before = set(os.listdir(TEMP)) - {"out"}
            code, said, result = run(dep, range(4), (1, 2, 3))
            check(code in (0, 1, 20, 21) and ("error" in result) == (code != 0), f"{layer}: {code} {said}")
            check(code == 0 or result["error"] in said and len(result["error"]) > 20, said)
            check(set(os.listdir(TEMP)) - {"out"} == before, f"{layer}: nothing is written beside OUT")
            check("Traceback" not in said, said)
            seen[code] = seen.get(code, 0) + 1
    check(seen[0] > 0 and seen[20] > 15, f"{seen}")


def test_other_deposits(dep):
    other = make("other", net=rng.randbytes(32), epoch=3, ragged=True)
    want = other.files
    code, said, result = run(other, range(2, 6), (1, 2, 3))
    check(code == 0 and restored(want) and "signature not checked: needs the charter" in result["signature"], said)
    code, said, result = run(other, range(2, 6), (1, 2, 3), "--lab-key", other.public.hex())
    check(code == 0 and restored(want) and result["signature"] == "signature ok", said)
    for x in (other, dep):
        code, said, _ = run(x, range(4), (1, 2, 3), "--lab-key", bytes(32).hex())
        check(code == 20 and "its signature is not by --lab-key" in said, said)
    code, said, _ = run(dep, [0, 1, 2, other.shard(3)], (1, 2, 3))
    check(code == 1 and "different deposits" in said, said)
    code, said, _ = run(dep, range(4), (1, 2, other.share(3)))
    check(code == 21 and f"{other.share(3)} is a share of deposit" in said, said)
    code, said, _ = run(dep, range(4), (other.share(3), 1, 2, 7), "--only", "empty")
    check(code == 0, said)
    with broken(os.path.join(dep.shard(3), "shard"), lambda x: read(os.path.join(other.shard(3), "shard"))):
        code, said, _ = run(dep, range(5), (1, 2, 3))
        check(code == 1 and "belongs to deposit" in said, said)
    again = make("again", reshared=True)
    new = [again.share(i) + "-new" for i in SHARES]
    code, said, _ = run(again, range(4), new[2:5])
    check(code == 0 and restored(again.files) and "of another manifest" in said, said)
    code, said, _ = run(again, range(4), (1, 2, *new[2:4]))
    check(code == 21 and "2 different usable key shares of one epoch" in said, said)
    with broken(new[3], flip(-50)):         # no commitments at hand: found by trying
        code, said, _ = run(again, range(4), (1, 2, *new[2:6]))
        check(code == 0 and restored(again.files), said)
        code, said, _ = run(again, range(4), new[2:5])
        check(code == 20 and "commits to" in said, said)
    # edges: message of whole chunks; no files; one byte; k = 1; k = n - 1; t = 1; t = n; all shards
    for files, more in (({"a": (rng.randbytes(16384 - 5), 0o644)}, {}), ({}, {}), ({"a": (b"1", 0)}, dict(k=1, n=2, t=1)),
                        ({"a": (rng.randbytes(200_000), 0o644)}, dict(k=1, n=3, t=3)),
                        ({"a": (rng.randbytes(200_000), 0o644)}, dict(k=3, n=4, t=2, ragged=True)),
                        ({f"{i:03}": (rng.randbytes(rng.choice((0, 1, 65536, 9_999))), 0o644) for i in range(40)},
                         dict(k=5, n=9, ragged=True)),
                        ({"a": (rng.randbytes(100_000), 0o644)}, dict(k=48, n=64, t=5))):
        edge = Deposit(fresh("edge"), files, **more)
        for _ in range(3):
            code, said, _ = run(edge, rng.sample(range(edge.n), edge.k), rng.sample(range(1, edge.n + 1), edge.t), "--verify")
            check(code == 0 and restored(files), f"{more}: {said}")


def test_speed_and_memory(_):
    """32 MB from parity only; the memory must not grow with the deposit."""
    peaks = []
    for size in (4 << 20, 32 << 20):
        files = {"big": (rng.randbytes(size), 0o644)}
        dep = Deposit(fresh("big"), files, k=3, n=6, segment_size=1 << 20)
        out, start = fresh(), time.time()
        program = (f"import sys; sys.path.insert(0, {HERE!r}); sys.dont_write_bytecode = True; import recover; "
                   "code = recover.main(sys.argv[1:]); print(open('/proc/self/status').read()); sys.exit(code)")
        done = subprocess.run([sys.executable, "-c", program, "--shards", *(dep.shard(x) for x in (3, 4, 5)), "--shares",
                               *(dep.share(x) for x in (1, 2, 3)), out], capture_output=True, text=True)
        check(done.returncode == 0 and restored(files), done)
        peaks.append(int(done.stdout.split("VmHWM:")[1].split()[0]))
    print(f"  32 MiB from parity in {time.time() - start:.1f} s, {peaks[1] // 1024} MiB of memory (4 MiB: {peaks[0] // 1024})")
    check(peaks[1] < peaks[0] + 8 * 1024, f"memory grows: {peaks}")


def main():
    start = time.time()
    print(f"seed {SEED}")
    try:
        dep = Deposit(fresh("deposit"), FILES)
        for name, test in list(globals().items()):
            if name.startswith("test_") and (not sys.argv[2:] or name[5:] in sys.argv[2:]):
                begin = time.time()
                test(dep)
                print(f"ok {name[5:].replace('_', ' ')} ({time.time() - begin:.1f} s)", flush=True)
    finally:
        shutil.rmtree(TEMP, ignore_errors=True)
    print(f"{COUNT} checks in {time.time() - start:.1f} s")
    if COUNT == 0:
        sys.exit("selftest: no test has such a name")


if __name__ == "__main__":
    main()
