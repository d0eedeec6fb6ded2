"""Runs Debian's cyclictest (rt-tests), the reference for wake-up latency in `bench cycle`.

It prints raw values in nanoseconds (`-v -N`), so that both sides have the same resolution. It is aligned to
full seconds of CLOCK_MONOTONIC plus a phase (`--secaligned`), so that the time of each of its wake-ups is
known.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from fieldstack.bench.harness.errors import BenchError, NoSamplesError, ProgramError
from fieldstack.bench.harness.wakes import Wake
from fieldstack_base.units import NS_PER_S

STOP_TIMEOUT_S = 5.0
_LATEST_START_NS = 700_000_000
"""After this part of a second it is not known in which of the next two seconds it begins."""
_VALUE = re.compile(rb"^\s*0:\s*(\d+):\s*(\d+)\s*$")


class CyclictestMissingError(BenchError):
    """cyclictest is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "the reference, cyclictest, is not installed: sudo apt-get install rt-tests   "
            "(or leave it out with --reference none)"
        )


def command(*, cpu: int, priority: int, period_ns: int, phase_ns: int, other_cpu: int) -> list[str]:
    """The command line: one thread, memory locked; its printing thread is kept on `other_cpu`.

    With `--laptop` it does not change the idle states, because the benchmark chooses them for both alike.

    Raises:
        CyclictestMissingError: it is not installed.
    """
    program = shutil.which("cyclictest") or shutil.which("cyclictest", path="/usr/bin:/usr/sbin")
    if program is None:
        raise CyclictestMissingError
    return [
        *(program, "--mlockall", "--laptop", "--nsecs", "--verbose", "--threads=1", f"--affinity={cpu}"),
        *(f"--mainaffinity={other_cpu}", "--policy=fifo" if priority else "--policy=other"),
        *(f"--priority={priority}", f"--interval={period_ns // 1000}", "--distance=0"),
        f"--secaligned={phase_ns // 1000}",
    ]


def values(lines: Iterable[bytes]) -> Iterator[int]:
    """The raw latencies in a verbose output, ns, in order.

    Raises:
        ProgramError: values are missing in between.
    """
    expected = 0
    for line in lines:
        found = _VALUE.match(line)
        if not found:
            continue
        if int(found[1]) != expected:
            raise ProgramError("cyclictest", f"value {expected} is missing in its output", "")
        expected += 1
        yield int(found[2])


def wakes(latencies: Iterable[int], first_due_ns: int, period_ns: int) -> Iterator[Wake]:
    """The wake-ups with their times. After a late wake-up cyclictest continues with the next one in the
    future."""
    due_ns = first_due_ns
    for late_ns in latencies:
        yield Wake(due_ns, late_ns)
        missed = late_ns // period_ns
        due_ns += (1 + missed) * period_ns


class Cyclictest:
    """A running cyclictest, from `start` to `stop`."""

    def __init__(self, command_line: list[str], *, period_ns: int, phase_ns: int, output: Path) -> None:
        self._command, self._period_ns, self._phase_ns = command_line, period_ns, phase_ns
        self._output = output
        self._process: subprocess.Popen[bytes] | None = None
        self._second = 0

    def start(self) -> Cyclictest:
        """Returns just before it takes its first value, up to 1.3 s later."""
        into_ns = time.monotonic_ns() % NS_PER_S
        if into_ns > _LATEST_START_NS:
            time.sleep((NS_PER_S - into_ns) / 1e9 + 0.01)
        with self._output.open("wb") as output:
            self._second = time.monotonic_ns() // NS_PER_S + 1
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        time.sleep(max(0.0, (self._second * NS_PER_S - time.monotonic_ns()) / 1e9))
        if self._process.poll() is not None:
            raise ProgramError("cyclictest", "it ended at once", self._text())
        return self

    def stop(self) -> list[Wake]:
        """Ends it; returns all its wake-ups. Raises ProgramError or NoSamplesError if there are none."""
        process, self._process = self._process, None
        if process is None:
            return []
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise ProgramError("cyclictest", "it did not end when asked to", self._text()) from None
        first_due_ns = self._second * NS_PER_S + self._phase_ns + self._period_ns
        with self._output.open("rb") as lines:
            found = list(wakes(values(lines), first_due_ns, self._period_ns))
        if not found:
            raise NoSamplesError("cyclictest")
        return found

    def kill(self) -> None:
        """Ends it after an error; harmless if it has ended already."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _text(self) -> str:
        return self._output.read_text(errors="replace")[-2000:]
