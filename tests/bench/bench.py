#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a deposit and a recovery cost, against what they must cost and against other tools; see README.md beside this.

usage: bench.py [--quick] [--json] [--size SIZE] ... (--help)
"""

import argparse
import datetime
import json
import os
import platform
import shutil
import signal
import statistics
import sys
import tempfile

import peers
from measure import Failed, call
from network import Network

MB, GB = 1e6, 1e9
SIZES = {"": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "KB": 10**3, "MB": 10**6, "GB": 10**9}
CODES = {7: (4, 3), 16: (10, 6)}  # n: (k, t)
SLOW_BYTES_S = 1_000_000
PATIENCE_S = 10
AIM_BOUND, AIM_RESTIC, AIM_BORG, AIM_RSS = 0.8, 1.8, 1.5, 300 << 20

ROWS = (("hash", "sha256"), ("tree: leaves", "leaves"), ("tree: nodes", "tree_append"), ("AEAD, seal", "aead_seal"),
        ("AEAD, open", "aead_open"), ("zstd, encode", "zstd_encode"), ("zstd, decode", "zstd_decode"),
        ("4+3, encode", "encode_4_3"), ("4+3, rebuild", "rebuild_4_3"), ("10+6, encode", "encode_10_6"),
        ("10+6, rebuild", "rebuild_10_6"), ("20+10, encode", "encode_20_10"), ("20+10, rebuild", "rebuild_20_10"),
        ("transport, both ends", "transport"), ("transport, sender", "transport_send"),
        ("transport, receiver", "transport_receive"), ("disk, write", "disk_write"), ("disk, read", "disk_read"),
        ("page cache, read", "cached_read"))


def say(text):
    print(text, file=sys.stderr, flush=True)


def parse_size(text):
    digits = text.rstrip("BGIKMbgikm")
    try:
        return int(float(digits) * SIZES[text[len(digits):].upper()])
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(f"'{text}' is no size, such as 2GiB")


def show_size(size):
    return f"{size / (1 << 30):g} GiB" if size >= 1 << 30 else f"{size / (1 << 20):.0f} MiB"


# --- The bound ------------------------------------------------------------------------------------------------------


def terms(op, k, n, zstd, stored, readback):
    """What must be done, by all processes together, for one byte of the model: (stage, bytes of it, who).

    |stored|: ciphertext bytes of one byte of the model. |readback|: share of the model that is read back."""
    coded = stored * n / k
    fetch = [("disk_read", 1, "stewards"), ("transport", 1, "both"), ("leaves", 1, "lab"), ("tree_append", 1, "lab"),
             ("aead_open", 1, "lab")]
    if op == "recover":
        return ([(stage, stored, who) for stage, _, who in fetch] + ([("zstd_decode", 1, "lab")] if zstd else []) +
                [("sha256", 1, "lab"), ("disk_write", 1, "lab")])
    return ([("cached_read", 1, "lab"), ("sha256", 1, "lab")] + ([("zstd_encode", 1, "lab")] if zstd else []) +
            [("aead_seal", stored, "lab"), (f"encode_{k}_{n - k}", stored, "lab"), ("leaves", coded, "lab"),
             ("tree_append", coded, "lab"), ("transport", coded, "both"), ("leaves", coded, "stewards"),
             ("tree_append", coded, "stewards"), ("disk_write", coded, "stewards")] +
            [(stage, stored * readback, who) for stage, _, who in fetch])


def bound(stages, cores, op, k, n, zstd=False, stored=1.0, readback=0.0):
    """The rate at which nothing but those terms is done, on all cores at once, or the disk's where that is less."""
    rate, wall = stages["mb_per_s"], stages["wall_mb_per_s"]
    parts = [{"stage": stage, "bytes": amount, "who": who, "ns": 1e3 * amount / rate[stage]}
             for stage, amount, who in terms(op, k, n, zstd, stored, readback)]
    cpu_ns = sum(p["ns"] for p in parts)
    disk_ns = sum(1e3 * p["bytes"] / wall[p["stage"]] for p in parts if p["stage"] in wall)
    return {"mb_per_s": min(cores * 1e3 / cpu_ns, 1e3 / disk_ns), "cpu_s_per_gb": cpu_ns, "cpu_mb_per_s": cores * 1e3 / cpu_ns,
            "disk_mb_per_s": 1e3 / disk_ns, "terms": parts}


# --- Measuring ------------------------------------------------------------------------------------------------------


