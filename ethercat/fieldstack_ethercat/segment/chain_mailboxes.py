"""Gives a chain's mailboxes to the slaves' applications: `chain.mailboxes`."""

from __future__ import annotations

from typing import Any

from fieldstack_ethercat.segment._native import ffi, lib
from fieldstack_ethercat.segment.description.errors import check

_TELEGRAM_ROOM = 512


class ChainMailboxes:
    """Telegrams from the master wait here until an application takes them; `segment` is the native one."""

    def __init__(self, segment: Any) -> None:
        self._segment = segment

    @property
    def fd(self) -> int:
        """Readable when a telegram waits for the application."""
        return int(lib.fs_segment_mailbox_fd(self._segment))

    def take(self) -> tuple[int, bytes] | None:
        """The next waiting telegram and its slave; None if none waits."""
        buffer = ffi.new("uint8_t[]", _TELEGRAM_ROOM)
        length = ffi.new("unsigned *")
        slave = lib.fs_segment_mailbox_take(self._segment, buffer, _TELEGRAM_ROOM, length)
        return (slave, bytes(ffi.buffer(buffer, length[0]))) if slave >= 0 else None

    def session(self, slave: int) -> int:
        """Changes whenever the slave's mailbox was reset (INIT, power): transfers begun before are void."""
        return int(lib.fs_segment_mailbox_session(self._segment, slave))

    def al_state(self, slave: int) -> int:
        """1 INIT, 2 PRE-OP, 4 SAFE-OP, 8 OP."""
        return int(lib.fs_segment_al_state(self._segment, slave))

    def reply(self, slave: int, telegram: bytes) -> None:
        """Queues a telegram for the master."""
        result = lib.fs_segment_mailbox_reply(self._segment, slave, telegram, len(telegram))
        check(f"mailbox reply of slave {slave}", result)
