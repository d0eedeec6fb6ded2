"""Single acyclic datagrams beside the cycle, through SOEM's own sockets and frame indexes.

Each call is one frame, sent once, with a time-out of ours; it waits for nothing else and does not hold the
interpreter's lock. SOEM guards its frame indexes against other threads, the cycle thread among them.
`Line` and the scripts of the recovery use it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, c_int, c_uint16, c_uint32, c_void_p

from fieldstack_ethercat.bus.soem.soem_structs import AlStatusRecord
from fieldstack_ethercat.bus.soem.soem_view import SoemView

TIMEOUT_US = 2000
MOST_STATES = 64
"""Slaves whose states fit one frame (SOEM's MAX_FPRD_MULTI)."""


class Acyclic:
    """Datagrams on the port of one master; addresses are station addresses or 0-based positions."""

    def __init__(self, view: SoemView) -> None:
        self._port, self._context = view.port, view.address
        one = (c_int, c_void_p, c_uint16, c_uint16, c_uint16, c_void_p, c_int)
        self._calls = {
            name: ctypes.CFUNCTYPE(*one)(view.function(f"ecx_{name}"))
            for name in ("FPRD", "FPWR", "APRD", "APWR", "BRD")
        }
        logical = (c_int, c_void_p, c_uint32, c_uint16, c_void_p, c_int)
        self._lrd = ctypes.CFUNCTYPE(*logical)(view.function("ecx_LRD"))
        many = (c_int, c_void_p, c_int, POINTER(c_uint16), POINTER(AlStatusRecord), c_int)
        self._states = ctypes.CFUNCTYPE(*many)(view.function("ecx_FPRD_multi"))

    def read(self, address: int, register: int, size: int) -> bytes | None:
        """By station address (FPRD); None if it does not answer."""
        return self._read("FPRD", address, register, size)

    def write(self, address: int, register: int, data: bytes) -> bool:
        """By station address (FPWR); False if it does not answer."""
        return self._write("FPWR", address, register, data)

    def read_at(self, position: int, register: int, size: int) -> bytes | None:
        """By position in the line (APRD), whatever address it has."""
        return self._read("APRD", -position & 0xFFFF, register, size)

    def write_at(self, position: int, register: int, data: bytes) -> bool:
        """By position in the line (APWR)."""
        return self._write("APWR", -position & 0xFFFF, register, data)

    def logical_read(self, address: int, size: int) -> int:
        """Working counter of a read of logical memory (LRD); -1 if its frame does not come back."""
        data = ctypes.create_string_buffer(size)
        return max(-1, int(self._lrd(self._port, address, size, data, TIMEOUT_US)))

    def count(self) -> int:
        """How many slaves a broadcast read meets; -1 if its frame does not come back."""
        data = ctypes.create_string_buffer(2)
        found: int = self._calls["BRD"](self._port, 0, 0, 2, data, TIMEOUT_US)
        return max(-1, found)

    def states(self, addresses: Sequence[int]) -> list[tuple[int, int]] | None:
        """AL status (0x0130) and code (0x0134) of each; 0 for one that does not answer to its address.

        None if a frame did not come back: then nothing is known of anybody.
        """
        found: list[tuple[int, int]] = []
        for at in range(0, len(addresses), MOST_STATES):
            part = addresses[at : at + MOST_STATES]
            records = (AlStatusRecord * len(part))()
            asked = (c_uint16 * len(part))(*part)
            if self._states(self._context, len(part), asked, records, TIMEOUT_US) < 0:
                return None
            found += [(record.status, record.code) for record in records]
        return found

    def _read(self, call: str, address: int, register: int, size: int) -> bytes | None:
        data = ctypes.create_string_buffer(size)
        counter: int = self._calls[call](self._port, address, register, size, data, TIMEOUT_US)
        return data.raw if counter == 1 else None

    def _write(self, call: str, address: int, register: int, data: bytes) -> bool:
        counter: int = self._calls[call](self._port, address, register, len(data), data, TIMEOUT_US)
        return counter == 1
