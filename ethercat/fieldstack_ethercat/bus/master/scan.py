"""Reads the slaves on the wire: identities, names, PDO mapping, and the limits that drives report.

`fieldstack bus scan` shows it, and `scan_document.py` makes a configuration of it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Any

from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.errors import MailboxSilentError, SdoAbortedError
from fieldstack_ethercat.bus.master.bus import Bus
from fieldstack_ethercat.bus.master.slave_states import STATE_TIMEOUT_NS
from fieldstack_ethercat.bus.master.topology import FoundSlave
from fieldstack_ethercat.bus.script import run_to_end
from fieldstack_ethercat.bus.slave import pdo_mapping
from fieldstack_ethercat.bus.soem.soem_objects import SoemObjects
from fieldstack_ethercat.bus.soem.soem_structs import COE_COMPLETE_ACCESS, MAILBOX_COE
from fieldstack_ethercat.bus.soem.soem_view import SoemView
from fieldstack_ethercat.wire.al import AlState
from fieldstack_ethercat.wire.errors import WireError
from fieldstack_ethercat.wire.sii import FIRST_CATEGORY, unpack_sii
from fieldstack_ethercat.wire.sii_categories import Category, SiiPdo

DEVICE_TYPE = 0x1000
PROFILE_CIA402 = 402
SII_WORDS = 0x4000
"""As much of an EEPROM as is looked through for the end of its categories: 32 KiB."""

NO_SYNC_MANAGER = 0xFF

LIMITS: dict[str, tuple[int, int, str]] = {
    "position_min": (0x607D, 1, "<i"),
    "position_max": (0x607D, 2, "<i"),
    "velocity_max": (0x607F, 0, "<I"),
    "acceleration_max": (0x60C5, 0, "<I"),
    "following_error_max": (0x6065, 0, "<I"),
    "quick_stop_deceleration": (0x6085, 0, "<I"),
}
"""Limits that a drive may report (CiA 402-2): object, subindex, layout; in counts."""


@dataclass(frozen=True, slots=True)
class ScannedSlave:
    """A slave with its own description. `limits` are in counts, and only those that the drive reports."""

    found: FoundSlave
    is_drive: bool
    rx: pdo_mapping.Mapping
    tx: pdo_mapping.Mapping
    limits: dict[str, int]
    problem: str = ""
    has_clock: bool = False
    """Whether it has a distributed clock."""


def scan(interface: str) -> tuple[ScannedSlave, ...]:
    """All slaves on an interface; takes them to PRE-OP, so never beside a running cell.

    InterfaceError or NoSlavesError as in bring-up. A slave that cannot be read has `problem` set.
    """
    empty = BusPlan("", "", interface, 1_000_000, 500, (), ())
    with Bus(empty) as bus:
        found = bus.find()
        view = SoemView(bus.master)
        return tuple(
            replace(
                _scan_slave(bus.master.slaves[slave.position], slave, view),
                has_clock=bool(view.slave(slave.position).has_dc),
            )
            for slave in found
        )


def _scan_slave(slave: Any, found: FoundSlave, view: SoemView) -> ScannedSlave:
    slave.state_check(AlState.PREOP, STATE_TIMEOUT_NS // 1000)
    record = view.slave(found.position)
    try:
        if not record.mailbox_protocols & MAILBOX_COE:
            return from_sii(slave, found)
        objects = SoemObjects(slave, found.position, found.name)
        return _over_coe(objects, found, bool(record.coe_details & COE_COMPLETE_ACCESS))
    except (MailboxSilentError, SdoAbortedError, WireError) as error:
        return ScannedSlave(found, False, (), (), {}, f"its PDO mapping cannot be read: {error!r}")


def _over_coe(objects: SoemObjects, found: FoundSlave, complete_access: bool) -> ScannedSlave:
    rx = run_to_end(pdo_mapping.read(objects, pdo_mapping.RX_ASSIGN, complete_access))
    tx = run_to_end(pdo_mapping.read(objects, pdo_mapping.TX_ASSIGN, complete_access))
    device_type = _number(objects, DEVICE_TYPE, 0, "<I") or 0
    is_drive = device_type & 0xFFFF == PROFILE_CIA402
    limits = {}
    if is_drive:
        reported = {key: _number(objects, *place) for key, place in LIMITS.items()}
        limits = {key: value for key, value in reported.items() if value is not None}
    return ScannedSlave(found, is_drive, rx, tx, limits)


def _number(objects: SoemObjects, index: int, sub: int, layout: str) -> int | None:
    try:
        raw = run_to_end(objects.upload(index, sub))
    except (MailboxSilentError, SdoAbortedError):
        return None
    return int(struct.unpack(layout, raw)[0]) if len(raw) == struct.calcsize(layout) else None


def from_sii(slave: Any, found: FoundSlave) -> ScannedSlave:
    """A slave without CoE has a fixed mapping, which is in its EEPROM."""
    image = unpack_sii(_read_sii(slave))
    return ScannedSlave(found, False, _mapping(image.rx_pdos), _mapping(image.tx_pdos), {})


def _mapping(pdos: tuple[SiiPdo, ...]) -> pdo_mapping.Mapping:
    return tuple(
        (pdo.index, tuple(entry.index << 16 | entry.sub << 8 | entry.bits for entry in pdo.entries))
        for pdo in pdos
        if pdo.sync_manager != NO_SYNC_MANAGER
    )


def _read_sii(slave: Any) -> bytes:
    """The EEPROM's contents up to the end of its categories, two words a time."""
    data = bytearray()
    category = 2 * FIRST_CATEGORY
    while len(data) < 2 * SII_WORDS:
        data += slave.eeprom_read(len(data) // 2)
        while len(data) >= category + 4:
            kind, words = struct.unpack_from("<HH", data, category)
            if kind == Category.END:
                return bytes(data)
            category += 4 + 2 * words
    return bytes(data)