class Bench:
    def __init__(self, o, folder):
        self.o, self.folder = o, folder
        self.bin = os.path.join(o.build, "node")
        self.tools = os.path.join(o.build, "tests/bench")
        self.cores = len(os.sched_getaffinity(0))
        self.stages = []
        self.made = {}

    def measure_stages(self):
        say("each stage alone ...")
        self.stages.append(json.loads(call(os.path.join(self.tools, "bench_stages"), self.folder)))

    def stage_rates(self):
        """Of all times that they were measured, since a busy machine changes its speed."""
        merged = dict(self.stages[0])
        for group in ("mb_per_s", "wall_mb_per_s"):
            merged[group] = {s: statistics.mean(r[group][s] for r in self.stages) for s in merged[group]}
        return merged

    def model(self, size):
        """A folder with one file of that size, made once."""
        if size not in self.made:
            say(f"making a model of {show_size(size)} ...")
            self.made[size] = os.path.join(self.folder, f"model-{size}")
            os.makedirs(self.made[size])
            with open(os.path.join(self.made[size], "model.bin"), "wb") as f:
                call(os.path.join(self.tools, "bench_model"), self.o.kind, size, stdout=f)
        return self.made[size]

    def network(self, n, **more):
        say(f"founding a network of {n} stewards ...")
        return Network(self.bin, os.path.join(self.folder, "net"), n, CODES[n][1], **more)

    def whole(self, n, size):
        """A deposit with n stewards and its recovery, compared."""
        model, k = self.model(size), CODES[n][0]
        net = self.network(n)
        try:
            say(f"deposit of {show_size(size)} with {n} stewards ...")
            deposit = net.deposit(model, k)
            ticket = net.release()
            out = net.path("restored")
            say("recovery ...")
            recover = net.recover(*ticket, out)
            call("diff", "-r", model, out)
            return {"n": n, "k": k, "bytes": size, "deposit": self.finish(deposit, size), "recover": self.finish(recover, size)}
        finally:
            net.close()

    def finish(self, r, size):
        said = r.pop("said", None)
        r["mb_per_s"] = size / MB / r["wall_s"]
        r["lab_cpu_s_per_gb"] = r["cpu_s"] / (size / GB)
        if "stewards_cpu_s" in r:
            r["all_cpu_s_per_gb"] = (r["cpu_s"] + r["stewards_cpu_s"] + r["custodians_cpu_s"]) / (size / GB)
        if said is not None:
            r.update({key: said.get(key) for key in ("receipts", "acknowledgements", "sealed", "segments", "verified_segments",
                                                     "shard_bytes")})
        return r

    def peer(self, cls, size):
        name = cls.__name__.lower()
        say(f"{name}, {show_size(size)} ...")
        r = cls(os.path.join(self.folder, name)).both(self.model(size))
        for op in ("deposit", "recover"):
            self.finish(r[op], size)
        return r

    def trouble(self, kind, size):
        """A deposit while the last of seven stewards is slowed down, or stopped for good in its midst."""
        n, (k, _) = 7, CODES[7]
        net = self.network(n, slowed=(n, SLOW_BYTES_S) if kind == "slowed" else None)
        stopped = []

        def tick():
            if kind == "stopped" and not stopped and net.intake(n) > size // k // 5:
                net.pause(n)
                stopped.append(n)

        try:
            say(f"deposit of {show_size(size)} with seven stewards, one of them {kind} ...")
            r = net.deposit(self.model(size), k, "--patience", str(PATIENCE_S), "--accept-margin", tick=tick, check=False)
            if kind == "stopped" and not stopped:
                say("bench: the deposit was over before a steward could be stopped")
            missing = None if r["exit"] else n - r["said"].get("receipts", 0)
            r["error"] = r["said"].get("error")
            return {**self.finish(r, size), "went_on": r["exit"] == 0, "missing_receipts": missing}
        finally:
            for i in stopped:
                net.resume(i)
            net.close()


# --- Putting it together --------------------------------------------------------------------------------------------


