"""CiA 402 objects that an axis uses: names, lengths, and which a mode needs (CiA 402-2, IEC 61800-7-201)."""

from __future__ import annotations

OUTPUTS: dict[str, tuple[int, int]] = {
    "controlword": (0x6040, 16),
    "mode_of_operation": (0x6060, 8),
    "target_position": (0x607A, 32),
    "target_velocity": (0x60FF, 32),
}
"""Name of each output object: index, length in bits."""

INPUTS: dict[str, tuple[int, int]] = {
    "statusword": (0x6041, 16),
    "mode_display": (0x6061, 8),
    "position_actual": (0x6064, 32),
    "velocity_actual": (0x606C, 32),
    "torque_actual": (0x6077, 16),
    "error_code": (0x603F, 16),
}
"""Name of each input object: index, length in bits."""

OBJECT_NAMES: dict[int, str] = {index: name for name, (index, _) in (OUTPUTS | INPUTS).items()} | {
    0x6071: "target_torque",
    0x60B1: "velocity_offset",
    0x60B2: "torque_offset",
    0x60F4: "following_error_actual",
    0x60FD: "digital_inputs",
    0x60FE: "digital_outputs",
}

MODE_OF_OPERATION = 0x6060
QUICK_STOP_DECELERATION = 0x6085

MODE_CODES = {"csp": 8, "csv": 9}

REQUIRED: dict[str, tuple[str, ...]] = {
    "csp": ("controlword", "target_position", "statusword", "position_actual"),
    "csv": ("controlword", "target_velocity", "statusword", "position_actual", "velocity_actual"),
}
"""Objects that must be in the process image for an axis of that mode."""
