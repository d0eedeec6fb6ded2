"""Describes a type of virtual device: its identity, its struct in the native part, its objects.

Each device's own file in this folder makes one; `catalogue.py` lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fieldstack_ethercat.segment.coe.object_dictionary import ObjectDictionary
from fieldstack_ethercat.segment.coe.object_entry import FieldRef
from fieldstack_ethercat.segment.coe.pdo_configuration import PdoConfiguration

VENDOR_ID = 0x00000F5D
"""Fieldstack virtual devices."""

Address = tuple[int, int]
"""Index and subindex."""


@dataclass(frozen=True, slots=True)
class DeviceObjects:
    """A device's dictionary, its PDOs, and for each object in its C struct the field that holds it."""

    dictionary: ObjectDictionary
    pdos: PdoConfiguration
    fields: Mapping[Address, FieldRef]


@dataclass(frozen=True, slots=True)
class DeviceType:
    """`name`: in device lists; `title`: in the SII and object 0x1008, with product code and revision.

    `native_kind`: its number in the native part (`enum fs_device_kind`), `struct` its state there, as a C
    pointer type; `distributed_clock`: its ESC has one (register 0x0008). `build` makes the objects of one
    device, from its type, its struct and its serial number.
    """

    name: str
    title: str
    product_code: int
    revision: int
    native_kind: int
    struct: str
    distributed_clock: bool
    build: Callable[[DeviceType, Any, int], DeviceObjects]

    def objects(self, struct: Any, serial: int) -> DeviceObjects:
        """The objects of one such device; `struct` is its state as cffi shows it."""
        return self.build(self, struct, serial)
