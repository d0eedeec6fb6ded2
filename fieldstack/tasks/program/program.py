"""A task's steps as a program: each step has a sequence number, and the number alone says what it does.

`repeat` is arithmetic on these numbers, not state: a cursor is one whole number, whatever the nesting. The
compilation makes programs; runners and the table of tasks read them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from fieldstack.tasks.program.actions import Action

Cursor = tuple[int, int]
"""Run (0, 1, ...) and step of the run: the first that is not complete."""


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
            yield from item.outputs() if isinstance(item, Block) else item.outputs

    def at(self, number: int) -> Action:
        """What step `number` (0 .. size-1) does. IndexError beyond."""
        if not 0 <= number < self.size:
            raise IndexError(f"step {number} of {self.size}")
        number %= self._ends[-1]
        place = bisect_right(self._ends, number)
        item = self.items[place]
        return item.at(number - (self._ends[place - 1] if place else 0)) if isinstance(item, Block) else item
