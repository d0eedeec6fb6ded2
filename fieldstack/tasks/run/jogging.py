"""Jogging: a person moves one axis by hand, slowly, and it moves only while the person holds it.

The jog commands begin, renew and release a jog; the executor ends what nobody holds. The cycle itself watches
that the axis is held (`hold_to_run_ns` of the shared memory). So whatever dies between the person and the
axis: it begins to stop HOLD_NS after it was last known to be held, at the latest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fieldstack.tasks.motion.group_motion import SLOW_SHARE
from fieldstack.tasks.motion.job import Job
from fieldstack.tasks.motion.rt_facts import RtFacts
from fieldstack.tasks.motion.runner import Runner
from fieldstack.tasks.motion.trajectory import Limits
from fieldstack.tasks.program.actions import MoveAction
from fieldstack.tasks.program.machine import Group, Machine
from fieldstack.tasks.program.program import Block
from fieldstack.tasks.run.jog_checks import check_axes, check_direction, check_machine, check_tasks
from fieldstack.tasks.state.table import TaskError, TaskTable
from fieldstack_ethercat.bus.config.axis_plan import AxisPlan

HOLD_NS = 150_000_000
"""How long an axis goes on after it was last known to be held."""


@dataclass(frozen=True, slots=True)
class JogRequest:
    """`direction`: 1 or -1; `percent` of the axis's jog velocity; `held_ns`: when it was last held."""

    axis: str
    direction: int
    percent: float
    held_ns: int


@dataclass(slots=True)
class Jog:
    """One jog, from its begin on; `ended` says why it is over."""

    number: int
    axis: AxisPlan
    job: Job
    until_ns: int
    runner: Runner | None = None
    ended: str = ""
    reached: bool = False
    """It ended at the axis's limit."""


class Jogging:
    """At most one jog at a time. `hold` writes down until when the axis may follow (0: not any longer)."""

    def __init__(self, machine: Machine, limits: tuple[Limits, ...], hold: Callable[[int], None]) -> None:
        self._machine, self._limits, self._hold = machine, limits, hold
        self.last: Jog | None = None
        self._count = 0

    @property
    def active(self) -> Jog | None:
        return self.last if self.last is not None and not self.last.ended else None

    def waiting_reason_of(self, group: str) -> str:
        """Why tasks wait for this group; empty: they do not."""
        jog = self.active
        if jog is None or jog.job.group is None or jog.job.group.name != group:
            return ""
        return f"axis {jog.axis.name} is jogged by hand"

    # ---- what a person asks ----

    def begin(self, now_ns: int, request: JogRequest, facts: RtFacts | None, table: TaskTable) -> Jog:
        """Raises TaskError: why not, and what to do."""
        number = self._number(request.axis)
        _check_time(now_ns, request.held_ns)
        if not 0 < request.percent <= 100:
            raise TaskError(f"--speed {request.percent:g}: 1 to 100 percent of the axis's jog velocity")
        if self.active is not None:
            raise TaskError(f"axis {self.active.axis.name} is jogged at present: one at a time")
        group = self._machine.group_of(number)
        if group is None:
            raise TaskError(f"axis {request.axis} is in no axis group")
        ready = check_machine(facts)
        check_tasks(table, group)
        check_axes(ready, group)
        check_direction(self._machine, number, request.direction, ready)
        self._count += 1
        self.last = Jog(self._count, self._machine.axes[number], self._job(number, group, request), 0)
        self._keep(self.last, request.held_ns)
        return self.last

    def renew(self, now_ns: int, number: int, held_ns: int) -> Jog:
        """It is held on. Raises TaskError: there is no such jog, or the time cannot be."""
        jog = self._get(number)
        _check_time(now_ns, held_ns)
        if not jog.ended:
            self._keep(jog, held_ns)
        return jog

    def release(self, number: int) -> Jog:
        """It is let go: the axis stops at once. Raises TaskError: there is no such jog."""
        jog = self._get(number)
        self.end("let go")
        return jog

    # ---- what the executor tells ----

    def end_if_released(self, now_ns: int) -> None:
        """Ends what nobody holds."""
        jog = self.active
        if jog is not None and now_ns >= jog.until_ns:
            self.end(f"nobody held it for {HOLD_NS // 1_000_000} ms")

    def end(self, why: str, *, reached: bool = False) -> None:
        jog = self.active
        if jog is not None:
            jog.ended, jog.reached = why, reached
            self._hold(0)

    # ---- inside ----

    def _keep(self, jog: Jog, held_ns: int) -> None:
        jog.until_ns = max(jog.until_ns, held_ns + HOLD_NS)
        self._hold(jog.until_ns)

    def _get(self, number: int) -> Jog:
        if self.last is None or self.last.number != number:
            raise TaskError("there is no such jog any more: begin again with `fieldstack jog`")
        return self.last

    def _number(self, name: str) -> int:
        names = [axis.name for axis in self._machine.axes]
        if name not in names:
            raise TaskError(f"there is no axis {name!r}; axes here: {', '.join(names) or 'none'}")
        return names.index(name)

    def _job(self, number: int, group: Group, request: JogRequest) -> Job:
        axis = self._machine.axes[number]
        end = axis.position_max_counts if request.direction > 0 else axis.position_min_counts
        targets = tuple(end / axis.counts_per_unit if one == number else None for one in group.numbers)
        slow = axis.jog_counts_s * SLOW_SHARE * request.percent / 100
        limits = tuple(
            self._limits[one].at_most(slow) if one == number else self._limits[one] for one in group.numbers
        )
        action = MoveAction(targets, 1.0)
        return Job(f"jog {axis.name}", Block((action,)), group, limits, (0, 0), hold_to_run=1 << number)


def _check_time(now_ns: int, held_ns: int) -> None:
    """What waited somewhere on its way holds nothing any more."""
    if not now_ns - HOLD_NS < held_ns <= now_ns:
        raise TaskError(
            f"it was last held {(now_ns - held_ns) / 1e6:.0f} ms ago, which counts for "
            f"{HOLD_NS // 1_000_000} ms: hold it again"
        )
