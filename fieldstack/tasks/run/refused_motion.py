"""Motion that RT refuses: whose it was, how often in a row, and from when on a person is asked.

The executor tells it which streams it gave up, and which groups RT left out.
"""

from __future__ import annotations

from fieldstack.tasks.motion.rt_facts import RtFacts
from fieldstack.tasks.motion.stream_control import OwnStream, StreamRefusal, refusal
from fieldstack.tasks.program.machine import Group, Machine
from fieldstack.tasks.run.refusals import ASK_AT, Refusals
from fieldstack.tasks.state.table import TaskTable
from fieldstack_rt.datastore.layout import Stop


class RefusedMotion:
    """Notes what was refused; `refusals` has the counts."""

    def __init__(self, machine: Machine, table: TaskTable) -> None:
        self.refusals = Refusals()
        self._machine, self._table = machine, table

    def note_out(self, now_ns: int, group: Group, facts: RtFacts) -> None:
        """RT left an axis of this group out of the stream that went on."""
        out = [number for number in group.numbers if facts.stops[number : number + 1] == (Stop.OUT,)]
        if out:
            subject = f"axis:{self._machine.axes[out[0]].name}"
            self.refusals.note(now_ns, subject, "dropped out of the running stream", group.name)

    def note(self, now_ns: int, own: OwnStream, facts: RtFacts) -> str:
        """A stream was given up. Why, for people."""
        found = refusal(facts, own)
        if found is None:
            return "the axes were stopped"
        running = [(task, task.runner.group_name) for task in self._table.live() if task.runner is not None]
        subject, group = self._whose(found, {name for _, name in running})
        count = self.refusals.note(now_ns, subject, found.why, group)
        for task, own_group in running if count >= ASK_AT and found.axis is not None else ():
            if group in ("", own_group) and not task.ends:
                task.ask(f"its motion was refused {count} times: {subject} {found.why}")
        return f"refused: {subject} {found.why}"

    def _whose(self, found: StreamRefusal, running: set[str]) -> tuple[str, str]:
        """Subject, and the axis group whose tasks it concerns; empty: all. `running`: groups in motion."""
        if found.axis is None:
            return found.subject, ""
        group = self._machine.group_of(found.axis)
        if group is None:
            return f"axis:{found.axis}", ""
        concerned = group.name if group.name in running else ""
        return f"axis:{self._machine.axes[found.axis].name}", concerned
