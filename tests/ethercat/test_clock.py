"""Distributed clocks of the emulated ESCs (registers 0x0900 to 0x09AF); time stands but for `advance`."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldstack_ethercat.segment.bench import SegmentBench
from fieldstack_ethercat.segment.catalogue import parse_devices
from fieldstack_ethercat.segment.chain import Chain
from fieldstack_ethercat.segment.description.errors import NativeError
from fieldstack_ethercat.testing.direct_master import FIRST_STATION, DirectMaster
from fieldstack_ethercat.wire.datagram import Command
from fieldstack_ethercat.wire.registers import FEATURE_DC, Register, clock_difference

HOP_NS = 500
"""From one emulated slave to the next."""


class Clocks:
    """Three drives and a terminal without a clock; a master that measures and synchronises as SOEM does."""

    def __init__(self, devices: str = "drive*3,dio") -> None:
        self.chain: Chain = SegmentBench(parse_devices(devices)).chain
        self.master = DirectMaster(self.chain)
        self.drives = [at for at, device in enumerate(self.chain.devices) if device.value.distributed_clock]
        for slave in range(len(self.chain)):
            address = (FIRST_STATION + slave).to_bytes(2, "little")
            self.master.write(slave, Register.STATION_ADDRESS, address)

    def number(self, slave: int, register: int, size: int) -> int:
        return int.from_bytes(self.master.read(slave, register, size), "little")

    def latch(self) -> int:
        return self.master.physical(Command.BWR, 0, Register.DC_RECEIVE_TIME, bytes(4)).working_counter

    def offset(self, slave: int, value: int) -> None:
        raw = (value % 2**64).to_bytes(8, "little")
        assert self.master.write(slave, Register.DC_SYSTEM_TIME_OFFSET, raw) == 1

    def delay(self, slave: int, value: int) -> None:
        assert self.master.write(slave, Register.DC_SYSTEM_TIME_DELAY, value.to_bytes(4, "little")) == 1

    def align(self, epoch: int = 10**18) -> None:
        """Offsets and delays: all clocks show the same system time."""
        self.latch()
        for slave in self.drives:
            self.offset(slave, epoch + HOP_NS * slave - self.number(slave, Register.DC_UNIT_RECEIVE_TIME, 8))
            self.delay(slave, HOP_NS * (slave - self.drives[0]))

    def cycle(self, milliseconds: int, command: Command = Command.FRMW) -> None:
        """The reference's time goes to all others once a millisecond."""
        address = FIRST_STATION if command is Command.FRMW else 0
        for _ in range(milliseconds):
            self.master.advance(1.0)
            answer = self.master.physical(command, address, Register.DC_SYSTEM_TIME, bytes(8))
            assert answer.working_counter == len(self.drives)

    def difference(self, slave: int) -> int:
        return clock_difference(self.master.read(slave, Register.DC_SYSTEM_TIME_DIFFERENCE, 4))

    def apart(self, slave: int) -> int:
        """How far its system time really is from the reference's at one moment."""
        truth = [self.chain.report.truth(at).system_time_ns for at in (slave, 0)]
        return truth[0] - truth[1]


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def test_only_drives_have_a_clock(clocks: Clocks) -> None:
    features = [clocks.number(slave, Register.FEATURES, 2) for slave in range(4)]
    assert [bool(word & FEATURE_DC) for word in features] == [True, True, True, False]
    assert clocks.latch() == 3
    assert clocks.master.read(3, Register.DC_RECEIVE_TIME, 16) == bytes(16)
    assert clocks.master.write(3, Register.DC_SYSTEM_TIME_OFFSET, bytes(8)) == 0
    assert clocks.chain.report.truth(3).system_time_ns == 0
    with pytest.raises(NativeError, match="ENODEV"):
        clocks.chain.faults.clock_lose(3, True)


