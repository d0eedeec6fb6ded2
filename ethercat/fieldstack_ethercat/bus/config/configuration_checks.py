"""Finds parts of a bus configuration that contradict each other, which a schema cannot.

Each check yields findings: key path, value, what is wrong, what to do.
`BusConfig` runs them all when a configuration is read, and people get all findings at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from fieldstack_base.yaml_source import KeyPath
from fieldstack_ethercat.bus.config import (
    configuration_axis_checks,
    configuration_clocks,
    configuration_group,
    configuration_start,
    configuration_stop,
    image_layout,
)
from fieldstack_ethercat.bus.config.plan import MAX_PROCESS_IMAGE

if TYPE_CHECKING:
    from fieldstack_ethercat.bus.config.configuration import BusConfig
    from fieldstack_ethercat.bus.config.configuration_slave import PdoConfig, PdoEntryConfig, SlaveConfig

MIN_WATCHDOG_CYCLES = 3

Finding = configuration_axis_checks.Finding


def find_conflicts(bus: BusConfig) -> Iterator[Finding]:
    """All findings, in the order of the document."""
    yield from _timing(bus)
    yield from _repeated_names(bus)
    yield from _process_image(bus)
    for at, slave in enumerate(bus.slaves):
        base: KeyPath = ("slaves", at)
        yield from _watchdog(bus, slave, base)
        yield from _pdos(slave, base)
        yield from _startup_sdos(slave, base)
        yield from _safe_outputs(slave, base)
        yield from _stop_category(slave, base)
        yield from configuration_stop.find_in_slave(slave, base)
    slaves = {slave.name: slave for slave in bus.slaves}
    for at, axis in enumerate(bus.axes):
        yield from configuration_axis_checks.find(axis, slaves, ("axes", at))
    yield from configuration_group.find(bus)
    yield from configuration_clocks.find(bus)
    yield from configuration_start.find(bus)


def _timing(bus: BusConfig) -> Iterator[Finding]:
    if bus.effective_receive_timeout_us > bus.cycle_time_us:
        yield (
            ("receive_timeout_us",),
            bus.receive_timeout_us,
            f"longer than the cycle ({bus.cycle_time_us} µs)",
            "A lost frame must not cost the next cycle: use at most the cycle time, better half of it.",
        )


def _watchdog(bus: BusConfig, slave: SlaveConfig, base: KeyPath) -> Iterator[Finding]:
    shortest_us = MIN_WATCHDOG_CYCLES * bus.cycle_time_us
    if bus.watchdog_of(slave) * 1000 < shortest_us:
        key: KeyPath = (*base, "watchdog_ms") if slave.watchdog_ms else ("watchdog_ms",)
        yield (
            key,
            bus.watchdog_of(slave),
            f"shorter than {MIN_WATCHDOG_CYCLES} cycles of {bus.cycle_time_us} µs",
            f"At least {-(-shortest_us // 1000)} ms, or one lost frame stops the machine.",
        )
    elif bus.watchdog_of(slave) * 1000 <= bus.lost_cycles_limit * bus.cycle_time_us:
        longest = (bus.watchdog_of(slave) * 1000 - 1) // bus.cycle_time_us
        yield (
            ("lost_cycles_limit",),
            bus.lost_cycles_limit,
            f"as long as the watchdog of slave {slave.name} ({bus.watchdog_of(slave)} ms), or longer",
            f"At most {longest} cycles: RT stops the axes in order before slaves stop by themselves.",
        )


def _repeated_names(bus: BusConfig) -> Iterator[Finding]:
    for key, things in (("slaves", bus.slaves), ("axes", bus.axes)):
        for at, first in _repeats([thing.name for thing in things]):
            name = things[at].name
            yield (key, at, "name"), name, f"same name as {key}[{first}]", "Give each its own name."
    for at, first in _repeats([axis.slave for axis in bus.axes]):
        yield (
            ("axes", at, "slave"),
            bus.axes[at].slave,
            f"already driven as axes[{first}]",
            "One axis a slave: two would write the same controlword.",
        )


def _repeats(names: list[Any]) -> Iterator[tuple[int, int]]:
    first: dict[Any, int] = {}
    for at, name in enumerate(names):
        if name in first:
            yield at, first[name]
        first.setdefault(name, at)


def bits_of(pdos: Sequence[PdoConfig]) -> int:
    """Length of a slave's image in one direction."""
    return sum(entry.bits for pdo in pdos for entry in pdo.entries)


