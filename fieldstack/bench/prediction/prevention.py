"""Prevention in a live cell: the Main Core really leaks, and must be restarted before its limit.

`command` calls it. Only the leak and a memory limit that it reaches within minutes are arranged. Sampler,
method, policy and supervision are those of the Non-RT process.
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from fieldstack.bench.failover import bench_cell
from fieldstack.bench.failover.bench_cell import BenchCell
from fieldstack.bench.harness.errors import ProgramError
from fieldstack.bench.harness.report import Say
from fieldstack.cell import configuration, locations
from fieldstack.prediction.findings import duration
from fieldstack.process.nonrt_client import ask as ask_nonrt
from fieldstack_base.control.client import request as ask
from fieldstack_base.instance import Instance
from fieldstack_base.proc import usage
from fieldstack_rt.datastore import DataStore

CORE = "fieldstack-core"
LIMIT_MB = 128
LEAK_MIB_S = 0.4
MEMORY_HIGH = 0.85
"""Above this share the rule `memory-high` may have restarted Core instead."""
LONGEST_S = 280.0
POLL_S = 0.5
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class PreventionResult:
    """Times in s since the leak began; None: it did not happen. `limit_s`: when Core would have reached the
    limit.

    `used_share`: of the limit, when Core was restarted. `cycles`: of RT from the leak to the end. `lost`: how
    many of these were lost.
    """

    leak_mib_s: float
    limit_mb: int
    limit_s: float
    told_s: float | None
    told_text: str
    restarted_s: float | None
    used_share: float
    moving_again_s: float | None
    rt_starts: int
    cycles: int
    lost: int

    @property
    def prevented(self) -> bool:
        """Predicted first, then restarted well below the limit and working again; RT was not restarted."""
        times = (self.told_s, self.restarted_s, self.moving_again_s)
        return None not in times and self.used_share < MEMORY_HIGH and self.rt_starts == 1

    def to_json(self) -> dict[str, Any]:
        found = {**asdict(self), "prevented": self.prevented}
        return {name: round(value, 3) if isinstance(value, float) else value for name, value in found.items()}

    def text(self) -> str:
        reported = "never" if self.told_s is None else f"after {duration(self.told_s)}"
        restarted = "never" if self.restarted_s is None else f"after {duration(self.restarted_s)}"
        return (
            f"Prevention: Core leaks {self.leak_mib_s:g} MiB/s, its limit would be reached after "
            f"{duration(self.limit_s)}; reported {reported}, "
            f"restarted {restarted} at {self.used_share:.0%} of it; "
            f"RT: {self.rt_starts} start(s), {self.lost} of {self.cycles} cycles lost"
        )


def run_prevention(config: Path | None, folder: Path, say: Say) -> PreventionResult:
    """Runs its own cell for some minutes. Leaves nothing running. Raises ProgramError."""
    bench_cell.prepare(locations.find(config), folder)
    file = folder / "cell.yaml"
    data = yaml.safe_load(file.read_text(encoding="utf-8"))
    data["memory_limit_mb"] = {"core": LIMIT_MB}
    file.write_text(yaml.safe_dump(data), encoding="utf-8")
    instance = Instance(f"bench-{os.getpid()}-p")
    bench = BenchCell(configuration.load(file), instance, "", folder / "prevention.log")
    try:
        with bench_cell.running(bench) as store:
            return _watch(bench, store, say)
    finally:
        bench_cell.remove_traces(instance)


def _watch(bench: BenchCell, store: DataStore, say: Say) -> PreventionResult:
    pid, epoch = _core_pid(store), store.rt_epoch
    first, status = _used(pid), store.rt_status()
    began, cycle, lost = time.monotonic(), int(status.cycle), int(status.lost_frames)
    _leak(bench.instance)
    forecast: tuple[float, str] | None = None
    restarted: float | None = None
    used, shown, starts = first, 0.0, epoch
    while (passed := time.monotonic() - began) < LONGEST_S and restarted is None:
        time.sleep(POLL_S)
        if _core_pid(store) != pid:
            restarted = passed
            break
        used = _used(pid) or used
        if store.rt_epoch != starts:
            starts = store.rt_epoch
            say(f"prevention: RT was restarted after {passed:.1f} s, before Core was")
        forecast = forecast or _first_forecast(bench.instance, passed)
        if passed - shown >= 20:
            shown = passed
            say(f"prevention: {passed:.0f} s, Core uses {used / _MIB:.0f} of {LIMIT_MB} MiB")
    moving = None
    if restarted is not None:
        bench_cell.await_moving(bench, store)
        moving = time.monotonic() - began
    status = store.rt_status()
    return PreventionResult(
        leak_mib_s=LEAK_MIB_S,
        limit_mb=LIMIT_MB,
        limit_s=(LIMIT_MB - first / _MIB) / LEAK_MIB_S,
        told_s=forecast[0] if forecast else None,
        told_text=forecast[1] if forecast else "",
        restarted_s=restarted,
        used_share=used / _MIB / LIMIT_MB,
        moving_again_s=moving,
        rt_starts=store.rt_epoch - epoch + 1,
        cycles=int(status.cycle) - cycle,
        lost=int(status.lost_frames) - lost,
    )


def _core_pid(store: DataStore) -> int:
    return int(store.raw.core_status.pid)


def _used(pid: int) -> int:
    """Resident bytes; 0 when the process is gone."""
    try:
        return usage.usage(Path(f"/proc/{pid}")).resident_bytes
    except OSError:
        return 0


def _leak(instance: Instance) -> None:
    try:
        answer = ask(instance.runtime_dir / "core.sock", "inject", 5.0, fault="leak", mib_per_s=LEAK_MIB_S)
    except OSError as error:
        raise ProgramError("the Main Core", f"it does not answer: {error}", "") from error
    if not answer.accepted:
        raise ProgramError("the Main Core", f"it does not leak: {answer.message}", "")


def _first_forecast(instance: Instance, passed: float) -> tuple[float, str] | None:
    """When the forecast came and what it said, as `status` shows it."""
    try:
        predictions = ask_nonrt(instance, "status").data["status"]["predictions"]
    except (OSError, KeyError):
        return None  # it starts, or another part of the cell asks as well
    texts = [one["text"] for one in predictions.get("forecasts", ()) if one["subject"] == CORE]
    return (passed, texts[0]) if texts else None
