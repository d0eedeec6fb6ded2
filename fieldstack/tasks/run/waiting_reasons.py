"""Why tasks wait for an axis group at present, for the scheduler and for people.

The executor updates it once a pass; the assignment asks it before a run begins.
"""

from __future__ import annotations

from fieldstack.tasks.motion.position_limits import (
    GroupBeyondLimit,
    groups_beyond_limits,
    moves_inside_limits,
    standstill_reason,
)
from fieldstack.tasks.motion.rt_facts import RtFacts
from fieldstack.tasks.program.machine import Machine
from fieldstack.tasks.run.claims import BlockReason
from fieldstack.tasks.run.group_availability import GroupAvailability
from fieldstack.tasks.run.jogging import Jogging
from fieldstack.tasks.run.refusals import Refusals
from fieldstack.tasks.state.task import Task


class WaitingReasons:
    """A jog, motion that RT refuses, a group out of use or out of order, an axis beyond a limit."""

    def __init__(
        self, machine: Machine, jogging: Jogging, refusals: Refusals, groups: GroupAvailability
    ) -> None:
        self._machine, self._jogging, self._refusals, self._groups = machine, jogging, refusals, groups
        self._facts: RtFacts | None = None
        self._beyond: dict[str, GroupBeyondLimit] = {}

    def update(self, facts: RtFacts) -> None:
        self._facts, self._beyond = facts, groups_beyond_limits(self._machine, facts.targets)

    def blocked(self, now_ns: int) -> BlockReason:
        """Why a run of a task may not begin on a group now; empty: it may."""
        by_group = {name: self._of_group(now_ns, name) for name in ("", *self._machine.groups)}

        def why(task: Task, group: str) -> str:
            beyond = self._beyond.get(group)
            if beyond is not None and not moves_inside_limits(task.action, beyond):
                return beyond.text
            return by_group[group] or by_group[""]

        return why

    def _of_group(self, now_ns: int, name: str) -> str:
        """`name` empty: of all groups."""
        why = self._jogging.waiting_reason_of(name) or self._refusals.waits(now_ns, name)
        group = self._machine.groups.get(name)
        if why or group is None or self._facts is None or name in self._groups.available:
            return why
        if name in self._groups.out_of_use:
            return "its axis group is out of use"
        return standstill_reason(group, self._facts)
