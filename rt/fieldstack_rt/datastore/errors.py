"""Errors of the shared memory.

`DataStore` raises them; the process or command that meets one shows it with its remedy.
"""

from __future__ import annotations


class StoreError(Exception):
    """Base of all DataStore errors."""


class StoreMissingError(StoreError, FileNotFoundError):
    """There is no shared memory of that instance: no cell is up, or it has another name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"no shared memory {name}: the cell is not up. Start it with `fieldstack up`, "
            "or give the right --instance"
        )
        self.name = name


class StoreUnfinishedError(StoreMissingError):
    """The shared memory has no magic yet: its owner is still making it, or died while it did."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.args = (
            f"shared memory {name} is still being made, or its maker died meanwhile: the cell is not up yet. "
            "Try again, or start it again with `fieldstack up`",
        )


class StoreForbiddenError(StoreError, PermissionError):
    """The shared memory is another user's. `owner`: that user's name or id, empty if it is not known."""

    def __init__(self, name: str, owner: str) -> None:
        whose = f"of user {owner}" if owner else "of another user"
        super().__init__(
            f"shared memory {name} is {whose}, and this user may not use it: a cell of that name runs, "
            "or was left behind. Become that user (`sudo`), or a member of that memory's group, "
            "or take another --instance"
        )
        self.name, self.owner = name, owner


class LayoutMismatchError(StoreError):
    """The shared memory was made by another version of Fieldstack, or is no Fieldstack memory at all."""

    def __init__(self, name: str, what: str, expected: str, found: str, hint: str) -> None:
        super().__init__(f"shared memory {name}: {what} is {found}, this program has {expected}. {hint}")
        self.name, self.what, self.expected, self.found = name, what, expected, found


class StoreBusyError(StoreError):
    """A memory cannot be made or replaced, because a process still works on the one before."""

    def __init__(self, name: str, pid: int) -> None:
        super().__init__(
            f"shared memory {name} has another layout and process {pid} still uses it, or it is damaged or "
            f"gone and RT process {pid} works on. Stop that cell first (`fieldstack down`, or kill {pid}), "
            "then start again"
        )
        self.name, self.pid = name, pid


class RtInTheWayError(StoreError):
    """An RT process on a memory that cannot be adopted could not be ended. `why` says what is known of it."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"shared memory {name} is not made again while an RT process lives that cannot be ended: {why}. "
            "It is tried again with the next start"
        )


class StoreLostError(StoreError):
    """The memory of this process no longer belongs to its instance: removed, replaced, or cut."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"{why}: nobody else sees what is written there any more, so this process ends in order. "
            "Look for what removes files in /dev/shm (systemd: RemoveIPC= of logind), then `fieldstack up`"
        )


class ForeignMasterError(StoreError):
    """EtherCAT frames come back on the interface, but no RT process of this instance can be found."""

    def __init__(self, name: str, interface: str, frames: int) -> None:
        super().__init__(
            f"{frames} EtherCAT frames came back on {interface} while shared memory {name} was to be made: "
            "another master drives this bus, and it cannot be seen from here. Find it, stop it, then start "
            f"again (`ps -C fieldstack-rt`; `tcpdump -i {interface} ether proto 0x88a4`)"
        )


class TornRecordError(StoreError):
    """A record stays incomplete: its writer died, or was stopped, inside a write."""

    def __init__(self, block: str, writer: str, writer_pid: int) -> None:
        super().__init__(
            f"record {block} is torn: {writer} (process {writer_pid}) stopped inside a write. "
            f"A restarted {writer} repairs it with its next write"
        )
        self.block, self.writer, self.writer_pid = block, writer, writer_pid
