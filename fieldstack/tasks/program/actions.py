"""What one step of a program does: a class for each kind of step.

The compilation (step_compilers.py) makes actions, a runner performs them. Whoever handles steps of all kinds
asks only what the base class `Action` says, so that a new kind needs no line there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

Outputs = tuple[tuple[str, int], ...]
"""Signal names and the values that they get."""
Phases = tuple[tuple[Outputs, float], ...]
"""One after the other: outputs to set, then for how many ms the axes stand (one cycle at least)."""


class Action:
    """One step, in which the axes stand unless it is a move."""

    __slots__ = ()
    verb: ClassVar[str]
    """For people: what the step does."""
    can_be_cut: ClassVar[bool] = False
    """A task that gives way need not complete this step: it begins it again."""

    @property
    def subject(self) -> str:
        """For people: what it does that to; empty: the verb says it all."""
        return ""

    @property
    def phases(self) -> Phases:
        """Of a step in which the axes stand: what it does, all of it known beforehand."""
        return ()

    @property
    def outputs(self) -> Outputs:
        """All outputs that it sets, in order: a restart in a later step sets them again."""
        return tuple(one for outputs, _ms in self.phases for one in outputs)

    def describe(self) -> str:
        """Two or three words for people, such as `call measure`."""
        return f"{self.verb} {self.subject}".rstrip()


@dataclass(frozen=True, slots=True)
class MoveAction(Action):
    """`targets`: user units, by the axes' order in the group; None: this axis stays."""

    verb: ClassVar[str] = "move"
    targets: tuple[float | None, ...]
    speed: float
    """Share of the cell's speed, above 0 to 1."""
    switches: tuple[tuple[float, Outputs], ...] = ()
    """At this share of the move's time, these outputs change."""

    @property
    def outputs(self) -> Outputs:
        return tuple(one for _, outputs in self.switches for one in outputs)


@dataclass(frozen=True, slots=True)
class WaitAction(Action):
    verb: ClassVar[str] = "wait"
    can_be_cut: ClassVar[bool] = True
    ms: int

    @property
    def phases(self) -> Phases:
        return (((), self.ms),)


@dataclass(frozen=True, slots=True)
class OutputAction(Action):
    verb: ClassVar[str] = "set output"
    values: Outputs

    @property
    def phases(self) -> Phases:
        return ((self.values, 0.0),)


class ExternalAction(Action):
    """It waits for the world, and is complete when the executor says so (run/external_steps.py)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class InputAction(ExternalAction):
    """Waits until the input has the value; fails after `timeout_ms`, if there is one."""

    verb: ClassVar[str] = "wait input"
    can_be_cut: ClassVar[bool] = True
    signal: str
    value: bool
    timeout_ms: int | None

    @property
    def subject(self) -> str:
        return self.signal


@dataclass(frozen=True, slots=True)
class CallAction(ExternalAction):
    verb: ClassVar[str] = "call"
    name: str
    arguments: dict[str, Any]
    timeout_ms: int
    repeatable: bool

    @property
    def subject(self) -> str:
        return self.name
