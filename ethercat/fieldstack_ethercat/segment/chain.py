"""The native segment as a Python object: configuration, faults, truth. Frames never pass through Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fieldstack_ethercat.segment._native import ffi, lib
from fieldstack_ethercat.segment.description.devices import MAX_SLAVES, Device
from fieldstack_ethercat.segment.description.errors import SegmentError, check
from fieldstack_ethercat.segment.truth import (
    EventKind,
    MotionSample,
    SegmentStatistics,
    SlaveEvent,
    SlaveTruth,
)

RX_PDO = 0
TX_PDO = 1
WATCHDOG_UNITS_PER_MS = 10
_FRAME_ROOM = 2048
_TELEGRAM_ROOM = 512
_RECORDS = 8192
_NO_CLOCK = "only drives have a distributed clock"
_STATES = "AL states are 1 INIT (never refused), 2 PRE-OP, 4 SAFE-OP, 8 OP"
_FIFO, _PINNED, _LOCKED = 1, 2, 4

MapEntry = tuple[Any, int]
"""A pointer into a device's struct (`ffi.NULL` for padding) and its length in bits."""


def oscillator_ppm(slave: int) -> int:
    """Rate error of a slave's oscillator, as those of real devices scatter: within 20 ppm, no two alike
    among neighbours."""
    return slave * 17 % 41 - 20


