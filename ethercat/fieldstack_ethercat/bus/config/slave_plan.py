"""One slave of the bus plan: who it must be, its PDOs, its set-up and its safe outputs.

Bring-up and recovery set the slave up from it; the guard takes its safe outputs.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PdoEntry:
    """One entry of a PDO; `bit_offset` counts from the start of the slave's own image in that direction.

    Padding has index 0 and an empty name.
    """

    name: str
    index: int
    sub: int
    bits: int
    bit_offset: int

    @property
    def mapping(self) -> int:
        """The entry as a mapping parameter object holds it: index, subindex, length in bits (ETG.1000.6)."""
        return self.index << 16 | self.sub << 8 | self.bits


@dataclass(frozen=True, slots=True)
class Pdo:
    """One PDO: its mapping parameter object's index (0x1600.. or 0x1A00..) and entries in order."""

    index: int
    entries: tuple[PdoEntry, ...]


@dataclass(frozen=True, slots=True)
class StartupSdo:
    """An SDO download in PRE-OP; `data` is little-endian as it goes on the wire."""

    index: int
    sub: int
    data: bytes
    complete_access: bool


@dataclass(frozen=True, slots=True)
class StopOption:
    """An object of CiA 402 that says how a drive stops, and the value it must have; `data` as in StartupSdo.

    `key` and `value`: where in the configuration that comes from, for people.
    """

    index: int
    data: bytes
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Watchdog:
    """Process data watchdog: registers 0x0400 (unit: 40 ns times this plus 2) and 0x0420 (time)."""

    divider: int
    process_data: int

    @property
    def timeout_ns(self) -> int:
        return self.process_data * (self.divider + 2) * 40


@dataclass(frozen=True, slots=True)
class Sync0:
    """SYNC0 pulses (0x0990, 0x09A0): every `cycle_ns` of system time, `shift_ns` after full ones."""

    cycle_ns: int
    shift_ns: int


@dataclass(frozen=True, slots=True)
class SlavePlan:
    """One slave: who must be at this position (0-based), how it is set up, and what makes it safe.

    `revision` is None if any will do. `safe_outputs` is its output image of `output_bytes` bytes.
    """

    position: int
    name: str
    vendor: int
    product: int
    revision: int | None
    device: str
    rx: tuple[Pdo, ...]
    tx: tuple[Pdo, ...]
    startup_sdos: tuple[StartupSdo, ...]
    stop_category: int
    safe_outputs: bytes
    watchdog: Watchdog
    sync0: Sync0 | None = None
    stop_options: tuple[StopOption, ...] = ()

    @property
    def output_bits(self) -> int:
        return sum(entry.bits for pdo in self.rx for entry in pdo.entries)

    @property
    def input_bits(self) -> int:
        return sum(entry.bits for pdo in self.tx for entry in pdo.entries)

    @property
    def wkc_share(self) -> int:
        """What it adds to the working counter of one LRW: 2 for its outputs, 1 for its inputs."""
        return 2 * bool(self.output_bits) + bool(self.input_bits)

    @property
    def output_bytes(self) -> int:
        return (self.output_bits + 7) // 8

    @property
    def input_bytes(self) -> int:
        return (self.input_bits + 7) // 8

    def output(self, name: str) -> PdoEntry:
        """The output entry of that name; KeyError if it is not mapped."""
        return _entry(self.rx, name)

    def input(self, name: str) -> PdoEntry:
        """The input entry of that name; KeyError if it is not mapped."""
        return _entry(self.tx, name)


def _entry(pdos: tuple[Pdo, ...], name: str) -> PdoEntry:
    for pdo in pdos:
        for entry in pdo.entries:
            if name and entry.name == name:
                return entry
    raise KeyError(name)
