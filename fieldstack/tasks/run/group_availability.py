"""Which axis groups tasks may use: those that are in order and were not taken out of use.

The executor says once a pass which groups are in order. A reallocation takes a group out of use; it is in use
again when somebody gives it back, or once it was seen out of order and in order again.
"""

from __future__ import annotations

from collections.abc import Iterable, Set


class GroupAvailability:
    """`out_of_use`: names of the groups that an earlier process had taken out of use."""

    def __init__(self, out_of_use: Iterable[str] = ()) -> None:
        self._seen_out_of_order = dict.fromkeys(out_of_use, False)
        """By group out of use."""
        self._available: frozenset[str] = frozenset()

    @property
    def available(self) -> frozenset[str]:
        """Groups on which a task may begin, as of the last pass."""
        return self._available

    @property
    def out_of_use(self) -> tuple[str, ...]:
        return tuple(self._seen_out_of_order)

    def update(self, in_order: Set[str]) -> None:
        """Groups whose axes stand under power or follow, in this pass."""
        for name, seen in tuple(self._seen_out_of_order.items()):
            if name not in in_order:
                self._seen_out_of_order[name] = True
            elif seen:
                del self._seen_out_of_order[name]
        self._available = frozenset(in_order - self._seen_out_of_order.keys())

    def take_out(self, group: str) -> None:
        self._seen_out_of_order.setdefault(group, False)

    def give_back(self, group: str) -> None:
        del self._seen_out_of_order[group]
