"""What the cell works on, and what it would continue from: tasks, axis groups, checkpoint.

The dashboard shows it. All of it is in shared memory, so it can be read when Core or Non-RT is down, as they
left it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from fieldstack.ha.checkpoint.record import TASK_BYTES, extra_of
from fieldstack.ha.checkpoint.restoring import RECORD
from fieldstack.tasks.state.phase import FINAL, Phase
from fieldstack_base import bounded_json
from fieldstack_base.instance import Instance
from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_rt._native import ffi
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.layout import CoreState

FULL = 1000


class Stamps(Protocol):
    """Turns CLOCK_MONOTONIC stamps into wall-clock text; None for 0."""

    def at(self, stamp_ns: int) -> str | None: ...


@dataclass(frozen=True, slots=True)
class TaskView:
    """`step`: completed steps of the present run. `state`: as in `fieldstack task list`; a running task is
    `ready`."""

    id: str
    state: str
    group: str
    run: int
    step: int
    why: str


@dataclass(frozen=True, slots=True)
class GroupView:
    """An axis group; `out_of_use`: its tasks were moved away. `tasks`: that are bound to it."""

    name: str
    axes: tuple[str, ...]
    essential: bool
    out_of_use: bool
    tasks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WorkView:
    """`live`: Core runs; otherwise all is as it left it. `tasks`: those that have not ended; the others are
    only counted. `speed_percent`: the speed override in effect."""

    live: bool = False
    tasks_running: int = 0
    safe_moment: bool = False
    speed_percent: float = 100.0
    tasks: tuple[TaskView, ...] = ()
    tasks_ended: int = 0
    groups: tuple[GroupView, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckpointView:
    """`written`: when its positions were taken. `filed`: when it was last written to its file. `valid`: its
    checksum is right. `verdict`, `rule`, `reason`: the result of the last restore."""

    generation: int = 0
    valid: bool = False
    written: str | None = None
    axes: int = 0
    filed: str | None = None
    verdict: str = ""
    rule: str = ""
    reason: str = ""


def checkpoint_of(store: DataStore, record: Any, clock: Stamps, filed: str | None) -> CheckpointView:
    restore = extra_of(record).get("restore")
    decision: dict[str, Any] = restore if isinstance(restore, dict) else {}
    return CheckpointView(
        generation=int(record.generation),
        valid=bool(store.checkpoint_valid(record)),
        written=clock.at(record.written_ns),
        axes=int(record.axis_count),
        filed=filed,
        verdict=str(decision.get("verdict", "")),
        rule=str(decision.get("rule", "")),
        reason=str(decision.get("reason", "")),
    )


def filed_s(instance: Instance) -> float | None:
    """When the last checkpoint was filed, Unix time; None: there is no file."""
    times = []
    for number in (0, 1):
        try:
            times.append((instance.state_dir / f"{RECORD}.{number}").stat().st_mtime)
        except OSError:
            continue
    return max(times, default=None)


def work_of(core: Any, plan: BusPlan | None, *, live: bool) -> WorkView:
    """`core`: the record; tasks that have ended are only counted."""
    kept = _kept(bytes(ffi.buffer(core.task))[: min(int(core.task_size), TASK_BYTES)])
    tasks = [_task(name, one) for name, one in _members(kept.get("tasks")).items() if isinstance(one, dict)]
    open_tasks = tuple(task for task in tasks if task.state not in FINAL)
    moving = live and int(core.state) in (CoreState.MOVING, CoreState.WAITING)
    return WorkView(
        live=live,
        tasks_running=int(core.tasks_running) if moving else 0,
        safe_moment=bool(live and core.safe_moment),
        speed_percent=int(core.speed_override) * 100 / FULL if core.epoch else 100.0,
        tasks=open_tasks,
        tasks_ended=len(tasks) - len(open_tasks),
        groups=_groups(plan, kept, open_tasks),
    )


def _kept(text: bytes) -> dict[str, Any]:
    try:
        found = bounded_json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _members(found: object) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def _task(name: str, one: dict[str, Any]) -> TaskView:
    """Keys as fieldstack/tasks/keep/checkpoint.py writes them; what is 0 or empty is left out there."""
    return TaskView(
        id=name,
        state=str(one.get("p", Phase.WAITING)),
        group=str(one.get("g", "")),
        run=_number(one.get("r")),
        step=_number(one.get("s")),
        why=str(one.get("w", "") or one.get("h", "")),
    )


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _groups(plan: BusPlan | None, kept: dict[str, Any], tasks: tuple[TaskView, ...]) -> tuple[GroupView, ...]:
    if plan is None:
        return ()
    lost = kept.get("lost")
    out = lost if isinstance(lost, list) else []
    return tuple(
        GroupView(
            group.name,
            tuple(plan.axes[number].name for number in group.axes),
            group.essential,
            group.name in out,
            tuple(task.id for task in tasks if task.group == group.name),
        )
        for group in plan.groups
    )
