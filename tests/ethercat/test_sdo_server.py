"""The CoE server against a client that speaks the protocol telegram by telegram."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import pytest
from fieldstack_ethercat.segment._native import ffi, lib
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldstack_ethercat.segment.coe.coe_server import CoeServer
from fieldstack_ethercat.segment.objects.drive import SERVO_DRIVE
from fieldstack_ethercat.wire.al import AlState
from fieldstack_ethercat.wire.coe import CoeMessage, CoeService
from fieldstack_ethercat.wire.mailbox import MailboxErrorCode, MailboxTelegram, MailboxType, error_detail
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
    unpack_response,
)
from fieldstack_ethercat.wire.sdo_abort import AbortCode
from fieldstack_ethercat.wire.sdo_info import (
    EntryDescription,
    EntryRequest,
    ListType,
    ObjectDescription,
    Opcode,
    SdoInfoMessage,
    ValueInfo,
    pack_words,
    unpack_error,
    unpack_words,
)

MAILBOX = 128


@dataclass
class Client:
    """A drive's CoE server and the other end of its mailbox."""

    mailbox_size: int = MAILBOX
    al_state: int = AlState.PREOP
    server: CoeServer = field(init=False)

    def __post_init__(self) -> None:
        native = ffi.new("fs_drive *")
        lib.fs_drive_init(native)
        self.native = native
        self.objects = SERVO_DRIVE.objects(native, serial=42)
        self.server = CoeServer(
            self.objects.dictionary, al_state=lambda: self.al_state, mailbox_size=self.mailbox_size
        )

    def exchange(self, service: int, payload: bytes) -> list[CoeMessage]:
        request = MailboxTelegram(MailboxType.COE, CoeMessage(service, payload).pack(), counter=1).pack()
        replies = self.server.handle(request.ljust(self.mailbox_size, b"\xa5"))
        assert all(len(reply) <= self.mailbox_size for reply in replies)
        telegrams = [MailboxTelegram.unpack(reply) for reply in replies]
        assert all(telegram.type == MailboxType.COE for telegram in telegrams)
        return [CoeMessage.unpack(telegram.data) for telegram in telegrams]

    def ask(self, request: SdoRequest) -> SdoResponse:
        (message,) = self.exchange(CoeService.SDO_REQUEST, request.pack())
        response = unpack_response(message.payload)
        aborted = isinstance(response, Abort)
        assert message.service == (CoeService.SDO_REQUEST if aborted else CoeService.SDO_RESPONSE)
        return response

    def abort_of(self, request: SdoRequest) -> AbortCode:
        response = self.ask(request)
        assert isinstance(response, Abort)
        return AbortCode(response.code)

    def upload(self, index: int, subindex: int = 0, *, complete: bool = False) -> bytes:
        response = self.ask(UploadRequest(index, subindex, complete))
        assert isinstance(response, UploadResponse), response
        data, toggle = response.data, 0
        size = len(data) if response.size is None else response.size
        while len(data) < size:
            segment = self.ask(UploadSegmentRequest(toggle))
            assert isinstance(segment, UploadSegmentResponse)
            assert segment.toggle == toggle
            data, toggle = data + segment.data, toggle ^ 1
            assert segment.last == (len(data) == size)
        return data

    def download(self, index: int, subindex: int, data: bytes, *, complete: bool = False) -> SdoResponse:
        """Normal, and segmented if it must be: as SOEM does it."""
        room = self.mailbox_size - 16
        response = self.ask(DownloadRequest(index, subindex, data[:room], len(data), complete))
        rest, toggle = data[room:], 0
        while rest and isinstance(response, DownloadResponse | DownloadSegmentResponse):
            part, rest = rest[: room + 7], rest[room + 7 :]
            response = self.ask(DownloadSegmentRequest(toggle, not rest, part))
            toggle ^= 1
        return response

    def info(self, opcode: Opcode, data: bytes) -> tuple[int, bytes]:
        """The opcode and the joined data of all fragments."""
        messages = self.exchange(CoeService.SDO_INFORMATION, SdoInfoMessage(opcode, data).pack())
        fragments = [SdoInfoMessage.unpack(message.payload) for message in messages]
        assert [part.fragments_left for part in fragments] == list(range(len(fragments) - 1, -1, -1))
        return fragments[0].opcode, b"".join(part.data for part in fragments)


@pytest.fixture
def client() -> Client:
    return Client()


# --- SDO ---


