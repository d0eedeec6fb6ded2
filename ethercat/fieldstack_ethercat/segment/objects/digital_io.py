"""Makes the digital terminal's objects: inputs 0x6000, outputs 0x7000 (ETG.5001.1), eight channels each.

`catalogue.py` lists it as `dio`.
"""

from __future__ import annotations

from typing import Any

from fieldstack_ethercat.segment._native import lib
from fieldstack_ethercat.segment.coe.object_dictionary import array
from fieldstack_ethercat.segment.coe.object_entry import Entry, FieldRef, StructField
from fieldstack_ethercat.segment.coe.pdo_configuration import PdoConfiguration, PdoDefaults
from fieldstack_ethercat.segment.objects.common import common_objects
from fieldstack_ethercat.segment.objects.device_type import Address, DeviceObjects, DeviceType
from fieldstack_ethercat.wire.sdo_info import Access, DataType

DEVICE_TYPE = 0x00001389
"""0x1000: a modular device without a profile of its own (ETG.5001, profile number 5001)."""
CHANNELS = 8
INPUTS, OUTPUTS = 0x6000, 0x7000

FIELDS: dict[Address, FieldRef] = {
    (index, channel + 1): FieldRef(field, 1, channel)
    for index, field in ((INPUTS, "inputs"), (OUTPUTS, "outputs"))
    for channel in range(CHANNELS)
}
RX_DEFAULTS = PdoDefaults({0x1600: tuple((OUTPUTS, n + 1, 1) for n in range(CHANNELS))}, (0x1600,))
TX_DEFAULTS = PdoDefaults({0x1A00: tuple((INPUTS, n + 1, 1) for n in range(CHANNELS))}, (0x1A00,))


def _build(device: DeviceType, struct: Any, serial: int) -> DeviceObjects:
    """The objects of one terminal; `struct` is its `fs_dio` as cffi shows it."""
    dictionary = common_objects(device, serial, DEVICE_TYPE)
    dictionary.add(array(INPUTS, "Digital inputs", _channels(struct, INPUTS)))
    dictionary.add(array(OUTPUTS, "Digital outputs", _channels(struct, OUTPUTS)))
    return DeviceObjects(dictionary, PdoConfiguration(dictionary, RX_DEFAULTS, TX_DEFAULTS), FIELDS)


def _channels(struct: Any, index: int) -> list[Entry]:
    name, mapping = ("Input", Access.TX_MAPPABLE) if index == INPUTS else ("Output", Access.RX_MAPPABLE)
    return [
        Entry(
            f"{name} {channel + 1}",
            DataType.BOOLEAN,
            Access.READ | mapping,
            StructField(struct, FIELDS[index, channel + 1]),
        )
        for channel in range(CHANNELS)
    ]


DIGITAL_IO = DeviceType(
    name="dio",
    title="Fieldstack virtual digital terminal 8/8",
    product_code=0x00000101,
    revision=1,
    native_kind=lib.FS_DEVICE_DIO,
    struct="fs_dio *",
    distributed_clock=False,
    build=_build,
)
