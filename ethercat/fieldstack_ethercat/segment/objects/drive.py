"""Makes the objects of the CiA 402 drive (device profile 402, one axis). `catalogue.py` lists it."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from fieldstack_ethercat.segment._native import lib
from fieldstack_ethercat.segment.coe.object_dictionary import record, variable
from fieldstack_ethercat.segment.coe.object_entry import Entry, FieldRef, StructField
from fieldstack_ethercat.segment.coe.pdo_configuration import PdoConfiguration, PdoDefaults
from fieldstack_ethercat.segment.objects.common import common_objects
from fieldstack_ethercat.segment.objects.device_type import Address, DeviceObjects, DeviceType
from fieldstack_ethercat.segment.objects.drive_table import GROUPS, ROWS, Row

DEVICE_TYPE = 0x00020192
"""0x1000: CiA 402, servo drive."""

FIELDS: dict[Address, FieldRef] = {row.address: row.ref for row in ROWS}
RX_DEFAULTS = PdoDefaults(
    {
        0x1600: ((0x6040, 0, 16), (0x6060, 0, 8), (0, 0, 8), (0x607A, 0, 32), (0x60FF, 0, 32)),
        0x1601: (),
        0x1602: (),
        0x1603: (),
    },
    (0x1600,),
)
TX_DEFAULTS = PdoDefaults(
    {
        0x1A00: (
            (0x6041, 0, 16),
            (0x6061, 0, 8),
            (0, 0, 8),
            (0x6064, 0, 32),
            (0x606C, 0, 32),
            (0x6077, 0, 16),
            (0x603F, 0, 16),
        ),
        0x1A01: (),
        0x1A02: (),
        0x1A03: (),
    },
    (0x1A00,),
)


def _build(device: DeviceType, struct: Any, serial: int) -> DeviceObjects:
    """The objects of one drive; `struct` is its `fs_drive` as cffi shows it."""
    dictionary = common_objects(device, serial, DEVICE_TYPE)
    for index, rows in groupby(ROWS, key=lambda row: row.index):
        entries = {row.subindex: _entry(struct, row) for row in rows}
        named = index in GROUPS
        dictionary.add(record(index, GROUPS[index], entries) if named else variable(index, entries[0]))
    return DeviceObjects(dictionary, PdoConfiguration(dictionary, RX_DEFAULTS, TX_DEFAULTS), FIELDS)


def _entry(struct: Any, row: Row) -> Entry:
    return Entry(
        row.name,
        row.data_type,
        row.access,
        StructField(struct, row.ref),
        low=row.low,
        high=row.high,
        allowed=row.allowed,
    )


SERVO_DRIVE = DeviceType(
    name="drive",
    title="Fieldstack virtual servo drive",
    product_code=0x00000402,
    revision=1,
    native_kind=lib.FS_DEVICE_DRIVE,
    struct="fs_drive *",
    distributed_clock=True,
    build=_build,
)
