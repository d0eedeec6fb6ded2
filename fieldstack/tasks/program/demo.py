"""The demo: each axis swings about the middle of its travel, with a chase light on the digital outputs.

It is an ordinary PERIODIC task, one for each axis group, at the lowest priority. The process adds it if the
cell asks for it.
"""

from __future__ import annotations

import math

from fieldstack.tasks.program.declaration import (
    Mode,
    Move,
    Needs,
    OnCrash,
    OnResourceLost,
    Priority,
    Step,
    Switch,
    TaskDeclaration,
    Wait,
)
from fieldstack.tasks.program.machine import Group, Machine
from fieldstack_ethercat.bus.config.axis_plan import AxisPlan

DEMO = "demo"
WAY_POINTS = 8
TRAVEL_SHARE = 0.35
"""Largest deflection from the middle of the travel, as a share of the travel."""
TRAVEL_TIME_S = 1.0
"""No way point is further from the middle than an axis goes in this time at its full speed."""
LIGHTS_PER_STEP = 4


def demo_tasks(machine: Machine, dwell_ms: int) -> list[TaskDeclaration]:
    """`demo`, or `demo-GROUP` for each of several groups; only the first has the lights."""
    groups = list(machine.groups.values())
    named = [(DEMO if len(groups) == 1 else f"{DEMO}-{group.name}"[:32], group) for group in groups]
    return [_task(task, group, machine, dwell_ms, lights=at == 0) for at, (task, group) in enumerate(named)]


def _task(task: str, group: Group, machine: Machine, dwell_ms: int, *, lights: bool) -> TaskDeclaration:
    steps: list[Step] = []
    chain = _chain(machine) if lights else []
    for point in range(WAY_POINTS):
        to: list[float | None] = [
            _way_point(axis, point, at, len(group.axes)) for at, axis in enumerate(group.axes)
        ]
        steps.append(Step(move=Move(to=to, switch=_lights(chain, point))))
        steps.append(Step(wait=Wait(ms=max(1, dwell_ms))))
    return TaskDeclaration(
        id=task,
        name=f"Demo of axis group {group.name}",
        mode=Mode.PERIODIC,
        period_ms=0,
        priority=Priority.MAINTENANCE,
        needs=Needs(group=group.name),
        on_crash=OnCrash.GO_ON,
        on_resource_lost=OnResourceLost.MOVE_RESUME,
        steps=tuple(steps),
    )


def _way_point(axis: AxisPlan, step: int, number: int, axes: int) -> float:
    middle = (axis.position_min_counts + axis.position_max_counts) / 2
    travel = axis.position_max_counts - axis.position_min_counts
    swing = min(travel * TRAVEL_SHARE, axis.velocity_max_counts_s * TRAVEL_TIME_S)
    counts = middle + swing * math.sin(2 * math.pi * (step / WAY_POINTS + number / max(1, axes)))
    return counts / axis.counts_per_unit


def _chain(machine: Machine) -> list[str]:
    """All single-bit outputs under their full names, in the order of the image."""
    found = {signal.name: signal.bit for signal in machine.outputs.values() if signal.bits == 1}
    return sorted(found, key=found.__getitem__)


def _lights(chain: list[str], point: int) -> tuple[Switch, ...]:
    """One light after the other, so many a move."""
    if not chain:
        return ()
    switches = []
    for part in range(LIGHTS_PER_STEP):
        lit = (point * LIGHTS_PER_STEP + part) % len(chain)
        outputs: dict[str, bool | int] = {name: at == lit for at, name in enumerate(chain)}
        switches.append(Switch(at_percent=100 * part / LIGHTS_PER_STEP, set_output=outputs))
    return tuple(switches)
