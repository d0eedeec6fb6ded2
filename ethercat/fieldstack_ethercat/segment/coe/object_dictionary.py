"""A slave's object dictionary: objects, their entries, and access to them one by one or as a whole.

An access that is refused raises SdoAbortError with the abort code that goes on the wire. AL states are
numbers as in AL status (1 INIT, 2 PRE-OP, 4 SAFE-OP, 8 OP).
The devices' own files fill one; the servers of SDO and SDO information and the PDO mapping read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from fieldstack_ethercat.segment.coe.object_entry import Cell, Entry, EntryError, Value
from fieldstack_ethercat.segment.description.defects import ObjectFault
from fieldstack_ethercat.wire.sdo_abort import AbortCode, SdoAbortError
from fieldstack_ethercat.wire.sdo_info import Access, DataType, ListType, ObjectCode

COUNT_BITS = 16
"""Subindex 0 and a byte of padding, in complete access (ETG.1000.6, 5.6.2)."""


class ObjectRules:
    """What an object demands beyond its entries' types; both hooks may raise EntryError."""

    resizable = False
    """Subindex 0 may be written, and says how many entries are in use."""

    def before_write(self, subindex: int, value: Value) -> None:
        """The value is about to be written."""

    def after_write(self, subindex: int) -> None:
        """The value has been written."""


_NO_RULES = ObjectRules()


@dataclass(frozen=True, slots=True)
class DictionaryObject:
    """An object with its entries by subindex."""

    index: int
    name: str
    code: ObjectCode
    entries: Mapping[int, Entry]
    data_type: int
    rules: ObjectRules = _NO_RULES

    @property
    def max_subindex(self) -> int:
        return max(self.entries)

    @property
    def access(self) -> Access:
        """All rights that any of the entries has."""
        combined = Access(0)
        for entry in self.entries.values():
            combined |= entry.access
        return combined

    def in_use(self) -> Iterator[tuple[int, Entry]]:
        """Subindexes from 1 on that subindex 0 counts, with their entries."""
        count = self.entries[0].storage.read()
        return ((sub, entry) for sub, entry in sorted(self.entries.items()) if sub and sub <= int(count))


def variable(index: int, entry: Entry) -> DictionaryObject:
    """A VAR: one entry at subindex 0."""
    return DictionaryObject(index, entry.name, ObjectCode.VAR, {0: entry}, entry.data_type)


def _count(entries: Mapping[int, Entry]) -> Entry:
    return Entry("Number of entries", DataType.UNSIGNED8, Access.READ, Cell(max(entries)))


def record(
    index: int, name: str, entries: Mapping[int, Entry], data_type: int = DataType.PDO_MAPPING
) -> DictionaryObject:
    """A RECORD of these entries from subindex 1 on; subindex 0 counts them."""
    return DictionaryObject(index, name, ObjectCode.RECORD, {0: _count(entries), **entries}, data_type)


def array(index: int, name: str, entries: Iterable[Entry]) -> DictionaryObject:
    """An ARRAY of entries of one type, from subindex 1 on; subindex 0 counts them."""
    numbered = dict(enumerate(entries, start=1))
    return DictionaryObject(
        index, name, ObjectCode.ARRAY, {0: _count(numbered), **numbered}, numbered[1].data_type
    )


@contextmanager
def _located(index: int, subindex: int) -> Iterator[None]:
    try:
        yield
    except EntryError as error:
        raise SdoAbortError(error.code, index, subindex) from None


