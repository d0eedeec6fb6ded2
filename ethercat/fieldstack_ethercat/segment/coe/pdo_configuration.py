"""Holds the PDO mapping and assignment: 0x1600.., 0x1A00.., 0x1C12, 0x1C13, sync manager types 0x1C00.

Written in PRE-OP by the standard sequence (subindex 0 to zero, the entries, subindex 0 to their number), or
with complete access. What is written is checked against the dictionary and against the process image's room
(ETG.1000.6, 5.6.7).
Each virtual device has one; `application.py` gives what it says to the native part.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from fieldstack_ethercat.segment.coe.object_dictionary import (
    DictionaryObject,
    ObjectDictionary,
    ObjectRules,
    array,
)
from fieldstack_ethercat.segment.coe.object_entry import Cell, Entry, EntryError, Value
from fieldstack_ethercat.segment.description.errors import SegmentError
from fieldstack_ethercat.wire.sdo_abort import AbortCode, SdoAbortError
from fieldstack_ethercat.wire.sdo_info import Access, DataType, ObjectCode

ENTRIES_PER_PDO = 16
ASSIGNABLE_PDOS = 4
_SYNC_MANAGER_TYPES = 0x1C00
_MAILBOX_OUT, _MAILBOX_IN, _OUTPUTS, _INPUTS = 1, 2, 3, 4


class PdoDirection(Enum):
    """`RX`: outputs, sync manager 2. `TX`: inputs, sync manager 3."""

    RX = 0
    TX = 1

    @property
    def assignment(self) -> int:
        """Index of the assignment object."""
        return 0x1C12 + self.value

    @property
    def mappable(self) -> Access:
        """The right that an entry needs to be mapped in this direction."""
        return Access.RX_MAPPABLE if self is PdoDirection.RX else Access.TX_MAPPABLE


MappedEntry = tuple[int, int, int]
"""One entry of a PDO: index, subindex, length in bits. Padding has index 0 and subindex 0."""


def pack_entry(index: int, subindex: int, bits: int) -> int:
    """An entry as a mapping object holds it."""
    return index << 16 | subindex << 8 | bits


def unpack_entry(packed: int) -> MappedEntry:
    """The reverse of `pack_entry`."""
    return packed >> 16, packed >> 8 & 0xFF, packed & 0xFF


MappingChanged = Callable[[PdoDirection, tuple[MappedEntry, ...]], None]


@dataclass(frozen=True, slots=True)
class PdoDefaults:
    """A direction's mapping objects with their default entries, and which are assigned by default."""

    mappings: Mapping[int, tuple[MappedEntry, ...]]
    assigned: tuple[int, ...]


class PdoConfiguration:
    """The PDOs of one slave. `on_mapping_changed` hears of every change of what a direction's image holds.

    It may raise SegmentError to refuse; the master then gets "present device state".
    """

    def __init__(
        self, dictionary: ObjectDictionary, rx: PdoDefaults, tx: PdoDefaults, max_bytes: int = 128
    ) -> None:
        self.dictionary = dictionary
        self._max_bits = 8 * max_bytes
        self._mappings = {PdoDirection.RX: tuple(rx.mappings), PdoDirection.TX: tuple(tx.mappings)}
        self.on_mapping_changed: MappingChanged | None = None
        types = (_MAILBOX_OUT, _MAILBOX_IN, _OUTPUTS, _INPUTS)
        entries = [Entry(f"SM{n}", DataType.UNSIGNED8, Access.READ, Cell(use)) for n, use in enumerate(types)]
        dictionary.add(array(_SYNC_MANAGER_TYPES, "Sync manager type", entries))
        for direction, defaults in ((PdoDirection.RX, rx), (PdoDirection.TX, tx)):
            self._add_objects(direction, defaults)
        dictionary.on_reset(self._announce_all)

    def _add_objects(self, direction: PdoDirection, defaults: PdoDefaults) -> None:
        title = f"{direction.name.capitalize()}PDO"
        for index, entries in defaults.mappings.items():
            self.dictionary.add(
                _list(
                    index=index,
                    name=f"{title} mapping {index & 0x1FF}",
                    data_type=DataType.UNSIGNED32,
                    values=[pack_entry(*entry) for entry in entries],
                    capacity=ENTRIES_PER_PDO,
                    rules=_MappingRules(self, direction, index),
                    code=ObjectCode.RECORD,
                )
            )
        self.dictionary.add(
            _list(
                index=direction.assignment,
                name=f"{title} assignment",
                data_type=DataType.UNSIGNED16,
                values=list(defaults.assigned),
                capacity=ASSIGNABLE_PDOS,
                rules=_AssignmentRules(self, direction),
                code=ObjectCode.ARRAY,
            )
        )

    def mapped(self, direction: PdoDirection) -> tuple[MappedEntry, ...]:
        """What the direction's image holds now, in order."""
        return tuple(entry for pdo in self.assigned(direction) for entry in self.mapping(pdo))

    def assigned(self, direction: PdoDirection) -> tuple[int, ...]:
        """The mapping objects that the direction's image is made of."""
        return tuple(self._values(direction.assignment))

    def mapping(self, index: int) -> tuple[MappedEntry, ...]:
        """The entries of one mapping object."""
        return tuple(unpack_entry(value) for value in self._values(index))

    def _values(self, index: int) -> list[int]:
        return [int(entry.storage.read()) for _, entry in self.dictionary.object(index).in_use()]

    def announce(self, direction: PdoDirection) -> None:
        """Tells the listener what the image holds; EntryError if it refuses."""
        if self.on_mapping_changed is None:
            return
        try:
            self.on_mapping_changed(direction, self.mapped(direction))
        except SegmentError:
            raise EntryError(AbortCode.DEVICE_STATE) from None

    def _announce_all(self) -> None:
        for direction in PdoDirection:
            if self.on_mapping_changed is not None:
                self.on_mapping_changed(direction, self.mapped(direction))

    def knows(self, direction: PdoDirection, index: int) -> bool:
        """The direction has this mapping object."""
        return index in self._mappings[direction]

    def check_entry(self, direction: PdoDirection, mapped: MappedEntry) -> None:
        """Raises EntryError unless the entry can be mapped in this direction with this length."""
        index, subindex, bits = mapped
        if index == 0 and subindex == 0 and bits:
            return
        try:
            entry = self.dictionary.entry(index, subindex)
        except SdoAbortError as error:
            raise EntryError(error.code) from None
        if not entry.access & direction.mappable:
            raise EntryError(AbortCode.NOT_MAPPABLE)
        if entry.bit_length != bits:
            raise EntryError(AbortCode.LENGTH_MISMATCH)

    def check_room(self, pdos: tuple[int, ...], replaced: Mapping[int, int]) -> None:
        """Raises EntryError if these PDOs are too long together; `replaced`: bits of PDOs being written."""
        bits = sum(replaced[pdo] if pdo in replaced else _bits(self.mapping(pdo)) for pdo in pdos)
        if bits > self._max_bits:
            raise EntryError(AbortCode.PDO_LENGTH)


