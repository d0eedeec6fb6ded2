"""Gives a slave its station address back, by its position, once it is known to be the right slave.

A slave that lost its power answers to no address. The slave at its place gets the address only if its SII
(ETG.1000.6, 5.4, words 0x08 to 0x0F) has the vendor, product, revision and serial number of bring-up.
The recovery uses it, also for a slave that was missing at bring-up.
"""

from __future__ import annotations

from collections.abc import Collection

from fieldstack_ethercat.bus.errors import OtherDeviceError, SlaveGoneError
from fieldstack_ethercat.bus.script import AT_ONCE, Script, pause_ns
from fieldstack_ethercat.bus.slave.slave_link import ATTEMPTS, SlaveLink
from fieldstack_ethercat.wire.registers import Register

SII_IDENTITY = 0x08
"""Word address of vendor, product, revision and serial number, 32 bits each."""
SII_TIMEOUT_NS = 500_000_000
READ = 0x0100
BUSY, ERRORS = 0x8000, 0x7000
TO_MASTER, TO_PDI = b"\x00", b"\x01"
"""Of register 0x0500: who has the EEPROM."""
_FIELDS = ("vendor", "product", "revision", "serial")


def address_at(link: SlaveLink) -> int | None:
    """The station address of the slave at this place in the line; None if there is none."""
    raw = link.wire.read_at(link.position, Register.STATION_ADDRESS, 2)
    return None if raw is None else int.from_bytes(raw, "little")


def give_address(link: SlaveLink, planned: Collection[int]) -> Script[None]:
    """`planned`: the station addresses of all slaves of the bus. Does nothing where nobody is.

    OtherDeviceError if another device is at its place; SlaveGoneError if it does not answer to the address
    that it has, or vanishes meanwhile.
    """
    found = yield from _address(link)
    if found is None:
        return
    if found != link.address:
        if found in planned:
            raise OtherDeviceError(link.position, link.name, "itself", f"the slave of address 0x{found:04X}")
        yield from _require_identity(link)
        yield from write_at(link, link.position, Register.STATION_ADDRESS, link.address.to_bytes(2, "little"))
    yield from link.read(
        Register.STATION_ADDRESS, 2, "its address was given to it; another slave may have the same"
    )


def _address(link: SlaveLink) -> Script[int | None]:
    now_ns = yield AT_ONCE
    for _ in range(ATTEMPTS):
        if (found := address_at(link)) is not None:
            return found
        now_ns = yield now_ns + pause_ns(0)
    return None


def _require_identity(link: SlaveLink) -> Script[None]:
    wanted = tuple(int(getattr(link.record, name)) for name in _FIELDS)
    yield from write_at(link, link.position, Register.EEPROM_CONFIG, TO_MASTER)
    found = []
    for number in range(len(_FIELDS)):
        found.append((yield from read_sii(link, link.position, SII_IDENTITY + 2 * number)))
    yield from write_at(link, link.position, Register.EEPROM_CONFIG, TO_PDI)
    if tuple(found) != wanted:
        raise OtherDeviceError(link.position, link.name, _identity(wanted), _identity(found))


def read_sii(link: SlaveLink, place: int, word: int) -> Script[int]:
    """Two words of the EEPROM of the slave at this place in the line; the master has access to it."""
    command = READ.to_bytes(2, "little") + word.to_bytes(4, "little")
    yield from write_at(link, place, Register.EEPROM_CONTROL, command)
    now_ns = yield AT_ONCE
    began_ns = now_ns
    while now_ns - began_ns <= SII_TIMEOUT_NS:
        status = link.wire.read_at(place, Register.EEPROM_CONTROL, 2)
        if status is not None and not int.from_bytes(status, "little") & (BUSY | ERRORS):
            data = link.wire.read_at(place, Register.EEPROM_DATA, 4)
            if data is not None:
                return int.from_bytes(data, "little")
        now_ns = yield now_ns + pause_ns(now_ns - began_ns)
    raise _gone(link, "its identity was read from its EEPROM")


def write_at(link: SlaveLink, place: int, register: int, data: bytes) -> Script[None]:
    """The registers of the slave at this place in the line. Raises SlaveGoneError if there is none."""
    now_ns = yield AT_ONCE
    for _ in range(ATTEMPTS):
        if link.wire.write_at(place, register, data):
            return
        now_ns = yield now_ns + pause_ns(0)
    raise _gone(link, "its identity was asked for")


def _gone(link: SlaveLink, what: str) -> SlaveGoneError:
    return SlaveGoneError(link.position, link.name, what)


def _identity(values: tuple[int, ...] | list[int]) -> str:
    return ", ".join(f"{name} 0x{value:08X}" for name, value in zip(_FIELDS, values, strict=True))
