"""The dashboard's lines of bus, cycle, motion and axes, as RT reports them; `dashboard` uses them."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from fieldstack.cli.screen.styles import BAD, DIM, GOOD, WARN
from fieldstack.status.histogram import Latency
from fieldstack.status.snapshot import Snapshot
from fieldstack.status.snapshot_bus import AxisView, SlaveView

SHOWN_CLOCK_US = 5
"""A distributed clock that is closer than this to the reference clock is not shown."""
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


def bus_lines(snapshot: Snapshot) -> Group:
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


def _slave(slave: SlaveView) -> Text:
    style = GOOD if slave.al_state == "OP" else BAD
    code = f" (0x{slave.al_status_code:04X})" if slave.al_status_code else ""
    away_us = (slave.dc_difference_ns or 0) / 1000
    clock = f" clock {away_us:+,.0f} µs" if abs(away_us) >= SHOWN_CLOCK_US else ""
    return Text.assemble(f"{slave.name} ", (slave.al_state + code, style), (clock, WARN))


def cycle_lines(snapshot: Snapshot) -> Text:
    cycle = snapshot.cycle
    return Text.assemble(
        ("cycle ", "bold"),
        f"{cycle.period_us:g} µs  {cycle.cycles:,} cycles  late {cycle.late}  skipped {cycle.skipped}  ",
        f"wake {_latency(cycle.wake)}  exchange {_latency(cycle.exchange)}",
    )


def motion_lines(snapshot: Snapshot) -> Text:
    motion = snapshot.motion
    style = GOOD if motion.stop_reason == "NONE" and snapshot.live else WARN
    return Text.assemble(
        ("motion ", "bold"),
        (STOP_TEXT.get(motion.stop_reason, motion.stop_reason), style),
        f"  stream {motion.stream} {motion.stream_state.lower()}",
    )


def _latency(latency: Latency) -> str:
    return f"p50 {latency.p50_us:.0f} p99 {latency.p99_us:.0f} max {latency.max_us:.0f} µs"


def axes_lines(snapshot: Snapshot) -> Group:
    """A line for each axis; its problems are shown below, where there is room."""
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
    """`all_stand`: why all axes stand; an axis's own reason is shown if it differs."""
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
