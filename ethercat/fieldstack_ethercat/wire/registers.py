"""Register addresses of an EtherCAT slave controller (ETG.1000.4, clause 6; ESC register descriptions).

Bring-up and recovery read and write slaves by these names.
"""

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
    DC_UNIT_RECEIVE_TIME = 0x0918  # 8, 0x0900 of the processing unit
    DC_SYSTEM_TIME_OFFSET = 0x0920  # 8
    DC_SYSTEM_TIME_DELAY = 0x0928  # 4
    DC_SYSTEM_TIME_DIFFERENCE = 0x092C  # 4, sign and magnitude
    DC_SPEED_COUNTER_START = 0x0930  # 2; a write begins the control loop again
    DC_SPEED_COUNTER_DIFFERENCE = 0x0932  # 2
    DC_DIFFERENCE_FILTER = 0x0934  # 1
    DC_SPEED_COUNTER_FILTER = 0x0935  # 1
    DC_ACTIVATION = 0x0981  # 1
    DC_START_TIME = 0x0990  # 8
    DC_SYNC0_CYCLE = 0x09A0  # 4
    DC_SYNC1_CYCLE = 0x09A4  # 4
    USER_RAM = 0x0F80  # 128
    PROCESS_DATA_RAM = 0x1000


FMMU_SIZE = 16
SYNC_MANAGER_SIZE = 8
WATCHDOG_TICK_NS = 40
"""The watchdog divider counts ticks of 40 ns, plus 2."""


FEATURE_DC = 1 << 2
"""Of register 0x0008: the slave has a distributed clock."""


def clock_difference(raw: bytes) -> int:
    """Register 0x092C in ns: own system time less the reference clock's; bit 31 of it is the sign."""
    word = int.from_bytes(raw, "little")
    magnitude = word & 0x7FFFFFFF
    return -magnitude if word >> 31 else magnitude


def fmmu_register(index: int) -> int:
    """Address of FMMU `index`, from 0."""
    return Register.FMMU + FMMU_SIZE * index


def sync_manager_register(index: int) -> int:
    """Address of sync manager `index`, from 0."""
    return Register.SYNC_MANAGER + SYNC_MANAGER_SIZE * index


def watchdog_interval_ns(divider: int, time: int) -> int:
    """Interval of a watchdog in nanoseconds from registers 0x0400 and 0x0410 or 0x0420; 0 is off."""
    return (divider + 2) * WATCHDOG_TICK_NS * time
