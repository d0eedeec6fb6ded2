"""What tasks wait for: axis groups that stand, and those with an axis beyond a position limit.

The executor's waiting reasons and the jogs use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fieldstack.tasks.motion.rt_facts import CLEARED_BY_NEW_STREAM, RtFacts
from fieldstack.tasks.program.actions import Action, MoveAction
from fieldstack.tasks.program.machine import Group, Machine
from fieldstack_ethercat.bus.config.limit_texts import beyond_text, way_back
from fieldstack_rt.datastore.layout import Stop
from fieldstack_rt.datastore.number_texts import stop_text

AXES_WAIT = "its axes wait for a start: `fieldstack start`"


@dataclass(frozen=True, slots=True)
class GroupBeyondLimit:
    """`places`: of the axes that are out, by their order in the group; `text` is for people."""

    places: frozenset[int]
    text: str


def groups_beyond_limits(machine: Machine, targets: Sequence[int]) -> dict[str, GroupBeyondLimit]:
    """The groups that have such an axis; `targets`: counts, by axis number."""
    found = {name: _group_beyond_limit(group, targets) for name, group in machine.groups.items()}
    return {name: one for name, one in found.items() if one is not None}


def _group_beyond_limit(group: Group, targets: Sequence[int]) -> GroupBeyondLimit | None:
    if len(targets) <= max(group.numbers):
        return None
    at = [targets[number] for number in group.numbers]
    out = [place for place, axis in enumerate(group.axes) if axis.beyond_limit(at[place])]
    if not out:
        return None
    texts = [f"{beyond_text(group.axes[n], at[n])}: {way_back(group.axes[n], at[n])}" for n in out]
    return GroupBeyondLimit(frozenset(out), "; ".join(texts))


def moves_inside_limits(action: Action, beyond: GroupBeyondLimit) -> bool:
    """Whether this step takes each axis that is out into the range: targets of tasks are inside."""
    return isinstance(action, MoveAction) and all(
        action.targets[place] is not None for place in beyond.places
    )


def standstill_reason(group: Group, facts: RtFacts) -> str:
    """Of a group whose axes cannot move now, for people."""
    for number, axis in zip(group.numbers, group.axes, strict=True):
        stop = facts.stops[number] if number < len(facts.stops) else facts.stop
        if stop is Stop.START:
            return AXES_WAIT
        if stop not in CLEARED_BY_NEW_STREAM:
            return f"axis {axis.name}: {stop_text(stop)}"
    return "its axes do not stand under power"
