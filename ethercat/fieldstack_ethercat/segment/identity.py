"""Makes each device's SII EEPROM: identity, mailbox, sync managers, default PDOs.

`application.py` loads it into its slave, and a master reads it from there.
"""

from __future__ import annotations

from collections.abc import Sequence

from fieldstack_ethercat.segment.objects.device_type import VENDOR_ID, DeviceType
from fieldstack_ethercat.wire.sii import SiiIdentity, SiiImage, SiiMailbox
from fieldstack_ethercat.wire.sii_categories import (
    COE_PDO_ASSIGN,
    COE_PDO_CONFIG,
    COE_SDO,
    COE_SDO_COMPLETE_ACCESS,
    COE_SDO_INFO,
    SiiGeneral,
    SiiPdo,
    SiiSyncManager,
)
from fieldstack_ethercat.wire.sync_manager import (
    CONTROL_INPUTS,
    CONTROL_MAILBOX_IN,
    CONTROL_MAILBOX_OUT,
    CONTROL_OUTPUTS,
)

MAILBOX_BYTES = 256
MAILBOX_OUT = 0x1000
MAILBOX_IN = 0x1100
OUTPUTS = 0x1200
INPUTS = 0x1400
"""Outputs and inputs have room for three buffers of 128 bytes each."""
OUTPUT_CHANNEL = 2
INPUT_CHANNEL = 3


def sii_image(
    device: DeviceType, serial: int, rx_pdos: Sequence[SiiPdo], tx_pdos: Sequence[SiiPdo]
) -> SiiImage:
    """The image of a device with these default PDOs; `serial` distinguishes it from others of its type."""
    return SiiImage(
        identity=SiiIdentity(VENDOR_ID, device.product_code, device.revision, serial),
        mailbox=SiiMailbox(MAILBOX_OUT, MAILBOX_BYTES, MAILBOX_IN, MAILBOX_BYTES),
        general=SiiGeneral(
            group=2,
            order=1,
            name=1,
            coe_details=COE_SDO | COE_SDO_INFO | COE_PDO_ASSIGN | COE_PDO_CONFIG | COE_SDO_COMPLETE_ACCESS,
        ),
        strings=(device.title, "Fieldstack virtual devices"),
        fmmus=(1, 2, 3, 0xFF),
        sync_managers=(
            SiiSyncManager(MAILBOX_OUT, MAILBOX_BYTES, CONTROL_MAILBOX_OUT, 1),
            SiiSyncManager(MAILBOX_IN, MAILBOX_BYTES, CONTROL_MAILBOX_IN, 2),
            _process_data(OUTPUTS, CONTROL_OUTPUTS, 3, rx_pdos),
            _process_data(INPUTS, CONTROL_INPUTS, 4, tx_pdos),
        ),
        tx_pdos=tuple(tx_pdos),
        rx_pdos=tuple(rx_pdos),
    )


def _process_data(start: int, control: int, use: int, pdos: Sequence[SiiPdo]) -> SiiSyncManager:
    length = (sum(pdo.bits for pdo in pdos) + 7) // 8
    return SiiSyncManager(start, length, control, use, enable=1 if length else 0)
