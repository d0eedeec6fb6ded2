"""The RT process dies or hangs while the axes move: safe, explained, and back by itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from fieldstack.events.kinds import EventKind
from fieldstack.ha.model.actions import Step
from fieldstack_rt.datastore.layout import Inject, TripCause
from tests.system.running_cell import RunningCell, wait_for
from tests.system.stops import (
    Watch,
    motors_stopped_along_the_ramp,
    outputs_became_safe,
    watchdogs_that_expired,
)

pytestmark = pytest.mark.system


def _signal(number: signal.Signals) -> Callable[[RunningCell], None]:
    return lambda cell: os.kill(cell.store.rt_pid, number)


FAULTS: dict[str, tuple[Callable[[RunningCell], None], TripCause, str]] = {
    "sigkill": (_signal(signal.SIGKILL), TripCause.DEAD, "rt-dead"),
    "sigsegv": (_signal(signal.SIGSEGV), TripCause.DEAD, "rt-dead"),
    "sigstop": (_signal(signal.SIGSTOP), TripCause.SILENT, "rt-silent"),
    "spin": (lambda cell: cell.store.inject(Inject.SPIN), TripCause.SILENT, "rt-silent"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_cell_stops_safely_explains_itself_and_comes_back(cell: RunningCell, fault: str) -> None:
    order, cause, rule = FAULTS[fault]
    pid, since = cell.pid("rt"), cell.last_event()
    watch = Watch.in_motion(cell)
    order(cell)

    recovered = cell.await_event(since, EventKind.RECOVERY_STEP, step=Step.RECOVERED)
    outputs_became_safe(cell, watch)
    assert watchdogs_that_expired(cell, watch) == [], "the guard has to be quicker than they"
    motors_stopped_along_the_ramp(cell, watch)
    tripped = cell.events(since, EventKind.GUARD_TRIPPED)[0]
    assert tripped.data["cause"] == cause.name.lower()

    told = cell.events(since, EventKind.RECOVERY_STEP)
    steps = [event for event in told if event.data["attempt"] == recovered.data["attempt"]]
    assert [event.data["step"] for event in steps] == list(Step)
    assert [event.data["confirmed"] for event in steps] == [True] * len(Step)
    assert all(event.data["took_ns"] >= 0 and event.data["rule"] == rule for event in steps)
    assert steps == sorted(steps, key=lambda event: event.t_ns)
    assert steps[0].t_ns >= watch.t_ns
    assert rule in [event.data["rule"] for event in cell.events(since, EventKind.ALERT)]

    cell.await_motion()
    after = cell.snapshot()
    assert after["rt"]["pid"] not in (None, pid)
    assert not after["estop"]["latched"]
    earlier = [e.data["attempt"] for e in cell.events(0, EventKind.RECOVERY_STEP) if e.sequence <= since]
    assert recovered.data["attempt"] == max(earlier, default=0) + 1, "one restart was enough"
    raised = {event.data["source"] for event in cell.events(since, EventKind.ESTOP_RAISED)}
    assert raised == {"guard", "policy"}
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "the failed process is gone")
