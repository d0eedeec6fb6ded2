"""Takes the CPUs away for moments, as a busy host does to a virtual machine: to try tests and cells under it.

    python tools/stutter.py --share 0.05 --longest-ms 15 [--seconds 60] [-- command ...]

One process for each CPU at the highest real-time priority sleeps and spins by turns, at random. With a
command it runs for as long as that does, and ends with its exit code. Needs CAP_SYS_NICE (root).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import time


def steal(cpu: int, share: float, longest_s: float, until: float, seed: int) -> None:
    """Holds `cpu` for `share` of the time in pieces of up to `longest_s`, most of them short."""
    os.sched_setaffinity(0, {cpu})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(os.sched_get_priority_max(os.SCHED_FIFO)))
    dice = random.Random(seed * 1000 + cpu)  # noqa: S311 - dice, no secret
    while time.monotonic() < until:
        piece = longest_s * dice.random() ** 3  # mean: a quarter of the longest
        end = time.monotonic() + piece
        while time.monotonic() < end:
            pass
        time.sleep(dice.expovariate(1 / (longest_s / 4 / share)))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--share", type=float, default=0.05, help="of each CPU's time (default: 0.05)")
    parser.add_argument("--longest-ms", type=float, default=15.0, help="longest piece (default: 15)")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="without a command: how long (default: 60)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    command = [word for word in given.command if word != "--"]
    until = time.monotonic() + (3600.0 if command else given.seconds)
    thieves = []
    for cpu in sorted(os.sched_getaffinity(0)):
        if (pid := os.fork()) == 0:
            steal(cpu, given.share, given.longest_ms / 1000, until, given.seed)
            os._exit(0)
        thieves.append(pid)
    try:
        if command:
            return subprocess.call(command)
        for pid in thieves:
            os.waitpid(pid, 0)
        return 0
    finally:
        for pid in thieves:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
