"""The bus comes up without slaves of a non-essential group, and takes them in when they come: a real wire."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.config.planning import plan_from_text
from fieldstack_ethercat.bus.errors import AmbiguousSlavesError, SlavesMissingError, TopologyMismatchError
from fieldstack_ethercat.bus.master.bus import Bus
from fieldstack_ethercat.bus.master.recovery import Recovery
from fieldstack_ethercat.testing.exchange_loop import ExchangeLoop
from fieldstack_ethercat.testing.running_segment import RunningSegment, running_segment
from fieldstack_ethercat.wire.al import AlState

CELL = (Path(__file__).parents[2] / "config/ethercat/cell.yaml").read_text(encoding="utf-8")
REFUSED = 0x001E
BACK_S = 15.0


def _plan(groups: str) -> BusPlan:
    return plan_from_text(f"{CELL}\ngroups: [{groups}]\n")


TOOL = _plan("{name: tool, axes: [c], slaves: [dio], essential: false}")


@pytest.fixture
def segment() -> Iterator[RunningSegment]:
    with running_segment("drive*4,dio") as running:
        yield running


def _until_whole(bus: Bus, loop: ExchangeLoop) -> None:
    recovery, until = Recovery(bus), time.monotonic() + BACK_S
    while loop.wkc != bus.plan.expected_wkc or {one.state for one in recovery.states} != {AlState.OP}:
        assert time.monotonic() < until, [one.text() for one in recovery.states]
        recovery.run(time.monotonic_ns())
        time.sleep(0.005)


@pytest.mark.parametrize(("off", "missing"), [(4, {4}), (3, {3, 4})])
def test_a_tool_without_power_is_left_out_and_taken_in(
    segment: RunningSegment, off: int, missing: set[int]
) -> None:
    segment.client.power_off(off)
    with Bus(TOOL, segment.interface) as bus:
        bus.configure()
        assert bus.slave_presence.absent == missing
        context = bus.soem_context()
        assert (context.outputs_size, context.inputs_size, context.expected_wkc) == (49, 65, 15)
        assert context.stations == tuple(range(0x1001, 0x1006))
        with ExchangeLoop(bus) as loop:
            bus.request_op()
            assert loop.wait_for_wkc(15 - 3 * len(missing), 2.0)
            segment.client.power_on(off)
            _until_whole(bus, loop)
            assert not bus.slave_presence.absent


@pytest.mark.parametrize("state", [AlState.PREOP, AlState.SAFEOP, AlState.OP])
def test_a_tool_that_refuses_a_state_is_left_to_the_recovery(segment: RunningSegment, state: AlState) -> None:
    segment.client.refuse_state(3, state, REFUSED, 3)
    with Bus(TOOL, segment.interface) as bus:
        bus.configure()
        with ExchangeLoop(bus) as loop:
            bus.request_op()
            states = bus.read_states()
            assert [one.state for one in states if one.position not in (3, 4)] == [AlState.OP] * 3
            assert states[3].state is not AlState.OP
            _until_whole(bus, loop)


def test_what_the_others_can_not_do_without_is_an_error(segment: RunningSegment) -> None:
    segment.client.power_off(2)
    with Bus(TOOL, segment.interface) as bus, pytest.raises(SlavesMissingError, match="drive-3"):
        bus.configure()


def test_a_gap_in_the_line_moves_nobody_to_a_wrong_place() -> None:
    """Of a tool on a branch the line shows nothing: who stands behind it moves up."""
    plan = _plan("{name: tool, axes: [c], slaves: [], essential: false}")
    with running_segment("drive*3,dio") as running, Bus(plan, running.interface) as bus:
        bus.configure()
        assert bus.slave_presence.absent == {3}
        with ExchangeLoop(bus) as loop:
            bus.request_op()
            assert loop.wait_for_wkc(12, 2.0)
            assert [one.state for one in bus.read_states()] == [8, 8, 8, None, 8]
            bus.master.slaves[4].output = b"\x05"
            until = time.monotonic() + 5
            while running.client.truth()[3].outputs[:1] != b"\x05":
                assert time.monotonic() < until, "the terminal's outputs reach it"
                time.sleep(0.005)


def test_who_can_not_be_told_apart_is_refused() -> None:
    plan = _plan(
        "{name: left, axes: [z], slaves: [], essential: false}, "
        "{name: right, axes: [c], slaves: [], essential: false}"
    )
    with (
        running_segment("drive*3,dio") as running,
        Bus(plan, running.interface) as bus,
        pytest.raises(AmbiguousSlavesError, match="in 2 ways"),
    ):
        bus.configure()


def test_another_device_in_the_tools_place_is_refused() -> None:
    with (
        running_segment("drive*3,dio*2") as running,
        Bus(TOOL, running.interface) as bus,
        pytest.raises(TopologyMismatchError, match="position 3"),
    ):
        bus.configure()
