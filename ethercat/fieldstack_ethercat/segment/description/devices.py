"""The devices a segment can be made of, and the list that names them: `drive*4,dio`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from fieldstack_ethercat.segment._native import lib
from fieldstack_ethercat.segment.description.errors import DeviceListError

VENDOR_ID = 0x00000F5D
"""Fieldstack virtual devices."""
MAX_SLAVES: int = lib.FS_SEGMENT_SLAVES
_ITEM = re.compile(r"([a-z]+)(?:\*(\d+))?")


@dataclass(frozen=True, slots=True)
class DeviceType:
    """A type of device: its identity (SII, object 0x1018), its names, and its number in the native part.

    `distributed_clock`: its ESC has one (register 0x0008).
    """

    name: str
    title: str
    product_code: int
    revision: int
    native_kind: int
    distributed_clock: bool


class Device(Enum):
    """All types there are."""

    DRIVE = DeviceType("drive", "Fieldstack virtual servo drive", 0x00000402, 1, 1, True)
    DIO = DeviceType("dio", "Fieldstack virtual digital terminal 8/8", 0x00000101, 1, 2, False)


_BY_NAME = {device.value.name: device for device in Device}


def parse_devices(text: str) -> tuple[Device, ...]:
    """The devices a list names, in wire order: names, each with `*N` for N of a kind, separated by commas.

    Raises DeviceListError for an empty list, an unknown name, or more than 64 slaves.
    """
    found: list[Device] = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        match = _ITEM.fullmatch(item)
        if not match:
            raise DeviceListError(text, f"{item!r} is not NAME or NAME*COUNT")
        device = _BY_NAME.get(match[1])
        if device is None:
            raise DeviceListError(text, f"{match[1]!r} is no device; there are {', '.join(sorted(_BY_NAME))}")
        found.extend([device] * int(match[2] or 1))
        if len(found) > MAX_SLAVES:
            raise DeviceListError(text, f"names more than {MAX_SLAVES} slaves")
    if not found:
        raise DeviceListError(text, "names no device, for example drive*4,dio")
    return tuple(found)
