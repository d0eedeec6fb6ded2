"""CiA 402 objects that an axis uses: names, lengths, and which a mode needs (CiA 402-2, IEC 61800-7-201).

The bus configuration, its plan and the scan take them from here.
"""

from __future__ import annotations

from fieldstack_ethercat.drives.cia402 import Mode, Object

OUTPUTS: dict[str, tuple[int, int]] = {
    "controlword": (Object.CONTROLWORD, 16),
    "mode_of_operation": (Object.MODES_OF_OPERATION, 8),
    "target_position": (Object.TARGET_POSITION, 32),
    "target_velocity": (Object.TARGET_VELOCITY, 32),
}
"""Name of each output object: index, length in bits."""

INPUTS: dict[str, tuple[int, int]] = {
    "statusword": (Object.STATUSWORD, 16),
    "mode_display": (Object.MODES_OF_OPERATION_DISPLAY, 8),
    "position_actual": (Object.POSITION_ACTUAL, 32),
    "velocity_actual": (Object.VELOCITY_ACTUAL, 32),
    "torque_actual": (Object.TORQUE_ACTUAL, 16),
    "error_code": (Object.ERROR_CODE, 16),
}
"""Name of each input object: index, length in bits."""

OBJECT_NAMES: dict[int, str] = {index: name for name, (index, _) in (OUTPUTS | INPUTS).items()} | {
    Object.TARGET_TORQUE: "target_torque",
    Object.VELOCITY_OFFSET: "velocity_offset",
    Object.TORQUE_OFFSET: "torque_offset",
    Object.FOLLOWING_ERROR_ACTUAL: "following_error_actual",
    Object.DIGITAL_INPUTS: "digital_inputs",
    Object.DIGITAL_OUTPUTS: "digital_outputs",
}

MODE_OF_OPERATION = Object.MODES_OF_OPERATION
QUICK_STOP_DECELERATION = Object.QUICK_STOP_DECELERATION

MODE_CODES = {
    "csp": int(Mode.CYCLIC_SYNCHRONOUS_POSITION),
    "csv": int(Mode.CYCLIC_SYNCHRONOUS_VELOCITY),
}
"""Value of 0x6060 for each mode that a bus configuration may name."""

REQUIRED: dict[str, tuple[str, ...]] = {
    "csp": ("controlword", "target_position", "statusword", "position_actual"),
    "csv": ("controlword", "target_velocity", "statusword", "position_actual", "velocity_actual"),
}
"""Objects that must be in the process image for an axis of that mode."""