def middle(runs):
    """Of several measurements of one thing, the one of median speed, with all the speeds."""
    runs = sorted(runs, key=lambda r: r["mb_per_s"])
    return {**runs[(len(runs) - 1) // 2], "all_mb_per_s": [r["mb_per_s"] for r in runs]}


def judge(result, stages, cores, zstd):
    """The bounds of one size of network, and what was reached of them."""
    for op in ("deposit", "recover"):
        d, r = result["deposit"], result[op]
        stored = 1.0
        if d.get("shard_bytes"):
            stored = max(d["shard_bytes"] * result["k"] / result["bytes"], 0.01) if zstd else 1.0
        readback = d.get("verified_segments", 0) / d["segments"] if d.get("segments") else 0
        b = bound(stages, cores, op, result["k"], result["n"], zstd, stored, readback)
        r["bound"] = b
        r["share_of_bound"] = r["mb_per_s"] / b["mb_per_s"]
        # A machine that others use too takes time from us, and hardly adds to what we spend.
        r["share_of_bound_cpu"] = b["cpu_s_per_gb"] / r["all_cpu_s_per_gb"]


def measure(b):
    o = b.o
    b.measure_stages()
    nets = [7] if o.quick else [7, 16]
    runs = {n: [] for n in nets}
    others = {cls: [] for cls in (peers.Restic, peers.Borg)}
    for _ in range(o.repeat):  # Side by side: what disturbs the machine disturbs all of them.
        for n in nets:
            runs[n].append(b.whole(n, o.size))
        for cls in others:
            others[cls].append(b.peer(cls, o.size))
        b.measure_stages()
    result = {"networks": {}, "peers": {}}
    for n in nets:
        one = dict(runs[n][0])
        one.update({op: middle([r[op] for r in runs[n]]) for op in ("deposit", "recover")})
        result["networks"][str(n)] = one
    for cls in others:
        one = dict(others[cls][0])
        one.update({op: middle([r[op] for r in others[cls]]) for op in ("deposit", "recover")})
        result["peers"][cls.__name__.lower()] = one
    result["trouble"] = {kind: b.trouble(kind, o.size) for kind in ("slowed", "stopped")}
    if o.large:
        shutil.rmtree(b.made.pop(o.size), ignore_errors=True)
        result["large"] = b.whole(7, o.large)
    b.measure_stages()
    result["stages"] = b.stage_rates()
    for one in [*result["networks"].values(), *([result["large"]] if o.large else [])]:
        judge(one, result["stages"], b.cores, o.kind == "weights")
    return result


def about(b):
    with open("/proc/cpuinfo") as f:
        cpu = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), platform.machine())
    return {"schema": "cairn.bench/1",
            "machine": {"cpu": cpu, "cores": b.cores, "kernel": platform.release(),
                        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
                        "load_average": os.getloadavg()},
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "versions": {"cairn": call(os.path.join(b.bin, "cairn"), "--version").decode().split()[-1], **peers.versions()},
            "model": {"bytes": b.o.size, "kind": b.o.kind}, "repeat": b.o.repeat}


# --- Showing it -----------------------------------------------------------------------------------------------------


def table(head, rows):
    rows = [head, *rows]
    widths = [max(len(str(r[i])) for r in rows) for i in range(len(head))]
    for r in rows:
        print("  " + "  ".join(str(c).ljust(w) if i == 0 else str(c).rjust(w) for i, (c, w) in enumerate(zip(r, widths))))
    print()


def percent(x):
    return f"{100 * x:.0f} %"


def mib(x):
    return f"{x / (1 << 20):.0f}"


def show(r):
    m = r["machine"]
    print(f"{m['cpu']}, {m['cores']} cores, load {m['load_average'][0]:.1f}; cairn {r['versions']['cairn']}, restic "
          f"{r['versions']['restic']}, borg {r['versions']['borg']}; model: {show_size(r['model']['bytes'])} {r['model']['kind']}\n")
    s = r["stages"]
    print(f"Each stage alone, MB/s per core (AEAD: {s['aead_kernel']}):")
    table(("stage", "MB/s", "ns/byte"), [(name, f"{s['mb_per_s'][key]:.0f}", f"{1e3 / s['mb_per_s'][key]:.3f}") for name, key in ROWS])
    print(f"The disk: writes {s['wall_mb_per_s']['disk_write']:.0f}, reads {s['wall_mb_per_s']['disk_read']:.0f} MB/s "
          f"({'direct' if s['disk_direct'] else 'through the page cache'}).\n")
    nets = [*r["networks"].values(), *([r["large"]] if r.get("large") else [])]
    for one in nets[:len(r["networks"])]:
        for op in ("deposit", "recover"):
            b = one[op]["bound"]
            print(f"Bound of {op}, k={one['k']} n={one['n']}: min(cores / CPU = {b['cpu_mb_per_s']:.0f}, disk = "
                  f"{b['disk_mb_per_s']:.0f}) = {b['mb_per_s']:.0f} MB/s; CPU, ns a byte of the model:")
            print("  " + " + ".join(f"{p['ns']:.2f} {p['stage']}{'' if p['who'] == 'lab' else ' (' + p['who'] + ')'}"
                                    for p in b["terms"]) + f" = {b['cpu_s_per_gb']:.2f}\n")
    print("Nodes and lab, all on this machine:")
    table(("", "MB/s", "of bound", "CPU s/GB lab", "CPU s/GB all", "bound's CPU", "MiB cairn", "MiB cairnd", "MiB custodian"),
          [(f"{op} {show_size(one['bytes'])}, n={one['n']}", f"{x['mb_per_s']:.0f}", percent(x["share_of_bound"]),
            f"{x['lab_cpu_s_per_gb']:.2f}", f"{x['all_cpu_s_per_gb']:.2f}", percent(x["share_of_bound_cpu"]),
            *(mib(x["peak_rss"][p]) for p in ("cairn", "cairnd", "cairn-custodian")))
           for one in nets for op in ("deposit", "recover") for x in (one[op],)])
    print("The same model with other tools (one encrypted copy, no erasure code), and Cairn over them:")
    table(("", "MB/s", "CPU s/GB", "MiB", *(f"cairn n={n}" for n in r["networks"])),
          [(f"{name} {op}", f"{p[op]['mb_per_s']:.0f}", f"{p[op]['lab_cpu_s_per_gb']:.2f}", mib(p[op]["rss"]),
            *(f"{one[op]['mb_per_s'] / p[op]['mb_per_s']:.2f}x" for one in r["networks"].values()))
           for name, p in r["peers"].items() for op in ("deposit", "recover")])
    print(f"Trouble (--patience {PATIENCE_S} --accept-margin), one of seven stewards:")
    table(("", "went on", "seconds", "MB/s", "receipts missing"),
          [("slowed to 1 MB/s" if kind == "slowed" else "stopped for good", "yes" if x["went_on"] else f"no, exit {x['exit']}",
            f"{x['wall_s']:.1f}", f"{x['mb_per_s']:.0f}", "-" if x["missing_receipts"] is None else x["missing_receipts"])
           for kind, x in r["trouble"].items()])
    show_aims(r, nets)


