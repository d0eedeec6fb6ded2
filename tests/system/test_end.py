"""The end of a cell: axes come to a stand before the outputs drop, and nothing is left behind."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from fieldstack_ethercat.segment.truth import EventKind
from fieldstack_ethercat.testing.running_segment import running_segment
from fieldstack_ethercat.wire.al import AlState
from tests.system.stops import Watch, motors_stopped_along_the_ramp

pytestmark = pytest.mark.system

REST_SHARE = 0.002
"""Of an axis's velocity limit."""
REST_COUNTS = 2
"""Of the encoder in a cycle: RT cannot tell less from rest, so an axis of few counts may still turn so."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_axes_stand_before_the_outputs_drop(start_cell: Any, number: signal.Signals) -> None:
    """On a segment of the test's own, which is there to be asked when the cell is gone."""
    with running_segment() as segment:
        cell = start_cell(interface=segment.interface, socket=segment.socket)
        watch = Watch.in_motion(cell)
        assert cell.end(number) == 0
        assert "the cell is down" in cell.output()
        assert cell.leftovers() == []
        motors_stopped_along_the_ramp(cell, watch, any_speed=True)
        for axis in cell.plan.axes:
            left = [
                event
                for event in watch.events_of(cell.segment, axis.slave)
                if event.kind is EventKind.OUTPUTS_SAFE
            ]
            trace = watch.trace_of(cell.segment, axis.slave)
            fastest = max(abs(s.velocity) for s in trace if left[-1].t_ns <= s.t_ns)
            rest = max(REST_SHARE * axis.velocity_max_counts_s, REST_COUNTS * 1e9 / cell.plan.cycle_time_ns)
            assert fastest <= rest, f"axis {axis.name} still moved when its outputs dropped"
        assert {slave.al_state for slave in cell.segment.truth()} == {AlState.INIT}
        code, status = cell.status()
        assert code == 5
        assert (status["cell"], status["operational"]) == ("down", False)
        assert [status[name]["pid"] for name in ("rt", "nonrt", "core")] == [None] * 3
        assert status["since"]
        assert "last event" in status["note"]
