"""Bring-up on a real wire: a virtual segment, an unmodified pysoem, and every way to fail."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fieldstack_ethercat.bus.config import image_layout
from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.config.planning import plan_from_file, plan_from_text
from fieldstack_ethercat.bus.config.slave_plan import SlavePlan, StartupSdo, Watchdog
from fieldstack_ethercat.bus.errors import (
    MailboxSilentError,
    MappingMismatchError,
    NoSlavesError,
    SlavesMissingError,
    StartupSdoError,
    StateChangeError,
    TopologyMismatchError,
)
from fieldstack_ethercat.bus.master.bus import Bus
from fieldstack_ethercat.bus.master.search import MISSING_WAIT_NS
from fieldstack_ethercat.bus.soem import soem_objects
from fieldstack_ethercat.segment.client import cut
from fieldstack_ethercat.testing.exchange_loop import ExchangeLoop
from fieldstack_ethercat.testing.running_segment import RunningSegment, running_segment
from fieldstack_ethercat.wire.al import AlState

CONFIG = Path(__file__).parents[2] / "config" / "ethercat"
CELL = (CONFIG / "cell.yaml").read_text(encoding="utf-8")
PLAN = plan_from_text(CELL)
SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def segment() -> Iterator[RunningSegment]:
    with running_segment("drive*4,dio") as running:
        yield running


def with_slave(plan: BusPlan, position: int, **changes: object) -> BusPlan:
    slaves = list(plan.slaves)
    slaves[position] = replace(slaves[position], **changes)  # type: ignore[arg-type]
    return replace(plan, slaves=tuple(slaves))


def al_states(segment: RunningSegment) -> set[int]:
    return {truth.al_state & 0x0F for truth in segment.client.truth()}


def test_from_open_to_op(segment: RunningSegment) -> None:
    with Bus(PLAN, segment.interface) as bus:
        bus.configure()
        context = bus.soem_context()
        assert (context.outputs_size, context.inputs_size) == (49, 65)
        assert context.inputs_address == context.outputs_address + 49
        assert (context.expected_wkc, context.segments, context.logical_start) == (15, 1, 0)
        safe = ctypes.string_at(context.outputs_address, context.outputs_size)
        assert safe == image_layout.safe_output_image(PLAN)
        with ExchangeLoop(bus) as loop:
            bus.request_op()
            assert {state.state for state in bus.read_states()} == {AlState.OP}
            assert loop.wait_for_wkc(15, timeout_s=2)
            assert al_states(segment) == {AlState.OP}
            bus.states.request(AlState.SAFEOP)


def test_startup_configuration_arrives_in_the_device(segment: RunningSegment) -> None:
    plan = with_slave(PLAN, 1, watchdog=Watchdog(2498, 500))
    with Bus(plan, segment.interface) as bus:
        bus.configure()
        drive = bus.master.slaves[1]
        assert drive.sdo_read(0x6085, 0) == (200_000_000).to_bytes(4, "little")
        assert drive.get_watchdog("processdata") == 50.0


def test_another_mapping_is_written_and_carries_data(segment: RunningSegment) -> None:
    text = CELL.replace("            - {object: 0x60FF, bits: 32} # target_velocity\n", "")
    plan = plan_from_text(text)
    assert plan.slaves[0].output_bytes == 8
    for _ in range(2):  # mapped again, then found as wanted
        with Bus(plan, segment.interface) as bus:
            bus.configure()
            assert bus.soem_context().outputs_size == 4 * 8 + 1
            with ExchangeLoop(bus) as loop:
                bus.request_op()
                assert loop.wait_for_wkc(15, timeout_s=2)
                bus.states.request(AlState.SAFEOP)
    with Bus(PLAN, segment.interface) as bus:
        bus.configure()
        assert bus.soem_context().outputs_size == 49


def test_wrong_product_missing_and_extra_slaves_stop_before_anything_is_written(
    segment: RunningSegment,
) -> None:
    wrong = with_slave(PLAN, 4, product=0x402)
    extra = replace(PLAN, slaves=PLAN.slaves[:4])
    sixth = replace(PLAN.slaves[4], position=5, name="dio-2")
    missing = replace(PLAN, slaves=(*PLAN.slaves, sixth))
    for plan, position, field in ((wrong, 4, "product"), (extra, 4, "extra"), (missing, 5, "missing")):
        with Bus(plan, segment.interface) as bus, pytest.raises(TopologyMismatchError) as caught:
            bus.configure()
        (difference,) = caught.value.differences
        assert (difference.position, difference.field) == (position, field)
        assert al_states(segment) <= {AlState.INIT, AlState.PREOP}


def test_a_wire_that_differs_for_a_moment_is_looked_at_again(segment: RunningSegment) -> None:
    with Bus(PLAN, segment.interface) as bus:
        segment.client.cut_cable(2)
        assert len(bus.find()) == 2
        segment.client.heal_cable()
        bus.configure()
        assert len(bus.read_states()) == len(PLAN.slaves)


def test_wrong_revision_and_vendor(segment: RunningSegment) -> None:
    plan = with_slave(with_slave(PLAN, 0, revision=7), 2, vendor=2)
    with Bus(plan, segment.interface) as bus, pytest.raises(TopologyMismatchError) as caught:
        bus.configure()
    assert [(item.position, item.field) for item in caught.value.differences] == [
        (0, "revision"),
        (2, "vendor"),
    ]


def test_nobody_answers(segment: RunningSegment) -> None:
    with (
        cut(segment.client, 0),
        Bus(PLAN, segment.interface) as bus,
        pytest.raises(NoSlavesError, match="the bus configuration has 5"),
    ):
        bus.configure()


def startup(slave: SlavePlan, *sdos: StartupSdo) -> tuple[StartupSdo, ...]:
    return (*slave.startup_sdos, *sdos)


@pytest.mark.parametrize(
    ("sdo", "abort_code"),
    [
        (StartupSdo(0x5FFF, 0, b"\x01", False), 0x06020000),
        (StartupSdo(0x6041, 0, b"\x01\x00", False), 0x06010002),
    ],
    ids=["no such object", "read-only"],
)
def test_a_refused_startup_sdo_names_slave_object_and_abort_code(
    segment: RunningSegment, sdo: StartupSdo, abort_code: int
) -> None:
    plan = with_slave(PLAN, 2, startup_sdos=startup(PLAN.slaves[2], sdo))
    with Bus(plan, segment.interface) as bus, pytest.raises(StartupSdoError) as caught:
        bus.configure()
    error = caught.value
    assert (error.position, error.slave, error.index, error.abort_code) == (
        2,
        "drive-3",
        sdo.index,
        abort_code,
    )
    assert AlState.OP not in al_states(segment)


def test_a_mapping_that_the_device_refuses_shows_both(segment: RunningSegment) -> None:
    text = CELL.replace("{object: 0x60FF, bits: 32}", "{object: 0x5FFF, bits: 32}")
    with Bus(plan_from_text(text), segment.interface) as bus:
        with pytest.raises(MappingMismatchError) as caught:
            bus.configure()
        assert "5FFF:00/32" in caught.value.configured
        assert "60FF:00/32" in caught.value.found
        assert caught.value.position == 0


def test_op_without_process_data_is_refused_with_the_reason(segment: RunningSegment) -> None:
    with Bus(PLAN, segment.interface) as bus:
        bus.configure()
        with pytest.raises(StateChangeError) as caught:
            bus.request_op(timeout_ns=4 * SECOND)
    error = caught.value
    assert (error.wanted, error.position) == ("OP", 0)
    assert error.al_status_code in {0x0019, 0x001B}
    assert "process data" in error.hint.lower()


def test_a_slave_that_vanishes_is_named(segment: RunningSegment) -> None:
    with Bus(PLAN, segment.interface) as bus:
        bus.configure()
        with cut(segment.client, 3), pytest.raises(StateChangeError) as caught:
            bus.request_op(timeout_ns=SECOND // 5)
    assert (caught.value.position, caught.value.actual) == (3, "no answer")
    assert "cable" in caught.value.hint


def test_a_bus_comes_up_again_from_whatever_state_it_was_left_in(segment: RunningSegment) -> None:
    """As after a crash of the master: nothing was closed, slaves tripped their watchdogs or are in OP."""
    for _ in range(3):
        with Bus(PLAN, segment.interface) as bus:
            bus.configure()
            with ExchangeLoop(bus):
                bus.request_op()


def test_thirty_two_drives_reach_op() -> None:
    plan = plan_from_file(CONFIG / "drives-32.yaml")
    with running_segment("drive*32") as segment, Bus(plan, segment.interface) as bus:
        bus.configure()
        assert bus.soem_context().expected_wkc == 96
        with ExchangeLoop(bus) as loop:
            bus.request_op()
            assert loop.wait_for_wkc(96, timeout_s=5)
            bus.states.request(AlState.SAFEOP)


def test_slaves_may_be_found_by_another_thread_first(segment: RunningSegment) -> None:
    with Bus(PLAN, segment.interface) as bus:
        finder = threading.Thread(target=bus.find)
        finder.start()
        finder.join()
        for _ in range(2):  # what was found counts once; then the wire is asked again
            bus.configure()
            assert bus.soem_context().expected_wkc == 15
        segment.client.power_off(4)
        try:
            with pytest.raises(TopologyMismatchError):
                bus.configure()
        finally:
            segment.client.power_on(4)


def test_a_mailbox_that_answers_late_is_asked_again_and_told(segment: RunningSegment) -> None:
    told: list[MailboxSilentError] = []
    segment.client.mailbox_late(1, ms=900, count=1)
    with Bus(PLAN, segment.interface) as bus:
        bus.on_retry = told.append
        bus.configure()
        assert bus.soem_context().expected_wkc == 15
    assert [(one.position, one.attempts, one.refusal) for one in told] == [(1, 1, False)]


def test_a_mailbox_that_stays_silent_is_no_refusal(
    segment: RunningSegment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soem_objects, "TIMEOUTS_MS", (50, 60, 70, 80, 90))
    told: list[MailboxSilentError] = []
    segment.client.mailbox_silent(2)
    try:
        with Bus(PLAN, segment.interface) as bus:
            bus.on_retry = told.append
            with pytest.raises(MailboxSilentError) as caught:
                bus.configure()
    finally:
        segment.client.mailbox_silent(2, 0)
    assert (caught.value.position, caught.value.attempts, caught.value.refusal) == (2, 5, False)
    assert [one.attempts for one in told] == [1, 2, 3, 4]


def test_all_attempts_of_a_bring_up_are_bounded_together(
    segment: RunningSegment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soem_objects, "TIMEOUTS_MS", (50,) * 5)
    monkeypatch.setattr(soem_objects, "PATIENCE_NS", 120_000_000)
    segment.client.mailbox_silent(2)
    try:
        with Bus(PLAN, segment.interface) as bus, pytest.raises(MailboxSilentError) as caught:
            bus.configure()
    finally:
        segment.client.mailbox_silent(2, 0)
    assert caught.value.attempts == 3


def test_a_slave_that_takes_three_seconds_for_a_state_comes_up(segment: RunningSegment) -> None:
    segment.client.slow_state(3, AlState.SAFEOP, ms=3000)
    try:
        with Bus(PLAN, segment.interface) as bus:
            bus.configure()
            assert al_states(segment) == {AlState.SAFEOP}
    finally:
        segment.client.slow_state(3, AlState.SAFEOP, ms=0)


def test_slaves_that_come_late_are_waited_for(segment: RunningSegment) -> None:
    segment.client.power_off(3)
    later = threading.Timer(1.0, segment.client.power_on, [3])
    with Bus(PLAN, segment.interface) as bus:
        later.start()
        bus.configure()
    later.join()
    with cut(segment.client, 4), Bus(PLAN, segment.interface) as bus:
        began = time.monotonic_ns()
        with pytest.raises(SlavesMissingError) as missing:
            bus.configure()
        assert time.monotonic_ns() - began >= MISSING_WAIT_NS
    assert missing.value.refusal, "then it is a matter for a person"
