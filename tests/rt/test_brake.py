"""A brake on the virtual wire: released only under power, applied first when its axis runs on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fieldstack_base.instance import Instance
from fieldstack_ethercat.segment.description.defects import Defect
from fieldstack_ethercat.segment.truth import EventKind, SlaveEvent
from fieldstack_rt.datastore import Clear, EstopSource, EventCode
from fieldstack_rt.datastore.layout import Rung
from tests.rt.rt_cell import RtCell, rt_cell, wait_for
from tests.rt.test_stop_watch import dash, obeyed_ns, of, stop

pytestmark = pytest.mark.system
Z, DIO = 2, 4
RELEASED = 1 << 7
"""Of the terminal's outputs, as they are at its clamps."""
POWERED = 0x0004
"""Of the statusword, in every state in which the drive has power."""
WIRE_NS = 20_000_000
"""A cycle or two, on a machine that other work shares."""
BRAKE = """
    quick_stop_deceleration: 15000
    on_stop_failure: [brake, disable_voltage]
    brake: {output: out-8, slave: dio, applied: 0}
"""


def with_brake(text: str) -> str:
    before, axis, after = text.partition("\n    quick_stop_deceleration: 15000\n")
    assert axis, "axis z of the demo cell is no more as this test knows it"
    return before + BRAKE + after


@pytest.fixture
def cell(instance: Instance) -> Iterator[RtCell]:
    with rt_cell(instance, edit=with_brake) as found:
        yield found


def clamps(cell: RtCell, *, released: bool, since_ns: int = 0) -> list[int]:
    """When the output came to release the brake, or to apply it: the segment's stamps."""
    events = [one for one in cell.segment.client.events(DIO) if one.kind is EventKind.DIGITAL_OUTPUTS]
    return [one.t_ns for one in events if _turned(one, released=released) and one.t_ns >= since_ns]


def _turned(event: SlaveEvent, *, released: bool) -> bool:
    new, old = event.a & RELEASED, event.b & RELEASED
    return new != old and bool(new) is released


def power(cell: RtCell, *, on: bool, since_ns: int = 0) -> list[int]:
    """When axis z's drive came to have power, or lost it."""
    events = cell.segment.client.events(cell.plan.axes[Z].slave)
    states = [one for one in events if one.kind is EventKind.DRIVE_STATE and one.t_ns >= since_ns]
    return [one.t_ns for one in states if bool(one.a & POWERED) is on]


def is_released(cell: RtCell) -> bool:
    return bool(cell.segment.client.truth()[DIO].digital_outputs & RELEASED)


def test_a_brake_holds_an_axis_that_runs_on_before_its_power_goes(cell: RtCell) -> None:
    slave, axis = cell.plan.axes[Z].slave, cell.plan.axes[Z]
    wait_for(lambda: is_released(cell), "the brake is released once the axis has power")
    assert clamps(cell, released=True)[0] > power(cell, on=True)[0]
    dash(cell, 1, Z)
    cell.segment.client.ignore(slave, Defect.QUICK_STOP | Defect.SETPOINTS)
    since = stop(cell)
    began = obeyed_ns(cell)
    wait_for(lambda: power(cell, on=False, since_ns=since), "its power is off")
    rungs = of(cell, EventCode.AXIS_RUNS_ON)
    assert [(one.subject, one.c) for one in rungs] == [(Z, Rung.BRAKE), (Z, Rung.DISABLE_VOLTAGE)]
    applied, off = clamps(cell, released=False, since_ns=since), power(cell, on=False, since_ns=since)
    assert abs(applied[0] - rungs[0].t_ns) < WIRE_NS, "the wire has what is told"
    assert applied[0] - began < axis.stop_bound_ns + WIRE_NS
    assert axis.stop.rung_ns * 0.9 < off[0] - applied[0] < axis.stop.rung_ns + WIRE_NS
    wait_for(lambda: cell.store.rt_status().axes_standing >> Z & 1, "it stands")
    assert cell.rt.poll() is None
    assert (len(applied), is_released(cell)) == (1, False)
    _released_by_power_after_a_reset(cell, slave)


def _released_by_power_after_a_reset(cell: RtCell, slave: int) -> None:
    cell.segment.client.ignore(slave, Defect(0))
    since = cell.store.rt_status().cycle_ns
    cell.store.request_fault_reset()
    cell.store.estop.clear(EstopSource, Clear.ON_RESET)
    cell.wait_until_free_to_move()
    wait_for(lambda: is_released(cell), "it is released again")
    assert clamps(cell, released=True, since_ns=since)[0] > power(cell, on=True, since_ns=since)[0]
    assert not cell.store.rt_status().axes_run_on