def test_a_broadcast_latches_when_the_frame_came_past_and_when_it_came_back(clocks: Clocks) -> None:
    clocks.master.advance(3)
    clocks.latch()
    first = [clocks.number(slave, Register.DC_RECEIVE_TIME, 4) for slave in range(3)]
    back = [clocks.number(slave, Register.DC_RECEIVE_TIME + 4, 4) for slave in range(3)]
    assert [b - a for a, b in zip(first, back, strict=True)] == [6 * HOP_NS, 4 * HOP_NS, 2 * HOP_NS]
    assert clocks.number(0, Register.DC_UNIT_RECEIVE_TIME, 8) == first[0]
    clocks.master.advance(1)
    assert clocks.number(0, Register.DC_RECEIVE_TIME, 4) == first[0], "it stays until the next write"


def test_nothing_comes_back_to_the_last_slave_before_a_cut(clocks: Clocks) -> None:
    clocks.chain.faults.cut_cable(2)
    clocks.latch()
    assert (
        clocks.number(0, Register.DC_RECEIVE_TIME + 4, 4) - clocks.number(0, Register.DC_RECEIVE_TIME, 4)
        == 1000
    )
    assert clocks.number(1, Register.DC_RECEIVE_TIME + 4, 4) == 0


def test_local_time_runs_at_the_rate_of_its_own_oscillator(clocks: Clocks) -> None:
    clocks.chain.faults.clock_drift(0, 500)
    clocks.chain.faults.clock_drift(1, -500)
    before = [clocks.number(slave, Register.DC_SYSTEM_TIME, 8) for slave in range(2)]
    clocks.master.advance(1000)
    after = [clocks.number(slave, Register.DC_SYSTEM_TIME, 8) for slave in range(2)]
    gained = [b - a for a, b in zip(before, after, strict=True)]
    assert gained == pytest.approx([1_000_500_000, 999_500_000], abs=2)


def test_the_offset_moves_system_time_and_not_receive_times(clocks: Clocks) -> None:
    clocks.latch()
    local = clocks.number(1, Register.DC_RECEIVE_TIME, 4)
    clocks.offset(1, 7 * 10**17)
    assert clocks.number(1, Register.DC_SYSTEM_TIME, 8) == 7 * 10**17 + local
    clocks.latch()
    assert clocks.number(1, Register.DC_RECEIVE_TIME, 4) == local


@pytest.mark.parametrize("command", [Command.FRMW, Command.ARMW])
def test_clocks_follow_the_reference(clocks: Clocks, command: Command) -> None:
    clocks.align()
    for slave, ppm in enumerate((-100, 100, 40)):
        clocks.chain.faults.clock_drift(slave, ppm)
    clocks.cycle(1500, command)
    for slave in (1, 2):
        assert abs(clocks.difference(slave)) <= 5
        assert abs(clocks.apart(slave)) <= 5, "and the register tells the truth"
    assert clocks.difference(0) == 0, "the reference is compared with nobody"


def test_a_reference_that_is_read_alone_reaches_nobody(clocks: Clocks) -> None:
    clocks.align()
    clocks.master.physical(Command.FPRD, FIRST_STATION, Register.DC_SYSTEM_TIME, bytes(8))
    assert [clocks.difference(slave) for slave in clocks.drives] == [0, 0, 0]


@pytest.mark.parametrize(("ppm", "sign"), [(50, 1), (-50, -1)])
def test_a_lost_clock_runs_away_in_the_direction_of_its_drift(clocks: Clocks, ppm: int, sign: int) -> None:
    clocks.align()
    for slave in clocks.drives:
        clocks.chain.faults.clock_drift(slave, 0)
    clocks.chain.faults.clock_drift(1, ppm)
    clocks.cycle(500)
    clocks.chain.faults.clock_lose(1, True)
    clocks.cycle(400)
    # filtered over 16 comparisons: behind the true difference by what 16 ms bring
    assert sign * clocks.difference(1) == pytest.approx(20_000, rel=0.1)
    assert sign * clocks.apart(1) == pytest.approx(20_000, rel=0.05)
    raw = clocks.number(1, Register.DC_SYSTEM_TIME_DIFFERENCE, 4)
    assert raw >> 31 == (sign < 0), "bit 31: its own time is behind"
    clocks.chain.faults.clock_lose(1, False)
    clocks.cycle(1500)
    assert abs(clocks.difference(1)) <= 20