def _process_image(bus: BusConfig) -> Iterator[Finding]:
    _, outputs = image_layout.lay_out(bits_of(slave.pdos.rx) for slave in bus.slaves)
    _, inputs = image_layout.lay_out(bits_of(slave.pdos.tx) for slave in bus.slaves)
    if outputs + inputs > MAX_PROCESS_IMAGE:
        yield (
            ("slaves",),
            f"{outputs} bytes out, {inputs} bytes in",
            f"process image larger than {MAX_PROCESS_IMAGE} bytes",
            "Map fewer objects, or put the slaves on two buses.",
        )


def _pdos(slave: SlaveConfig, base: KeyPath) -> Iterator[Finding]:
    for direction, pdos in (("rx", slave.pdos.rx), ("tx", slave.pdos.tx)):
        where: KeyPath = (*base, "pdos", direction)
        for at, first in _repeats([pdo.pdo for pdo in pdos]):
            index = f"0x{pdos[at].pdo:04X}"
            yield (*where, at, "pdo"), index, f"assigned twice, first as {direction}[{first}]", "Keep one."
        yield from _entries(list(_placed(pdos, where)))


def _placed(pdos: Sequence[PdoConfig], where: KeyPath) -> Iterator[tuple[KeyPath, PdoEntryConfig]]:
    for at, pdo in enumerate(pdos):
        for index, entry in enumerate(pdo.entries):
            yield (*where, at, "entries", index), entry


def _entries(placed: list[tuple[KeyPath, PdoEntryConfig]]) -> Iterator[Finding]:
    mapped = [(path, entry) for path, entry in placed if entry.object]
    for path, entry in placed:
        if not entry.object and entry.name:
            yield (*path, "name"), entry.name, "padding has no name", "Give an object, or drop the name."
    for at, first in _repeats([(entry.object, entry.sub) for _, entry in mapped]):
        path, entry = mapped[at]
        yield (
            (*path, "object"),
            f"0x{entry.object:04X}:{entry.sub:02X}",
            "mapped twice in one direction",
            f"It is mapped by {'.'.join(map(str, mapped[first][0]))} already; drop one of the two.",
        )
    for at, _ in _repeats([entry.entry_name for _, entry in mapped]):
        path, entry = mapped[at]
        if entry.name is not None:
            yield (*path, "name"), entry.name, "name used twice in one direction", "Give each its own name."


def _startup_sdos(slave: SlaveConfig, base: KeyPath) -> Iterator[Finding]:
    for at, sdo in enumerate(slave.startup_sdos):
        path: KeyPath = (*base, "startup_sdos", at)
        try:
            sdo.encode()
        except ValueError as error:
            yield (*path, "value"), sdo.value, str(error), "Correct the value or its type."
        if sdo.complete_access and sdo.type != "bytes":
            yield (
                (*path, "complete_access"),
                True,
                "complete access writes a whole object, which only type bytes can hold",
                "Use type bytes with subindex 0's byte, a padding byte, and all subindexes.",
            )
        if _is_mapping_object(sdo.object) and (slave.pdos.rx or slave.pdos.tx):
            yield (
                (*path, "object"),
                f"0x{sdo.object:04X}",
                "PDO mapping and assignment are written from `pdos`",
                "Describe the mapping under `pdos` and drop this start-up SDO.",
            )
    for at, first in _repeats([(sdo.object, sdo.sub) for sdo in slave.startup_sdos]):
        yield (
            (*base, "startup_sdos", at, "object"),
            f"0x{slave.startup_sdos[at].object:04X}:{slave.startup_sdos[at].sub:02X}",
            f"written twice, first by startup_sdos[{first}]",
            "Keep one of the two.",
        )


def _is_mapping_object(index: int) -> bool:
    return 0x1600 <= index <= 0x17FF or 0x1A00 <= index <= 0x1BFF or 0x1C10 <= index <= 0x1C2F


def _safe_outputs(slave: SlaveConfig, base: KeyPath) -> Iterator[Finding]:
    entries = {entry.entry_name: entry for pdo in slave.pdos.rx for entry in pdo.entries if entry.object}
    for name, value in slave.safe_outputs.items():
        path: KeyPath = (*base, "safe_outputs", name)
        entry = entries.get(name)
        if entry is None:
            known = ", ".join(entries) or "none"
            yield path, value, "no RxPDO entry of that name is mapped", f"Mapped here: {known}."
        elif not -(1 << (entry.bits - 1)) <= value < 1 << entry.bits:
            yield path, value, f"does not fit into {entry.bits} bits", "Correct the value."


def _stop_category(slave: SlaveConfig, base: KeyPath) -> Iterator[Finding]:
    if slave.stop_category and slave.device != "cia402":
        yield (
            (*base, "stop_category"),
            slave.stop_category,
            "a controlled stop needs a device that can stop by itself",
            "Use category 0, or `device: cia402` if it is a drive.",
        )
