"""The `groups:` part of a bus configuration: axes that stop together, and whether all others stop too.

`configuration.py` has its keys; the planning makes the plan of each group from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from fieldstack_base.section import Section
from fieldstack_base.yaml_source import KeyPath
from fieldstack_ethercat.bus.config.configuration_slave import Name
from fieldstack_ethercat.bus.config.plan import MAX_AXES, MAX_SLAVES

if TYPE_CHECKING:
    from fieldstack_ethercat.bus.config.configuration import BusConfig
    from fieldstack_ethercat.bus.config.configuration_axis_checks import Finding

REST = "rest"
"""The essential group of the axes and slaves that no other group names."""

Capability = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,39}$")]


def _once(names: list[str]) -> list[str]:
    twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if twice is not None:
        raise ValueError(f"names {twice!r} twice")
    return names


class GroupConfig(Section):
    """Axes that stop together. What fails in a group that is not essential stops that group alone."""

    name: Name
    axes: Annotated[list[Name], AfterValidator(_once)] = Field(
        min_length=1, max_length=MAX_AXES, description="Names of its axes."
    )
    slaves: Annotated[list[Name], AfterValidator(_once)] = Field(
        default=[],
        max_length=MAX_SLAVES,
        description="Slaves without axes that belong to it, e.g. its terminals.",
    )
    essential: bool = Field(
        default=True, description="True: what fails here stops all axes. False: only those of this group."
    )
    capabilities: list[Capability] = Field(
        default=[],
        max_length=32,
        description="What it can do: tasks may move to a group that can do the same.",
    )


Taken = dict[tuple[str, str], str]
"""Kind and name of what belongs to a group already, and that group's name."""


def find(bus: BusConfig) -> Iterator[Finding]:
    """All findings about the groups of a bus."""
    axes = {axis.name for axis in bus.axes}
    slaves = {slave.name for slave in bus.slaves}
    driven = {axis.slave: axis.name for axis in bus.axes}
    names: dict[str, int] = {}
    taken: Taken = {}
    for at, group in enumerate(bus.groups):
        base: KeyPath = ("groups", at)
        yield from _name(group.name, names.setdefault(group.name, at), base)
        for path, kind, name in _members(group, base):
            yield from _member(name, axes if kind == "axis" else slaves, (path, kind))
            yield from _twice((kind, name), group.name, taken, path)
            if kind == "slave" and name in driven:
                hint = "It goes with its axis; name only slaves without one."
                yield path, name, f"drives axis {driven[name]!r}", hint


def _name(name: str, first: int, base: KeyPath) -> Iterator[Finding]:
    if name == REST:
        hint = "It stands for the axes that no group names. Give this group another name."
        yield (*base, "name"), name, "this name is taken", hint
    if first != base[-1]:
        yield (*base, "name"), name, f"same name as groups[{first}]", "Give each its own name."


def _members(group: GroupConfig, base: KeyPath) -> Iterator[tuple[KeyPath, str, str]]:
    for key, kind, names in (("axes", "axis", group.axes), ("slaves", "slave", group.slaves)):
        for number, name in enumerate(names):
            yield (*base, key, number), kind, name


def _member(name: str, known: set[str], where: tuple[KeyPath, str]) -> Iterator[Finding]:
    path, kind = where
    if name not in known:
        listed = ", ".join(sorted(known)[:10]) or "none"
        yield path, name, f"no {kind} has that name", f"Known here: {listed}."


def _twice(member: tuple[str, str], group: str, taken: Taken, path: KeyPath) -> Iterator[Finding]:
    other = taken.setdefault(member, group)
    if other != group:
        yield path, member[1], f"already in group {other!r}", f"Each {member[0]} is in one group at most."