def show_aims(r, nets):
    aims = []
    for one in r["networks"].values():
        for op in ("deposit", "recover"):
            what = f"{op}, n={one['n']}: "
            aims.append((what + f"{percent(AIM_BOUND)} of the bound", percent(one[op]["share_of_bound"]),
                         one[op]["share_of_bound"] >= AIM_BOUND))
            for name, aim in (("restic", AIM_RESTIC), ("borg", AIM_BORG)):
                ratio = one[op]["mb_per_s"] / r["peers"][name][op]["mb_per_s"]
                aims.append((what + f"{aim} times {name}", f"{ratio:.2f}", ratio >= aim))
    for process in ("cairn", "cairnd"):
        peak = max(one[op]["peak_rss"][process] for one in nets for op in ("deposit", "recover"))
        aims.append((f"{process} under {mib(AIM_RSS)} MiB", mib(peak), peak < AIM_RSS))
    print("Aims:")
    table(("", "reached", ""), [(what, got, "yes" if ok else "NO") for what, got, ok in aims])


def main():
    p = argparse.ArgumentParser(prog="./dev bench", description="Measure stages, deposits, recoveries, and other tools.")
    p.add_argument("--quick", action="store_true", help="256 MiB and seven stewards only")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.add_argument("--size", type=parse_size, help="of the model (default 2GiB)")
    p.add_argument("--kind", choices=("random", "weights"), default="random",
                   help="random: nothing to compress; weights: float32 numbers (default random)")
    p.add_argument("--large", type=parse_size, help="a second size, for peaks of memory alone (default 8GiB; 0: none)")
    p.add_argument("--repeat", type=int, default=1, help="measure deposits, recoveries and other tools so often (default 1)")
    p.add_argument("--dir", default="/var/tmp", help="a folder on the disk to measure (default /var/tmp)")
    p.add_argument("--build", default="build", help="the build to measure (default build)")
    p.add_argument("--stages", action="store_true", help="the stages alone, as JSON")
    o = p.parse_args()
    o.build = os.path.abspath(o.build)
    o.size = o.size or (256 << 20 if o.quick else 2 << 30)
    o.large = (0 if o.quick else 8 << 30) if o.large is None else o.large
    # Model, seven shards, what is restored, and the next of them; or two repositories.
    need, free = 4 * max(o.size, o.large), shutil.disk_usage(o.dir).free
    if free < need:
        sys.exit(f"bench: {show_size(need)} are needed in {o.dir}, {show_size(free)} are free; choose --dir or --size")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="cairn-bench.", dir=o.dir) as folder:
        b = Bench(o, folder)
        if o.stages:
            b.measure_stages()
            print(json.dumps(b.stages[0], indent=2))
            return
        r = about(b)
        r.update(measure(b))
    if o.json:
        print(json.dumps(r))
    else:
        show(r)


if __name__ == "__main__":
    try:
        main()
    except Failed as e:
        sys.exit(f"bench: {e}")
    except KeyboardInterrupt:
        sys.exit(130)
