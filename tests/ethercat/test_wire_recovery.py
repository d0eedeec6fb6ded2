"""Recovery on a real wire: cables are cut and slaves lose their power while process data are exchanged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldstack_ethercat.bus.config.planning import plan_from_file
from fieldstack_ethercat.bus.master.bus import Bus
from fieldstack_ethercat.bus.master.recovery import Recovery
from fieldstack_ethercat.bus.master.recovery_decision import EventKind, RecoveryEvent
from fieldstack_ethercat.testing.exchange_loop import ExchangeLoop
from fieldstack_ethercat.testing.running_segment import RunningSegment, running_segment
from fieldstack_ethercat.wire.al import AlState

PLAN = plan_from_file(Path(__file__).parents[2] / "config" / "ethercat" / "cell.yaml")
TIMEOUT_S = 10.0


@pytest.fixture(scope="module")
def segment() -> Iterator[RunningSegment]:
    with running_segment("drive*4,dio") as running:
        yield running


@pytest.fixture
def running(segment: RunningSegment) -> Iterator[tuple[Bus, ExchangeLoop]]:
    with Bus(PLAN, segment.interface) as bus:
        bus.configure()
        with ExchangeLoop(bus) as loop:
            bus.request_op()
            yield bus, loop


def run_until(recovery: Recovery, done: set[tuple[int, EventKind]]) -> list[RecoveryEvent]:
    """Passes until every (position, kind) in `done` has been reported."""
    events: list[RecoveryEvent] = []
    deadline = time.monotonic() + TIMEOUT_S
    while not done <= {(event.position, event.kind) for event in events}:
        assert time.monotonic() < deadline, [event.text for event in events]
        events += recovery.run(time.monotonic_ns())
        time.sleep(0.005)
    return events


def test_cut_cable_is_located_and_healed(segment: RunningSegment, running: tuple[Bus, ExchangeLoop]) -> None:
    bus, loop = running
    recovery = Recovery(bus)
    assert recovery.run(time.monotonic_ns()) == ()
    segment.client.cut_cable(3)
    lost = run_until(recovery, {(3, EventKind.LOST), (4, EventKind.LOST)})
    assert "cable cut between position 2 (drive-3) and position 3 (drive-4)" in lost[0].text
    time.sleep(0.3)  # longer than the watchdog: the slaves behind the cut leave OP
    segment.client.heal_cable()
    run_until(recovery, {(3, EventKind.RECOVERED), (4, EventKind.RECOVERED)})
    assert {state.state for state in bus.read_states()} == {AlState.OP}
    assert loop.wait_for_wkc(15, timeout_s=2)


def test_slave_power_loss_ends_in_op_with_its_startup_configuration(
    segment: RunningSegment, running: tuple[Bus, ExchangeLoop]
) -> None:
    bus, loop = running
    recovery = Recovery(bus)
    recovery.run(time.monotonic_ns())
    segment.client.power_off(1)
    run_until(recovery, {(position, EventKind.LOST) for position in range(1, 5)})
    segment.client.power_on(1)
    run_until(recovery, {(position, EventKind.RECOVERED) for position in range(1, 5)})
    assert {state.state for state in bus.read_states()} == {AlState.OP}
    assert loop.wait_for_wkc(15, timeout_s=2)
    assert bus.master.slaves[1].sdo_read(0x6085, 0) == (200_000_000).to_bytes(4, "little")
    assert {truth.al_state & 0x0F for truth in segment.client.truth()} == {AlState.OP}


def test_without_permission_slaves_come_back_to_safe_op_only(
    segment: RunningSegment, running: tuple[Bus, ExchangeLoop]
) -> None:
    bus, _ = running
    recovery = Recovery(bus)
    segment.client.power_off(4)
    deadline = time.monotonic() + TIMEOUT_S
    seen: set[EventKind] = set()
    while EventKind.RECOVERED not in seen:
        assert time.monotonic() < deadline
        seen |= {event.kind for event in recovery.run(time.monotonic_ns(), allow_op=False)}
        if EventKind.LOST in seen:
            segment.client.power_on(4)
        time.sleep(0.005)
    assert bus.read_states()[4].state is AlState.SAFEOP
    run_until(recovery, {(4, EventKind.RECOVERED)})