def _bits(entries: tuple[MappedEntry, ...]) -> int:
    return sum(bits for _, _, bits in entries)


class _ListRules(ObjectRules, ABC):
    """Entries may be written while subindex 0 is zero; writing their number puts them into use."""

    resizable = True

    def __init__(self, pdos: PdoConfiguration, direction: PdoDirection, index: int) -> None:
        self._pdos = pdos
        self._direction = direction
        self._index = index

    def before_write(self, subindex: int, value: Value) -> None:
        entries = self._pdos.dictionary.object(self._index).entries
        if subindex == 0:
            self.check_use([int(entries[sub].storage.read()) for sub in range(1, int(value) + 1)])
        elif entries[0].storage.read():
            raise EntryError(AbortCode.SUBINDEX0_NOT_ZERO)
        elif value:
            self.check_value(int(value))

    @abstractmethod
    def check_value(self, value: int) -> None: ...

    @abstractmethod
    def check_use(self, values: list[int]) -> None: ...


class _MappingRules(_ListRules):
    def check_value(self, value: int) -> None:
        self._pdos.check_entry(self._direction, unpack_entry(value))

    def check_use(self, values: list[int]) -> None:
        for value in values:
            self.check_value(value)
        assigned = self._pdos.assigned(self._direction)
        bits = _bits(tuple(unpack_entry(value) for value in values))
        pdos = assigned if self._index in assigned else (self._index,)
        self._pdos.check_room(pdos, {self._index: bits})

    def after_write(self, subindex: int) -> None:
        if subindex == 0 and self._index in self._pdos.assigned(self._direction):
            self._pdos.announce(self._direction)


class _AssignmentRules(_ListRules):
    def __init__(self, pdos: PdoConfiguration, direction: PdoDirection) -> None:
        super().__init__(pdos, direction, direction.assignment)

    def check_value(self, value: int) -> None:
        if not self._pdos.knows(self._direction, value):
            raise EntryError(AbortCode.VALUE_RANGE)

    def check_use(self, values: list[int]) -> None:
        for value in values:
            self.check_value(value)
        if len(set(values)) < len(values):
            raise EntryError(AbortCode.VALUE_RANGE)
        self._pdos.check_room(tuple(values), {})

    def after_write(self, subindex: int) -> None:
        if subindex == 0:
            self._pdos.announce(self._direction)


def _list(
    *,
    index: int,
    name: str,
    data_type: DataType,
    values: list[int],
    capacity: int,
    rules: ObjectRules,
    code: ObjectCode,
) -> DictionaryObject:
    access = Access.RW_PREOP
    padded = values + [0] * (capacity - len(values))
    count = Entry("Number of entries", DataType.UNSIGNED8, access, Cell(len(values)), high=capacity)
    entries = {n: Entry(f"Entry {n}", data_type, access, Cell(value)) for n, value in enumerate(padded, 1)}
    kind = DataType.PDO_MAPPING if code is ObjectCode.RECORD else data_type
    return DictionaryObject(index, name, code, {0: count, **entries}, kind, rules)
