"""Lists the devices a segment can be made of, and reads the text that names them: `drive*4,dio`.

A new device is a file in `objects/`, a line here, and its part in `native/`: CONTRIBUTING.md lists the files.
The segment builds its chain from it; a cell checks the devices of its configuration with it.
"""

from __future__ import annotations

import re
from enum import Enum

from fieldstack_ethercat.segment._native import lib
from fieldstack_ethercat.segment.description.errors import DeviceListError
from fieldstack_ethercat.segment.objects.digital_io import DIGITAL_IO
from fieldstack_ethercat.segment.objects.drive import SERVO_DRIVE

MAX_SLAVES: int = lib.FS_SEGMENT_SLAVES
_ITEM = re.compile(r"([a-z]+)(?:\*(\d+))?")


class Device(Enum):
    """All types there are."""

    DRIVE = SERVO_DRIVE
    DIO = DIGITAL_IO


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
