"""Register addresses of an EtherCAT slave controller (ETG.1000.4, clause 6; ESC register descriptions)."""

from __future__ import annotations

from enum import IntEnum


class Register(IntEnum):
    """Physical addresses; sizes in bytes are in the comments."""

    TYPE = 0x0000  # 1
    REVISION = 0x0001  # 1
    BUILD = 0x0002  # 2
    FMMU_COUNT = 0x0004  # 1
    SM_COUNT = 0x0005  # 1
    RAM_SIZE = 0x0006  # 1, KiB
    PORT_DESCRIPTOR = 0x0007  # 1
    FEATURES = 0x0008  # 2
    STATION_ADDRESS = 0x0010  # 2
    STATION_ALIAS = 0x0012  # 2
    DL_CONTROL = 0x0100  # 4
    DL_STATUS = 0x0110  # 2
    AL_CONTROL = 0x0120  # 2
    AL_STATUS = 0x0130  # 2
    AL_STATUS_CODE = 0x0134  # 2
    PDI_CONTROL = 0x0140  # 2
    EVENT_MASK = 0x0200  # 2
    EVENT_REQUEST = 0x0210  # 2
    RX_ERROR_COUNTER = 0x0300  # 8, two a port
    FORWARDED_RX_ERROR_COUNTER = 0x0308  # 4
    LOST_LINK_COUNTER = 0x0310  # 4
    WATCHDOG_DIVIDER = 0x0400  # 2
    WATCHDOG_TIME_PDI = 0x0410  # 2
    WATCHDOG_TIME_PROCESS_DATA = 0x0420  # 2
    WATCHDOG_STATUS = 0x0440  # 2
    WATCHDOG_COUNTER_PROCESS_DATA = 0x0442  # 1
    WATCHDOG_COUNTER_PDI = 0x0443  # 1
    EEPROM_CONFIG = 0x0500  # 1
    EEPROM_PDI_ACCESS = 0x0501  # 1
    EEPROM_CONTROL = 0x0502  # 2
    EEPROM_ADDRESS = 0x0504  # 4, in words
    EEPROM_DATA = 0x0508  # 8
    FMMU = 0x0600  # 16 each
    SYNC_MANAGER = 0x0800  # 8 each
    DC_RECEIVE_TIME = 0x0900  # 4 a port
    DC_SYSTEM_TIME = 0x0910  # 8
    USER_RAM = 0x0F80  # 128
    PROCESS_DATA_RAM = 0x1000


FMMU_SIZE = 16
SYNC_MANAGER_SIZE = 8
WATCHDOG_TICK_NS = 40
"""The watchdog divider counts ticks of 40 ns, plus 2."""


def fmmu_register(index: int) -> int:
    """Address of FMMU `index`, from 0."""
    return Register.FMMU + FMMU_SIZE * index


def sync_manager_register(index: int) -> int:
    """Address of sync manager `index`, from 0."""
    return Register.SYNC_MANAGER + SYNC_MANAGER_SIZE * index


def watchdog_interval_ns(divider: int, time: int) -> int:
    """Interval of a watchdog in nanoseconds from registers 0x0400 and 0x0410 or 0x0420; 0 is off."""
    return (divider + 2) * WATCHDOG_TICK_NS * time
