"""A task's steps as a program: each step has a sequence number, and the number alone says what it does.

`repeat` is arithmetic on these numbers, not state: a cursor is one whole number, whatever the nesting.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

Outputs = tuple[tuple[str, int], ...]
"""Signal names and the values that they get."""
Cursor = tuple[int, int]
"""Run (0, 1, ...) and step of the run: the first that is not complete."""


@dataclass(frozen=True, slots=True)
class MoveAction:
    """`targets`: user units, by the axes' order in the group; None: this axis stays."""

    targets: tuple[float | None, ...]
    speed: float
    """Share of the cell's speed, above 0 to 1."""
    switches: tuple[tuple[float, Outputs], ...] = ()
    """At this share of the move's time, these outputs change."""


@dataclass(frozen=True, slots=True)
class WaitAction:
    ms: int


@dataclass(frozen=True, slots=True)
class OutputAction:
    outputs: Outputs


@dataclass(frozen=True, slots=True)
class InputAction:
    """Waits until the input has the value; fails after `timeout_ms`, if there is one."""

    signal: str
    value: bool
    timeout_ms: int | None


@dataclass(frozen=True, slots=True)
class CallAction:
    name: str
    arguments: dict[str, Any]
    timeout_ms: int
    repeatable: bool


Action = MoveAction | WaitAction | OutputAction | InputAction | CallAction
DESCRIPTION = {
    MoveAction: "move",
    WaitAction: "wait",
    OutputAction: "set output",
    InputAction: "wait input",
    CallAction: "call",
}


@dataclass(frozen=True)
class Block:
    """Actions and blocks, done in order, `times` times over."""

    items: tuple[Action | Block, ...]
    times: int = 1

    @cached_property
    def _ends(self) -> list[int]:
        """Number of steps up to the end of each item."""
        return list(accumulate(item.size if isinstance(item, Block) else 1 for item in self.items))

    @cached_property
    def size(self) -> int:
        """Steps in all."""
        return self._ends[-1] * self.times

    def outputs(self) -> Iterator[tuple[str, int]]:
        """All outputs that its actions set."""
        for item in self.items:
            if isinstance(item, Block):
                yield from item.outputs()
            elif isinstance(item, OutputAction):
                yield from item.outputs
            elif isinstance(item, MoveAction):
                for _, outputs in item.switches:
                    yield from outputs

    def at(self, number: int) -> Action:
        """What step `number` (0 .. size-1) does. IndexError beyond."""
        if not 0 <= number < self.size:
            raise IndexError(f"step {number} of {self.size}")
        number %= self._ends[-1]
        place = bisect_right(self._ends, number)
        item = self.items[place]
        return item.at(number - (self._ends[place - 1] if place else 0)) if isinstance(item, Block) else item


def describe(action: Action) -> str:
    """Two or three words for people, such as `call measure`."""
    what = DESCRIPTION[type(action)]
    detail = {InputAction: "signal", CallAction: "name"}.get(type(action))
    return f"{what} {getattr(action, detail)}" if detail else what
