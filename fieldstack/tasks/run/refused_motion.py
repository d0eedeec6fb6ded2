"""Motion that RT refuses: whose it was, how often in a row, and from when on a person is asked."""

from __future__ import annotations

from fieldstack.tasks.motion.rt_facts import RtFacts
from fieldstack.tasks.motion.stream_control import OwnStream, StreamRefusal, refusal
from fieldstack.tasks.program.machine import Group, Machine
from fieldstack.tasks.run.refusals import ASK_AT, Refusals
from fieldstack.tasks.state.table import TaskTable
from fieldstack.tasks.state.task import Task
from fieldstack_rt.datastore.layout import Stop


def group_of(task: Task) -> str:
    """The group that it runs on; empty: none."""
    runner = task.runner
    return runner.job.group.name if runner is not None and runner.job.group is not None else ""


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
        running = [task for task in self._table.live() if task.runner is not None]
        subject, group = self._whose(found, running)
        count = self.refusals.note(now_ns, subject, found.why, group)
        for task in running if count >= ASK_AT and found.axis is not None else ():
            if group in ("", group_of(task)) and not task.ends:
                task.ask(f"its motion was refused {count} times: {subject} {found.why}")
        return f"refused: {subject} {found.why}"

    def _whose(self, found: StreamRefusal, running: list[Task]) -> tuple[str, str]:
        """Subject, and the axis group whose tasks it concerns; empty: all."""
        if found.axis is None:
            return found.subject, ""
        group = self._machine.group_of(found.axis)
        if group is None:
            return f"axis:{found.axis}", ""
        concerns = any(group_of(task) == group.name for task in running)
        return f"axis:{self._machine.axes[found.axis].name}", group.name if concerns else ""
