"""Makes what all virtual devices' dictionaries have: identity, names, a scratch object.

The dictionaries of the drive and of the digital terminal begin with it.
"""

from __future__ import annotations

from fieldstack_ethercat.segment.coe.object_dictionary import ObjectDictionary, record, variable
from fieldstack_ethercat.segment.coe.object_entry import Cell, Entry
from fieldstack_ethercat.segment.objects.device_type import VENDOR_ID, DeviceType
from fieldstack_ethercat.wire.sdo_info import Access, DataType

SCRATCH_OBJECT = 0x2000
SCRATCH_BYTES = 512
"""More than a mailbox holds: reading and writing it takes segments."""


def common_objects(device: DeviceType, serial: int, device_type: int) -> ObjectDictionary:
    """A dictionary with the objects that every device has. `device_type` is the value of 0x1000."""
    identity = {
        1: _unsigned32("Vendor ID", VENDOR_ID),
        2: _unsigned32("Product code", device.product_code),
        3: _unsigned32("Revision number", device.revision),
        4: _unsigned32("Serial number", serial),
    }
    return ObjectDictionary(
        (
            variable(0x1000, _unsigned32("Device type", device_type)),
            variable(0x1001, Entry("Error register", DataType.UNSIGNED8, Access.READ, Cell(0))),
            variable(0x1008, _text("Device name", device.title)),
            variable(0x1009, _text("Hardware version", "virtual")),
            variable(0x100A, _text("Software version", f"revision {device.revision}")),
            record(0x1018, "Identity", identity, DataType.IDENTITY),
            variable(SCRATCH_OBJECT, _scratch()),
        )
    )


def _unsigned32(name: str, value: int) -> Entry:
    return Entry(name, DataType.UNSIGNED32, Access.READ, Cell(value))


def _text(name: str, text: str) -> Entry:
    value = text.encode("ascii")
    return Entry(name, DataType.VISIBLE_STRING, Access.READ, Cell(value), bit_length=8 * len(value))


def _scratch() -> Entry:
    value = bytes(SCRATCH_BYTES)
    name = "Scratch memory"
    return Entry(name, DataType.OCTET_STRING, Access.RW, Cell(value), bit_length=8 * SCRATCH_BYTES)
