"""Distributed clocks of a whole bus: set up, kept while slaves come and go, refused where there are none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fieldstack_base.configuration_error import ConfigurationError
from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.config.plan_json import plan_from_json, plan_to_json
from fieldstack_ethercat.bus.config.planning import plan_from_text
from fieldstack_ethercat.bus.config.slave_plan import Sync0
from fieldstack_ethercat.bus.errors import DistributedClockError
from fieldstack_ethercat.bus.master.bus import Bus
from fieldstack_ethercat.bus.master.distributed_clocks import wrapped
from fieldstack_ethercat.bus.master.recovery import Recovery
from fieldstack_ethercat.bus.soem.soem_structs import Slave
from fieldstack_ethercat.testing.exchange_loop import ExchangeLoop
from fieldstack_ethercat.testing.running_segment import RunningSegment, running_segment
from fieldstack_ethercat.wire.registers import Register, clock_difference

CELL = (Path(__file__).parents[2] / "config/ethercat/cell.yaml").read_text(encoding="utf-8")
PLAIN = replace(plan_from_text(CELL), distributed_clocks=False)
PLAN = replace(PLAIN, distributed_clocks=True)
CYCLE_NS = 1_000_000
NEAR_NS = 1000
TIMEOUT_S = 10.0


@pytest.fixture(scope="module")
def segment() -> Iterator[RunningSegment]:
    with running_segment("drive*4,dio") as running:
        yield running


@pytest.fixture
def bus(segment: RunningSegment) -> Iterator[Bus]:
    """In OP, exchanging process data."""
    with Bus(PLAN, segment.interface) as bus:
        bus.configure()
        with ExchangeLoop(bus):
            bus.request_op()
            yield bus


def difference(bus: Bus, position: int) -> int:
    return clock_difference(read(bus, position, Register.DC_SYSTEM_TIME_DIFFERENCE, 4))


def read(bus: Bus, position: int, register: Register, size: int) -> bytes:
    """Frames may be lost on a busy machine, all of them while it stands still: asked for up to TIMEOUT_S."""
    end = time.monotonic() + TIMEOUT_S
    while (raw := bus.line.read_register(position, register, size)) is None:
        assert time.monotonic() < end, f"slave {position} does not answer"
    return raw


def apart(segment: RunningSegment) -> int:
    """The drives' greatest distance from the first one's system time, in ns, as it truly is."""
    times = [truth.system_time_ns - truth.t_ns for truth in segment.client.truth()[:4]]
    return max(abs(one - times[0]) for one in times)


def until(condition: Callable[[], bool], what: str, step: Callable[[], object] = lambda: None) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, what
        step()
        time.sleep(0.005)


def together(segment: RunningSegment, bus: Bus) -> Callable[[], bool]:
    return lambda: apart(segment) < NEAR_NS and all(abs(difference(bus, p)) < NEAR_NS for p in range(4))


def stay_together(segment: RunningSegment, bus: Bus, step: Callable[[], object]) -> None:
    """They agree, and still do when clocks that do not follow had drifted some 10 us apart."""
    until(together(segment, bus), "the clocks agree", step)
    end = time.monotonic() + 0.6
    while time.monotonic() < end:
        step()
        time.sleep(0.005)
    until(together(segment, bus), "they still agree", step)
    assert speed_difference(bus, reference(bus)) == 0, "nobody steers the clock that leads"


def speed_difference(bus: Bus, position: int) -> int:
    return int.from_bytes(read(bus, position, Register.DC_SPEED_COUNTER_DIFFERENCE, 2), "little", signed=True)


class House:
    """Passes of RT's housekeeping: read, maintain the clocks, act."""

    def __init__(self, bus: Bus) -> None:
        self.bus, self.recovery = bus, Recovery(bus)
        self.aligned: set[int] = set()
        self.run()

    def run(self) -> None:
        self.recovery.read(time.monotonic_ns())
        self.aligned.update(self.bus.maintain_clocks(self.recovery.states))
        self.recovery.act()

    def lost(self) -> bool:
        return any(not state.answers for state in self.recovery.states)

    def well(self) -> bool:
        return all(state.state is not None and state.state.text == "OP" for state in self.recovery.states)


