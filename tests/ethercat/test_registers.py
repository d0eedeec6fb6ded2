"""Sync manager, FMMU and AL structures."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldstack_ethercat.wire.al import (
    AlState,
    AlStatus,
    code_text,
    control_word,
    state_text,
    unpack_al_status,
)
from fieldstack_ethercat.wire.errors import ShortBufferError
from fieldstack_ethercat.wire.fmmu import TYPE_READ, Fmmu, unpack_fmmu
from fieldstack_ethercat.wire.registers import (
    Register,
    fmmu_register,
    sync_manager_register,
    watchdog_interval_ns,
)
from fieldstack_ethercat.wire.sync_manager import SyncManager, unpack_sync_manager

BIT = st.integers(0, 7)
WORD = st.integers(0, 0xFFFF)
BYTE = st.integers(0, 0xFF)


@settings(deadline=None)
@given(st.builds(SyncManager, WORD, WORD, BYTE, BYTE, BYTE, BYTE))
def test_a_sync_manager_unpacks_to_what_was_packed(manager: SyncManager) -> None:
    assert unpack_sync_manager(manager.pack()) == manager


@settings(deadline=None)
@given(
    st.builds(Fmmu, st.integers(0, 2**32 - 1), WORD, WORD, st.integers(0, 3), BIT, BIT, BIT, st.booleans())
)
def test_an_fmmu_unpacks_to_what_was_packed(unit: Fmmu) -> None:
    assert unpack_fmmu(unit.pack()) == unit


def test_structures_lie_where_the_standard_puts_them() -> None:
    assert SyncManager(0x1000, 256, 0x26).pack() == bytes.fromhex("0010 0001 26 00 01 00")
    assert Fmmu(0x800, 12, 0x1400, TYPE_READ).pack() == bytes.fromhex(
        "00080000 0c00 00 07 0014 00 01 01 000000"
    )
    assert fmmu_register(2) == 0x0620
    assert sync_manager_register(3) == 0x0818


def test_control_bytes_are_read_as_the_standard_says() -> None:
    outputs = SyncManager(0x1200, 12, 0x64)
    assert (outputs.mailbox, outputs.written_by_master, outputs.watchdog) == (False, True, True)
    mailbox = SyncManager(0x1100, 256, 0x22, status=0x08)
    assert (mailbox.mailbox, mailbox.written_by_master, mailbox.full) == (True, False, True)


def test_short_buffers_are_refused() -> None:
    for unpack, size in ((unpack_sync_manager, 7), (unpack_fmmu, 15), (unpack_al_status, 5)):
        with pytest.raises(ShortBufferError):
            unpack(bytes(size))


def test_the_default_watchdog_is_a_hundred_milliseconds() -> None:
    assert watchdog_interval_ns(0x09C2, 1000) == 100_000_000
    assert int(Register.WATCHDOG_TIME_PROCESS_DATA) == 0x0420


def test_al_words() -> None:
    assert control_word(AlState.SAFEOP, acknowledge=True) == b"\x14\x00"
    status = AlStatus(0x14, 0x001B)
    assert (status.state, status.error) == (AlState.SAFEOP, True)
    assert status.text == "SAFE-OP + error: sync manager watchdog: no outputs within the watchdog time"
    assert AlStatus(0x08).text == "OP"
    assert state_text(0x07) == "state 0x7"
    assert code_text(0x8001) == "vendor specific AL status code 0x8001"
    assert code_text(0x7777) == "unknown AL status code 0x7777"
