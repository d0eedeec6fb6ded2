"""The native segment as a Python object: its make-up and its frame thread. Frames never pass through Python.

Its mailboxes, its faults and the report of what happened have files of their own. `SegmentBench` owns it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fieldstack_ethercat.segment._native import ffi, lib
from fieldstack_ethercat.segment.catalogue import MAX_SLAVES, Device
from fieldstack_ethercat.segment.chain_faults import ChainFaults
from fieldstack_ethercat.segment.chain_mailboxes import ChainMailboxes
from fieldstack_ethercat.segment.chain_report import ChainReport
from fieldstack_ethercat.segment.description.errors import SegmentError, check

RX_PDO = 0
TX_PDO = 1
WATCHDOG_UNITS_PER_MS = 10
_FRAME_ROOM = 2048

MapEntry = tuple[Any, int]
"""A pointer into a device's struct (`ffi.NULL` for padding) and its length in bits."""


def oscillator_ppm(slave: int) -> int:
    """Rate error of a slave's oscillator, as those of real devices scatter: within 20 ppm, no two alike
    among neighbours."""
    return slave * 17 % 41 - 20


class Chain:
    """A chain of slaves with their devices, dark until `faults.power`. Slaves count from 0 in wire order."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self.devices = tuple(devices)
        self._segment = ffi.gc(lib.fs_segment_create(len(self.devices)), lib.fs_segment_destroy)
        if self._segment == ffi.NULL:
            raise SegmentError(f"cannot make a segment of {len(self.devices)} slaves: 1 to {MAX_SLAVES} fit")
        self.mailboxes = ChainMailboxes(self._segment)
        self.faults = ChainFaults(self._segment)
        self.report = ChainReport(self._segment, self.devices)
        for slave, device in enumerate(self.devices):
            check("set device", lib.fs_segment_set_device(self._segment, slave, device.value.native_kind))
            has_clock = device.value.distributed_clock
            check("set clock", lib.fs_segment_set_clock(self._segment, slave, has_clock))
            if has_clock:
                self.faults.clock_drift(slave, oscillator_ppm(slave))

    def __len__(self) -> int:
        return len(self.devices)

    # --- configuration ---

    def device(self, slave: int) -> Any:
        """The device's struct, as its type in the catalogue names it."""
        return ffi.cast(self.devices[slave].value.struct, lib.fs_segment_device(self._segment, slave))

    def place_motor(self, slave: int, counts: float) -> None:
        """Where the motor of a drive stands (counts, unwrapped); before the segment starts."""
        device = self.device(slave)
        device.position = counts
        device.position_actual = (round(counts) + 2**31) % 2**32 - 2**31

    def set_eeprom(self, slave: int, image: bytes) -> None:
        """Puts an SII image of up to 4096 bytes into the slave's EEPROM."""
        check("set EEPROM", lib.fs_segment_set_eeprom(self._segment, slave, image, len(image)))

    def set_mapping(self, slave: int, direction: int, entries: Sequence[MapEntry]) -> None:
        """The PDO mapping of `RX_PDO` or `TX_PDO`.

        Raises NativeError: EBUSY in SAFE-OP and OP, E2BIG over 128 bytes.
        """
        native = ffi.new("fs_map_entry[]", [{"object": pointer, "bits": bits} for pointer, bits in entries])
        result = lib.fs_segment_set_mapping(self._segment, slave, direction, native, len(entries))
        check(f"set the PDO mapping of slave {slave}", result)

    def set_watchdog_default_ms(self, slave: int, milliseconds: float) -> None:
        """The process data watchdog a slave has after power-on; 0: off."""
        units = round(milliseconds * WATCHDOG_UNITS_PER_MS)
        check("set watchdog", lib.fs_segment_set_watchdog_default(self._segment, slave, units))

    def set_safe_image(self, slave: int, image: bytes) -> None:
        """What counts as safe outputs; empty: the device's default."""
        result = lib.fs_segment_set_safe_image(self._segment, slave, image, len(image))
        check(f"set the safe image of slave {slave}", result, "make it as long as the output image")

    # --- on a socket ---

    def start(self, ifindex: int, cpu: int, priority: int, step_ns: int) -> None:
        """Starts the frame thread; `cpu` -1 does not pin, `priority` 0 is plain scheduling."""
        options = ffi.new(
            "fs_run_options *", {"ifindex": ifindex, "cpu": cpu, "priority": priority, "step_ns": step_ns}
        )
        advice = "raw sockets need root or CAP_NET_RAW"
        check("start the frame thread", lib.fs_segment_start(self._segment, options), advice)

    def stop(self) -> None:
        """Ends the frame thread; raises NativeError with what had ended it before."""
        check("frame thread", lib.fs_segment_stop(self._segment), "the interface is gone or down")

    @property
    def failed_fd(self) -> int:
        """Readable when the frame thread ended by itself."""
        return int(lib.fs_segment_failed_fd(self._segment))

    # --- without a socket ---

    def frame(self, data: bytes, now_ns: int) -> bytes | None:
        """Passes a frame through the chain at `now_ns`; what comes back, None if nothing does."""
        buffer = ffi.new("uint8_t[]", max(_FRAME_ROOM, len(data)))
        ffi.memmove(buffer, data, len(data))
        length = lib.fs_segment_frame(self._segment, buffer, len(data), now_ns)
        return bytes(ffi.buffer(buffer, length)) if length else None

    def advance(self, now_ns: int) -> None:
        """Brings devices and watchdogs to `now_ns`."""
        lib.fs_segment_advance(self._segment, now_ns)

    def peek(self, slave: int, address: int, size: int) -> bytes:
        """`size` bytes of a slave's memory as its application sees it."""
        buffer = ffi.new("uint8_t[]", size)
        check("peek", lib.fs_segment_peek(self._segment, slave, address, buffer, size))
        return bytes(ffi.buffer(buffer))
