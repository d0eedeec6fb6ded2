"""Lists the drive's objects: type, rights, limits, field of `fs_drive` (IEC 61800-7-201, ETG.6010).

`drive.py` makes the dictionary from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from fieldstack_ethercat.segment.coe.object_entry import FieldRef
from fieldstack_ethercat.segment.objects.device_type import Address
from fieldstack_ethercat.wire.sdo_info import Access, DataType


@dataclass(frozen=True, slots=True)
class Row:
    """One entry. An object of several entries has its name in `GROUPS`."""

    index: int
    subindex: int
    name: str
    data_type: DataType
    bits: int
    access: Access
    field: str
    low: int | None = None
    high: int | None = None
    allowed: frozenset[int] = frozenset()

    @property
    def address(self) -> Address:
        return self.index, self.subindex

    @property
    def ref(self) -> FieldRef:
        return FieldRef(self.field, self.bits)


_I8, _I16, _I32 = (DataType.INTEGER8, 8), (DataType.INTEGER16, 16), (DataType.INTEGER32, 32)
_U8, _U16, _U32 = (DataType.UNSIGNED8, 8), (DataType.UNSIGNED16, 16), (DataType.UNSIGNED32, 32)
_COMMAND = Access.RW | Access.RX_MAPPABLE
_ACTUAL = Access.READ | Access.TX_MAPPABLE
_SETTING = Access.RW | Access.SETTING
_BOTH = Access.RW | Access.RX_MAPPABLE | Access.SETTING
_TORQUE = 3000
"""Peak torque of the motor, per mille of its rated torque."""

ROWS: tuple[Row, ...] = (
    Row(0x2010, 0, "Velocity feed-forward", *_U16, _SETTING, "velocity_feed_forward", high=2000),
    Row(
        0x6007,
        0,
        "Abort connection option code",
        *_I16,
        _SETTING,
        "abort_connection_option",
        allowed=frozenset({1, 2, 3}),
    ),
    Row(0x603F, 0, "Error code", *_U16, _ACTUAL, "error_code"),
    Row(0x6040, 0, "Controlword", *_U16, _COMMAND, "controlword"),
    Row(0x6041, 0, "Statusword", *_U16, _ACTUAL, "statusword"),
    Row(
        0x605A,
        0,
        "Quick stop option code",
        *_I16,
        _SETTING,
        "quick_stop_option_code",
        allowed=frozenset({0, 1, 2, 3, 5, 6, 7}),
    ),
    Row(0x605B, 0, "Shutdown option code", *_I16, _SETTING, "shutdown_option", low=0, high=1),
    Row(
        0x605C, 0, "Disable operation option code", *_I16, _SETTING, "disable_operation_option", low=0, high=1
    ),
    Row(0x605D, 0, "Halt option code", *_I16, _SETTING, "halt_option", low=1, high=2),
    Row(0x605E, 0, "Fault reaction option code", *_I16, _SETTING, "fault_reaction_option", low=0, high=3),
    Row(0x6060, 0, "Modes of operation", *_I8, _COMMAND, "modes_of_operation"),
    Row(0x6061, 0, "Modes of operation display", *_I8, _ACTUAL, "modes_of_operation_display"),
    Row(0x6062, 0, "Position demand value", *_I32, _ACTUAL, "position_demand"),
    Row(0x6064, 0, "Position actual value", *_I32, _ACTUAL, "position_actual"),
    Row(0x6065, 0, "Following error window", *_U32, _BOTH, "following_error_window"),
    Row(0x6066, 0, "Following error time out", *_U16, _SETTING, "following_error_timeout"),
    Row(0x6067, 0, "Position window", *_U32, _SETTING, "position_window"),
    Row(0x606B, 0, "Velocity demand value", *_I32, _ACTUAL, "velocity_demand"),
    Row(0x606C, 0, "Velocity actual value", *_I32, _ACTUAL, "velocity_actual"),
    Row(0x606D, 0, "Velocity window", *_U16, _SETTING, "velocity_window"),
    Row(0x6071, 0, "Target torque", *_I16, _COMMAND, "target_torque", low=-_TORQUE, high=_TORQUE),
    Row(0x6072, 0, "Max torque", *_U16, _BOTH, "max_torque", high=_TORQUE),
    Row(0x6074, 0, "Torque demand", *_I16, _ACTUAL, "torque_demand"),
    Row(0x6076, 0, "Motor rated torque", *_U32, Access.READ, "motor_rated_torque"),
    Row(0x6077, 0, "Torque actual value", *_I16, _ACTUAL, "torque_actual"),
    Row(0x607A, 0, "Target position", *_I32, _COMMAND, "target_position"),
    Row(0x607D, 1, "Min position limit", *_I32, _SETTING, "software_position_limit_min"),
    Row(0x607D, 2, "Max position limit", *_I32, _SETTING, "software_position_limit_max"),
    Row(0x6080, 0, "Max motor speed", *_U32, _SETTING, "max_motor_speed", low=1, high=6000),
    Row(0x6084, 0, "Profile deceleration", *_U32, _BOTH, "profile_deceleration", low=1),
    Row(0x6085, 0, "Quick stop deceleration", *_U32, _BOTH, "quick_stop_deceleration", low=1),
    Row(0x608F, 1, "Encoder increments", *_U32, Access.READ, "encoder_increments"),
    Row(0x608F, 2, "Motor revolutions", *_U32, Access.READ, "motor_revolutions"),
    Row(0x60B0, 0, "Position offset", *_I32, _COMMAND, "position_offset"),
    Row(0x60B1, 0, "Velocity offset", *_I32, _COMMAND, "velocity_offset"),
    Row(0x60B2, 0, "Torque offset", *_I16, _COMMAND, "torque_offset", low=-_TORQUE, high=_TORQUE),
    Row(0x60C2, 1, "Interpolation time period value", *_U8, _SETTING, "interpolation_time_value", low=1),
    Row(0x60C2, 2, "Interpolation time index", *_I8, _SETTING, "interpolation_time_index", low=-6, high=0),
    Row(0x60F4, 0, "Following error actual value", *_I32, _ACTUAL, "following_error_actual"),
    Row(0x60FD, 0, "Digital inputs", *_U32, _ACTUAL, "digital_inputs"),
    Row(0x60FE, 1, "Physical outputs", *_U32, _COMMAND, "digital_outputs"),
    Row(0x60FE, 2, "Bit mask", *_U32, _SETTING, "digital_outputs_mask"),
    Row(0x60FF, 0, "Target velocity", *_I32, _COMMAND, "target_velocity"),
    Row(0x6502, 0, "Supported drive modes", *_U32, Access.READ, "supported_drive_modes"),
)

GROUPS: dict[int, str] = {
    0x607D: "Software position limit",
    0x608F: "Position encoder resolution",
    0x60C2: "Interpolation time period",
    0x60FE: "Digital outputs",
}
"""Names of the objects that have several entries."""
