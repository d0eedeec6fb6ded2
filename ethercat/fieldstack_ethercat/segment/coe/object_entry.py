"""One entry of an object: type, access, limits, and where its value lives.

Values are `int` for all integer types and BOOLEAN, `bytes` for strings. A value lives in Python or in a field
of a device's C struct.

Object dictionaries are made of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from fieldstack_ethercat.wire.al import AlState
from fieldstack_ethercat.wire.sdo_abort import AbortCode
from fieldstack_ethercat.wire.sdo_info import Access, DataType

Value = int | bytes

_SIGNED = {
    DataType.INTEGER8: 8,
    DataType.INTEGER16: 16,
    DataType.INTEGER32: 32,
    DataType.INTEGER64: 64,
}
_UNSIGNED = {
    DataType.BOOLEAN: 1,
    DataType.UNSIGNED8: 8,
    DataType.UNSIGNED16: 16,
    DataType.UNSIGNED32: 32,
    DataType.UNSIGNED64: 64,
}
_BITS = _SIGNED | _UNSIGNED
_READ = {AlState.PREOP: Access.READ_PREOP, AlState.SAFEOP: Access.READ_SAFEOP, AlState.OP: Access.READ_OP}
_WRITE = {AlState.PREOP: Access.WRITE_PREOP, AlState.SAFEOP: Access.WRITE_SAFEOP, AlState.OP: Access.WRITE_OP}


class EntryError(Exception):
    """An access that an entry refuses. Field: `code`. The dictionary adds index and subindex."""

    def __init__(self, code: AbortCode) -> None:
        self.code = code
        super().__init__(code.text)


class Storage(Protocol):
    """Where a value lives."""

    def read(self) -> Value: ...

    def write(self, value: Value) -> None: ...


@dataclass(slots=True)
class Cell:
    """A value in Python."""

    value: Value

    def read(self) -> Value:
        return self.value

    def write(self, value: Value) -> None:
        self.value = value


@dataclass(frozen=True, slots=True)
class FieldRef:
    """A field of a device's struct, or one element of a field that is an array; `bits` as in a PDO."""

    field: str
    bits: int
    element: int | None = None


@dataclass(frozen=True, slots=True)
class StructField:
    """A value in a struct as cffi or ctypes show it. Each access is one aligned load or store."""

    struct: Any
    ref: FieldRef

    def read(self) -> Value:
        value = getattr(self.struct, self.ref.field)
        return int(value if self.ref.element is None else value[self.ref.element])

    def write(self, value: Value) -> None:
        if self.ref.element is None:
            setattr(self.struct, self.ref.field, value)
        else:
            getattr(self.struct, self.ref.field)[self.ref.element] = value


@dataclass(slots=True)
class Entry:
    """One entry.

    `bit_length` is the maximum for the string types. `low` and `high` bound an integer, `allowed` lists the
    only values it may have. `default` is what a reset puts back into a value that lives in Python.
    """

    name: str
    data_type: DataType
    access: Access
    storage: Storage
    bit_length: int = 0
    low: int | None = None
    high: int | None = None
    allowed: frozenset[int] = frozenset()
    default: Value = field(init=False)

    def __post_init__(self) -> None:
        self.bit_length = self.bit_length or _BITS[self.data_type]
        self.default = self.storage.read()

    @property
    def byte_length(self) -> int:
        """Size in an SDO of its own; a string's maximum."""
        return (self.bit_length + 7) // 8

    @property
    def is_string(self) -> bool:
        return self.data_type not in _BITS

    @property
    def readable(self) -> bool:
        return bool(self.access & Access.READ)

    @property
    def writable(self) -> bool:
        return bool(self.access & Access.WRITE)

    def check_readable(self, state: int) -> None:
        """Raises EntryError if it cannot be read at all, or not in this AL state."""
        if not self.readable:
            raise EntryError(AbortCode.WRITE_ONLY)
        if not self.access & _right(_READ, state):
            raise EntryError(AbortCode.DEVICE_STATE)

    def check_writable(self, state: int) -> None:
        """Raises EntryError if it cannot be written at all, or not in this AL state."""
        if not self.writable:
            raise EntryError(AbortCode.READ_ONLY)
        if not self.access & _right(_WRITE, state):
            raise EntryError(AbortCode.DEVICE_STATE)

    def encode(self, value: Value) -> bytes:
        """The value as an SDO of its own carries it."""
        if isinstance(value, bytes):
            return value
        return value.to_bytes(self.byte_length, "little", signed=self.data_type in _SIGNED)

    def decode(self, data: bytes) -> Value:
        """The value in `data`. Raises EntryError for a wrong length or a value out of range."""
        if len(data) > self.byte_length:
            raise EntryError(AbortCode.LENGTH_TOO_HIGH)
        if self.is_string:
            return data
        if len(data) < self.byte_length:
            raise EntryError(AbortCode.LENGTH_TOO_LOW)
        return self._checked(int.from_bytes(data, "little", signed=self.data_type in _SIGNED))

    def _checked(self, value: int) -> int:
        high = 1 if self.data_type is DataType.BOOLEAN else self.high
        if high is not None and value > high:
            raise EntryError(AbortCode.VALUE_TOO_HIGH)
        if self.low is not None and value < self.low:
            raise EntryError(AbortCode.VALUE_TOO_LOW)
        if self.allowed and value not in self.allowed:
            raise EntryError(AbortCode.VALUE_RANGE)
        return value

    def reset(self) -> None:
        """Puts the default back, unless the value lives elsewhere than in Python."""
        if isinstance(self.storage, Cell):
            self.storage.write(self.default)


def _right(rights: dict[AlState, Access], state: int) -> Access:
    return next((right for known, right in rights.items() if known == state), Access(0))