def reference(bus: Bus) -> int:
    """Position of the slave whose time the exchange reads."""
    assert bus._clocks is not None
    return bus._clocks.reference


def test_clocks_of_a_bus_follow_the_first_one(segment: RunningSegment, bus: Bus) -> None:
    assert bus.clock_positions == (0, 1, 2, 3)
    assert reference(bus) == 0
    until(together(segment, bus), "the clocks agree")


def test_without_the_key_nothing_is_done(segment: RunningSegment) -> None:
    with Bus(PLAIN, segment.interface) as bus:
        bus.configure()
        assert bus.clock_positions == ()
        assert bus.maintain_clocks(bus.read_states()) == ()


def test_a_lost_clock_shows_and_comes_back(segment: RunningSegment, bus: Bus) -> None:
    until(together(segment, bus), "the clocks agree")
    segment.client.clock_drift(2, 200)
    segment.client.dc_lose(2)
    until(lambda: difference(bus, 2) > 10_000, "it runs ahead")
    segment.client.clock_drift(2, -200)
    until(lambda: difference(bus, 2) < -10_000, "and falls behind")
    assert abs(difference(bus, 3)) < 5_000
    segment.client.dc_follow(2)
    until(together(segment, bus), "it follows again")


@pytest.mark.parametrize("position", [2, 0])
def test_a_slave_without_power_gets_the_time_again(segment: RunningSegment, bus: Bus, position: int) -> None:
    until(together(segment, bus), "the clocks agree")
    house = House(bus)
    before = segment.client.truth()[3].system_time_ns
    segment.client.power_off(position)
    until(house.lost, "its loss is seen", house.run)
    segment.client.power_on(position)
    until(house.well, "all are in OP", house.run)
    assert position in house.aligned
    assert reference(bus) == 0
    stay_together(segment, bus, house.run)
    assert 0 < segment.client.truth()[0].system_time_ns - before < 20 * 10**9, "it is the time of before"


def test_a_cut_cable_and_the_time_goes_on(segment: RunningSegment, bus: Bus) -> None:
    until(together(segment, bus), "the clocks agree")
    house = House(bus)
    segment.client.cut_cable(1)
    until(house.lost, "the cut is seen", house.run)
    assert reference(bus) == 0
    segment.client.heal_cable()
    until(house.well, "all are in OP", house.run)
    assert house.aligned == {1, 2, 3}
    stay_together(segment, bus, house.run)


def test_power_back_for_the_whole_bus_leaves_no_trace_in_the_clock_that_leads(
    segment: RunningSegment, bus: Bus
) -> None:
    """Until it has its address it follows what is in the frames that should read it."""
    until(together(segment, bus), "the clocks agree")
    house = House(bus)
    until(lambda: bool(bus._clocks and bus._clocks._leads_freely), "it is known to lead freely", house.run)
    segment.client.power_off_all()
    until(lambda: len(away(house)) == 5, "all are away", house.run)
    segment.client.power_on_all()
    time.sleep(0.05)
    until(house.well, "all are in OP", house.run)
    assert reference(bus) == 0
    stay_together(segment, bus, house.run)


