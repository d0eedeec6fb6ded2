"""Stops of real drives on the virtual wire: read back to stand, and bounded, if need be by force."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from fieldstack_base.instance import Instance
from fieldstack_ethercat.segment.description.defects import Defect
from fieldstack_rt.datastore import EstopSource, EventCode, RtEvent
from fieldstack_rt.datastore.layout import GuardState, Rung, Stand, Stop
from tests.rt.rt_cell import RtCell, rt_cell, wait_for
from tests.rt.test_cycle import Dash

pytestmark = pytest.mark.system
Y = 1
RUNS_ON = 9
SLACK_NS = 60_000_000
"""Of a machine that other work shares: the watch itself counts cycles."""


@pytest.fixture
def cell(instance: Instance) -> Iterator[RtCell]:
    with rt_cell(instance) as found:
        yield found


def dash(cell: RtCell, stream: int, axis: int = Y) -> None:
    """Until the axis is fast; who pushes the setpoints ends with the ring."""
    runner = Dash(cell, stream)
    thread = threading.Thread(target=runner.push, daemon=True)
    thread.start()
    fast = abs(runner.speeds[axis]) * 0.9

    def is_fast() -> bool:
        return abs(cell.segment.client.truth()[cell.plan.axes[axis].slave].velocity) > fast

    wait_for(is_fast, "the axis is fast")


def stop(cell: RtCell) -> int:
    cell.store.estop.raise_(EstopSource.OPERATOR, "a test")
    return time.monotonic_ns()


def of(cell: RtCell, code: EventCode) -> list[RtEvent]:
    return [event for event in cell.drain() if event.code == code]


def obeyed_ns(cell: RtCell) -> int:
    wait_for(lambda: cell.seen(EventCode.ESTOP_OBEYED), "the latch is obeyed")
    return of(cell, EventCode.ESTOP_OBEYED)[-1].t_ns


def test_a_stop_is_over_when_all_axes_were_read_back_to_stand(cell: RtCell) -> None:
    axes = (1 << len(cell.plan.axes)) - 1
    wait_for(lambda: cell.store.rt_status().axes_standing == axes, "all axes stand before")
    dash(cell, 1)
    assert not cell.store.rt_status().axes_standing >> Y & 1
    stop(cell)
    wait_for(lambda: any(one.b == Stop.ESTOP for one in of(cell, EventCode.AXES_STAND)), "all axes stand")
    told = of(cell, EventCode.AXES_STAND)[-1]
    ramp_ns = cell.plan.longest_stop_ns
    assert 10_000_000 < told.a < ramp_ns + SLACK_NS
    assert all(abs(slave.velocity) < 10_000 for slave in cell.segment.client.truth())
    assert cell.store.rt_status().axes_standing == axes
    assert not cell.store.rt_status().axes_run_on
    assert not of(cell, EventCode.AXIS_RUNS_ON)


def test_a_drive_that_ignores_quick_stop_loses_its_power(cell: RtCell) -> None:
    """It goes on at its speed, in Operation enabled: told in 60 ms, without power after ramp and margin."""
    slave = cell.plan.axes[Y].slave
    dash(cell, 1)
    cell.segment.client.ignore(slave, Defect.QUICK_STOP | Defect.SETPOINTS)
    stop(cell)
    began = obeyed_ns(cell)
    wait_for(lambda: cell.seen(EventCode.AXIS_RUNS_ON), "it is told")
    ignored, ran_on = of(cell, EventCode.STOP_IGNORED)[0], of(cell, EventCode.AXIS_RUNS_ON)[0]
    assert (ignored.subject, ran_on.subject) == (Y, Y)
    assert ignored.t_ns - began < 60_000_000 + SLACK_NS
    assert ran_on.c == Rung.DISABLE_VOLTAGE
    assert ran_on.a > 0.3 * abs(cell.plan.axes[Y].velocity_max_counts_s)
    assert ran_on.t_ns - began < cell.plan.axes[Y].stop_bound_ns + SLACK_NS
    wait_for(lambda: cell.segment.client.truth()[slave].drive_state != 4, "its power is off")
    status = cell.store.rt_status()
    assert status.axes_run_on == 1 << Y
    assert status.axes[Y].rung == Rung.DISABLE_VOLTAGE
    wait_for(lambda: cell.store.rt_status().axes_standing >> Y & 1, "friction stops it")
    assert cell.rt.poll() is None, "a motor that gets slower does not cost the RT process"
    cell.segment.client.ignore(slave, Defect(0))
    cell.store.request_fault_reset()
    wait_for(lambda: not cell.store.rt_status().axes_run_on, "a person's reset releases it")


def test_a_drive_that_ignores_all_words_costs_the_rt_process(cell: RtCell) -> None:
    """Each rung in its time, the last one the guard's safe frames and SAFE-OP."""
    slave, axis = cell.plan.axes[Y].slave, cell.plan.axes[Y]
    dash(cell, 1)
    cell.segment.client.ignore(slave, Defect.CONTROLWORD | Defect.SETPOINTS)
    stop(cell)
    began = obeyed_ns(cell)
    wait_for(lambda: cell.store.guard_status().state == GuardState.TRIPPED, "the guard has the outputs")
    assert cell.rt.wait(5) == RUNS_ON
    rungs = of(cell, EventCode.AXIS_RUNS_ON)
    assert [event.c for event in rungs] == [Rung.DISABLE_VOLTAGE, Rung.SAFE_OUTPUTS, Rung.END_RT]
    longest = axis.stop_bound_ns + 2 * axis.stop.rung_ns
    assert rungs[-1].t_ns - began < longest + SLACK_NS
    wait_for(lambda: cell.store.guard_status().confirmed_ns > 0, "safe outputs and AL states are confirmed")
    wait_for(lambda: cell.segment.client.truth()[slave].drive_state != 4, "the drive without outputs stops")
    status = cell.store.rt_status()
    assert status.axes[Y].rung == Rung.END_RT


def test_a_controlled_stop_that_fails_becomes_a_quick_stop_first(cell: RtCell) -> None:
    slave = cell.plan.axes[Y].slave
    dash(cell, 1)
    cell.segment.client.ignore(slave, Defect.SETPOINTS)
    cell.store.motion_permit = False
    wait_for(lambda: cell.seen(EventCode.AXIS_RUNS_ON), "it is told")
    assert of(cell, EventCode.AXIS_RUNS_ON)[0].c == Rung.QUICK_STOP
    wait_for(lambda: cell.store.rt_status().axes_standing >> Y & 1, "it stands")
    assert [event.c for event in of(cell, EventCode.AXIS_RUNS_ON)] == [Rung.QUICK_STOP]


def test_neither_velocity_nor_position_is_believed_alone(cell: RtCell) -> None:
    slave = cell.plan.axes[Y].slave
    dash(cell, 1)
    for defect in (Defect.VELOCITY, Defect.POSITION):
        cell.segment.client.ignore(slave, defect)
        time.sleep(0.03)
        assert cell.store.rt_status().axes[Y].stand == Stand.MOVING
    cell.segment.client.ignore(slave, Defect(0))


def test_what_does_not_answer_is_not_known_to_stand(cell: RtCell) -> None:
    """Nor do those that answer suffer from it: each axis is judged by its own inputs."""
    last = len(cell.plan.axes) - 1
    cell.segment.client.cut_cable(cell.plan.axes[last].slave)
    wait_for(lambda: cell.store.rt_status().axes[last].stand == Stand.UNKNOWN, "it is not known")
    assert cell.store.rt_status().axes_standing == (1 << last) - 1
    cell.segment.client.heal_cable()