class Chain:
    """A chain of slaves with their devices, dark until `power`. Slaves count from 0 in wire order."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self.devices = tuple(devices)
        self._segment = ffi.gc(lib.fs_segment_create(len(self.devices)), lib.fs_segment_destroy)
        if self._segment == ffi.NULL:
            raise SegmentError(f"cannot make a segment of {len(self.devices)} slaves: 1 to {MAX_SLAVES} fit")
        for slave, device in enumerate(self.devices):
            check("set device", lib.fs_segment_set_device(self._segment, slave, device.value.native_kind))
            has_clock = device.value.distributed_clock
            check("set clock", lib.fs_segment_set_clock(self._segment, slave, has_clock))
            if has_clock:
                self.clock_drift(slave, oscillator_ppm(slave))

    def __len__(self) -> int:
        return len(self.devices)

    # --- configuration ---

    def device(self, slave: int) -> Any:
        """The device's struct, `fs_drive *` or `fs_dio *`."""
        pointer = lib.fs_segment_device(self._segment, slave)
        kind = "fs_drive *" if self.devices[slave] is Device.DRIVE else "fs_dio *"
        return ffi.cast(kind, pointer)

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

    # --- mailbox ---

    @property
    def mailbox_fd(self) -> int:
        """Readable when a telegram waits for the application."""
        return int(lib.fs_segment_mailbox_fd(self._segment))

    def take_telegram(self) -> tuple[int, bytes] | None:
        """The next waiting telegram and its slave; None if none waits."""
        buffer = ffi.new("uint8_t[]", _TELEGRAM_ROOM)
        length = ffi.new("unsigned *")
        slave = lib.fs_segment_mailbox_take(self._segment, buffer, _TELEGRAM_ROOM, length)
        return (slave, bytes(ffi.buffer(buffer, length[0]))) if slave >= 0 else None

    def mailbox_session(self, slave: int) -> int:
        """Changes whenever the slave's mailbox was reset (INIT, power): transfers begun before are void."""
        return int(lib.fs_segment_mailbox_session(self._segment, slave))

    def al_state(self, slave: int) -> int:
        """1 INIT, 2 PRE-OP, 4 SAFE-OP, 8 OP."""
        return int(lib.fs_segment_al_state(self._segment, slave))

    def reply(self, slave: int, telegram: bytes) -> None:
        """Queues a telegram for the master."""
        result = lib.fs_segment_mailbox_reply(self._segment, slave, telegram, len(telegram))
        check(f"mailbox reply of slave {slave}", result)

    # --- faults ---

    def power(self, slave: int, on: bool) -> None:
        """Power on: the slave starts in INIT, its registers reset."""
        check("power", lib.fs_segment_power(self._segment, slave, on))

    def power_all(self, on: bool) -> None:
        """Power of all slaves at once."""
        check("power", lib.fs_segment_power_all(self._segment, on))

    def slow_state(self, slave: int, state: int, by_ns: int) -> None:
        """From now on the slave enters that AL state (1, 2, 4, 8) only `by_ns` after its request."""
        check(f"slow state {state}", lib.fs_segment_slow_state(self._segment, slave, state, by_ns), _STATES)

    def refuse_state(self, slave: int, state: int, code: int, count: int) -> None:
        """The next `count` requests for that AL state (2, 4, 8) are refused with AL status `code`."""
        result = lib.fs_segment_refuse_state(self._segment, slave, state, code, count)
        check(f"refuse state {state}", result, _STATES)

    def poke(self, slave: int, address: int, data: bytes) -> None:
        """Overwrites registers below 0x1000 as no master did."""
        check("poke", lib.fs_segment_poke(self._segment, slave, address, data, len(data)))

    def cut_cable(self, after: int) -> None:
        """Cuts the cable behind `after` slaves; 0 is before the first."""
        check("cut cable", lib.fs_segment_cut_cable(self._segment, after))

    def heal_cable(self) -> None:
        check("heal cable", lib.fs_segment_heal_cable(self._segment))

    def drop_frames(self, count: int) -> None:
        """The next `count` frames reach no slave; 0 ends it."""
        check("drop frames", lib.fs_segment_drop_frames(self._segment, count))

    def delay_frames(self, count: int, by_ns: int) -> None:
        """The answers to the next `count` frames leave `by_ns` late; 0 ends it."""
        check("delay frames", lib.fs_segment_delay_frames(self._segment, count, by_ns))

    def corrupt_frames(self, count: int) -> None:
        """The next `count` frames are damaged: no slave uses them, and they come back inverted; 0 ends it."""
        check("corrupt frames", lib.fs_segment_corrupt_frames(self._segment, count))

    def drive_fault(self, slave: int, code: int) -> None:
        """A fault from inside a drive, with its error code (0x603F)."""
        check("drive fault", lib.fs_segment_drive_fault(self._segment, slave, code))

    def drive_defects(self, slave: int, defects: int, ramp_per_mille: int = 0) -> None:
        """A drive's defects (`defects.Defect`), and its share of a ramp's deceleration; 0: all."""
        done = lib.fs_segment_drive_defects(self._segment, slave, defects, ramp_per_mille)
        check(f"defects of drive {slave}", done)

    def clock_drift(self, slave: int, ppm: float) -> None:
        """Rate error of the oscillator behind a slave's distributed clock, -1000 to 1000 ppm."""
        check(
            f"clock drift of slave {slave}", lib.fs_segment_clock_drift(self._segment, slave, ppm), _NO_CLOCK
        )

    def clock_lose(self, slave: int, lost: bool) -> None:
        """The slave's clock no longer follows the reference clock, or does again."""
        check(f"clock of slave {slave}", lib.fs_segment_clock_lose(self._segment, slave, lost), _NO_CLOCK)

    def set_inputs(self, slave: int, bits: int) -> None:
        """The input clamps of a digital terminal, bit 0 the first."""
        check("set inputs", lib.fs_segment_set_inputs(self._segment, slave, bits))

    # --- truth ---

    def truth(self, slave: int) -> SlaveTruth:
        native = ffi.new("fs_truth *")
        check("truth", lib.fs_segment_truth(self._segment, slave, native))
        names = SlaveTruth.__dataclass_fields__.keys() - {"position_in_chain", "device", "outputs"}
        values = {name: getattr(native, name) for name in names}
        for name in ("powered", "reached", "outputs_valid", "safe"):
            values[name] = bool(values[name])
        outputs = bytes(ffi.buffer(native.outputs, native.output_bytes))
        return SlaveTruth(
            position_in_chain=slave, device=self.devices[slave].value.name, outputs=outputs, **values
        )

    def events(self, slave: int, since: int = 0) -> list[SlaveEvent]:
        """Events after sequence number `since`, oldest first."""
        native = ffi.new("fs_event[]", _RECORDS)
        count = check("events", lib.fs_segment_events(self._segment, slave, since, native, _RECORDS))
        return [SlaveEvent(e.sequence, e.t_ns, EventKind(e.kind), e.a, e.b) for e in native[0:count]]

    def trace(self, slave: int, since: int = 0) -> list[MotionSample]:
        """Motion samples after sequence number `since`, oldest first, one a millisecond, of the last 8 s."""
        native = ffi.new("fs_motion_sample[]", _RECORDS)
        count = check("trace", lib.fs_segment_trace(self._segment, slave, since, native, _RECORDS))
        return [
            MotionSample(s.sequence, s.t_ns, s.position, s.velocity, s.statusword) for s in native[0:count]
        ]

    def statistics(self) -> SegmentStatistics:
        native = ffi.new("fs_statistics *")
        check("statistics", lib.fs_segment_statistics(self._segment, native))
        computed = {"slaves", "processing_histogram", "fifo", "pinned", "locked"}
        names = SegmentStatistics.__dataclass_fields__.keys() - computed
        return SegmentStatistics(
            slaves=len(self),
            processing_histogram=tuple(native.processing_histogram),
            fifo=bool(native.realtime & _FIFO),
            pinned=bool(native.realtime & _PINNED),
            locked=bool(native.realtime & _LOCKED),
            **{name: getattr(native, name) for name in names},
        )
