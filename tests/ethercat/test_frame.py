"""Frames and datagrams: what packs unpacks, and what is broken says so."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldstack_ethercat.wire.datagram import Command, Datagram, physical_address, unpack_datagram
from fieldstack_ethercat.wire.errors import FieldRangeError, MalformedError, ShortBufferError
from fieldstack_ethercat.wire.frame import Frame, frame_of, unpack_frame

DATAGRAMS = st.builds(
    Datagram,
    command=st.sampled_from(Command),
    index=st.integers(0, 255),
    address=st.integers(0, 2**32 - 1),
    data=st.binary(max_size=80),
    working_counter=st.integers(0, 0xFFFF),
    event=st.integers(0, 0xFFFF),
    circulating=st.booleans(),
)


@settings(deadline=None)
@given(st.lists(DATAGRAMS, min_size=1, max_size=10))
def test_a_frame_unpacks_to_what_was_packed(datagrams: list[Datagram]) -> None:
    frame = frame_of(*datagrams)
    assert unpack_frame(frame.pack()) == frame


def test_a_broadcast_read_is_coded_as_the_standard_says() -> None:
    frame = frame_of(Datagram(Command.BRD, 5, physical_address(0, 0x0130), bytes(2))).pack()
    assert frame[12:16] == bytes.fromhex("88a4 0e10")
    assert frame[16:30] == bytes.fromhex("07 05 0000 3001 0200 0000 0000 0000")
    assert len(frame) == 60


def test_positions_count_down_in_sixteen_bits() -> None:
    assert physical_address(-1, 0x10) == 0x0010_FFFF


def test_what_ends_early_says_how_much_is_missing() -> None:
    packed = Datagram(Command.FPRD, 0, 0, bytes(8)).pack()
    with pytest.raises(ShortBufferError) as caught:
        unpack_datagram(packed[:15])
    assert (caught.value.needed, caught.value.got) == (20, 15)


@pytest.mark.parametrize("cut", [0, 13, 15, 20])
def test_a_frame_cut_short_is_refused(cut: int) -> None:
    with pytest.raises(ShortBufferError):
        unpack_frame(frame_of(Datagram(Command.BRD, 0, 0, bytes(8))).pack()[:cut])


def test_another_ethertype_is_refused() -> None:
    frame = bytearray(frame_of(Datagram(Command.NOP, 0, 0, b"")).pack())
    frame[12:14] = b"\x08\x00"
    with pytest.raises(MalformedError, match="0x0800"):
        unpack_frame(bytes(frame))


def test_a_frame_needs_a_datagram_and_must_fit_ethernet() -> None:
    with pytest.raises(MalformedError, match="no datagram"):
        Frame(()).pack()
    with pytest.raises(MalformedError, match="split it"):
        frame_of(Datagram(Command.NOP, 0, 0, bytes(1500))).pack()


def test_a_value_too_large_for_its_field_is_named() -> None:
    with pytest.raises(FieldRangeError, match=r"Datagram\.index is 256"):
        Datagram(Command.NOP, 256, 0, b"").pack()
