"""The SII EEPROM image: layout at the standard's addresses, round trip, damage."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldstack_ethercat.wire.errors import MalformedError, ShortBufferError
from fieldstack_ethercat.wire.sii import SiiIdentity, SiiImage, SiiMailbox, checksum, unpack_sii
from fieldstack_ethercat.wire.sii_categories import SiiGeneral, SiiPdo, SiiPdoEntry, SiiSyncManager

WORD = st.integers(0, 0xFFFF)
BYTE = st.integers(0, 0xFF)
TEXT = st.text(st.characters(max_codepoint=255), max_size=20)
ENTRIES = st.builds(SiiPdoEntry, index=WORD, sub=BYTE, bits=BYTE, name=BYTE, data_type=BYTE)
PDOS = st.lists(
    st.builds(
        SiiPdo,
        index=WORD,
        sync_manager=BYTE,
        entries=st.lists(ENTRIES, max_size=4).map(tuple),
        name=BYTE,
        flags=WORD,
    ),
    max_size=3,
).map(tuple)
IMAGES = st.builds(
    SiiImage,
    identity=st.builds(SiiIdentity, *[st.integers(0, 2**32 - 1)] * 4),
    mailbox=st.none() | st.builds(SiiMailbox, WORD, st.integers(1, 0xFFFF), WORD, WORD, WORD),
    general=st.builds(SiiGeneral, name=BYTE, coe_details=BYTE, ebus_current=st.integers(-2000, 2000)),
    strings=st.lists(TEXT, max_size=3).map(tuple),
    fmmus=st.sampled_from([(), (1, 2), (1, 2, 3, 255)]),
    sync_managers=st.lists(st.builds(SiiSyncManager, WORD, WORD, BYTE, BYTE, BYTE), max_size=4).map(tuple),
    tx_pdos=PDOS,
    rx_pdos=PDOS,
    alias=WORD,
)


@settings(deadline=None)
@given(IMAGES)
def test_an_image_unpacks_to_what_was_packed(image: SiiImage) -> None:
    assert unpack_sii(image.pack()) == image


def test_identity_and_mailbox_are_at_their_words() -> None:
    image = SiiImage(SiiIdentity(1, 2, 3, 4), SiiMailbox(0x1000, 256, 0x1100, 128)).pack(1024)
    assert struct.unpack_from("<IIII", image, 0x08 * 2) == (1, 2, 3, 4)
    assert struct.unpack_from("<HHHHH", image, 0x18 * 2) == (0x1000, 256, 0x1100, 128, 4)
    assert struct.unpack_from("<H", image, 0x3E * 2) == (7,)
    assert len(image) == 1024


@settings(deadline=None)
@given(st.binary(min_size=14, max_size=14))
def test_the_checksum_leaves_no_remainder(configuration: bytes) -> None:
    """A CRC over data and its own CRC is zero: here by long division of the whole as one polynomial."""
    crc = checksum(configuration)
    whole = int.from_bytes(bytes([configuration[0] ^ 0xFF]) + configuration[1:] + bytes([crc]), "big")
    for bit in range(15 * 8 - 1, 7, -1):
        if whole >> bit & 1:
            whole ^= 0x107 << bit - 8
    assert whole == 0


def test_damage_is_found() -> None:
    image = bytearray(SiiImage(SiiIdentity(1, 2, 3)).pack())
    image[8] ^= 1
    with pytest.raises(MalformedError, match="checksum"):
        unpack_sii(bytes(image))


def test_categories_that_run_over_the_end_are_refused() -> None:
    image = SiiImage(SiiIdentity(1, 2, 3), strings=("a device",)).pack()
    with pytest.raises(ShortBufferError):
        unpack_sii(image[:140])
    with pytest.raises(ShortBufferError):
        unpack_sii(image[:100])


def test_an_image_that_does_not_fit_is_refused() -> None:
    with pytest.raises(MalformedError, match="the EEPROM has 128"):
        SiiImage(SiiIdentity(1, 2, 3)).pack(128)
