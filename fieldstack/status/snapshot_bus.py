"""The bus side of a snapshot: slaves, working counter, axes in their units. The dashboard shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fieldstack_ethercat.bus.config.axis_plan import AxisPlan
from fieldstack_ethercat.bus.config.limit_texts import beyond_text, way_back
from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.drives import cia402
from fieldstack_ethercat.drives.cia402_errors import error_text
from fieldstack_rt._native import ffi
from fieldstack_rt.datastore.layout import (
    MAX_AXES,
    MAX_SLAVES,
    NO_DC,
    AxisMode,
    Stand,
    Stop,
    StreamState,
    WkcVerdict,
)
from fieldstack_rt.datastore.working_counter import counter_is_good

AL_STATES = {1: "INIT", 2: "PRE-OP", 3: "BOOT", 4: "SAFE-OP", 8: "OP"}
AL_ERROR = 0x10


@dataclass(frozen=True, slots=True)
class SlaveView:
    """AL state (0x0130) by name (`NONE`: no answer; `UNKNOWN`: RT is down) and AL status code (0x0134).

    `dc_difference_ns`: its distributed clock minus the reference clock (0x092C); None: it has no clock, the
    clock was not read yet, or RT is down. `spared`: reported lost, and of a group that the others do not
    need.
    """

    position: int
    name: str
    al_state: str
    al_status_code: int
    dc_difference_ns: int | None = None
    spared: bool = False


@dataclass(frozen=True, slots=True)
class BusView:
    """`al_states`: of `slaves`, in order. `wkc` is -1 for a lost frame, and None if RT does not run.

    `wkc_verdict`: RT's own, by name (`UNJUDGED`, `WHOLE`, `EXCUSED`: reported losses explain it, `LOW`;
    `UNKNOWN`: RT is down). `wkc_good`: whether that counts as good. `expected_wkc`: the lowest good value.
    """

    interface: str
    al_states: tuple[str, ...]
    slaves: tuple[SlaveView, ...]
    wkc: int | None
    expected_wkc: int
    wkc_errors: int
    lost_frames: int
    recoveries: int
    diagnosis: str
    setup: str
    wkc_verdict: str = "UNKNOWN"
    wkc_good: bool = False

    @classmethod
    def unknown(cls) -> BusView:
        return cls("", (), (), None, 0, 0, 0, 0, "", "")


@dataclass(frozen=True, slots=True)
class MotionView:
    """Whether the axes may move, why they stand, and the stream that is played or was last.

    `waits_for_start`: axes that move only after `fieldstack start`.
    """

    permit: bool
    stop_reason: str
    stream: int
    stream_state: str
    waits_for_start: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AxisView:
    """Position, target, velocity, following error in the axis's unit (per second for the velocity); torque in
    percent of the rated torque.

    `state`: what the master does with the axis. `stop`: why it stands. `drive_state`: the drive's own state
    (CiA 402). `beyond_limit`: how far it is above its upper limit, or (negative) below its lower one;
    `beyond_text` and `way_back` say this to people.
    """

    name: str
    unit: str
    position: float
    target: float
    velocity: float
    following_error: float
    torque_percent: float
    state: str
    stop: str
    drive_state: str
    statusword: int
    error_code: int
    error: str
    beyond_limit: float = 0.0
    beyond_text: str = ""
    way_back: str = ""
    known: bool = True
    """False: its inputs do not arrive; all values are the last ones seen."""


def al_text(state: int) -> str:
    """An AL state's name, with `+ERROR` for the error flag; `NONE`: not answering."""
    if state == 0:
        return "NONE"
    base = AL_STATES.get(state & ~AL_ERROR, f"0x{state:02X}")
    return base + ("+ERROR" if state & AL_ERROR else "")


def _spared(plan: BusPlan | None) -> frozenset[int]:
    return (
        frozenset(at for one in plan.groups if not one.essential for at in one.slaves)
        if plan
        else frozenset()
    )