class ObjectDictionary:
    """The objects of one slave."""

    def __init__(self, objects: Iterable[DictionaryObject] = ()) -> None:
        self._objects: dict[int, DictionaryObject] = {}
        self._resets: list[Callable[[], None]] = []
        self._faults: dict[int, ObjectFault] = {}
        for item in objects:
            self.add(item)

    def add(self, item: DictionaryObject) -> None:
        """Adds an object; ValueError if its index is taken."""
        if item.index in self._objects:
            raise ValueError(f"object 0x{item.index:04X} is in the dictionary already")
        self._objects[item.index] = item

    def break_object(self, index: int, fault: ObjectFault) -> None:
        """The object is out of order from now on; what it held stays."""
        self._faults[index] = fault

    def on_reset(self, action: Callable[[], None]) -> None:
        """Runs after every reset."""
        self._resets.append(action)

    def reset(self) -> None:
        """Power-on: defaults in all values that live in Python; a C struct has its own power-on."""
        for item in self._objects.values():
            for entry in item.entries.values():
                entry.reset()
        for action in self._resets:
            action()

    def indexes(self, kind: ListType = ListType.ALL) -> tuple[int, ...]:
        """The objects in a list of the SDO information service, ascending."""
        wanted = _LIST_ACCESS.get(kind)
        chosen = (index for index, item in self._objects.items() if wanted is None or item.access & wanted)
        return tuple(sorted(chosen))

    def object(self, index: int) -> DictionaryObject:
        """Raises SdoAbortError NO_OBJECT."""
        if self._faults.get(index) is ObjectFault.ABSENT:
            raise SdoAbortError(AbortCode.NO_OBJECT, index)
        try:
            return self._objects[index]
        except KeyError:
            raise SdoAbortError(AbortCode.NO_OBJECT, index) from None

    def entry(self, index: int, subindex: int) -> Entry:
        """Raises SdoAbortError NO_OBJECT or NO_SUBINDEX."""
        entry = self.object(index).entries.get(subindex)
        if entry is None:
            raise SdoAbortError(AbortCode.NO_SUBINDEX, index, subindex)
        return entry

    # --- single entries ---

    def read(self, index: int, subindex: int, state: int) -> bytes:
        """The value as it goes on the wire. Raises SdoAbortError."""
        entry = self.entry(index, subindex)
        with _located(index, subindex):
            entry.check_readable(state)
            return entry.encode(entry.storage.read())

    def writable_size(self, index: int, subindex: int, state: int) -> int:
        """The most bytes that may be written. Raises SdoAbortError if the entry may not be written now."""
        entry = self.entry(index, subindex)
        with _located(index, subindex):
            entry.check_writable(state)
        return entry.byte_length

    def write(self, index: int, subindex: int, data: bytes, state: int) -> None:
        """Checks and writes. Raises SdoAbortError; then nothing has changed."""
        entry = self.entry(index, subindex)
        if self._faults.get(index) is ObjectFault.READ_ONLY:
            raise SdoAbortError(AbortCode.READ_ONLY, index, subindex)
        with _located(index, subindex):
            entry.check_writable(state)
            self._store(self.object(index), subindex, entry.decode(data))

    def _store(self, item: DictionaryObject, subindex: int, value: Value) -> None:
        with _located(item.index, subindex):
            item.rules.before_write(subindex, value)
            if self._faults.get(item.index) is not ObjectFault.FORGETS:
                item.entries[subindex].storage.write(value)
            item.rules.after_write(subindex)

    # --- complete access ---

    def read_complete(self, index: int, first: int, state: int) -> bytes:
        """All entries in use from subindex `first` (0 or 1), packed; write-only ones are zero.

        Raises SdoAbortError.
        """
        item = self._whole(index, first)
        if not any(entry.readable for entry in item.entries.values()):
            raise SdoAbortError(AbortCode.WRITE_ONLY, index)
        packed, bits = 0, 0
        if first == 0:
            packed, bits = int(item.entries[0].storage.read()), COUNT_BITS
        for subindex, entry in item.in_use():
            if entry.readable:
                with _located(index, subindex):
                    entry.check_readable(state)
                packed |= _packed(entry) << bits
            bits += entry.bit_length
        return packed.to_bytes((bits + 7) // 8, "little")

    def writable_size_complete(self, index: int, first: int, state: int) -> int:
        """As `writable_size`, for all entries from `first` on."""
        item = self._whole(index, first)
        writable = [entry for entry in item.entries.values() if entry.writable]
        if not writable:
            raise SdoAbortError(AbortCode.READ_ONLY, index)
        for entry in writable:
            with _located(index, 0):
                entry.check_writable(state)
        bits = sum(entry.bit_length for sub, entry in item.entries.items() if sub)
        return (bits + (COUNT_BITS if first == 0 else 0) + 7) // 8

    def write_complete(self, index: int, first: int, data: bytes, state: int) -> None:
        """Checks all values, then writes those that are not read-only. Raises SdoAbortError.

        An object whose subindex 0 counts the entries in use is emptied, filled and counted, in that order.
        """
        size = self.writable_size_complete(index, first, state)
        item = self._whole(index, first)
        if len(data) > size:
            raise SdoAbortError(AbortCode.LENGTH_TOO_HIGH, index, first)
        values = self._unpacked(item, first, data)
        count = values.pop(0, None)
        if count is not None and item.rules.resizable:
            self._store(item, 0, 0)
        for subindex, value in values.items():
            self._store(item, subindex, value)
        if count is not None and item.rules.resizable:
            self._store(item, 0, count)

    def _whole(self, index: int, first: int) -> DictionaryObject:
        item = self.object(index)
        if item.code is ObjectCode.VAR or first > 1:
            raise SdoAbortError(AbortCode.UNSUPPORTED_ACCESS, index, first)
        return item

    def _unpacked(self, item: DictionaryObject, first: int, data: bytes) -> dict[int, Value]:
        """Values by subindex; read-only entries are left out."""
        values: dict[int, Value] = {}
        packed, left = int.from_bytes(data, "little"), 8 * len(data)
        needed = 0 if item.rules.resizable else item.max_subindex
        if first == 0:
            if left < COUNT_BITS:
                raise SdoAbortError(AbortCode.LENGTH_TOO_LOW, item.index)
            count = packed & 0xFF
            packed, left = packed >> COUNT_BITS, left - COUNT_BITS
            if item.rules.resizable:
                needed = count
                with _located(item.index, 0):
                    values[0] = item.entries[0].decode(bytes((count,)))
        for subindex, entry in sorted(item.entries.items()):
            if subindex == 0:
                continue
            if left < entry.bit_length:
                if subindex <= needed or left >= 8:
                    raise SdoAbortError(AbortCode.LENGTH_TOO_LOW, item.index, subindex)
                break
            if entry.writable:
                with _located(item.index, subindex):
                    values[subindex] = _unpacked_value(entry, packed)
            packed, left = packed >> entry.bit_length, left - entry.bit_length
        return values


def _packed(entry: Entry) -> int:
    data = entry.encode(entry.storage.read())
    return int.from_bytes(data, "little")


def _unpacked_value(entry: Entry, packed: int) -> Value:
    bits = packed & ((1 << entry.bit_length) - 1)
    return entry.decode(bits.to_bytes(entry.byte_length, "little"))


_LIST_ACCESS = {
    ListType.RX_MAPPABLE: Access.RX_MAPPABLE,
    ListType.TX_MAPPABLE: Access.TX_MAPPABLE,
    ListType.BACKUP: Access.BACKUP,
    ListType.SETTINGS: Access.SETTING,
}
