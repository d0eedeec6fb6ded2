"""RT's housekeeping never stands still for slaves that take their time: systemd's watchdog is fed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from fieldstack_base.instance import Instance
from fieldstack_ethercat.wire.al import AlState
from fieldstack_rt.datastore import EventCode
from fieldstack_rt.datastore.housekeeping_beat import silent_ns
from tests.rt.rt_cell import RtCell, rt_cell, wait_for

SLOW, OTHER = 4, 1
PACE_NS = 500_000_000
"""A quarter of WatchdogSec, and what the policy takes for silence. A pass takes 20 ms at most; the rest is
what a busy machine may keep a thread of no priority waiting."""


@pytest.fixture
def cell(instance: Instance) -> Iterator[RtCell]:
    with rt_cell(instance) as found:
        yield found


class Pace:
    """The longest silence that was seen while something was awaited."""

    def __init__(self, cell: RtCell) -> None:
        self._cell, self.longest_ns = cell, 0

    def until(self, condition: Callable[[], object], what: str) -> None:
        def look() -> object:
            now_ns = time.monotonic_ns()
            found_ns = silent_ns(now_ns, self._cell.store.rt_main_beat_ns, 0)
            self.longest_ns = max(self.longest_ns, found_ns)
            return condition()

        wait_for(look, what, 20.0)


def al_state(cell: RtCell, slave: int) -> int:
    return int(cell.store.rt_bus().slaves[slave].al_state)


@pytest.mark.system
def test_a_slave_that_is_slow_and_answers_late_holds_nobody_up(cell: RtCell) -> None:
    cell.wait_until_free_to_move()
    pace = Pace(cell)
    cell.segment.client.slow_state(SLOW, AlState.PREOP, ms=3000)
    cell.segment.client.mailbox_late(SLOW, ms=300, count=3)
    cell.segment.client.power_off(SLOW)
    pace.until(lambda: al_state(cell, SLOW) == 0, "it is lost")
    cell.segment.client.power_on(SLOW)
    pace.until(lambda: al_state(cell, SLOW) == AlState.INIT, "it is on its way")
    cell.drain()
    cell.events.clear()
    cell.segment.client.lose_address(OTHER)
    pace.until(lambda: cell.seen(EventCode.SLAVE_RECOVERED), "another one is lost, found and back")
    assert al_state(cell, SLOW) != AlState.OP, "long before the slow one"
    pace.until(lambda: al_state(cell, SLOW) == AlState.OP, "the slow one is back")
    assert pace.longest_ns < PACE_NS
    beats = cell.store.rt_main_beat
    wait_for(lambda: cell.store.rt_main_beat > beats + 5, "it goes on")