def test_the_clock_that_leads_is_not_steered(
    segment: RunningSegment, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All were away, and the first on the cable answers last: for some cycles it is in front of the leader,
    and the time that it follows is that of one cycle before."""
    until(together(segment, bus), "the clocks agree")
    house, clocks = House(bus), bus._clocks
    assert clocks is not None
    segment.client.cut_cable(0)
    until(lambda: len(away(house)) == 5, "all are away", house.run)
    segment.client.heal_cable()
    clocks.maintain([1, 2, 3, 4])
    assert reference(bus) == 1
    lead = clocks._lead

    def slow_lead(position: int) -> None:
        time.sleep(0.01)
        lead(position)

    monkeypatch.setattr(clocks, "_lead", slow_lead)
    until(house.well, "all are in OP", house.run)
    assert reference(bus) == 0
    stay_together(segment, bus, house.run)


def away(house: House) -> list[int]:
    return [state.position for state in house.recovery.states if not state.answers]


def test_sync0_is_started_at_whole_cycles_of_the_system_time(segment: RunningSegment) -> None:
    slaves = list(PLAN.slaves)
    slaves[1] = replace(slaves[1], sync0=Sync0(CYCLE_NS, 250_000))
    with Bus(replace(PLAN, slaves=tuple(slaves)), segment.interface) as bus:
        bus.configure()
        start = bus.line.read_register(1, Register.DC_START_TIME, 8)
        assert start is not None
        assert int.from_bytes(start, "little") % CYCLE_NS == 250_000
        assert bus.line.read_register(1, Register.DC_ACTIVATION, 1) == b"\x03"
        assert bus.line.read_register(1, Register.DC_SYNC0_CYCLE, 4) == CYCLE_NS.to_bytes(4, "little")
        assert bus.line.read_register(0, Register.DC_ACTIVATION, 1) == b"\x00"


def test_sync0_of_a_slave_without_a_clock_is_refused(segment: RunningSegment) -> None:
    slaves = list(PLAN.slaves)
    slaves[4] = replace(slaves[4], sync0=Sync0(CYCLE_NS, 0))
    with (
        Bus(replace(PLAN, slaves=tuple(slaves)), segment.interface) as bus,
        pytest.raises(DistributedClockError, match=r"position 4 \(dio\).*Drop `sync0`"),
    ):
        bus.configure()


def test_a_bus_without_clocks_is_refused() -> None:
    plan = replace(PLAN, slaves=(replace(PLAN.slaves[4], position=0),), axes=(), groups=())
    with (
        running_segment("dio") as segment,
        Bus(plan, segment.interface) as bus,
        pytest.raises(DistributedClockError, match="enabled: false"),
    ):
        bus.configure()


@pytest.mark.parametrize(
    ("times", "ports", "expected"),
    [
        ((100, 3100, 0, 0), 0b0011, False),
        ((2**31 - 500, -(2**31) + 500, 0, 0), 0b0011, True),
        ((-500, 500, 0, 0), 0b0011, False),
        ((2**31 - 500, -(2**31), 0, 0), 0b0001, False),
        ((0, 0, 0, 0), 0, False),
    ],
)
def test_receive_times_that_wrap_are_measured_again(
    times: tuple[int, ...], ports: int, expected: bool
) -> None:
    record = Slave(active_ports=ports)
    record.dc_receive_times[:] = times
    assert wrapped(record) is expected


# ---- the configuration ----


def plan_of(extra: str = "", sync0: str = "") -> BusPlan:
    text = CELL.replace("    name: drive-2\n", f"    name: drive-2\n{sync0}", 1)
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("distributed_clocks")]
    return plan_from_text("".join(lines) + extra, "bus.yaml")


def test_clocks_are_off_by_default() -> None:
    plan = plan_of()
    assert not plan.distributed_clocks
    assert {slave.sync0 for slave in plan.slaves} == {None}


def test_clocks_and_pulses_become_part_of_the_plan() -> None:
    plan = plan_of("distributed_clocks: {enabled: true}\n", "    sync0: {shift_us: 250}\n")
    assert plan.distributed_clocks
    assert plan.slave("drive-2").sync0 == Sync0(1_000_000, 250_000)
    assert plan_from_json(plan_to_json(plan)) == plan


@pytest.mark.parametrize(
    ("extra", "sync0", "key", "text"),
    [
        ("", "    sync0: {}\n", "slaves[1].sync0", "they are off"),
        (
            "distributed_clocks: {enabled: true}\n",
            "    sync0: {cycle_us: 1500}\n",
            "slaves[1].sync0.cycle_us",
            "neither a multiple nor a whole part of the bus cycle (1000 µs)",
        ),
        (
            "distributed_clocks: {enabled: true}\n",
            "    sync0: {cycle_us: 500, shift_us: 500}\n",
            "slaves[1].sync0.shift_us",
            "not below the cycle (500 µs)",
        ),
        ("distributed_clocks: {enable: true}\n", "", "distributed_clocks.enable", "enabled"),
    ],
)
def test_what_cannot_be_meant_is_refused(extra: str, sync0: str, key: str, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        plan_of(extra, sync0)
    assert caught.value.issues[0].key == key
    assert text in str(caught.value)
