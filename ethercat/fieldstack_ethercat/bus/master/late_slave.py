"""Takes in a slave that was missing at bring-up: who it is, and where its process data are in its memory.

What SOEM read of the others before it mapped them is read of its SII here (ETG.1000.6, 5.4; ETG.2010): its
mailbox and its sync managers. Its FMMUs get physical addresses; their logical ones they have since bring-up.
`SlavePresence` runs it when such a slave appears.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from fieldstack_ethercat.bus.config.slave_plan import SlavePlan
from fieldstack_ethercat.bus.errors import OtherDeviceError
from fieldstack_ethercat.bus.master.missing_slaves import INPUTS, OUTPUTS
from fieldstack_ethercat.bus.master.topology import FoundSlave, compare
from fieldstack_ethercat.bus.script import Script
from fieldstack_ethercat.bus.slave.slave_address import TO_MASTER, TO_PDI, read_sii, write_at
from fieldstack_ethercat.bus.slave.slave_link import SlaveLink
from fieldstack_ethercat.bus.soem.soem_structs import MAX_SYNC_MANAGERS, SyncManager
from fieldstack_ethercat.wire.al import AlState, control_word
from fieldstack_ethercat.wire.errors import WireError
from fieldstack_ethercat.wire.registers import FEATURE_DC, Register
from fieldstack_ethercat.wire.sii import FIRST_CATEGORY, SiiImage, unpack_sii
from fieldstack_ethercat.wire.sii_categories import Category

MAILBOX_OUT_FLAGS, MAILBOX_IN_FLAGS = 0x00010026, 0x00010022
"""Registers 0x0804 to 0x0807 of a mailbox's sync managers, as SOEM sets them."""
MOST_CATEGORIES = 64
_NEEDED = frozenset({Category.GENERAL, Category.SYNC_MANAGER})
_END = b"\xff\xff"


def place_of(
    position: int, addresses: Sequence[int], planned: Mapping[int, int], alike: Collection[int] = ()
) -> int | None:
    """Where in the line a slave can be that has lost its address; None: nowhere, or nobody knows who is who.

    `addresses`: station addresses along the line; `planned`: positions by address; `alike`: other
    positions of the same device. What stands between two slaves that are known can only be what is planned
    there.
    """
    known = [(place, planned[address]) for place, address in enumerate(addresses) if address in planned]
    own = [place for place, at in known if at == position]
    if own:
        return own[0]
    before = max((one for one in known if one[1] < position), default=(-1, -1))
    behind = min(
        (one for one in known if one[1] > position), default=(len(addresses), max(planned.values()) + 1)
    )
    strangers = range(before[0] + 1, behind[0])
    missing = range(before[1] + 1, behind[1])
    if len(strangers) == len(missing):
        return strangers[missing.index(position)]
    return strangers[0] if len(strangers) == 1 and not set(alike) & set(missing) else None


def admit_late_slave(link: SlaveLink, plan: SlavePlan, place: int) -> Script[None]:
    """Reads who stands at that place; the planned slave gets its address, and its record is filled.

    It is in INIT afterwards, and can be set up. OtherDeviceError, SlaveGoneError.
    """
    yield from write_at(link, place, Register.EEPROM_CONFIG, TO_MASTER)
    image = yield from _image(link, place)
    yield from write_at(link, place, Register.EEPROM_CONFIG, TO_PDI)
    _require(link, plan, image)
    yield from write_at(link, place, Register.STATION_ADDRESS, link.address.to_bytes(2, "little"))
    yield from link.write(
        Register.AL_CONTROL, control_word(AlState.INIT, acknowledge=True), "it was taken into the exchange"
    )
    features = yield from link.read(Register.FEATURES, 2, "it was taken into the exchange")
    link.record.has_dc = bool(int.from_bytes(features, "little") & FEATURE_DC)
    fill(link, plan, image)


def _image(link: SlaveLink, place: int) -> Script[SiiImage | None]:
    """Header and the categories that are needed; None if they make no sense."""
    raw = yield from _words(link, place, 0, FIRST_CATEGORY)
    at = FIRST_CATEGORY
    for _ in range(MOST_CATEGORIES):
        head = yield from _words(link, place, at, 2)
        kind, words = int.from_bytes(head[:2], "little"), int.from_bytes(head[2:], "little")
        if kind == Category.END:
            break
        if kind in _NEEDED:
            raw += head + (yield from _words(link, place, at + 2, words))
        at += 2 + words
    try:
        return unpack_sii(raw + _END)
    except WireError:
        return None


def _words(link: SlaveLink, place: int, first: int, count: int) -> Script[bytes]:
    raw = b""
    while len(raw) < 2 * count:
        raw += (yield from read_sii(link, place, first + len(raw) // 2)).to_bytes(4, "little")
    return raw[: 2 * count]


def _require(link: SlaveLink, plan: SlavePlan, image: SiiImage | None) -> None:
    if image is None:
        raise OtherDeviceError(
            link.position, link.name, "the configured one", "one without a readable EEPROM"
        )
    found = image.identity
    differences = compare(
        [plan], [FoundSlave(link.position, found.vendor, found.product, found.revision, image.name)]
    )
    if differences:
        wanted = ", ".join(f"{one.field} {one.configured}" for one in differences)
        raise OtherDeviceError(
            link.position, link.name, wanted, ", ".join(f"{one.field} {one.found}" for one in differences)
        )


def fill(link: SlaveLink, plan: SlavePlan, image: SiiImage | None) -> None:
    """SOEM's record, as SOEM fills it of the slaves that it finds; FMMUs as `config_map` has laid them."""
    assert image is not None  # noqa: S101 - the caller has required it
    record = link.record
    record.serial, record.revision = image.identity.serial, image.identity.revision
    record.coe_details = image.general.coe_details
    sizes = {OUTPUTS: (plan.output_bits + 7) // 8, INPUTS: (plan.input_bits + 7) // 8}
    starts: dict[int, int] = {}
    for index in range(MAX_SYNC_MANAGERS):
        record.sync_managers[index], record.sync_manager_types[index] = SyncManager(), 0
    for index, manager in enumerate(image.sync_managers[:MAX_SYNC_MANAGERS]):
        length = sizes.get(manager.use, manager.length)
        flags = manager.control | (manager.enable << 16 if length else 0)
        record.sync_managers[index] = SyncManager(manager.start, length, flags)
        record.sync_manager_types[index] = manager.use
        starts.setdefault(manager.use, manager.start)
    _fill_mailbox(link, image)
    for fmmu in record.fmmus:
        if fmmu.active:
            fmmu.physical_start = starts.get(OUTPUTS if fmmu.kind == _WRITES else INPUTS, 0)


_WRITES = 2
"""Kind of an FMMU of outputs."""


def _fill_mailbox(link: SlaveLink, image: SiiImage) -> None:
    box, record = image.mailbox, link.record
    if box is None:
        return
    record.mailbox_write_offset, record.mailbox_write_length = box.out_start, box.out_length
    record.mailbox_read_offset, record.mailbox_read_length = box.in_start, box.in_length or box.out_length
    record.mailbox_protocols = box.protocols
    record.sync_managers[0] = SyncManager(box.out_start, box.out_length, MAILBOX_OUT_FLAGS)
    record.sync_managers[1] = SyncManager(box.in_start, record.mailbox_read_length, MAILBOX_IN_FLAGS)
