"""Why a jog may not begin: the machine, its axes, the tasks, a limit. Jogging asks before each jog.

Each check raises TaskError; its text says why not, and what to do.
"""

from __future__ import annotations

from fieldstack.tasks.motion.position_limits import groups_beyond_limits
from fieldstack.tasks.motion.rt_facts import CLEARED_BY_JOG, RtFacts
from fieldstack.tasks.program.machine import Group, Machine
from fieldstack.tasks.state.table import TaskError, TaskTable
from fieldstack_rt.datastore.layout import RtPhase, Stop
from fieldstack_rt.datastore.number_texts import stop_text

LOOK = "`fieldstack-rt status --once` shows the cell"


def check_machine(facts: RtFacts | None) -> RtFacts:
    """RT cycles, and nothing stops the axes but a wait for a start. Returns the facts that say so."""
    if facts is None or facts.phase is not RtPhase.CYCLING:
        raise TaskError(f"RT does not cycle; {LOOK}")
    if facts.stop is Stop.ESTOP:
        raise TaskError("EMERGENCY_STOP is latched: remove the cause, then `fieldstack reset`")
    if facts.stop not in CLEARED_BY_JOG:
        raise TaskError(f"the axes may not move: {stop_text(facts.stop)}; {LOOK}")
    if not facts.permit:
        raise TaskError(f"the axes may not move: the Non-RT process gives no permit; {LOOK}")
    return facts


def check_axes(facts: RtFacts, group: Group) -> None:
    """All axes of the group stand under power."""
    for number, axis in zip(group.numbers, group.axes, strict=True):
        if not facts.can_jog(number):
            stop = facts.stops[number] if number < len(facts.stops) else Stop.NONE
            why = stop_text(stop) if stop not in CLEARED_BY_JOG else facts.axes[number].name.lower()
            raise TaskError(f"axis {axis.name} does not stand under power ({why}); {LOOK}")


def check_tasks(table: TaskTable, group: Group) -> None:
    """No task moves the group."""
    for task in table.live():
        if task.runner is not None and task.runner.group_name == group.name:
            raise TaskError(
                f"task {task.id!r} moves axis group {group.name!r}: `fieldstack task pause {task.id}` first"
            )


def check_direction(machine: Machine, number: int, direction: int, facts: RtFacts) -> None:
    """The axis has a way to go: one beyond a limit only inwards."""
    axis, at = machine.axes[number], facts.targets[number]
    end = axis.position_max_counts if direction > 0 else axis.position_min_counts
    if (end - at) * direction > 0:
        return
    out = groups_beyond_limits(machine, facts.targets)
    text = next((one.text for one in out.values() if axis.beyond_limit(at) and axis.name in one.text), "")
    raise TaskError(text or f"axis {axis.name} stands at its limit: it can only go the other way")
