"""Explains error codes of CiA 402 drives (0x603F) and what to look at (IEC 61800-7-201, annex D).

The status and the probe of the axes show these texts.
"""

from __future__ import annotations

ERROR_TEXTS: dict[int, str] = {
    0x0000: "No error",
    0x1000: "Generic error",
    0x2110: "Short circuit or earth leakage at the input",
    0x2220: "Continuous overcurrent inside the device",
    0x2250: "Short circuit inside the device",
    0x2310: "Continuous overcurrent at the output",
    0x2320: "Short circuit or earth leakage at the output",
    0x2340: "Short circuit at the motor",
    0x2350: "Load level fault: the motor's thermal model is at its limit",
    0x3110: "Mains overvoltage",
    0x3120: "Mains undervoltage",
    0x3130: "Mains phase failure",
    0x3210: "DC link overvoltage: braking faster than the brake resistor can take",
    0x3220: "DC link undervoltage",
    0x4110: "Excess ambient temperature",
    0x4210: "Excess device temperature",
    0x4310: "Excess drive temperature",
    0x5113: "Low voltage of the control supply",
    0x5400: "Power section",
    0x5441: "Drive enable input is missing",
    0x5530: "Non-volatile memory",
    0x6010: "Software reset by the watchdog",
    0x6100: "Internal software",
    0x6320: "Parameter error",
    0x7110: "Brake chopper",
    0x7121: "Motor blocked",
    0x7122: "Motor error or commutation",
    0x7300: "Position sensor",
    0x7303: "Resolver 1",
    0x7305: "Incremental sensor 1",
    0x7380: "Position sensor: loss of the absolute position",
    0x7500: "Communication",
    0x8130: "Communication lost: process data stopped while operation was enabled",
    0x8300: "Torque control: excess torque",
    0x8400: "Velocity speed control",
    0x8500: "Position control",
    0x8611: "Following error: the motor did not follow the setpoints; look for a jump in them, for a blocked "
    "axis, or for an acceleration beyond the motor's torque",
    0x8612: "Reference limit: a software position limit was reached",
    0x8700: "Sync controller: setpoints did not come with the bus cycle",
    0xF001: "Deceleration took too long",
}

_CLASSES: dict[int, str] = {
    0x1: "Generic",
    0x2: "Current",
    0x3: "Voltage",
    0x4: "Temperature",
    0x5: "Device hardware",
    0x6: "Device software",
    0x7: "Additional modules",
    0x8: "Monitoring",
    0x9: "External",
    0xF: "Additional functions",
}


def error_text(code: int) -> str:
    """What an error code means; else its class. From 0xFF00 on they are the maker's own."""
    if code in ERROR_TEXTS:
        return ERROR_TEXTS[code]
    if code >= 0xFF00:
        return f"Maker's own error 0x{code:04X}: see the drive's manual"
    kind = _CLASSES.get(code >> 12, "Unknown")
    return f"{kind} error 0x{code:04X}: see the drive's manual"
