"""Runs a virtual slave's application: it answers the mailbox from the object dictionary and maps the PDOs.

The bench has one a slave.
"""

from __future__ import annotations

from typing import Any

from fieldstack_ethercat.segment._native import ffi
from fieldstack_ethercat.segment.chain import Chain
from fieldstack_ethercat.segment.coe.coe_server import CoeServer
from fieldstack_ethercat.segment.coe.object_entry import FieldRef
from fieldstack_ethercat.segment.coe.pdo_configuration import MappedEntry, PdoDirection
from fieldstack_ethercat.segment.description.defects import ObjectFault
from fieldstack_ethercat.segment.description.errors import SegmentError
from fieldstack_ethercat.segment.identity import INPUT_CHANNEL, MAILBOX_BYTES, OUTPUT_CHANNEL, sii_image
from fieldstack_ethercat.wire.sii_categories import SiiPdo, SiiPdoEntry


class SlaveApplication:
    """The application of slave `slave` in `chain`; its serial number is its position, from 1."""

    def __init__(self, chain: Chain, slave: int) -> None:
        self._chain = chain
        self._slave = slave
        self._struct = chain.device(slave)
        self._serial = slave + 1
        self._type = chain.devices[slave].value
        self._objects = self._type.objects(self._struct, self._serial)
        self._objects.pdos.on_mapping_changed = self._map
        self._session = chain.mailboxes.session(slave)
        self._server = CoeServer(
            self._objects.dictionary,
            al_state=lambda: chain.mailboxes.al_state(slave),
            mailbox_size=MAILBOX_BYTES,
        )

    def install(self) -> None:
        """Writes the EEPROM and sets the default mapping, before the first power-on."""
        image = sii_image(
            self._type, self._serial, self._sii_pdos(PdoDirection.RX), self._sii_pdos(PdoDirection.TX)
        )
        self._chain.set_eeprom(self._slave, image.pack())
        self.reset()

    def reset(self) -> None:
        """Objects and mapping as after power-on; the slave must be dark."""
        self._objects.dictionary.reset()

    def object_fault(self, index: int, fault: ObjectFault) -> None:
        self._objects.dictionary.break_object(index, fault)

    def handle(self, telegram: bytes) -> list[bytes]:
        """The telegrams that answer one from the master."""
        session = self._chain.mailboxes.session(self._slave)
        if session != self._session:
            self._session = session
            self._server.reset()
        return self._server.handle(telegram)

    def _map(self, direction: PdoDirection, mapped: tuple[MappedEntry, ...]) -> None:
        entries = [(self._pointer(index, sub), bits) for index, sub, bits in mapped]
        self._chain.set_mapping(self._slave, direction.value, entries)

    def _pointer(self, index: int, subindex: int) -> Any:
        if not index:
            return ffi.NULL
        ref = self._objects.fields.get((index, subindex))
        if ref is None:
            raise SegmentError(f"object 0x{index:04X}:{subindex:02X} has no place in the device")
        return _address(self._struct, ref)

    def _sii_pdos(self, direction: PdoDirection) -> list[SiiPdo]:
        channel = OUTPUT_CHANNEL if direction is PdoDirection.RX else INPUT_CHANNEL
        pdos = self._objects.pdos
        return [
            SiiPdo(index, channel, tuple(SiiPdoEntry(*entry) for entry in pdos.mapping(index)))
            for index in pdos.assigned(direction)
        ]


def _address(struct: Any, ref: FieldRef) -> Any:
    if ref.element is None:
        return ffi.addressof(struct[0], ref.field)
    return ffi.addressof(getattr(struct, ref.field), ref.element)