def test_a_stray_clock_alone_is_stray(clocks: Clocks) -> None:
    clocks.align()
    clocks.chain.faults.clock_lose(1, True)
    clocks.cycle(1500)
    assert abs(clocks.difference(2)) <= 5
    assert abs(clocks.difference(1)) > 20_000


def test_the_loop_walks_a_large_difference_down_at_its_limit(clocks: Clocks) -> None:
    clocks.align()
    clocks.offset(2, clocks.number(2, Register.DC_SYSTEM_TIME_OFFSET, 8) + 400_000)
    clocks.cycle(100)
    assert 300_000 < clocks.apart(2) < 400_000 - 60_000, "763 ppm at most: 76 us in 100 ms"
    clocks.cycle(1900)
    assert abs(clocks.apart(2)) <= 20, "and does not swing past"


def test_a_narrow_speed_counter_limits_the_loop_and_its_write_begins_anew(clocks: Clocks) -> None:
    clocks.align()
    clocks.chain.faults.clock_drift(1, 300)
    clocks.cycle(500)
    assert clocks.number(1, Register.DC_SPEED_COUNTER_DIFFERENCE, 2) >= 0x8000, "it is slowed down"
    assert clocks.master.write(1, Register.DC_SPEED_COUNTER_START, (0x80).to_bytes(2, "little")) == 1
    assert clocks.difference(1) == 0
    clocks.cycle(500)
    assert clocks.difference(1) > 100_000, "12 ppm do not hold 300"


def test_power_begins_the_clock_anew(clocks: Clocks) -> None:
    clocks.align()
    clocks.cycle(50)
    clocks.chain.faults.power(1, False)
    assert clocks.chain.report.truth(1).system_time_ns == 0
    clocks.chain.faults.power(1, True)
    assert clocks.number(1, Register.DC_SYSTEM_TIME, 8) < 10**9
    assert clocks.number(1, Register.DC_SYSTEM_TIME_OFFSET, 8) == 0


def test_the_start_time_register_names_the_next_pulse(clocks: Clocks) -> None:
    clocks.align()
    now = clocks.number(1, Register.DC_SYSTEM_TIME, 8)
    start = now + 2_000_000
    for register, value, size in (
        (Register.DC_START_TIME, start, 8),
        (Register.DC_SYNC0_CYCLE, 1_000_000, 4),
        (Register.DC_ACTIVATION, 3, 1),
    ):
        assert clocks.master.write(1, register, value.to_bytes(size, "little")) == 1
    assert clocks.number(1, Register.DC_START_TIME, 8) == start
    clocks.master.advance(10.5)
    pulse = clocks.number(1, Register.DC_START_TIME, 8)
    assert (pulse - start) % 1_000_000 == 0
    assert 0 < pulse - clocks.number(1, Register.DC_SYSTEM_TIME, 8) <= 1_000_000


@given(first=st.integers(0x0900 - 8, 0x09B0), data=st.binary(min_size=1, max_size=64))
@settings(max_examples=150, deadline=None)
def test_no_write_to_the_registers_harms(first: int, data: bytes) -> None:
    clocks = Clocks("drive*2")
    clocks.master.write(1, first, data)
    clocks.cycle(3)
    for slave in clocks.drives:
        assert abs(clocks.difference(slave)) <= 0x7FFFFFFF


@pytest.mark.parametrize(
    ("raw", "difference"),
    [("00000000", 0), ("0a000000", 10), ("0a000080", -10), ("ffffff7f", 2**31 - 1), ("ffffffff", 1 - 2**31)],
)
def test_the_difference_is_sign_and_magnitude(raw: str, difference: int) -> None:
    assert clock_difference(bytes.fromhex(raw)) == difference
