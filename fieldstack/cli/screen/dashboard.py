"""A snapshot as a screen: processes, HA state, latch, bus, cycle, axes, tasks, last events.

`fieldstack up` and `fieldstack-rt status` show it. `sections` ranks its parts, for a low terminal.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from fieldstack.cli.screen.dashboard_bus import axes_lines, bus_lines, cycle_lines, motion_lines
from fieldstack.cli.screen.fitted_screen import Section, events_panel
from fieldstack.cli.screen.local_times import duration, local_time
from fieldstack.cli.screen.styles import BAD, DIM, GOOD, WARN
from fieldstack.host.memory_lock import LOCKED, NOT_LOCKED, PARTLY, UNKNOWN, MemoryLock
from fieldstack.status.liveness import ProcessView
from fieldstack.status.next_step import next_step
from fieldstack.status.snapshot import Snapshot
from fieldstack.status.snapshot_work import CheckpointView, WorkView

PROCESS_STYLE = {"running": GOOD, "starting": WARN, "stopping": WARN, "stopped": DIM, "absent": DIM}
HA_STYLE = {"OPERATIONAL": GOOD, "DEGRADED": WARN, "RECOVERY": WARN, "SHUTDOWN": DIM}
TASK_STYLE = {"asking": BAD, "failed": BAD, "paused": WARN}


def render(snapshot: Snapshot, events: Sequence[str] = ()) -> RenderableType:
    """The whole dashboard; `events` are lines, oldest first."""
    parts = [one.what for one in sections(snapshot)]
    return Group(*parts, *([events_panel(events)] if events else []))


def sections(snapshot: Snapshot) -> list[Section]:
    """What a person has to react to first. The ranks say what a low terminal can leave out."""
    found = [Section("state", 0, _headline(snapshot))]
    if step := next_step(snapshot):
        found.append(Section("next", 0, Text.assemble(("next ", "bold"), (step, WARN))))
    if snapshot.note:
        found.append(Section("note", 0, Text(snapshot.note, WARN)))
    if snapshot.estop.latched:
        found.append(Section("EMERGENCY_STOP", 0, _estop(snapshot)))
    found.append(Section("processes", 2, _processes(snapshot)))
    if snapshot.health.problem:
        found.append(Section("health", 1, Text(snapshot.health.problem, WARN)))
    elif snapshot.health.url:
        found.append(Section("health", 8, Text(f"health: {snapshot.health.url}/healthz?verbose")))
    return [*found, *_driven(snapshot), *_kept(snapshot)]


def _driven(snapshot: Snapshot) -> list[Section]:
    """What RT reports."""
    found = []
    if not snapshot.live and snapshot.cycle.cycles:
        stale = Text("RT does not run: bus, cycle and axes are as it left them", WARN)
        found.append(Section("stale", 0, stale))
    if snapshot.bus.slaves or snapshot.bus.diagnosis:
        found.append(Section("bus", 3, bus_lines(snapshot)))
    if snapshot.bus.diagnosis and snapshot.bus.diagnosis not in snapshot.ha.reason:
        found.append(Section("diagnosis", 1, Text(snapshot.bus.diagnosis, WARN)))
    if setup := "; ".join(filter(None, (snapshot.bus.setup, _unlocked(snapshot)))):
        found.append(Section("degraded", 6, Text(f"degraded: {setup}", WARN)))
    if snapshot.cycle.cycles:
        found.append(Section("cycle", 5, cycle_lines(snapshot)))
        found.append(Section("motion", 0, motion_lines(snapshot)))
    if snapshot.axes:
        found.append(Section("axes", 0, axes_lines(snapshot)))
    return found


def _kept(snapshot: Snapshot) -> list[Section]:
    found = []
    if snapshot.work.tasks or snapshot.work.tasks_ended:
        found.append(Section("tasks", 4, _work(snapshot.work)))
    if snapshot.checkpoint.generation or snapshot.checkpoint.filed:
        found.append(Section("checkpoint", 7, _checkpoint(snapshot.checkpoint)))
    return found


def _headline(snapshot: Snapshot) -> Text:
    ha = snapshot.ha
    text = Text.assemble(("Fieldstack ", "bold"), f"cell {snapshot.instance}  ")
    if snapshot.cell == "down":
        text.append("DOWN", BAD)
        text.append(
            f" since {local_time(snapshot.since)}" if snapshot.since else ", no trace of an earlier run"
        )
        return text
    text.append(ha.state, HA_STYLE.get(ha.state, BAD))
    if ha.state == "UNSUPERVISED":
        text.append(f" (last: {ha.last_state})")
    elif ha.since:
        text.append(f" since {local_time(ha.since)}")
    if ha.reason:
        text.append(f"  {ha.reason}", DIM)
    if ha.restarts:
        text.append(f"  RT restarts {ha.restarts} of {ha.restart_budget}", WARN)
    return text


def _processes(snapshot: Snapshot) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("process", "pid", "state", "since", "", "memory"):
        table.add_column(column, header_style=DIM)
    views = (("RT", snapshot.rt), ("Non-RT", snapshot.nonrt), ("Main Core", snapshot.core))
    locks = {"RT": snapshot.memory_lock.rt, "Non-RT": snapshot.memory_lock.nonrt}
    for name, view in views:
        style = PROCESS_STYLE.get(view.state, BAD)
        when = (local_time(view.since), _ago(view))
        table.add_row(name, str(view.pid or "-"), Text(view.state, style), *when, _lock(locks.get(name)))
    return table


def _lock(lock: MemoryLock | None) -> Text:
    if lock is None or lock.state == UNKNOWN:
        return Text("")
    return Text(lock.state, GOOD if lock.state == LOCKED else WARN)


def _ago(view: ProcessView) -> str:
    return f"{duration(view.since_s)} ago" if view.since_s is not None else ""


def _estop(snapshot: Snapshot) -> Panel:
    lines = [
        f"{source.source}: {source.reason or 'no reason given'} "
        f"(pid {source.pid}, {local_time(source.since)}; "
        + ("a person resets it)" if source.clear == "on_reset" else "clears when its cause has gone)")
        for source in snapshot.estop.sources
    ]
    if snapshot.estop.obeyed:
        obeyed = "the cycle obeys it"
    elif snapshot.guard.outputs_safe:
        obeyed = "RT is down, the guard keeps the outputs safe"
    else:
        obeyed = "NOT confirmed by the cycle"
    return Panel(Text("\n".join(lines)), title=f"EMERGENCY_STOP: {obeyed}", border_style=BAD)


def _unlocked(snapshot: Snapshot) -> str:
    """RT itself reports the state of its own memory."""
    lock = snapshot.memory_lock.nonrt
    if lock.state not in (PARTLY, NOT_LOCKED):
        return ""
    return f"Non-RT's memory is {'partly' if lock.state == PARTLY else 'not'} locked"


def _work(work: WorkView) -> Text:
    """One line: each task that has not ended, and the groups that are out of use."""
    line = Text.assemble(("tasks ", "bold"), f"{work.tasks_running} running, {work.tasks_ended} ended")
    if not work.live:
        line.append("  as Core left them", WARN)
    for task in work.tasks:
        where = f" on {task.group}" if task.group else ""
        line.append(f"  {task.id} {task.state}{where}, {task.step} steps", TASK_STYLE.get(task.state, ""))
    out = [group.name for group in work.groups if group.out_of_use]
    if out:
        line.append(f"  out of use: {', '.join(out)}", WARN)
    if work.speed_percent < 100:
        line.append(f"  speed {work.speed_percent:g} %", WARN)
    return line


def _checkpoint(kept: CheckpointView) -> Text:
    line = Text.assemble(("checkpoint ", "bold"))
    if kept.generation:
        line.append(f"{kept.generation} of {kept.axes} axes  positions of {local_time(kept.written)}, ")
    line.append(f"filed {local_time(kept.filed)}")
    if kept.generation and not kept.valid:
        line.append("  DAMAGED: its checksum is wrong", BAD)
    if kept.verdict:
        line.append(f"  at the start: {kept.verdict} [{kept.rule}]", DIM)
    return line
