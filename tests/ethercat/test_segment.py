"""The running segment on a real veth, driven by pysoem as it is."""

import time
from collections.abc import Iterator

import pysoem
import pytest

from fieldstack_ethercat.segment.truth import EventKind
from fieldstack_ethercat.testing.running_segment import RunningSegment, running_segment
from fieldstack_ethercat.wire.al import AlStatusCode
from fieldstack_ethercat.wire.registers import clock_difference
from tests.ethercat.bare_master import find_slaves

TIMEOUT_US = 50_000
ANSWER_US = 20_000
"""A busy machine may hold the segment up for longer than the 2 ms of a master that cycles."""
EXPECTED_WKC = 15


@pytest.fixture(scope="module")
def segment() -> Iterator[RunningSegment]:
    with running_segment("drive*4,dio") as running:
        yield running


@pytest.fixture
def master(segment: RunningSegment) -> Iterator[pysoem.Master]:
    segment.client.heal_cable()
    master = pysoem.Master()
    master.open(segment.interface)
    yield master
    master.state = pysoem.INIT_STATE
    master.write_state()
    master.close()


def exchange(master: pysoem.Master, cycles: int = 1, period_s: float = 0.001) -> int:
    """Cycles process data; the last working counter."""
    counter = -1
    for _ in range(cycles):
        master.send_processdata()
        counter = master.receive_processdata(ANSWER_US)
        time.sleep(period_s)
    return counter


def to_safe_op(master: pysoem.Master) -> None:
    find_slaves(master, 5)
    map_image(master)


def map_image(master: pysoem.Master) -> None:
    master.config_map()
    assert master.state_check(pysoem.SAFEOP_STATE, TIMEOUT_US) == pysoem.SAFEOP_STATE


def to_op(master: pysoem.Master) -> None:
    find_slaves(master, 5)
    to_op_mapped(master)


def to_op_mapped(master: pysoem.Master) -> None:
    map_image(master)
    master.state = pysoem.OP_STATE
    master.write_state()
    exchange(master, 3)
    assert master.state_check(pysoem.OP_STATE, TIMEOUT_US) == pysoem.OP_STATE


def test_the_chain_is_found_as_it_is(master: pysoem.Master) -> None:
    find_slaves(master, 5)
    assert [(s.man, s.id, s.rev) for s in master.slaves] == [(0xF5D, 0x402, 1)] * 4 + [(0xF5D, 0x101, 1)]
    assert master.slaves[0].name == "Fieldstack virtual servo drive"
    assert master.state_check(pysoem.PREOP_STATE, TIMEOUT_US) == pysoem.PREOP_STATE


def test_from_init_to_op(segment: RunningSegment, master: pysoem.Master) -> None:
    to_safe_op(master)
    assert [(len(s.output), len(s.input)) for s in master.slaves] == [(12, 16)] * 4 + [(1, 1)]
    assert master.expected_wkc == EXPECTED_WKC
    assert exchange(master) == 5  # inputs only: outputs are not taken in SAFE-OP
    master.state = pysoem.OP_STATE
    master.write_state()
    assert exchange(master, 3) == EXPECTED_WKC
    assert {t.al_status for t in segment.client.truth()} == {8}


def test_clocks_follow_the_first_drive_as_soem_sets_them_up(
    segment: RunningSegment, master: pysoem.Master
) -> None:
    find_slaves(master, 5)
    assert master.config_dc()
    to_op_mapped(master)
    for drive in range(4):
        segment.client.clock_drift(drive, 30 * (-1) ** drive)
    assert exchange(master, 10) == EXPECTED_WKC, "the clock's datagram does not count"
    until = time.monotonic() + 10
    while any(abs(clock_difference(s._fprd(0x092C, 4, 4000))) > 100 for s in master.slaves[:4]):
        assert time.monotonic() < until
        exchange(master, 10)
    truth = segment.client.truth()
    apart = [t.system_time_ns - t.t_ns - (truth[0].system_time_ns - truth[0].t_ns) for t in truth[:4]]
    assert max(map(abs, apart)) < 2000
    assert truth[4].system_time_ns == 0
    assert abs(master.dc_time - truth[0].system_time_ns) < 10**9


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (pysoem.OP_STATE, AlStatusCode.INVALID_STATE_CHANGE),
        (0x07, AlStatusCode.UNKNOWN_STATE),
        (pysoem.BOOT_STATE, AlStatusCode.INVALID_STATE_CHANGE),
    ],
)
def test_wrong_requests_show_their_status_code(master: pysoem.Master, state: int, code: int) -> None:
    find_slaves(master, 5)
    master.state_check(pysoem.PREOP_STATE, TIMEOUT_US)
    slave = master.slaves[2]
    slave.state = state
    slave.write_state()
    master.read_state()
    assert slave.state == pysoem.PREOP_STATE | pysoem.STATE_ERROR
    assert slave.al_status == code
    slave.state = pysoem.PREOP_STATE | pysoem.STATE_ACK
    slave.write_state()
    assert slave.state_check(pysoem.PREOP_STATE, TIMEOUT_US) == pysoem.PREOP_STATE