def test_expedited_upload_and_download(client: Client) -> None:
    response = client.ask(DownloadRequest(0x6085, 0, struct.pack("<I", 5000), 4, expedited=True))
    assert response == DownloadResponse(0x6085, 0)
    assert client.native.quick_stop_deceleration == 5000
    assert client.ask(UploadRequest(0x6085, 0)) == UploadResponse(
        0x6085, 0, struct.pack("<I", 5000), 4, expedited=True
    )


@pytest.mark.parametrize("size", [None, 1])
def test_expedited_download_with_and_without_its_size(client: Client, size: int | None) -> None:
    data = b"\x09" if size else b"\x09\0\0\0"
    client.ask(DownloadRequest(0x6060, 0, data, size, expedited=True))
    assert client.native.modes_of_operation == 9


def test_identity_and_names(client: Client) -> None:
    assert client.upload(0x1000) == struct.pack("<I", 0x00020192)
    assert client.upload(0x1008) == b"Fieldstack virtual servo drive"
    assert client.upload(0x1018, complete=True) == b"\x04\x00" + struct.pack("<IIII", 0xF5D, 0x402, 1, 42)


@settings(deadline=None)
@given(st.binary(max_size=512), st.integers(32, 300))
def test_any_length_survives_download_and_upload(data: bytes, mailbox_size: int) -> None:
    client = Client(mailbox_size)
    response = client.download(0x2000, 0, data)
    assert not isinstance(response, Abort)
    assert client.upload(0x2000) == data


def test_a_large_object_is_uploaded_in_segments(client: Client) -> None:
    response = client.ask(UploadRequest(0x2000, 0))
    assert isinstance(response, UploadResponse)
    assert response.size == 512
    assert len(response.data) == MAILBOX - 16


def test_complete_access_mapping_as_soem_writes_it(client: Client) -> None:
    entries = struct.pack("<3I", 0x60400010, 0x607A0020, 0x60B10020)
    response = client.download(0x1600, 0, b"\x03\x00" + entries, complete=True)
    assert response == DownloadResponse(0x1600, 0, complete=True)
    assert client.upload(0x1600, complete=True) == b"\x03\x00" + entries
    assert client.upload(0x1600, 1, complete=True) == entries
    assert client.upload(0x1C00, complete=True) == b"\x04\x00\x01\x02\x03\x04"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (UploadRequest(0x5FFF, 0), AbortCode.NO_OBJECT),
        (UploadRequest(0x6041, 3), AbortCode.NO_SUBINDEX),
        (UploadRequest(0x6041, 0, complete=True), AbortCode.UNSUPPORTED_ACCESS),
        (UploadRequest(0x1018, 2, complete=True), AbortCode.UNSUPPORTED_ACCESS),
        (DownloadRequest(0x6041, 0, b"\0\0", 2, expedited=True), AbortCode.READ_ONLY),
        (DownloadRequest(0x1018, 0, b"", 18, complete=True), AbortCode.READ_ONLY),
        (DownloadRequest(0x6040, 0, b"\0", 1, expedited=True), AbortCode.LENGTH_TOO_LOW),
        (DownloadRequest(0x6040, 0, b"\0\0\0", 3, expedited=True), AbortCode.LENGTH_TOO_HIGH),
        (DownloadRequest(0x2000, 0, b"", 513), AbortCode.LENGTH_TOO_HIGH),
        (DownloadRequest(0x2000, 0, b"12345", 4), AbortCode.LENGTH_MISMATCH),
        (DownloadRequest(0x605A, 0, b"\x04\0", 2, expedited=True), AbortCode.VALUE_RANGE),
        (DownloadRequest(0x605B, 0, b"\x02\0", 2, expedited=True), AbortCode.VALUE_TOO_HIGH),
        (DownloadRequest(0x6085, 0, bytes(4), 4, expedited=True), AbortCode.VALUE_TOO_LOW),
        (DownloadRequest(0x1600, 1, bytes(4), 4, expedited=True), AbortCode.SUBINDEX0_NOT_ZERO),
        (UploadSegmentRequest(0), AbortCode.COMMAND),
        (DownloadSegmentRequest(0, True, b"1234567"), AbortCode.COMMAND),
    ],
)
def test_aborts(client: Client, request_: SdoRequest, code: AbortCode) -> None:
    assert client.abort_of(request_) is code


def test_an_abort_names_its_object(client: Client) -> None:
    response = client.ask(UploadRequest(0x6041, 3))
    assert response == Abort(0x6041, 3, AbortCode.NO_SUBINDEX)


