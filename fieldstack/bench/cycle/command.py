"""`fieldstack bench cycle`: prepares the run, shows its progress and prints the report.

`fieldstack.cli.bench` calls it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from fieldstack.bench.cycle import attribution
from fieldstack.bench.cycle.options import CycleOptions, LoadKind, Reference
from fieldstack.bench.cycle.result import Condition, CycleResult, evaluate
from fieldstack.bench.cycle.run import CycleRun, Place
from fieldstack.bench.harness import machine, report
from fieldstack.bench.harness.checks import all_held
from fieldstack.bench.harness.errors import BenchError
from fieldstack.bench.harness.plans import plan_for
from fieldstack.bench.harness.preconditions import require_for_bench, warn_of_others
from fieldstack_base.instance import Instance
from fieldstack_ethercat.bus.config.planning import plan_from_file
from fieldstack_ethercat.testing.running_segment import running_segment


@dataclass(frozen=True, slots=True)
class CycleRequest:
    """The options of the command line, as they were given; `cpu` -1 is the last CPU."""

    seconds: float
    load: LoadKind
    reference: Reference
    rounds: int
    bare_seconds: float
    devices: str
    interface: str
    config: Path | None
    cycle_us: int
    cpu: int
    priority: int
    no_deep_idle: bool

    def options(self) -> CycleOptions:
        cpus = sorted(os.sched_getaffinity(0))
        return CycleOptions(
            seconds=self.seconds,
            load=self.load,
            reference=self.reference,
            rounds=self.rounds,
            bare_seconds=self.bare_seconds,
            devices=self.devices,
            interface=self.interface,
            cycle_us=self.cycle_us,
            cpu=cpus[-1] if self.cpu < 0 else self.cpu,
            priority=self.priority,
            other_cpu=cpus[0],
        )


def run_cycle(request: CycleRequest, json_file: Path | None, console: Console) -> bool:
    """Measures and reports; True if all bounds are met. Raises BenchError and errors of what it starts."""
    require_for_bench(virtual=not request.interface)
    options = request.options()
    report.show_machine(console)
    warn_of_others(console)
    with (
        _place(request, options) as place,
        machine.no_deep_idle(wanted=request.no_deep_idle) as granted,
        report.status(console) as say,
    ):
        if not granted:
            console.print("degraded: deep idle states cannot be forbidden (/dev/cpu_dma_latency)")
        run = CycleRun(options, place, say)
        record = run.run()
    result = evaluate(options, record, run.witnesses)
    _show(result, console)
    if json_file is not None:
        report.write_json(json_file, "cycle", result.to_json())
    return all_held(result.checks())


@contextlib.contextmanager
def _place(request: CycleRequest, options: CycleOptions) -> Iterator[Place]:
    """Yields the real bus, or a virtual segment for as long as the block runs, and an instance."""
    instance = Instance(f"bench-{os.getpid()}")
    with tempfile.TemporaryDirectory(prefix="fieldstack-bench-") as name:
        folder = Path(name)
        try:
            if request.interface:
                if request.config is None:
                    raise BenchError("--interface needs --config FILE: which slaves there have to be")
                plan = plan_from_file(request.config)
                yield Place(instance, plan, request.interface, None, folder)
                return
            plan = plan_for(options.devices, options.cycle_us, request.config)
            with running_segment(options.devices, cpu=options.other_cpu) as segment:
                yield Place(instance, plan, segment.interface, segment.client, folder)
        finally:
            for left in (instance.runtime_dir, instance.state_dir):
                shutil.rmtree(left, ignore_errors=True)


def _show(result: CycleResult, console: Console) -> None:
    main, free = result.main, result.unloaded
    loaded = f", load {result.options.load}" if free else ""
    rows = [
        (f"wake-up{loaded}", main.wake_us),
        (f"cyclictest{loaded}", main.reference_wake_us),
        ("wake-up, no load", free.wake_us if free else None),
        ("cyclictest, no load", free.reference_wake_us if free else None),
        (f"exchange{loaded}", main.exchange_us),
        ("exchange, no load", free.exchange_us if free else None),
        ("bare loop, SOEM's blocking socket", result.bare_us),
        ("bare loop, spinning socket", result.bare_spin_us),
        ("wake-up of the bare loop", result.bare_wake_us),
        ("wake-up of the spinning bare loop", result.bare_spin_wake_us),
    ]
    console.print(report.percentile_table("Cycle, µs", rows))
    for name, condition in ((f"cycle{loaded}", main), ("cycle, no load", free)):
        if condition is not None:
            console.print(f"{name}: {_faults(condition)}", highlight=False)
    console.print(f"machine: {_machine(result)}", style="dim", highlight=False)
    report.show_checks(console, result.checks())


def _faults(condition: Condition) -> str:
    causes = attribution.count(condition.faults)
    known = ", ".join(f"{count} {cause}" for cause, count in causes.items() if count)
    counts = f"{condition.cycles} cycles, {condition.lost} lost, {condition.late} late"
    return f"{counts} ({known})" if known else counts


def _machine(result: CycleResult) -> str:
    seen = result.witness
    stalls = ", ".join(f"CPU {cpu}: {count}" for cpu, count in seen["stalls"].items())
    steal = ", ".join(f"CPU {cpu}: {us} µs" for cpu, us in seen["steal_us"].items())
    idle = ", ".join(
        f"{turn.replace('_', ' ')} {'/'.join(f'{share:.0%}' for share in shares.values())}"
        for turn, shares in result.idle.items()
        if shares
    )
    return f"CPUs idle ({idle}); stalls seen {stalls}; longest {seen['longest_stall_us']} µs; stolen {steal}"
