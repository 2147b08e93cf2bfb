# SPDX-License-Identifier: Apache-2.0
"""Running a command and saying what it took."""

import os
import select
import subprocess
import time

TICK_S = 0.02
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A step that the rest builds on did not work."""


def call(*args, **more):
    """Run a command that has to succeed; its output, unless that goes elsewhere."""
    more.setdefault("stdout", subprocess.PIPE)
    done = subprocess.run([str(a) for a in args], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, **more)
    if done.returncode != 0:
        raise Failed(f"{' '.join(str(a) for a in args)}: exit {done.returncode}\n{done.stderr.decode(errors='replace')}")
    return done.stdout


def sync(folder):
    """Until what was written to the file system of a folder is on its disk."""
    call("sync", "-f", folder)


def forget(folder):
    """Drop the files of a folder from the page cache, as far as they are on disk."""
    for at, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(at, name)
            if os.path.isfile(path) and not os.path.islink(path):
                fd = os.open(path, os.O_RDONLY)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(fd)


def size_of(folder):
    return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names)


def run(args, folder, log, tick=None, check=True, **more):
    """Run a command, then sync the file system of |folder|: a dict of wall_s, with that sync, cpu_s and rss (bytes),
    both without, exit. What it prints goes to the file |log|. |tick| is called all the while."""
    sync(folder)
    with open(log, "wb") as out:
        start = time.monotonic()
        process = subprocess.Popen([str(a) for a in args], stdin=subprocess.DEVNULL, stdout=out, stderr=out, **more)
    try:
        fd = os.pidfd_open(process.pid)
        try:
            while not select.select([fd], [], [], TICK_S if tick else None)[0]:
                tick()
        finally:
            os.close(fd)
    except BaseException:
        process.kill()
        process.wait()
        raise
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    exited = time.monotonic()
    sync(folder)
    if check and process.returncode != 0:
        with open(log, errors="replace") as said:
            raise Failed(f"{' '.join(str(a) for a in args)}: exit {process.returncode}\n{said.read()[-2000:]}")
    return {"wall_s": time.monotonic() - start, "sync_s": time.monotonic() - exited,
            "cpu_s": usage.ru_utime + usage.ru_stime, "rss": usage.ru_maxrss * 1024, "exit": process.returncode}


def cpu_of(pid):
    """Seconds that a running process has spent, user and system."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def rss_of(pid):
    """The most memory, in bytes, that a running process ever had."""
    with open(f"/proc/{pid}/status") as f:
        for line in f:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