def test_mapping_is_refused_outside_preop_and_everything_in_init(client: Client) -> None:
    write = DownloadRequest(0x1C12, 0, b"\0", 1, expedited=True)
    for state in (AlState.SAFEOP, AlState.OP):
        client.al_state = state
        assert client.abort_of(write) is AbortCode.DEVICE_STATE
    client.al_state = AlState.INIT
    assert client.abort_of(UploadRequest(0x1000, 0)) is AbortCode.DEVICE_STATE


def test_an_unknown_command_is_aborted(client: Client) -> None:
    (message,) = client.exchange(CoeService.SDO_REQUEST, b"\xe0" + bytes(7))
    assert unpack_response(message.payload) == Abort(0, 0, AbortCode.COMMAND)


def test_toggle_errors_end_the_transfer(client: Client) -> None:
    client.ask(UploadRequest(0x2000, 0))
    assert client.abort_of(UploadSegmentRequest(1)) is AbortCode.TOGGLE
    assert client.abort_of(UploadSegmentRequest(0)) is AbortCode.COMMAND
    client.ask(DownloadRequest(0x2000, 0, b"", 20))
    assert client.ask(DownloadSegmentRequest(0, False, b"1234567")) == DownloadSegmentResponse(0)
    assert client.abort_of(DownloadSegmentRequest(0, True, b"1234567")) is AbortCode.TOGGLE


@pytest.mark.parametrize(("last", "part"), [(True, b"1234567"), (False, bytes(21))])
def test_segments_that_do_not_add_up(client: Client, last: bool, part: bytes) -> None:
    client.ask(DownloadRequest(0x2000, 0, b"", 20))
    assert client.abort_of(DownloadSegmentRequest(0, last, part)) is AbortCode.LENGTH_MISMATCH
    assert client.upload(0x2000) == bytes(512)


def test_a_new_request_replaces_a_transfer_and_an_abort_ends_it(client: Client) -> None:
    client.ask(UploadRequest(0x2000, 0))
    assert client.upload(0x6041) == struct.pack("<H", client.native.statusword)
    assert client.abort_of(UploadSegmentRequest(0)) is AbortCode.COMMAND
    client.ask(UploadRequest(0x2000, 0))
    assert client.exchange(CoeService.SDO_REQUEST, Abort(0x2000, 0, AbortCode.GENERAL).pack()) == []
    assert client.abort_of(UploadSegmentRequest(0)) is AbortCode.COMMAND
    client.ask(UploadRequest(0x2000, 0))
    client.server.reset()
    assert client.abort_of(UploadSegmentRequest(0)) is AbortCode.COMMAND


# --- SDO information ---


@pytest.mark.parametrize("kind", [kind for kind in ListType if kind is not ListType.LENGTHS])
def test_object_lists_and_their_lengths(client: Client, kind: ListType) -> None:
    opcode, data = client.info(Opcode.OD_LIST_REQUEST, pack_words(kind))
    assert opcode == Opcode.OD_LIST_RESPONSE
    assert unpack_words("list", data) == (kind, client.objects.dictionary.indexes(kind))
    _, lengths = client.info(Opcode.OD_LIST_REQUEST, pack_words(ListType.LENGTHS))
    assert unpack_words("lengths", lengths)[1][kind - 1] == len(client.objects.dictionary.indexes(kind))


def test_a_long_list_comes_in_fragments_of_whole_indexes() -> None:
    client = Client(mailbox_size=65)
    messages = client.exchange(
        CoeService.SDO_INFORMATION, SdoInfoMessage(Opcode.OD_LIST_REQUEST, pack_words(1)).pack()
    )
    assert len(messages) > 2
    assert all(len(message.payload) % 2 == 0 for message in messages)


def test_every_object_and_entry_is_described(client: Client) -> None:
    dictionary = client.objects.dictionary
    for index in dictionary.indexes():
        opcode, data = client.info(Opcode.OBJECT_REQUEST, pack_words(index))
        description = ObjectDescription.unpack(data)
        item = dictionary.object(index)
        assert opcode == Opcode.OBJECT_RESPONSE
        assert (description.index, description.name) == (index, item.name)
        assert (description.object_code, description.max_subindex) == (item.code, item.max_subindex)
        for subindex, entry in item.entries.items():
            opcode, data = client.info(Opcode.ENTRY_REQUEST, EntryRequest(index, subindex, 7).pack())
            described = EntryDescription.unpack(data)
            assert opcode == Opcode.ENTRY_RESPONSE
            assert (described.index, described.subindex, described.value_info) == (index, subindex, 7)
            assert (described.data_type, described.bit_length) == (entry.data_type, entry.bit_length)
            assert (described.access, described.extras.decode()) == (entry.access, entry.name)