def test_the_watchdog_expires_without_any_frame(segment: RunningSegment, master: pysoem.Master) -> None:
    to_op(master)
    exchange(master, 20)
    frames = segment.client.statistics().frames
    time.sleep(0.25)
    truth = segment.client.truth()
    assert segment.client.statistics().frames == frames
    assert {(t.al_status, t.al_status_code) for t in truth} == {(0x14, AlStatusCode.SM_WATCHDOG)}
    for slave in truth:
        events = segment.client.events(slave.position_in_chain)
        expired = [event for event in events if event.kind is EventKind.WATCHDOG_EXPIRED]
        late_ns = expired[-1].t_ns - slave.last_outputs_ns - 100_000_000
        assert late_ns >= 0
    assert exchange(master) == 5
    master.read_state()
    assert all(s.al_status == AlStatusCode.SM_WATCHDOG for s in master.slaves)


@pytest.mark.parametrize("after", [0, 2, 4])
def test_a_cut_cable_shows_in_the_working_counter(
    segment: RunningSegment, master: pysoem.Master, after: int
) -> None:
    to_op(master)
    stamp = segment.client.cut_cable(after)
    assert stamp <= time.monotonic_ns()
    assert exchange(master) == (3 * after if after else -1)
    segment.client.heal_cable()
    assert exchange(master) == EXPECTED_WKC


def test_dropped_frames_are_lost_and_no_others(segment: RunningSegment, master: pysoem.Master) -> None:
    to_op(master)
    segment.client.drop_frames(3)
    counters = [exchange(master) for _ in range(6)]
    assert counters == [-1] * 3 + [EXPECTED_WKC] * 3


def test_corrupted_frames_count_as_lost(segment: RunningSegment, master: pysoem.Master) -> None:
    to_op(master)
    segment.client.corrupt_frames(2)
    assert [exchange(master) for _ in range(4)] == [-1] * 2 + [EXPECTED_WKC] * 2


def test_delayed_frames_come_after_all(segment: RunningSegment, master: pysoem.Master) -> None:
    to_op(master)
    segment.client.delay_frames(1, us=10_000)
    master.send_processdata()
    started_ns = time.monotonic_ns()
    assert master.receive_processdata(100_000) == EXPECTED_WKC
    assert time.monotonic_ns() - started_ns >= 9_000_000


def test_a_slave_without_power_is_gone_and_comes_back_in_init(
    segment: RunningSegment, master: pysoem.Master
) -> None:
    to_op(master)
    segment.client.power_off(1)
    assert exchange(master, 2) == 3
    segment.client.power_on(1)
    truth = segment.client.truth()[1]
    assert (truth.al_status, truth.station_address) == (1, 0)
    slave = master.slaves[1]
    assert slave.recover(500)
    assert slave.reconfig(500) == pysoem.SAFEOP_STATE
    slave.state = pysoem.OP_STATE
    slave.write_state()
    exchange(master, 3)
    assert slave.state_check(pysoem.OP_STATE, TIMEOUT_US) == pysoem.OP_STATE


def test_outputs_and_inputs_reach_the_devices(segment: RunningSegment, master: pysoem.Master) -> None:
    to_op(master)
    segment.client.set_inputs(4, 0b1001_0110)
    master.slaves[4].output = b"\xa5"
    exchange(master, 3)
    assert master.slaves[4].input == bytes([0b1001_0110])
    truth = segment.client.truth()[4]
    assert (truth.digital_outputs, truth.outputs, truth.safe) == (0xA5, b"\xa5", False)


def test_an_axis_moves_and_its_trace_shows_it(segment: RunningSegment, master: pysoem.Master) -> None:
    to_op(master)
    drive = master.slaves[0]
    since = segment.client.truth()[0].samples
    for controlword in (0x80, 0x06, 0x07, 0x0F):
        for _ in range(30):
            position = int.from_bytes(drive.input[4:8], "little", signed=True)
            drive.output = drive_command(controlword, position, 0)
            exchange(master)
    for _ in range(200):
        drive.output = drive_command(0x0F, position, 20_000)
        exchange(master)
    truth = segment.client.truth()[0]
    assert truth.statusword & 0x6F == 0x27
    assert truth.velocity > 5_000
    trace = segment.client.trace(0, since)
    assert trace[-1].position > trace[0].position + 500


def drive_command(controlword: int, position: int, velocity: int) -> bytes:
    """The default PDO: controlword, mode CSV, padding, target position, target velocity."""
    return (
        controlword.to_bytes(2, "little")
        + b"\x09\x00"
        + position.to_bytes(4, "little", signed=True)
        + velocity.to_bytes(4, "little", signed=True)
    )


def test_sdo_access_in_op_does_not_disturb_the_cycle(segment: RunningSegment, master: pysoem.Master) -> None:
    to_op(master)
    for _ in range(20):
        assert master.slaves[3].sdo_read(0x1018, 2) == (0x402).to_bytes(4, "little")
        assert exchange(master) == EXPECTED_WKC
    assert segment.client.truth()[3].al_status == 8


def test_a_second_master_finds_the_bus_again(segment: RunningSegment, master: pysoem.Master) -> None:
    to_op(master)
    second = pysoem.Master()
    second.open(segment.interface)
    try:
        find_slaves(second, 5)
    finally:
        second.close()


def test_thirty_two_drives_reach_op_and_stay() -> None:
    with running_segment("drive*32") as segment:
        master = pysoem.Master()
        master.open(segment.interface)
        try:
            find_slaves(master, 32)
            master.config_map()
            assert master.state_check(pysoem.SAFEOP_STATE, TIMEOUT_US) == pysoem.SAFEOP_STATE
            master.state = pysoem.OP_STATE
            master.write_state()
            assert exchange(master, 300, 0.0005) == 96
            assert {t.al_status for t in segment.client.truth()} == {8}
        finally:
            master.close()
