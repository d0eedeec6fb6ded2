"""`fieldstack bench failover`: causes faults in a running cell, measures the references, reports.

`fieldstack.cli.bench` calls it.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from fieldstack.bench.failover import bench_cell, incident_command
from fieldstack.bench.failover.bench_cell import BenchCell
from fieldstack.bench.failover.faults import FaultKind
from fieldstack.bench.failover.incident_result import IncidentResult
from fieldstack.bench.failover.result import FailoverResult, blocks
from fieldstack.bench.failover.run import Failover, FailoverBench
from fieldstack.bench.harness import report
from fieldstack.bench.harness.bringup_reference import BringupReference
from fieldstack.bench.harness.checks import all_held
from fieldstack.bench.harness.preconditions import require_for_bench, warn_of_others
from fieldstack.bench.harness.report import Say
from fieldstack.cell import locations
from fieldstack_base.instance import Instance
from fieldstack_ethercat.testing.running_segment import RunningSegment, running_segment


@dataclass(frozen=True, slots=True)
class FailoverRequest:
    """The options. After `block` runs the cell goes down and the references are measured."""

    kind: FaultKind
    runs: int
    block: int
    settle_s: float
    config: Path | None
    pressure: bool = False
    """The kernel is asked to reclaim Non-RT's memory before each fault of RT."""


def run_failover(request: FailoverRequest, json_file: Path | None, console: Console) -> bool:
    """Measures and reports; True if all bounds are met. Raises BenchError and errors of what it starts."""
    require_for_bench(virtual=True)
    report.show_machine(console)
    warn_of_others(console)
    instance = Instance(f"bench-{os.getpid()}")
    with tempfile.TemporaryDirectory(prefix="fieldstack-bench-") as name:
        folder = Path(name)
        cell = bench_cell.prepare(locations.find(request.config), folder)
        try:
            with running_segment(cell.config.segment.devices) as segment, report.status(console) as say:
                bench = BenchCell(cell, instance, segment.interface, folder / "up.log")
                result = _measure(request, bench, segment, say)
        finally:
            bench_cell.remove_traces(instance)
    if isinstance(result, FailoverResult):
        _show(result, console)
    else:
        incident_command.show(result, console)
    if json_file is not None:
        report.write_json(json_file, "failover", result.to_json())
    return all_held(result.checks())


def _measure(
    request: FailoverRequest, bench: BenchCell, segment: RunningSegment, say: Say
) -> FailoverResult | IncidentResult:
    if request.kind.of_rt:
        return _measure_rt(request, bench, segment, say)
    counts = blocks(request.runs, incident_command.block_of(request.kind, request.block))
    return incident_command.measure(
        request.kind, list(counts), bench, segment, settle_s=request.settle_s, say=say
    )


def _measure_rt(
    request: FailoverRequest, bench: BenchCell, segment: RunningSegment, say: Say
) -> FailoverResult:
    reference = BringupReference()
    runs: list[Failover] = []
    for size in blocks(request.runs, request.block):
        say(f"{len(runs)} of {request.runs}: bare bring-up")
        reference.take(segment.interface)
        say(f"{len(runs)} of {request.runs}: starting the cell")
        with bench_cell.running(bench) as store:
            faulty = FailoverBench(bench, store, segment.client, request.settle_s, pressure=request.pressure)
            for _ in range(size):
                runs.append(faulty.run(len(runs) + 1, request.kind))
                say(f"{len(runs)} of {request.runs}: {_line(runs[-1])}")
    bound_ns = request.kind.bound_ns(bench.threshold_cycles, bench.cycle_ns)
    return FailoverResult(request.kind, bound_ns, tuple(runs), reference)


def _line(run: Failover) -> str:
    safe = "never" if run.outputs_safe_ns is None else f"{run.outputs_safe_ns / 1000:.0f} µs"
    word = f"{run.stray}; " if run.stray else ""
    return f"{word}outputs safe after {safe}, back in OP after {run.back_in_op_ns / 1e6:.0f} ms"


def _show(result: FailoverResult, console: Console) -> None:
    title = f"{result.kind.value}, {len(result.runs)} runs: since the fault"
    rows = [
        ("guard detects, µs", result.detect_us),
        ("first safe frame, µs", result.safe_frame_us),
        ("all outputs safe, µs", result.outputs_safe_us),
        ("back in OP, ms", result.back_in_op_ms),
        ("axes move again, ms", result.moving_again_ms),
        ("bare pysoem bring-up, ms", result.reference_bringup_ms),
        ("interpreter with pysoem, ms", result.reference_interpreter_ms),
    ]
    console.print(report.percentile_table(title, rows))
    steps = [(f"{name}, ms", found) for name, found in result.steps_ms().items()]
    console.print(report.percentile_table("Steps of the recovery since the fault", steps))
    phases = ", ".join(f"{name} {value:.1f} ms" for name, value in result.reference_phases_ms().items())
    console.print(f"bare bring-up, medians: {phases}", style="dim", highlight=False)
    _show_pressure(result, console)
    again = f"; the guard tripped again in {result.tripped_again}" if result.tripped_again else ""
    console.print(f"unsafe: {result.unsafe} of {len(result.runs)}{again}", highlight=False)
    report.show_checks(console, result.checks())


def _show_pressure(result: FailoverResult, console: Console) -> None:
    pressed = [run.pressed for run in result.runs if run.pressed is not None]
    if pressed:
        before, after = max(one.before_kb for one in pressed), min(one.after_kb for one in pressed)
        text = f"memory pressure on Non-RT before each fault: {before} KiB resident, then {after} KiB"
        console.print(text, highlight=False)
