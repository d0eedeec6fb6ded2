"""Writes a scan down as a bus configuration that is valid and brings the scanned bus up.

`fieldstack bus scan` prints it or writes the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from fieldstack_base.atomic_file import replace_file
from fieldstack_ethercat.bus.config.loading import load_text
from fieldstack_ethercat.bus.errors import BusError
from fieldstack_ethercat.bus.master.scan import ScannedSlave
from fieldstack_ethercat.bus.slave.pdo_mapping import Mapping
from fieldstack_ethercat.drives.cia402_objects import INPUTS, OBJECT_NAMES, OUTPUTS, REQUIRED

DEFAULT_LIMITS = {
    "position_min": -1_000_000,
    "position_max": 1_000_000,
    "velocity_max": 100_000,
    "acceleration_max": 1_000_000,
    "following_error_max": 10_000,
    "quick_stop_deceleration": 10_000_000,
}
"""In counts, for limits that a drive does not report: small enough to do no harm before a person has looked.
"""
INT32_MAX = 0x7FFFFFFF


class FileExistsAlreadyError(BusError, FileExistsError):
    """The file to write exists, and overwriting was not asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} exists and is kept. Give another name, or --force to overwrite it.")


def write(path: Path, text: str, *, force: bool = False) -> None:
    """Write a configuration whole or not at all; FileExistsAlreadyError unless `force`."""
    if not force:
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError as error:
            raise FileExistsAlreadyError(path) from error
        return
    replace_file(path, text, shared=True)


def document(interface: str, slaves: Sequence[ScannedSlave]) -> str:
    """The configuration as YAML. It is checked: BusError names what of the bus cannot be written down."""
    for slave in slaves:
        if slave.problem:
            raise BusError(f"position {slave.found.position} ({slave.found.name}): {slave.problem}")
    names = _names(slaves)
    lines = [
        "# yaml-language-server: $schema=bus.schema.json",
        f"# What a scan found on {interface}. Check names, units and limits before you use it.",
        f"interface: {interface}",
        "cycle_time_us: 1000",
        "watchdog_ms: 100",
        *_clocks(slaves),
        "",
        "slaves:",
        *(line for slave, name in zip(slaves, names, strict=True) for line in _slave(slave, name)),
    ]
    axes = [pair for pair in zip(slaves, names, strict=True) if _can_be_axis(pair[0])]
    if axes:
        lines += ["", "axes:", *(line for slave, name in axes for line in _axis(slave, name))]
    text = "\n".join(lines) + "\n"
    load_text(text, "the scan's result")
    return text


def _clocks(slaves: Sequence[ScannedSlave]) -> Iterator[str]:
    having = sum(slave.has_clock for slave in slaves)
    if having:
        yield f"distributed_clocks: {{enabled: false}} # {having} of {len(slaves)} slaves have such a clock"


def _names(slaves: Sequence[ScannedSlave]) -> list[str]:
    """`drive-1`, `drive-2` for drives; for others what they call themselves, made unique."""
    names: list[str] = []
    drives = 0
    for slave in slaves:
        drives += slave.is_drive
        name = f"drive-{drives}" if slave.is_drive else _plain(slave.found.name)
        names.append(name if name not in names else f"{name[:34]}-{slave.found.position}")
    return names


def _plain(text: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-._")[:34].lower()
    return plain or "slave"


def _slave(slave: ScannedSlave, name: str) -> Iterator[str]:
    found = slave.found
    yield f"  - name: {name}{_comment(found.name)}"
    yield f"    vendor: 0x{found.vendor:08X}"
    yield f"    product: 0x{found.product:08X}"
    yield f"    revision: 0x{found.revision:08X}"
    yield f"    device: {'cia402' if slave.is_drive else 'generic'}"
    if slave.rx or slave.tx:
        yield "    pdos:"
        yield from _pdos("rx", slave.rx)
        yield from _pdos("tx", slave.tx)


def _comment(text: str) -> str:
    printable = "".join(letter for letter in text if letter.isprintable())
    return f" # {printable}" if printable else ""


def _pdos(direction: str, mapping: Mapping) -> Iterator[str]:
    if not mapping:
        return
    yield f"      {direction}:"
    for pdo, parameters in mapping:
        yield f"        - pdo: 0x{pdo:04X}"
        yield "          entries:"
        for word in parameters:
            index, sub, bits = word >> 16, word >> 8 & 0xFF, word & 0xFF
            yield f"            - {_entry(index, sub, bits)}"


def _entry(index: int, sub: int, bits: int) -> str:
    if index == 0:
        return f"{{bits: {bits}}}"
    if sub == 0:
        return f"{{object: 0x{index:04X}, bits: {bits}}}{_comment(OBJECT_NAMES.get(index, ''))}"
    return f"{{object: 0x{index:04X}, sub: {sub}, bits: {bits}}}"


def _can_be_axis(slave: ScannedSlave) -> bool:
    return slave.is_drive and _mode(slave) is not None


def _mode(slave: ScannedSlave) -> str | None:
    """The first mode whose objects are all mapped with the length that an axis needs."""
    words = {word for _, parameters in (*slave.rx, *slave.tx) for word in parameters}
    objects = OUTPUTS | INPUTS
    for mode, needed in REQUIRED.items():
        if all(objects[name][0] << 16 | objects[name][1] in words for name in needed):
            return mode
    return None


def _axis(slave: ScannedSlave, name: str) -> Iterator[str]:
    limits = {key: _usable(slave.limits.get(key), default) for key, default in DEFAULT_LIMITS.items()}
    if limits["position_min"] >= limits["position_max"]:
        limits |= {key: DEFAULT_LIMITS[key] for key in ("position_min", "position_max")}
    yield f"  - name: axis-{name.removeprefix('drive-')}"
    yield f"    slave: {name}"
    yield f"    mode: {_mode(slave)}"
    yield "    counts_per_unit: 1 # counts; give the gearing's, and the unit"
    yield "    unit: count"
    for key, value in limits.items():
        reported = slave.limits.get(key) == value
        yield f"    {key}: {value} # {'as the drive says' if reported else 'a guess: the drive does not say'}"


def _usable(reported: int | None, default: int) -> int:
    """A limit that a drive reports, unless 0 or all bits set mean "none"."""
    return reported if reported and abs(reported) < INT32_MAX else default
