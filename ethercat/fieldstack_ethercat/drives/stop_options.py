"""What a drive does by itself when it has to stop, from the stop category (IEC 60204-1) of its slave.

Values of the option codes of CiA 402-2 (IEC 61800-7-201, 6.3 and the tables of each object).

The planning puts them into the plan, and `stop_setup.py` writes them to the drive.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fieldstack_ethercat.drives.cia402 import Object

STOP_OPTIONS: Mapping[int, Mapping[int, int]] = MappingProxyType(
    {
        0: {  # power off at once: the motor coasts
            Object.QUICK_STOP_OPTION: 0,
            Object.SHUTDOWN_OPTION: 0,
            Object.DISABLE_OPERATION_OPTION: 0,
            Object.FAULT_REACTION_OPTION: 0,
        },
        1: {  # along the quick stop ramp, then power off
            Object.QUICK_STOP_OPTION: 2,
            Object.SHUTDOWN_OPTION: 1,
            Object.DISABLE_OPERATION_OPTION: 1,
            Object.FAULT_REACTION_OPTION: 2,
        },
        2: {  # along the quick stop ramp, then held in Quick stop active
            Object.QUICK_STOP_OPTION: 6,
            Object.SHUTDOWN_OPTION: 1,
            Object.DISABLE_OPERATION_OPTION: 1,
            Object.FAULT_REACTION_OPTION: 2,
        },
    }
)
"""By category: object (INTEGER16, subindex 0) and its value."""

OPTION_NAMES: Mapping[int, str] = MappingProxyType(
    {
        Object.QUICK_STOP_OPTION: "quick stop option code",
        Object.SHUTDOWN_OPTION: "shutdown option code",
        Object.DISABLE_OPERATION_OPTION: "disable operation option code",
        Object.FAULT_REACTION_OPTION: "fault reaction option code",
        Object.QUICK_STOP_DECELERATION: "quick stop deceleration",
    }
)
