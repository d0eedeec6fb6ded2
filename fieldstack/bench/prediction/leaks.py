"""Runs real processes that really leak; the real sampler reads them and the predictor judges in real time.

`command` calls it. All run at once for a minute. Limits and times are scaled: ten samples a second instead of
one, so every window is a tenth as long.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from fieldstack.bench.harness.report import Say
from fieldstack.bench.prediction.scenarios import Expect
from fieldstack.bench.prediction.score import Score
from fieldstack.ha.probes.process_resources import ProcessReader
from fieldstack.ha.probes.readings import Reading, Resource
from fieldstack.prediction.predictor import SETTLE_S, Predictor
from fieldstack.prediction.signals import Signal

SCALE = 10.0
SECONDS = 75.0
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Leak:
    """A leaker's command line; `limit`: MiB of resident memory, or RLIMIT_NOFILE."""

    title: str
    expect: Expect
    what: str
    shape: str
    rate: float
    limit: int
    period_s: float = 1.0

    @property
    def resource(self) -> Resource:
        return Resource.MEMORY if self.what == "memory" else Resource.FILE_DESCRIPTORS

    def command(self) -> list[str]:
        words = [sys.executable, "-m", "fieldstack.bench.prediction.leaker", self.what, self.shape]
        words += ["--rate", str(self.rate), "--period", str(self.period_s)]
        return words if self.what == "memory" else [*words, "--open-files", str(self.limit)]


_FORECAST, _NOTHING = Expect.FORECAST, Expect.NOTHING

LEAKS: tuple[Leak, ...] = (
    Leak("memory, 2.2 MiB/s", _FORECAST, "memory", "line", 2.2 * _MIB, 80),
    Leak("memory, 1.1 MiB/s", _FORECAST, "memory", "line", 1.1 * _MIB, 80),
    Leak("memory, arenas of 4 MiB, 1.3 MiB/s", _FORECAST, "memory", "stairs", 1.3 * _MIB, 80, 3.0),
    Leak("descriptors, 8 a second", _FORECAST, "files", "line", 8, 256),
    Leak("descriptors, 4 a second", _FORECAST, "files", "line", 4, 256),
    Leak("memory, a saw of 16 MiB", _NOTHING, "memory", "saw", 2 * _MIB, 80, 8.0),
    Leak("memory, a start-up of 30 MiB in 6 s", _NOTHING, "memory", "start", 5 * _MIB, 80, 6.0),
    Leak("descriptors, a saw of 60", _NOTHING, "files", "saw", 10, 256, 6.0),
)


@dataclass(slots=True)
class _Run:
    """One leaker on the way to its limit."""

    leak: Leak
    process: subprocess.Popen[bytes]
    reached_s: float | None = None
    found: tuple[float, float] | None = None
    false: str = ""
    values: list[float] = field(default_factory=list)

    def note(self, t: float, predictor: Predictor) -> None:
        mine = [one for one in predictor.forecasts() if one.subject == self.leak.title]
        for forecast in mine:
            if self.leak.expect is Expect.NOTHING or forecast.resource != self.leak.resource:
                self.false = self.false or f"after {t:.0f} s: {forecast.text}"
            elif self.found is None and self.reached_s is None:
                self.found = (t, forecast.eta_s)

    def score(self) -> Score:
        error = None
        if self.found is not None and self.reached_s is not None:
            error = (self.found[0] + self.found[1] - self.reached_s) / (self.reached_s - self.found[0])
        found_s = self.found[0] if self.found else None
        return Score(self.leak.title, self.leak.expect, 0.0, self.reached_s, found_s, error, self.false)


def run_leaks(say: Say, leaks: Sequence[Leak] = LEAKS, seconds: float = SECONDS) -> list[Score]:
    """Runs for `seconds`; the leakers have ended when it returns."""
    with contextlib.ExitStack() as stack:
        runs = {leak.title: _Run(leak, stack.enter_context(_running(leak))) for leak in leaks}
        limits = {one.title: one.limit for one in leaks if one.what == "memory"}
        reader, predictor = ProcessReader(limits, 0), Predictor(SETTLE_S / SCALE)
        pids = {title: run.process.pid for title, run in runs.items()}
        began = due = time.monotonic()
        while (t := time.monotonic() - began) < seconds:
            now_ns = time.monotonic_ns()
            for reading in reader.read(now_ns, pids):
                _take(runs[reading.subject], reading, t, predictor, now_ns)
            if int(t) % 10 == 0 and t - int(t) < 1 / SCALE:
                say(f"real leaks: {t:.0f} of {seconds:.0f} s")
            due += 1 / SCALE
            time.sleep(max(0.0, due - time.monotonic()))
    return [run.score() for run in runs.values()]


def _take(run: _Run, reading: Reading, t: float, predictor: Predictor, now_ns: int) -> None:
    predictor.feed(now_ns, Signal.of(reading))
    run.note(t, predictor)
    if reading.resource == run.leak.resource and reading.value >= reading.limit - _kept(reading):
        run.reached_s = run.reached_s or t


def _kept(reading: Reading) -> int:
    """The leaker keeps some descriptors free, so that its own leak does not end it."""
    return 8 if reading.resource is Resource.FILE_DESCRIPTORS else 0


@contextlib.contextmanager
def _running(leak: Leak) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(leak.command(), stdin=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()