def test_default_and_limits_are_described_where_they_are_known(client: Client) -> None:
    _, data = client.info(Opcode.ENTRY_REQUEST, EntryRequest(0x605E, 0, 0x7F).pack())
    described = EntryDescription.unpack(data)
    assert described.value_info == 0x77
    assert described.extras == struct.pack("<hhh", 2, 0, 3) + b"Fault reaction option code"
    _, data = client.info(Opcode.ENTRY_REQUEST, EntryRequest(0x6085, 0, ValueInfo.MAXIMUM).pack())
    assert EntryDescription.unpack(data).value_info == 0


@pytest.mark.parametrize(
    ("opcode", "data", "code"),
    [
        (Opcode.OBJECT_REQUEST, pack_words(0x5FFF), AbortCode.NO_OBJECT),
        (Opcode.ENTRY_REQUEST, EntryRequest(0x6041, 9, 7).pack(), AbortCode.NO_SUBINDEX),
        (Opcode.OD_LIST_REQUEST, pack_words(9), AbortCode.UNSUPPORTED_ACCESS),
        (Opcode.OBJECT_RESPONSE, b"", AbortCode.COMMAND),
    ],
)
def test_information_errors(client: Client, opcode: Opcode, data: bytes, code: AbortCode) -> None:
    answer, error = client.info(opcode, data)
    assert answer == Opcode.ERROR
    assert unpack_error(error) == code


# --- mailbox ---


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (b"\x02\x00", MailboxErrorCode.INVALID_SIZE),
        (b"\xff\x00\x00\x00\x00\x13", MailboxErrorCode.INVALID_SIZE),
        (bytes(MAILBOX + 1), MailboxErrorCode.INVALID_SIZE),
        (MailboxTelegram(MailboxType.FOE, bytes(8)).pack(), MailboxErrorCode.UNSUPPORTED_PROTOCOL),
        (MailboxTelegram(MailboxType.COE, bytes(8), channel=1).pack(), MailboxErrorCode.INVALID_CHANNEL),
        (MailboxTelegram(MailboxType.COE, b"\x00").pack(), MailboxErrorCode.SIZE_TOO_SHORT),
        (MailboxTelegram(MailboxType.COE, b"\x00\x20\x40").pack(), MailboxErrorCode.SIZE_TOO_SHORT),
        (MailboxTelegram(MailboxType.COE, b"\x00\x80\x01").pack(), MailboxErrorCode.SIZE_TOO_SHORT),
        (MailboxTelegram(MailboxType.COE, b"\x00\x50").pack(), MailboxErrorCode.SERVICE_NOT_SUPPORTED),
    ],
)
def test_mailbox_errors(client: Client, request_: bytes, code: MailboxErrorCode) -> None:
    (reply,) = client.server.handle(request_)
    assert error_detail(MailboxTelegram.unpack(reply)) is code


def test_replies_count_from_one_to_seven(client: Client) -> None:
    request = MailboxTelegram(MailboxType.COE, b"\x00\x20" + UploadRequest(0x6041, 0).pack()).pack()
    counters = [MailboxTelegram.unpack(client.server.handle(request)[0]).counter for _ in range(9)]
    assert counters == [1, 2, 3, 4, 5, 6, 7, 1, 2]


def test_a_mailbox_too_small_for_coe_is_refused() -> None:
    with pytest.raises(ValueError, match="mailbox_size is 16"):
        Client(mailbox_size=16)


COE_LIKE = st.builds(
    lambda service, payload: MailboxTelegram(MailboxType.COE, CoeMessage(service, payload).pack()).pack(),
    st.sampled_from([2, 8]),
    st.one_of(
        st.binary(max_size=100),
        st.builds(
            lambda command, index, sub, rest: struct.pack("<BHB", command, index, sub) + rest,
            st.integers(0, 255),
            st.sampled_from([0x1600, 0x1A00, 0x1C12, 0x2000, 0x6040, 0x60C2, 0x1018, 0x607D]),
            st.integers(0, 3),
            st.binary(min_size=4, max_size=60),
        ),
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=200), COE_LIKE), max_size=12))
def test_no_bytes_make_it_raise(requests: list[bytes]) -> None:
    client = Client()
    for request in requests:
        for reply in client.server.handle(request):
            assert len(reply) <= MAILBOX
            MailboxTelegram.unpack(reply)
    assert client.upload(0x1000) == struct.pack("<I", 0x00020192)
