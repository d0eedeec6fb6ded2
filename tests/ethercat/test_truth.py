"""The bench's truth: stamps, safe outputs, motion traces."""

import itertools

import pytest

from fieldstack_ethercat.segment.bench import SegmentBench
from fieldstack_ethercat.segment.catalogue import parse_devices
from fieldstack_ethercat.segment.truth import (
    EventKind,
    MotionSample,
    SegmentStatistics,
    SlaveEvent,
    SlaveTruth,
)
from fieldstack_ethercat.testing.direct_master import DirectMaster
from fieldstack_ethercat.wire.al import AlState


def command(controlword: int) -> bytes:
    return controlword.to_bytes(2, "little").ljust(12, b"\0")


@pytest.fixture
def master() -> DirectMaster:
    master = DirectMaster(SegmentBench(parse_devices("drive,dio")).chain)
    for slave in range(2):
        master.bring_up(slave)
    return master


@pytest.mark.parametrize(
    ("controlword", "safe"),
    [(0x06, True), (0x07, True), (0x0F, False), (0x1F, False), (0x0B, True), (0x02, True)],
)
def test_a_drive_is_safe_unless_it_is_told_to_operate(
    master: DirectMaster, controlword: int, safe: bool
) -> None:
    master.outputs(0, command(controlword))
    assert master.chain.report.truth(0).safe is safe


def test_changes_between_safe_and_unsafe_are_stamped(master: DirectMaster) -> None:
    master.advance(10)
    master.outputs(0, command(0x0F))
    unsafe_ns = master.now_ns
    master.advance(10)
    master.outputs(0, command(0x0F))
    master.advance(10)
    master.outputs(0, command(0x02))
    safe_ns = master.now_ns
    master.advance(10)
    master.outputs(0, command(0x02))
    truth = master.chain.report.truth(0)
    assert (truth.unsafe_since_ns, truth.safe_since_ns) == (unsafe_ns, safe_ns)
    kinds = [(e.kind, e.t_ns) for e in master.chain.report.events(0) if e.kind.name.startswith("OUTPUTS_")]
    assert kinds[-2:] == [(EventKind.OUTPUTS_UNSAFE, unsafe_ns), (EventKind.OUTPUTS_SAFE, safe_ns)]


def test_a_safe_image_of_ones_own(master: DirectMaster) -> None:
    master.outputs(1, b"\x01")
    assert not master.chain.report.truth(1).safe
    master.chain.set_safe_image(1, b"\x01")
    assert master.chain.report.truth(1).safe
    master.outputs(1, b"\x00")
    assert not master.chain.report.truth(1).safe
    master.chain.set_safe_image(1, b"")
    assert master.chain.report.truth(1).safe


def test_controlwords_and_clamps_are_events(master: DirectMaster) -> None:
    master.outputs(0, command(0x06))
    master.outputs(0, command(0x06))
    master.outputs(0, command(0x07))
    words = [(e.a, e.b) for e in master.chain.report.events(0) if e.kind is EventKind.CONTROLWORD]
    assert words == [(6, 0), (7, 6)]
    master.outputs(1, b"\x81")
    master.advance(1)
    clamps = [(e.a, e.b) for e in master.chain.report.events(1) if e.kind is EventKind.DIGITAL_OUTPUTS]
    assert clamps == [(0x81, 0)]


def test_the_drives_states_are_events(master: DirectMaster) -> None:
    for controlword in (0x06, 0x07, 0x0F):
        for _ in range(5):
            master.outputs(0, command(controlword))
            master.advance(20)
    states = [e.a & 0x6F for e in master.chain.report.events(0) if e.kind is EventKind.DRIVE_STATE]
    assert states[-3:] == [0x21, 0x23, 0x27]


def test_the_motion_trace_has_a_sample_a_millisecond(master: DirectMaster) -> None:
    before = master.chain.report.truth(0).samples
    master.advance(50)
    trace = master.chain.report.trace(0, before)
    assert [s.sequence for s in trace] == list(range(before + 1, before + len(trace) + 1))
    assert len(trace) in (50, 51)
    steps = {b.t_ns - a.t_ns for a, b in itertools.pairwise(trace[1:])}
    assert steps == {1_000_000}
    assert master.chain.report.trace(1) == []


def test_events_after_a_sequence_number(master: DirectMaster) -> None:
    events = master.chain.report.events(0)
    assert [e.sequence for e in events] == list(range(1, len(events) + 1))
    assert master.chain.report.events(0, since=events[-2].sequence) == events[-1:]
    assert master.chain.report.events(0, since=events[-1].sequence) == []


@pytest.mark.parametrize("ahead", [1, 2**32, 2**64 - 1])
def test_there_is_nothing_after_what_has_not_come_yet(master: DirectMaster, ahead: int) -> None:
    newest = master.chain.report.events(0)[-1].sequence
    assert master.chain.report.events(0, since=min(newest + ahead, 2**64 - 1)) == []
    assert master.chain.report.trace(0, since=2**64 - 1) == []


def test_old_events_are_overwritten_and_the_gap_shows(master: DirectMaster) -> None:
    for n in range(1300):
        master.outputs(0, command(0x06 + n % 2))
        master.outputs(0, command(0x0F))
    events = master.chain.report.events(0)
    assert len(events) == 2048
    assert events[0].sequence > 1
    assert [e.sequence for e in events] == list(range(events[0].sequence, events[-1].sequence + 1))


def test_outputs_are_what_the_device_took_over(master: DirectMaster) -> None:
    image = bytes(range(12))
    written = master.chain.report.truth(0).output_writes
    master.outputs(0, image)
    truth = master.chain.report.truth(0)
    assert (truth.outputs, truth.output_writes, truth.last_outputs_ns) == (image, written + 1, master.now_ns)
    assert (truth.al_state, truth.al_error, truth.device) == (AlState.OP, False, "drive")


def test_all_of_it_survives_json(master: DirectMaster) -> None:
    master.outputs(0, command(0x0F))
    master.advance(3)
    truth = master.chain.report.truth(0)
    assert SlaveTruth.from_json(truth.to_json()) == truth
    event = master.chain.report.events(0)[-1]
    assert SlaveEvent.from_json(event.to_json()) == event
    sample = master.chain.report.trace(0)[-1]
    assert MotionSample.from_json(sample.to_json()) == sample
    statistics = master.chain.report.statistics()
    assert SegmentStatistics.from_json(statistics.to_json()) == statistics
