"""CoE, SDO and SDO information structures: bytes of the standard, round trips, short buffers."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldstack_ethercat.wire.coe import CoeMessage, CoeService, Emergency
from fieldstack_ethercat.wire.errors import FieldRangeError, MalformedError, ShortBufferError, WireError
from fieldstack_ethercat.wire.sdo import (
    Abort,
    DownloadRequest,
    DownloadResponse,
    DownloadSegmentRequest,
    DownloadSegmentResponse,
    SdoRequest,
    SdoResponse,
    UploadRequest,
    UploadResponse,
    UploadSegmentRequest,
    UploadSegmentResponse,
    unpack_request,
    unpack_response,
)
from fieldstack_ethercat.wire.sdo_abort import AbortCode, SdoAbortError, abort_text
from fieldstack_ethercat.wire.sdo_info import (
    EntryDescription,
    EntryRequest,
    ObjectDescription,
    Opcode,
    SdoInfoMessage,
    pack_words,
    unpack_error,
    unpack_words,
)

u8, u16, u32 = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
toggles = st.integers(0, 1)


def initiates(
    kind: type[DownloadRequest] | type[UploadResponse],
) -> st.SearchStrategy[DownloadRequest | UploadResponse]:
    expedited = st.builds(
        lambda index, sub, data, complete: kind(index, sub, data, len(data), complete, True),
        u16,
        u8,
        st.binary(min_size=1, max_size=4),
        st.booleans(),
    )
    normal: st.SearchStrategy[DownloadRequest | UploadResponse] = st.builds(
        kind, u16, u8, st.binary(max_size=300), u32, st.booleans()
    )
    return expedited | normal


requests = st.one_of(
    initiates(DownloadRequest),
    st.builds(UploadRequest, u16, u8, st.booleans()),
    st.builds(DownloadSegmentRequest, toggles, st.booleans(), st.binary(max_size=300)),
    st.builds(UploadSegmentRequest, toggles),
    st.builds(Abort, u16, u8, u32),
)
responses = st.one_of(
    initiates(UploadResponse),
    st.builds(DownloadResponse, u16, u8, st.booleans()),
    st.builds(UploadSegmentResponse, toggles, st.booleans(), st.binary(max_size=300)),
    st.builds(DownloadSegmentResponse, toggles),
    st.builds(Abort, u16, u8, u32),
)


@given(requests)
def test_requests_are_read_back(request: SdoRequest) -> None:
    assert unpack_request(request.pack()) == request


@given(responses)
def test_responses_are_read_back(response: SdoResponse) -> None:
    assert unpack_response(response.pack()) == response


@pytest.mark.parametrize(
    ("structure", "wire"),
    [
        (UploadRequest(0x6041, 0), "40 4160 00 00000000"),
        (UploadRequest(0x1C12, 0, complete=True), "50 121c 00 00000000"),
        (DownloadRequest(0x6060, 0, b"\x08", 1, expedited=True), "2f 6060 00 08000000"),
        (DownloadRequest(0x2000, 0, b"hello", 5), "21 0020 00 05000000 68656c6c6f"),
        (DownloadRequest(0x1600, 0, b"", 6, complete=True), "31 0016 00 06000000"),
        (UploadSegmentRequest(1), "70 00000000000000"),
        (DownloadSegmentRequest(1, True, b"abc"), "19 61626300000000"),
        (DownloadSegmentRequest(0, False, b"abcdefgh"), "00 6162636465666768"),
        (Abort(0x6041, 0, AbortCode.READ_ONLY), "80 4160 00 02000106"),
    ],
)
def test_request_bytes_are_those_of_the_standard(structure: SdoRequest, wire: str) -> None:
    assert structure.pack() == bytes.fromhex(wire)


def test_expedited_data_without_a_size_are_four_bytes() -> None:
    request = unpack_request(bytes.fromhex("22 6060 00 08000000"))
    assert request == DownloadRequest(0x6060, 0, b"\x08\0\0\0", None, expedited=True)


def test_expedited_data_must_be_one_to_four_bytes() -> None:
    for data in (b"", b"12345"):
        with pytest.raises(FieldRangeError):
            DownloadRequest(0x6060, 0, data, len(data), expedited=True).pack()


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused_as_a_wire_error(data: bytes) -> None:
    for unpack in (
        unpack_request,
        unpack_response,
        CoeMessage.unpack,
        SdoInfoMessage.unpack,
        Emergency.unpack,
    ):
        with suppress(WireError):
            unpack(data)


def test_an_unknown_command_is_malformed() -> None:
    with pytest.raises(MalformedError, match="0xE0"):
        unpack_request(b"\xe0" + bytes(7))


def test_a_cut_request_tells_what_it_lacks() -> None:
    with pytest.raises(ShortBufferError, match="SDO initiate needs 8 bytes, got 7"):
        unpack_request(b"\x40" + bytes(6))


@given(st.integers(0, 15), st.binary(max_size=100), st.integers(0, 0x1FF))
def test_coe_messages_are_read_back(service: int, payload: bytes, number: int) -> None:
    message = CoeMessage(service, payload, number)
    assert CoeMessage.unpack(message.pack()) == message


def test_coe_header_bytes() -> None:
    assert CoeMessage(CoeService.SDO_REQUEST, b"").pack() == b"\x00\x20"
    assert CoeMessage(CoeService.TX_PDO, b"", number=0x1A0).pack() == b"\xa0\x41"


def test_emergency_is_read_back() -> None:
    emergency = Emergency(0x8611, 0x21, b"12345")
    assert emergency.pack() == b"\x11\x86\x2112345"
    assert Emergency.unpack(emergency.pack()) == emergency


@given(st.integers(0, 0x7F), st.binary(max_size=50), u16)
def test_sdo_information_fragments_are_read_back(opcode: int, data: bytes, left: int) -> None:
    message = SdoInfoMessage(opcode, data, left)
    assert SdoInfoMessage.unpack(message.pack()) == message


def test_a_fragment_that_is_not_the_last_is_marked_incomplete() -> None:
    assert SdoInfoMessage(Opcode.OD_LIST_RESPONSE, b"", 2).pack() == b"\x82\x00\x02\x00"


@given(u16, u16, u8, u8, st.text("abcXYZ 09", max_size=40))
def test_object_descriptions_are_read_back(index: int, kind: int, top: int, code: int, name: str) -> None:
    description = ObjectDescription(index, kind, top, code, name)
    assert ObjectDescription.unpack(description.pack()) == description


@given(st.builds(EntryDescription, u16, u8, u8, u16, u16, u16, st.binary(max_size=40)))
def test_entry_descriptions_are_read_back(description: EntryDescription) -> None:
    assert EntryDescription.unpack(description.pack()) == description


@given(u16, u8, u8)
def test_entry_requests_are_read_back(index: int, subindex: int, info: int) -> None:
    request = EntryRequest(index, subindex, info)
    assert EntryRequest.unpack(request.pack()) == request


def test_word_lists() -> None:
    assert unpack_words("list", pack_words(1, (0x1000, 0x6041))) == (1, (0x1000, 0x6041))
    with pytest.raises(MalformedError, match="5 bytes"):
        unpack_words("list", bytes(5))
    with pytest.raises(ShortBufferError):
        unpack_error(b"\x00")


def test_every_abort_code_has_a_text() -> None:
    assert all(code.text for code in AbortCode)
    assert abort_text(0x06020000) == "The object does not exist in the object dictionary"
    assert "0x12345678" in abort_text(0x12345678)
    error = SdoAbortError(AbortCode.NO_OBJECT, 0x6041, 2)
    assert str(error).startswith("object 0x6041:02: The object does not exist")
