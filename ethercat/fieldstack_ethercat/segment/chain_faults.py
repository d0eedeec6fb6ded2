"""Makes faults happen to a chain and its slaves: `chain.faults`. `commands.py` has the orders for it."""

from __future__ import annotations

from typing import Any

from fieldstack_ethercat.segment._native import lib
from fieldstack_ethercat.segment.description.errors import check

_NO_CLOCK = "only drives have a distributed clock"
_STATES = "AL states are 1 INIT (never refused), 2 PRE-OP, 4 SAFE-OP, 8 OP"


class ChainFaults:
    """Power, cables, frames, states, drives, clocks and input clamps; `segment` is the native one.

    All raise NativeError where the segment refuses.
    """

    def __init__(self, segment: Any) -> None:
        self._segment = segment

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
