"""The `slaves:` part of a bus configuration: identity, PDO mapping, start-up SDOs, safe outputs, stop.

The checks of the other parts refer to its slaves, and the planning makes each slave's plan from it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fieldstack_base.section import Section
from fieldstack_ethercat.drives.cia402_objects import OBJECT_NAMES

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$")]
EntryName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,39}$")]
U8 = Annotated[int, Field(ge=0, le=0xFF)]
U16 = Annotated[int, Field(ge=0, le=0xFFFF)]
U32 = Annotated[int, Field(ge=0, le=0xFFFFFFFF)]

SDO_RANGES: dict[str, tuple[int, int]] = {
    "u8": (0, 0xFF),
    "u16": (0, 0xFFFF),
    "u32": (0, 0xFFFFFFFF),
    "i8": (-0x80, 0x7F),
    "i16": (-0x8000, 0x7FFF),
    "i32": (-0x80000000, 0x7FFFFFFF),
}


class PdoEntryConfig(Section):
    """One entry of a PDO, in the order of the image. Without `object` it is padding."""

    object: U16 = Field(default=0, description="Index of the mapped object, e.g. 0x6040; 0 is padding.")
    sub: U8 = Field(default=0, description="Subindex of the mapped object.")
    bits: int = Field(ge=1, le=255, description="Length in the process image in bits.")
    name: EntryName | None = Field(
        default=None, description="Name for safe_outputs and diagnosis; CiA 402 objects have one by default."
    )

    @property
    def entry_name(self) -> str:
        """The given name, the standard's name of a CiA 402 object, or `0x7000:01`; empty for padding."""
        if self.name is not None:
            return self.name
        if self.object == 0:
            return ""
        known = OBJECT_NAMES.get(self.object) if self.sub == 0 else None
        return known or f"0x{self.object:04X}:{self.sub:02X}"


class PdoConfig(Section):
    """A PDO: the index of its mapping object, and what is in it."""

    pdo: int = Field(ge=0x1600, le=0x1BFF, description="Index of the PDO mapping object.")
    entries: list[PdoEntryConfig] = Field(min_length=1, max_length=254)


class RxPdoConfig(PdoConfig):
    """An RxPDO (outputs: from the master to the slave)."""

    pdo: int = Field(ge=0x1600, le=0x17FF, description="Index of the PDO mapping object, 0x1600 and up.")


class TxPdoConfig(PdoConfig):
    """A TxPDO (inputs: from the slave to the master)."""

    pdo: int = Field(ge=0x1A00, le=0x1BFF, description="Index of the PDO mapping object, 0x1A00 and up.")


class PdosConfig(Section):
    """The PDOs assigned to the outputs (0x1C12) and the inputs (0x1C13) of a slave, in order."""

    rx: list[RxPdoConfig] = Field(default=[], max_length=64)
    tx: list[TxPdoConfig] = Field(default=[], max_length=64)


class StartupSdoConfig(Section):
    """An SDO written in PRE-OP each time the slave is configured, also after a power loss."""

    object: int = Field(ge=0x1000, le=0xFFFF, description="Index of the object.")
    sub: U8 = 0
    type: Literal["u8", "u16", "u32", "i8", "i16", "i32", "bytes"]
    value: int | str = Field(description='A number; for type bytes a string of hex digits, e.g. "01 02 ff".')
    complete_access: bool = Field(default=False, description="Write the whole object at once (type bytes).")

    def encode(self) -> bytes:
        """The value as it goes on the wire, little-endian. ValueError says what is wrong with it."""
        if self.type == "bytes":
            if not isinstance(self.value, str):
                raise ValueError('type bytes takes a string of hex digits, e.g. "01 02 ff"')
            data = bytes.fromhex(self.value)
            if not 1 <= len(data) <= 1024:
                raise ValueError("between 1 and 1024 bytes")
            return data
        low, high = SDO_RANGES[self.type]
        if not isinstance(self.value, int) or not low <= self.value <= high:
            raise ValueError(f"type {self.type} takes a number from {low} to {high}")
        return self.value.to_bytes(int(self.type[1:]) // 8, "little", signed=low < 0)


class Sync0Config(Section):
    """SYNC0 pulses of a slave, for devices whose applications run by them (synchronisation mode DC)."""

    cycle_us: int | None = Field(
        default=None, ge=50, le=1_000_000, description="Time between two pulses; default: the bus cycle."
    )
    shift_us: int = Field(
        default=0, ge=0, le=999_999, description="How long after full cycles of the system time they come."
    )


class SlaveConfig(Section):
    """One slave; its position is its place in the list, 0 being the first on the cable."""

    name: Name
    vendor: U32 = Field(description="Vendor id the device must have (SII word 0x0008).")
    product: U32 = Field(description="Product code the device must have (SII word 0x000A).")
    revision: U32 | None = Field(default=None, description="Revision it must have; left out: any.")
    device: Literal["cia402", "generic"] = Field(default="generic", description="Profile it is driven by.")
    pdos: PdosConfig = PdosConfig()
    startup_sdos: list[StartupSdoConfig] = Field(default=[], max_length=256)
    safe_outputs: dict[EntryName, int] = Field(
        default={},
        description="Value of each named RxPDO entry in the safe state; others are 0, "
        "except the controlword of a drive with stop category 1 or 2: 0x0002, quick stop.",
    )
    stop_category: int | None = Field(
        default=None,
        ge=0,
        le=2,
        description="IEC 60204-1 stop category; default 1 for cia402, 0 for generic.",
    )
    watchdog_ms: int | None = Field(
        default=None, ge=1, le=6553, description="Process data watchdog of this slave; default: the bus's."
    )
    sync0: Sync0Config | None = Field(
        default=None, description="SYNC0 pulses of its distributed clock; left out: none."
    )

    @property
    def effective_stop_category(self) -> int:
        if self.stop_category is not None:
            return self.stop_category
        return 1 if self.device == "cia402" else 0
