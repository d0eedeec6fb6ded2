"""The mailbox telegram and its error reply."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldstack_ethercat.wire.errors import FieldRangeError, MalformedError, ShortBufferError
from fieldstack_ethercat.wire.mailbox import (
    MailboxErrorCode,
    MailboxTelegram,
    MailboxType,
    error_detail,
    error_reply,
    next_counter,
)

telegrams = st.builds(
    MailboxTelegram,
    type=st.integers(0, 15),
    data=st.binary(max_size=1500),
    counter=st.integers(0, 7),
    address=st.integers(0, 0xFFFF),
    channel=st.integers(0, 63),
    priority=st.integers(0, 3),
)


@given(telegrams, st.binary(max_size=64))
def test_a_telegram_is_read_back_from_a_mailbox_buffer(telegram: MailboxTelegram, rest: bytes) -> None:
    assert MailboxTelegram.unpack(telegram.pack() + rest) == telegram


def test_header_bytes_are_those_of_the_standard() -> None:
    telegram = MailboxTelegram(MailboxType.COE, b"\xaa\xbb", counter=3, address=0x1001, channel=5, priority=2)
    assert telegram.pack() == bytes.fromhex("0200 0110 85 33 aabb")


@given(st.binary(max_size=5))
def test_a_cut_header_is_reported_with_its_length(data: bytes) -> None:
    with pytest.raises(ShortBufferError, match=f"needs 6 bytes, got {len(data)}"):
        MailboxTelegram.unpack(data)


@given(telegrams.filter(lambda telegram: bool(telegram.data)))
def test_cut_data_is_reported(telegram: MailboxTelegram) -> None:
    with pytest.raises(ShortBufferError):
        MailboxTelegram.unpack(telegram.pack()[:-1])


@pytest.mark.parametrize("field", ["type", "counter", "address", "channel", "priority"])
def test_a_field_that_does_not_fit_is_named(field: str) -> None:
    values = {"type": 3, "data": b"", field: 0x10000}
    with pytest.raises(FieldRangeError, match=field):
        MailboxTelegram(**values).pack()  # type: ignore[arg-type]


def test_counter_goes_round_without_zero() -> None:
    counter, seen = 0, []
    for _ in range(15):
        counter = next_counter(counter)
        seen.append(counter)
    assert seen == [1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 4, 5, 6, 7, 1]


@pytest.mark.parametrize("code", list(MailboxErrorCode))
def test_error_reply_carries_its_detail(code: MailboxErrorCode) -> None:
    reply = error_reply(code, counter=4)
    assert reply.type == MailboxType.ERROR
    assert reply.data == b"\x01\x00" + bytes((code, 0))
    assert error_detail(MailboxTelegram.unpack(reply.pack())) is code


def test_what_is_no_error_reply_is_refused() -> None:
    with pytest.raises(MalformedError, match="type 3"):
        error_detail(MailboxTelegram(MailboxType.COE, b"\x01\x00\x01\x00"))
    with pytest.raises(MalformedError, match="0x0099"):
        error_detail(MailboxTelegram(MailboxType.ERROR, b"\x01\x00\x99\x00"))
    with pytest.raises(ShortBufferError):
        error_detail(MailboxTelegram(MailboxType.ERROR, b"\x01"))
