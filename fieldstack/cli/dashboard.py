"""A snapshot as a screen: processes, HA state, latch, bus, cycle, axes, last events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from fieldstack.cell.histogram import Latency
from fieldstack.cell.liveness import ProcessView
from fieldstack.cell.memory_lock import LOCKED, NOT_LOCKED, PARTLY, UNKNOWN, MemoryLock
from fieldstack.cell.snapshot import Snapshot
from fieldstack.cell.snapshot_bus import AxisView, SlaveView
from fieldstack.cell.snapshot_work import CheckpointView, WorkView

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
    parts: list[RenderableType] = [_headline(snapshot)]
    if snapshot.note:
        parts.append(Text(snapshot.note, WARN))
    parts.append(_processes(snapshot))
    if snapshot.health.problem:
        parts.append(Text(snapshot.health.problem, WARN))
    elif snapshot.health.url:
        parts.append(Text(f"health: {snapshot.health.url}/healthz?verbose"))
    if snapshot.estop.latched:
        parts.append(_estop(snapshot))
    if not snapshot.live and snapshot.cycle.cycles:
        parts.append(Text("RT does not run: bus, cycle and axes are as it left them", WARN))
    if snapshot.bus.slaves or snapshot.bus.diagnosis:
        parts.append(_bus(snapshot))
    if snapshot.cycle.cycles:
        parts.append(_cycle(snapshot))
    if snapshot.axes:
        parts.append(_axes(snapshot))
    if snapshot.work.tasks or snapshot.work.tasks_ended:
        parts.append(_work(snapshot.work))
    if snapshot.checkpoint.generation or snapshot.checkpoint.filed:
        parts.append(_checkpoint(snapshot.checkpoint))
    if events:
        parts.append(Panel(Text("\n".join(events), no_wrap=True, overflow="ellipsis"), title="last events"))
    return Group(*parts)


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
    setup = [text for text in (bus.setup, _unlocked(snapshot)) if text]
    extra = [Text(text, WARN) for text in (bus.diagnosis, setup and f"degraded: {'; '.join(setup)}") if text]
    return Group(line, states, *extra)


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


def _cycle(snapshot: Snapshot) -> Group:
    cycle = snapshot.cycle
    line = Text.assemble(
        ("cycle ", "bold"),
        f"{cycle.period_us:g} µs  {cycle.cycles:,} cycles  late {cycle.late}  skipped {cycle.skipped}  ",
        f"wake {_latency(cycle.wake)}  exchange {_latency(cycle.exchange)}",
    )
    motion = snapshot.motion
    style = GOOD if motion.stop_reason == "NONE" and snapshot.live else WARN
    stop = Text.assemble(
        ("motion ", "bold"),
        (STOP_TEXT.get(motion.stop_reason, motion.stop_reason), style),
        f"  stream {motion.stream} {motion.stream_state.lower()}",
    )
    return Group(line, stop)


def _latency(latency: Latency) -> str:
    return f"p50 {latency.p50_us:.0f} p99 {latency.p99_us:.0f} max {latency.max_us:.0f} µs"


def _axes(snapshot: Snapshot) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("axis", header_style=DIM, no_wrap=True)
    for column, width in (("position", 11), ("velocity", 11), ("torque", 8)):
        table.add_column(column, justify="right", header_style=DIM, min_width=width, no_wrap=True)
    for column in ("state", "drive", "0x6041", "trouble"):
        table.add_column(column, header_style=DIM, no_wrap=column != "trouble")
    for axis in snapshot.axes:
        table.add_row(*_axis(axis, snapshot.motion.stop_reason))
    return table


def _axis(axis: AxisView, all_stand: str) -> tuple[str | Text, ...]:
    """`all_stand`: why all axes stand; an axis's own reason is shown where it is another."""
    own = axis.stop not in (all_stand, "NONE")
    return (
        axis.name,
        f"{axis.position:.3f} {axis.unit}",
        f"{axis.velocity:.1f} {axis.unit}/s",
        f"{axis.torque_percent:.1f} %",
        Text(axis.state, AXIS_STYLE.get(axis.state, "")),
        axis.drive_state.lower(),
        f"0x{axis.statusword:04X}",
        _trouble(axis, own=own),
    )


def _trouble(axis: AxisView, *, own: bool) -> Text:
    if axis.error_code:
        return Text(f"0x{axis.error_code:04X} {axis.error}", BAD)
    if axis.beyond_limit:
        return Text(f"{axis.beyond_text}: {axis.way_back}", BAD)
    return Text(STOP_TEXT.get(axis.stop, axis.stop) if own else "", WARN)


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
    line = Text.assemble(("checkpoint ", "bold"), f"{kept.generation} of {kept.axes} axes")
    line.append(f"  positions of {local_time(kept.written)}, filed {local_time(kept.filed)}")
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
