"""Defines the errors for bytes that should hold a structure and do not. All of `wire/` raises them."""

from __future__ import annotations


class WireError(ValueError):
    """Base of all errors about structures on the wire."""


class ShortBufferError(WireError):
    """Fewer bytes than the structure has.

    Fields: `structure` its name, `needed` and `got` in bytes.
    """

    def __init__(self, structure: str, needed: int, got: int) -> None:
        self.structure = structure
        self.needed = needed
        self.got = got
        super().__init__(f"{structure} needs {needed} bytes, got {got}: pass the whole structure")


class FieldRangeError(WireError):
    """A value that its field cannot hold.

    Fields: `structure`, `field`, `value`, and `low` and `high`, the range that fits.
    """

    def __init__(self, structure: str, field: str, value: int, low: int, high: int) -> None:
        self.structure = structure
        self.field = field
        self.value = value
        self.low = low
        self.high = high
        super().__init__(f"{structure}.{field} is {value}, but must be from {low} to {high}")


class MalformedError(WireError):
    """Bytes that contradict the structure they should hold. Fields: `structure`, `reason`."""

    def __init__(self, structure: str, reason: str) -> None:
        self.structure = structure
        self.reason = reason
        super().__init__(f"{structure}: {reason}")


def need(structure: str, data: bytes | memoryview | bytearray, size: int) -> None:
    """Raises ShortBufferError unless `data` has at least `size` bytes."""
    if len(data) < size:
        raise ShortBufferError(structure, size, len(data))


def fits(structure: str, field: str, value: int, bits: int) -> int:
    """`value`, if it fits `bits` bits without a sign; else raises FieldRangeError."""
    if not 0 <= value < 1 << bits:
        raise FieldRangeError(structure, field, value, 0, (1 << bits) - 1)
    return value
