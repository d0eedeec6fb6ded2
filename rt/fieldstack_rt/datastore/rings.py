"""The rings of the store: RT writes events into two of them, Tasks writes setpoints into the third.

Non-RT takes the events out, and the cycle plays the setpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore.layout import IO_BYTES, MAX_AXES, EventCode

EVENT_SLOTS: int = lib.FS_EVENT_SLOTS
SETPOINT_SLOTS: int = lib.FS_SETPOINT_SLOTS
SETPOINT_LAST = 1
ALL_AXES = 2**64 - 1
"""Mask of a setpoint that commands every axis."""


@dataclass(frozen=True, slots=True)
class RtEvent:
    """One event of the RT process; `code` stays a plain number if this version does not know it."""

    sequence: int
    t_ns: int
    code: EventCode | int
    subject: int
    a: int
    b: int
    c: int


def _code(number: int) -> EventCode | int:
    try:
        return EventCode(number)
    except ValueError:
        return number


class EventRing:
    """Single producer, single consumer. A full ring refuses new events and counts them."""

    def __init__(self, ring: Any, mapping: object) -> None:
        """`mapping` is kept as long as this object: it holds the memory that `ring` points into."""
        self._ring, self._mapping = ring, mapping
        self._slot = ffi.new("fs_event *")
        self._tail: int | None = None
        self.damages = 0
        """How often the ring's indexes were found damaged: events may have been lost then."""

    def push(self, code: EventCode, subject: int = 0, a: int = 0, b: int = 0, c: int = 0) -> bool:
        """False if the ring is full."""
        address = ffi.addressof(self._ring)
        return bool(lib.fs_event_push(address, lib.fs_now_ns(), code, subject, a, b, c))

    def drain(self, limit: int = 256) -> list[RtEvent]:
        """At most `limit` events, oldest first, each once. For the one consumer."""
        address, slot = ffi.addressof(self._ring), self._slot
        self._repair()
        found: list[RtEvent] = []
        while len(found) < limit and lib.fs_event_pop(address, slot):
            found.append(
                RtEvent(slot.sequence, slot.t_ns, _code(slot.code), slot.subject, slot.a, slot.b, slot.c)
            )
        self._tail = int(self._ring.tail)
        return found

    def _repair(self) -> None:
        """Takes out items. Only this side writes the tail; a head more than a ring's length ahead is damaged,
        too."""
        tail, head = int(self._ring.tail), int(self._ring.head)
        moved = self._tail is not None and tail != self._tail
        if self._tail is not None and moved:
            self._ring.tail = tail = self._tail
        if moved or (head - tail) % 2**64 > EVENT_SLOTS:
            self.damages += 1

    @property
    def refused(self) -> int:
        """How many events were lost because the ring was full, since the memory was made."""
        return int(self._ring.refused)


class SetpointRing:
    """What the Main Core streams and the cycle plays, one setpoint a cycle."""

    def __init__(self, ring: Any, mapping: object) -> None:
        """`mapping` is kept as long as this object: it holds the memory that `ring` points into."""
        self._ring, self._mapping = ring, mapping
        self._setpoint = ffi.new("fs_setpoint *")

    def free(self) -> int:
        """How many setpoints can be pushed now."""
        return int(lib.fs_setpoint_free(ffi.addressof(self._ring)))

    @property
    def queued(self) -> int:
        return SETPOINT_SLOTS - self.free()

    @property
    def head(self) -> int:
        return int(self._ring.head)

    @property
    def tail(self) -> int:
        return int(self._ring.tail)

    def push(
        self,
        stream: int,
        positions: Sequence[int],
        velocities: Sequence[int],
        io: bytes = b"",
        *,
        last: bool = False,
        axes: int = ALL_AXES,
        hold_to_run: int = 0,
    ) -> bool:
        """Appends one setpoint; False if the ring is full.

        Args:
            stream: id of the stream, more than any before it.
            positions: counts, an axis each in the order of the bus configuration (at most MAX_AXES).
            velocities: counts/s, likewise.
            io: outputs of the slaves that are no axes, in slave order (at most IO_BYTES).
            last: the stream ends here, at rest.
            axes: mask of the axes that it commands (bit n: axis n); the others hold where they are.
            hold_to_run: mask of those that follow only until `StoreWords.hold_to_run_ns`.
        """
        if len(positions) > MAX_AXES or len(velocities) > MAX_AXES or len(io) > IO_BYTES:
            raise ValueError(f"a setpoint holds at most {MAX_AXES} axes and {IO_BYTES} bytes of outputs")
        point = self._setpoint
        point.stream, point.flags, point.io_size = stream, SETPOINT_LAST if last else 0, len(io)
        point.axes, point.hold_to_run = axes, hold_to_run
        point.position[0 : len(positions)] = positions
        point.velocity[0 : len(velocities)] = velocities
        ffi.memmove(point.io, io.ljust(IO_BYTES, b"\0"), IO_BYTES)
        return bool(lib.fs_setpoint_push(ffi.addressof(self._ring), point))
