"""Whatever comes in on the wire, the chain stays alive and sound."""

from hypothesis import given, settings
from hypothesis import strategies as st

from fieldstack_ethercat.segment.bench import SegmentBench
from fieldstack_ethercat.segment.catalogue import parse_devices
from fieldstack_ethercat.testing.direct_master import DirectMaster
from fieldstack_ethercat.wire.al import AlState
from fieldstack_ethercat.wire.datagram import Command, Datagram, physical_address
from fieldstack_ethercat.wire.frame import frame_of
from fieldstack_ethercat.wire.registers import Register

BUFFERS = [0x0610, 0x0806, 0x0808, 0x080E, 0x0810, 0x0818, 0x1000, 0x1100, 0x1200, 0x1400]
OFFSETS = st.sampled_from([*map(int, Register), *BUFFERS]) | st.integers(0, 0xFFFF)
POSITIONS = st.integers(-3, 1) | st.sampled_from([0x1001, 0x1002]) | st.integers(0, 0xFFFF)
PHYSICAL = st.builds(physical_address, st.integers(-3, 1) | POSITIONS.map(lambda p: p & 0xFFFF), OFFSETS)
LOGICAL = st.integers(0, 0x900) | st.integers(2**32 - 64, 2**32 - 1) | st.integers(0, 2**32 - 1)
DATAGRAMS = st.builds(
    Datagram,
    command=st.sampled_from(Command),
    index=st.integers(0, 255),
    address=PHYSICAL | LOGICAL,
    data=st.binary(max_size=130),
    working_counter=st.integers(0, 0xFFFF),
)
FRAMES = st.lists(DATAGRAMS, min_size=1, max_size=8).map(lambda datagrams: frame_of(*datagrams).pack())


def damaged(frame: bytes, at: int, value: int, cut: int) -> bytes:
    data = bytearray(frame)
    data[at % len(data)] = value
    return bytes(data[: max(len(data) - cut, 0)])


DAMAGED = st.builds(damaged, FRAMES, st.integers(0, 1500), st.integers(0, 255), st.integers(0, 60))


ANY = st.lists(FRAMES | DAMAGED | st.binary(max_size=200), min_size=1, max_size=6)


def working_bench() -> tuple[SegmentBench, DirectMaster]:
    bench = SegmentBench(parse_devices("drive,dio"))
    master = DirectMaster(bench.chain)
    for slave in range(2):
        master.bring_up(slave)
    return bench, master


BENCH, MASTER = working_bench()


@settings(max_examples=400, deadline=None)
@given(ANY, st.integers(0, 3))
def test_any_frames_leave_the_chain_alive(frames: list[bytes], steps: int) -> None:
    for frame in frames:
        answer = BENCH.chain.frame(frame, MASTER.now_ns)
        assert answer is None or len(answer) == len(frame)
    MASTER.advance(steps)
    BENCH.serve_mailboxes()
    count = MASTER.exchange(Datagram(Command.BRD, 0, physical_address(0, 0), bytes(1)))
    assert count is not None
    assert count[0].working_counter == 2


@settings(max_examples=30, deadline=None)
@given(st.lists(FRAMES | DAMAGED, min_size=1, max_size=6))
def test_after_any_frames_power_makes_all_new(frames: list[bytes]) -> None:
    for frame in frames:
        BENCH.chain.frame(frame, MASTER.now_ns)
    for slave in range(2):
        BENCH.power(slave, False)
        BENCH.power(slave, True)
        MASTER.write(slave, Register.EEPROM_CONFIG, b"\0")
        assert MASTER.bring_up(slave, image=IMAGES[slave]).status == AlState.OP


IMAGES = [MASTER.sii(slave) for slave in range(2)]
