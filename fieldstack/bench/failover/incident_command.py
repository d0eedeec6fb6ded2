"""`fieldstack bench failover` for faults outside RT: runs the cells, measures the references, reports."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from fieldstack.bench.failover import bench_cell
from fieldstack.bench.failover.bench_cell import BenchCell
from fieldstack.bench.failover.faults import FaultKind
from fieldstack.bench.failover.incident import Incident, IncidentBench
from fieldstack.bench.failover.incident_result import COLUMNS, IncidentResult
from fieldstack.bench.failover.losses import total
from fieldstack.bench.harness import report
from fieldstack.bench.harness.bringup_reference import BringupReference, interpreter_start
from fieldstack.bench.harness.errors import ProgramError
from fieldstack.bench.harness.report import Say
from fieldstack_ethercat.testing.running_segment import RunningSegment

STATE_BYTES = 16 << 20
_IMPORTS = {
    "nonrt_start": "fieldstack.nonrt.nonrt",
    "rt_start": "fieldstack_rt.executive",
    "core_start": "fieldstack.tasks.process",
}
"""The module that a restarted process has to load. It cannot be back sooner than an interpreter with it."""
_COMPARED: dict[FaultKind, tuple[str, ...]] = {
    FaultKind.NONRT_KILL: ("nonrt_start",),
    FaultKind.BOTH_KILL: ("nonrt_start", "rt_start", "bringup"),
    FaultKind.CORE_KILL: ("core_start",),
    FaultKind.CORE_DEADLOCK: (),
    FaultKind.SLAVE_LOSS: ("bringup",),
    FaultKind.BUS_POWER: ("bringup",),
}
_LATCHED = (FaultKind.NONRT_KILL, FaultKind.BOTH_KILL, FaultKind.CORE_KILL)


@dataclass(slots=True)
class References:
    """Times in ns, measured while no cell runs. `bringup`: a bare pysoem program on the same segment."""

    names: tuple[str, ...]
    found_ns: dict[str, list[int]] = field(default_factory=dict)

    def take(self, interface: str) -> None:
        for name in self.names:
            if name == "bringup":
                reference = BringupReference()
                reference.take(interface)
                self.found_ns.setdefault(name, []).extend(reference.bringup_ns)
            else:
                self.found_ns.setdefault(name, []).append(interpreter_start(_IMPORTS[name]))


def measure(
    kind: FaultKind,
    counts: list[int],
    bench: BenchCell,
    segment: RunningSegment,
    *,
    settle_s: float,
    say: Say,
) -> IncidentResult:
    """Runs the fault in each of the cells, and once more in each with a latch if that applies.

    Raises:
        ProgramError: a cell did not come up or did not come back.
    """
    references = References(_COMPARED.get(kind, ()))
    incidents: list[Incident] = []
    runs = sum(counts)
    for count in counts:
        say(f"{_done(incidents)} of {runs}: references")
        for _ in range(count):
            references.take(segment.interface)
        say(f"{_done(incidents)} of {runs}: starting the cell")
        with _state_folder(kind, bench) as full, bench_cell.running(bench) as store:
            faulty = IncidentBench(bench, store, segment.client, settle_s, full)
            for _ in range(count):
                incidents.append(faulty.run(_done(incidents) + 1, kind))
                say(f"{_done(incidents)} of {runs}: {_line(incidents[-1])}")
            if kind in _LATCHED:
                incidents.append(faulty.run_latched(_done(incidents), kind))
    return IncidentResult(kind, tuple(incidents), references.found_ns, references.names)


def block_of(kind: FaultKind, block: int) -> int:
    """Runs per cell. If Non-RT is killed, one: `up` would wait before it starts it again within 30 s."""
    return 1 if kind.kills_nonrt else block


def _done(incidents: list[Incident]) -> int:
    return sum(not one.latched for one in incidents)


def _line(one: Incident) -> str:
    lost = "something was LOST" if one.losses.any else "nothing lost"
    return f"moves again after {one.moving_again_ns / 1e6:.0f} ms, {lost}"


@contextlib.contextmanager
def _state_folder(kind: FaultKind, bench: BenchCell) -> Iterator[Callable[[], Path] | None]:
    """Makes a small file system for the cell's state; yields a function that fills it."""
    if kind is not FaultKind.DISK_FULL:
        yield None
        return
    root = bench.log.parent / "state"
    root.mkdir(exist_ok=True)
    _system("mount", "-t", "tmpfs", "-o", f"size={STATE_BYTES},mode=755", "fieldstack-bench", str(root))
    before = os.environ.get("FIELDSTACK_STATE_DIR")
    os.environ["FIELDSTACK_STATE_DIR"] = str(root)
    try:
        yield lambda: _fill(root / "ballast")
    finally:
        if before is None:
            del os.environ["FIELDSTACK_STATE_DIR"]
        else:
            os.environ["FIELDSTACK_STATE_DIR"] = before
        _system("umount", "--lazy", str(root))


def _fill(ballast: Path) -> Path:
    """Fills it until not one block is left."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast


def _system(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode != 0:
        raise ProgramError(command[0], f"it ended with code {done.returncode}", done.stderr)


def show(result: IncidentResult, console: Console) -> None:
    title = f"{result.kind.value}, {len(result.timed)} runs: since the fault"
    rows = [(f"{result.meaning(name)}, ms", result.column(name)) for name in COLUMNS]
    rows += [(f"reference: {name}, ms", result.reference(name)) for name in result.references_ns]
    console.print(report.percentile_table(title, rows))
    lost = total([one.losses for one in result.incidents])
    text = ", ".join(f"{name} {count}" for name, count in lost.to_json().items())
    console.print(f"lost in {len(result.incidents)} runs: {text}", highlight=False)
    report.show_checks(console, result.checks())
