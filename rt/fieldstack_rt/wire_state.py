"""Asks the wire without a master: does anybody cycle, and is every slave out of OP?

Non-RT asks before it makes a shared memory, and after it has ended an RT process. Frame indexes 0x80 and up,
as the guard's: SOEM uses 0 to 15 and ignores others.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fieldstack_ethercat.wire.al import AlState
from fieldstack_ethercat.wire.datagram import Command, Datagram, physical_address
from fieldstack_ethercat.wire.errors import WireError
from fieldstack_ethercat.wire.frame import ETHERTYPE, Frame, frame_of, unpack_frame

LISTEN_S = 0.05
MASTER_FRAMES = 3
"""This many frames within LISTEN_S come from a master: the slowest bus has one every 10 ms."""
_INDEX = 0xA0
_AL_CONTROL, _AL_STATUS = 0x0120, 0x0130
_ANSWER_S = 0.01
_AL_BITS = 0x0F


@dataclass(frozen=True, slots=True)
class WireState:
    """AL states of all slaves, OR-ed (0x0130), as read back; `answered`: how many of `slaves` did."""

    slaves: int
    answered: int = 0
    al_states: int = 0
    error: str = ""

    @property
    def safe(self) -> bool:
        """Every slave was heard and none is in OP: then none of them puts out what a master sent."""
        return self.answered == self.slaves > 0 and not self.al_states & AlState.OP

    def __str__(self) -> str:
        if self.error:
            return f"the wire cannot be read: {self.error}"
        states = f"AL states 0x{self.al_states & _AL_BITS:02X} (OR)"
        return f"{self.answered} of {self.slaves} slaves answer, {states}"


@contextmanager
def _wire(interface: str) -> Iterator[socket.socket]:
    # protocol 0 until it is bound: it would hear every interface meanwhile, other cells' frames too
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as wire:
        wire.bind((interface, ETHERTYPE))
        yield wire


def master_frames(interface: str, for_s: float = LISTEN_S) -> int:
    """EtherCAT frames that come back on an interface in so long; OSError: it cannot be listened to."""
    heard, until = 0, time.monotonic() + for_s
    with _wire(interface) as wire:
        while (left_s := until - time.monotonic()) > 0 and heard < MASTER_FRAMES:
            wire.settimeout(left_s)
            try:
                heard += bool(wire.recv(2048))
            except TimeoutError:
                break
    return heard


def make_safe(interface: str, slaves: int, timeout_s: float) -> WireState:
    """Reads all AL states; while one is in OP, or not heard, asks for SAFE-OP. Bounded by `timeout_s`."""
    state = WireState(slaves, error="no interface is known" if not interface else "")
    until = time.monotonic() + timeout_s
    try:
        with _wire(interface) as wire:
            state = _ask(wire, slaves, _status())
            while not state.safe and time.monotonic() < until:
                state = _ask(wire, slaves, _safe_op(), _status())
    except OSError as error:
        return WireState(slaves, error=f"{interface or 'no interface'}: {error.strerror or error}")
    return state


def _status() -> Datagram:
    return Datagram(Command.BRD, _INDEX, physical_address(0, _AL_STATUS), bytes(2))


def _safe_op() -> Datagram:
    return Datagram(
        Command.BWR, _INDEX, physical_address(0, _AL_CONTROL), int(AlState.SAFEOP).to_bytes(2, "little")
    )


def _ask(wire: socket.socket, slaves: int, *datagrams: Datagram) -> WireState:
    """One frame and its answer; without one, nobody has answered."""
    wire.send(frame_of(*datagrams).pack())
    until = time.monotonic() + _ANSWER_S
    while (left_s := until - time.monotonic()) > 0:
        wire.settimeout(left_s)
        try:
            frame = _answer(wire.recv(2048))
        except TimeoutError:
            break
        if frame is not None:
            last = frame.datagrams[-1]
            return WireState(slaves, last.working_counter, int.from_bytes(last.data, "little"))
    return WireState(slaves)


def _answer(data: bytes) -> Frame | None:
    try:
        frame = unpack_frame(data)
    except WireError:
        return None
    return frame if frame.datagrams[-1].index == _INDEX else None
