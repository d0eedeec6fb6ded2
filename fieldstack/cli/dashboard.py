"""A snapshot as a screen: processes, HA state, latch, bus, cycle, axes, last events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from fieldstack.cli.fitted_screen import Section, events_panel
from fieldstack.host.memory_lock import LOCKED, NOT_LOCKED, PARTLY, UNKNOWN, MemoryLock
from fieldstack.status.histogram import Latency
from fieldstack.status.liveness import ProcessView
from fieldstack.status.next_step import next_step
from fieldstack.status.snapshot import Snapshot
from fieldstack.status.snapshot_bus import AxisView, SlaveView
from fieldstack.status.snapshot_work import CheckpointView, WorkView

GOOD, WARN, BAD, DIM = "green", "yellow", "bold red", "dim"
SHOWN_CLOCK_US = 5
"""A distributed clock that is nearer than this to the reference clock is not worth a word."""
PROCESS_STYLE = {"running": GOOD, "starting": WARN, "stopping": WARN, "stopped": DIM, "absent": DIM}
HA_STYLE = {"OPERATIONAL": GOOD, "DEGRADED": WARN, "RECOVERY": WARN, "SHUTDOWN": DIM}
TASK_STYLE = {"asking": BAD, "failed": BAD, "paused": WARN}
AXIS_STYLE = {"FOLLOWING": GOOD, "HOLDING": "cyan", "RAMPING": WARN, "ENABLING": WARN, "FAULT": BAD}
STOP_TEXT = {
    "NONE": "axes may move",
    "NOT_ENABLED": "axes are not enabled yet",
    "DRY": "no setpoints: controlled stop",
    "OUT": "left out of the motion until a stream takes it up again",
    "START": "waits for a start: fieldstack start",
    "PERMIT": "no motion permit from the Non-RT process",
    "BLOCKED": "its group is blocked",
    "NONRT_SILENT": "the Non-RT process is silent: controlled stop",
    "NONRT_DEAD": "the Non-RT process is dead: controlled stop",
    "AXIS_FAULT": "an axis is in fault",
    "SLAVE_LOST": "a slave of its group does not answer",
    "WKC": "working counter lost: a slave does not take part",
    "SHUTDOWN": "the RT process goes down",
    "ESTOP": "EMERGENCY_STOP",
}


def render(snapshot: Snapshot, events: Sequence[str] = ()) -> RenderableType:
    """The whole dashboard; `events` are lines, oldest first."""
    parts = [one.what for one in sections(snapshot)]
    return Group(*parts, *([events_panel(events)] if events else []))


def sections(snapshot: Snapshot) -> list[Section]:
    """What a person has to act on first; ranks say what a low terminal can do without."""
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
    """What RT tells."""
    found = []
    if not snapshot.live and snapshot.cycle.cycles:
        stale = Text("RT does not run: bus, cycle and axes are as it left them", WARN)
        found.append(Section("stale", 0, stale))
    if snapshot.bus.slaves or snapshot.bus.diagnosis:
        found.append(Section("bus", 3, _bus(snapshot)))
    if snapshot.bus.diagnosis and snapshot.bus.diagnosis not in snapshot.ha.reason:
        found.append(Section("diagnosis", 1, Text(snapshot.bus.diagnosis, WARN)))
    if setup := "; ".join(filter(None, (snapshot.bus.setup, _unlocked(snapshot)))):
        found.append(Section("degraded", 6, Text(f"degraded: {setup}", WARN)))
    if snapshot.cycle.cycles:
        found.append(Section("cycle", 5, _cycle(snapshot)))
        found.append(Section("motion", 0, _motion(snapshot)))
    if snapshot.axes:
        found.append(Section("axes", 0, _axes(snapshot)))
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


def _bus(snapshot: Snapshot) -> Group:
    bus = snapshot.bus
    wkc = "-" if bus.wkc is None else "lost" if bus.wkc < 0 else str(bus.wkc)
    good = bus.wkc_good
    line = Text.assemble(
        ("bus ", "bold"),
        bus.interface or "?",
        "  WKC ",
        (f"{wkc}/{bus.expected_wkc}", GOOD if good else BAD),
        f"  WKC errors {bus.wkc_errors}  lost frames {bus.lost_frames}  recoveries {bus.recoveries}",
    )
    states = Text("  ").join(_slave(slave) for slave in bus.slaves)
    return Group(line, states)


def _unlocked(snapshot: Snapshot) -> str:
    """RT tells of its own memory itself."""
    lock = snapshot.memory_lock.nonrt
    if lock.state not in (PARTLY, NOT_LOCKED):
        return ""
    return f"Non-RT's memory is {'partly' if lock.state == PARTLY else 'not'} locked"


def _slave(slave: SlaveView) -> Text:
    style = GOOD if slave.al_state == "OP" else BAD
    code = f" (0x{slave.al_status_code:04X})" if slave.al_status_code else ""
    away_us = (slave.dc_difference_ns or 0) / 1000
    clock = f" clock {away_us:+,.0f} µs" if abs(away_us) >= SHOWN_CLOCK_US else ""
    return Text.assemble(f"{slave.name} ", (slave.al_state + code, style), (clock, WARN))


def _cycle(snapshot: Snapshot) -> Text:
    cycle = snapshot.cycle
    return Text.assemble(
        ("cycle ", "bold"),
        f"{cycle.period_us:g} µs  {cycle.cycles:,} cycles  late {cycle.late}  skipped {cycle.skipped}  ",
        f"wake {_latency(cycle.wake)}  exchange {_latency(cycle.exchange)}",
    )


def _motion(snapshot: Snapshot) -> Text:
    motion = snapshot.motion
    style = GOOD if motion.stop_reason == "NONE" and snapshot.live else WARN
    return Text.assemble(
        ("motion ", "bold"),
        (STOP_TEXT.get(motion.stop_reason, motion.stop_reason), style),
        f"  stream {motion.stream} {motion.stream_state.lower()}",
    )


def _latency(latency: Latency) -> str:
    return f"p50 {latency.p50_us:.0f} p99 {latency.p99_us:.0f} max {latency.max_us:.0f} µs"


def _axes(snapshot: Snapshot) -> Group:
    """A line an axis; what troubles one is told below, where there is room for it."""
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("axis", header_style=DIM, no_wrap=True)
    for column, width in (("position", 11), ("velocity", 11), ("torque", 8)):
        table.add_column(column, justify="right", header_style=DIM, min_width=width, no_wrap=True)
    for column in ("state", "drive", "0x6041"):
        table.add_column(column, header_style=DIM, no_wrap=True)
    for axis in snapshot.axes:
        table.add_row(*_axis(axis))
    troubles = (_trouble(axis, snapshot.motion.stop_reason) for axis in snapshot.axes)
    return Group(table, *(one for one in troubles if one.plain))


def _axis(axis: AxisView) -> tuple[str | Text, ...]:
    state = Text(axis.state, AXIS_STYLE.get(axis.state, ""))
    if not axis.known:
        return (axis.name, "?", "?", "?", state, Text("not known", BAD), "?")
    return (
        axis.name,
        f"{axis.position:.3f} {axis.unit}",
        f"{axis.velocity:.1f} {axis.unit}/s",
        f"{axis.torque_percent:.1f} %",
        state,
        axis.drive_state.lower(),
        f"0x{axis.statusword:04X}",
    )


def _trouble(axis: AxisView, all_stand: str) -> Text:
    """`all_stand`: why all axes stand; an axis's own reason is told where it is another."""
    if not axis.known:
        seen = f"{axis.position:.3f} {axis.unit}, {axis.velocity:.1f} {axis.unit}/s"
        return Text(f"axis {axis.name}: not known, its inputs do not come; last seen at {seen}", BAD)
    if axis.error_code:
        return Text(f"axis {axis.name}: 0x{axis.error_code:04X} {axis.error}", BAD)
    if axis.beyond_limit:
        return Text(f"{axis.beyond_text}: {axis.way_back}", BAD)
    if axis.stop not in (all_stand, "NONE"):
        return Text(f"axis {axis.name}: {STOP_TEXT.get(axis.stop, axis.stop)}", WARN)
    return Text("")


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


def local_time(text: str | None) -> str:
    """A snapshot's UTC text as local wall-clock time; with the date if it is not today's."""
    if text is None:
        return "-"
    moment = datetime.fromisoformat(text).astimezone()
    today = datetime.now().astimezone().date()
    return moment.strftime("%H:%M:%S" if moment.date() == today else "%Y-%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"
