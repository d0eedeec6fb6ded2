"""A process that really leaks memory or descriptors, or only seems to; `leaks` starts it.

It runs as `python -m fieldstack.bench.prediction.leaker`. It ends when its standard input is closed, so it
never survives the benchmark.
"""

from __future__ import annotations

import argparse
import resource
import select
import sys
import time
from collections.abc import Callable
from typing import IO

CHUNK = 256 * 1024
MOST_BYTES = 1 << 30
STEP_S = 0.05


class Held:
    """What the process holds; `bytes` and `files` can be set to any value."""

    def __init__(self) -> None:
        self._chunks: list[bytearray] = []
        self._files: list[IO[bytes]] = []

    def bytes(self, amount: float) -> None:
        wanted = int(min(amount, MOST_BYTES) / CHUNK)
        while len(self._chunks) < wanted:
            self._chunks.append(bytearray(b"\1") * CHUNK)  # written, so it is resident
        del self._chunks[wanted:]

    def files(self, amount: float) -> None:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 8
        wanted = int(min(amount, limit))
        while len(self._files) < wanted:
            self._files.append(open("/dev/null", "rb"))  # noqa: SIM115 - held on purpose
        while len(self._files) > wanted:
            self._files.pop().close()


def _amount(kind: str, rate: float, period_s: float) -> Callable[[float], float]:
    """How much the process holds after a time; `stairs`, `saw` and `start` (then steady) have a period."""
    shapes: dict[str, Callable[[float], float]] = {
        "line": lambda t: rate * t,
        "stairs": lambda t: rate * period_s * (t // period_s),
        "saw": lambda t: rate * (t % period_s),
        "start": lambda t: rate * min(t, period_s),
    }
    return shapes[kind]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("memory", "files"))
    parser.add_argument("shape", choices=("line", "stairs", "saw", "start"))
    parser.add_argument("--rate", type=float, required=True, help="bytes or files a second")
    parser.add_argument("--period", type=float, default=1.0, help="of stairs, saw and start, in s")
    parser.add_argument("--open-files", type=int, default=0, help="RLIMIT_NOFILE")
    options = parser.parse_args()
    if options.open_files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (options.open_files, options.open_files))
    held = Held()
    hold = held.bytes if options.what == "memory" else held.files
    amount, began = _amount(options.shape, options.rate, options.period), time.monotonic()
    while not select.select([sys.stdin], [], [], STEP_S)[0]:
        hold(amount(time.monotonic() - began))


if __name__ == "__main__":
    main()