def bus_of(bus: Any, status: Any, plan: BusPlan | None, *, live: bool) -> BusView:
    spared = _spared(plan)
    slaves = tuple(
        SlaveView(
            position=at,
            name=_slave_name(plan, at),
            al_state=al_text(bus.slaves[at].al_state) if live else "UNKNOWN",
            al_status_code=bus.slaves[at].al_status_code,
            dc_difference_ns=_clock(bus.slaves[at].dc_difference_ns) if live else None,
            spared=live and at in spared and bool(bus.slaves[at].lost),
        )
        for at in range(min(bus.slave_count, MAX_SLAVES))
    )
    return BusView(
        interface=text_of(bus.interface),
        al_states=tuple(slave.al_state for slave in slaves),
        slaves=slaves,
        wkc=int(status.wkc) if live else None,
        expected_wkc=int(status.expected_wkc) or (plan.expected_wkc if plan else 0),
        wkc_errors=int(status.wkc_errors),
        lost_frames=int(status.lost_frames),
        recoveries=int(bus.recoveries),
        diagnosis=text_of(bus.diagnosis),
        setup=text_of(bus.setup),
        wkc_verdict=name_of(WkcVerdict, status.wkc_verdict) if live else "UNKNOWN",
        wkc_good=live and counter_is_good(status),
    )


def _clock(difference_ns: int) -> int | None:
    return None if difference_ns == NO_DC else difference_ns


def _slave_name(plan: BusPlan | None, position: int) -> str:
    return plan.slaves[position].name if plan and position < len(plan.slaves) else str(position)


def motion_of(status: Any, plan: BusPlan | None, *, permit: bool) -> MotionView:
    waiting = int(status.axes_await_start)
    axes = axes_of(status, plan) if waiting else ()
    return MotionView(
        permit=permit,
        stop_reason=name_of(Stop, status.stop_reason),
        stream=int(status.stream),
        stream_state=name_of(StreamState, status.stream_state),
        waits_for_start=tuple(axis.name for number, axis in enumerate(axes) if waiting >> number & 1),
    )


def axes_of(status: Any, plan: BusPlan | None) -> tuple[AxisView, ...]:
    known = plan.axes if plan else ()
    count = min(int(status.axis_count), MAX_AXES)
    return tuple(_axis(status.axes[n], known[n] if n < len(known) else None, n) for n in range(count))


def _axis(state: Any, axis: AxisPlan | None, number: int) -> AxisView:
    scale = axis.counts_per_unit if axis else 1.0
    return AxisView(
        name=axis.name if axis else str(number),
        unit=axis.unit if axis else "counts",
        position=state.position / scale,
        target=state.target / scale,
        velocity=state.velocity / scale,
        following_error=state.following_error / scale,
        torque_percent=state.torque / 10,
        state=name_of(AxisMode, state.state),
        stop=name_of(Stop, state.stop),
        drive_state=cia402.state_of(state.statusword).text,
        statusword=int(state.statusword),
        error_code=int(state.error_code),
        error=error_text(state.error_code) if state.error_code else "",
        known=state.stand != Stand.UNKNOWN,
        **(_beyond(axis, int(state.target)) if axis else {}),
    )


def _beyond(axis: AxisPlan, target: int) -> dict[str, Any]:
    out = axis.beyond_limit(target) / axis.counts_per_unit
    if not out:
        return {}
    texts = {"beyond_text": beyond_text(axis, target), "way_back": way_back(axis, target)}
    return {"beyond_limit": out, **texts}


def text_of(field: Any) -> str:
    """Text in a fixed-size field of a record."""
    content: bytes = ffi.buffer(field)[:]
    return content.split(b"\0")[0].decode(errors="replace")


_PUBLISHED_NAMES = {"UNDERRUN": "DRY"}
"""Places where the published JSON keeps an older word, because monitoring matches it."""


def name_of(kind: Any, value: int) -> str:
    """An enumeration member as the JSON names it; the number itself if this version does not know it."""
    try:
        name = str(kind(value).name)
    except ValueError:
        return str(value)
    return _PUBLISHED_NAMES.get(name, name)
