"""Actions that wait to be ordered while a decision is made, in the order in which they began to wait.

The steps of `decide` reach it as `context.waiting`.
"""

from __future__ import annotations

from collections.abc import Iterator

from fieldstack.ha.decision.context.decision_state import Key, WaitingAction


class WaitingActions:
    __slots__ = ("_waiting",)

    def __init__(self, waiting: tuple[WaitingAction, ...]) -> None:
        self._waiting = list(waiting)

    def __iter__(self) -> Iterator[WaitingAction]:
        return iter(self._waiting)

    def add(self, one: WaitingAction) -> None:
        self._waiting.append(one)

    def take_all(self) -> list[WaitingAction]:
        """Takes out all waiting actions; the caller orders each or adds it again."""
        taken, self._waiting = self._waiting, []
        return taken

    def forget_rule(self, key: Key) -> None:
        """Forget all waiting actions of this rule."""
        self._waiting = [one for one in self._waiting if one.key != key]

    def forget_after(self, failed: WaitingAction) -> None:
        """Forget what waits for its turn after an action that failed."""
        self._waiting = [one for one in self._waiting if not _comes_after(one, failed)]

    def clear(self) -> None:
        self._waiting = []

    def records(self) -> tuple[WaitingAction, ...]:
        return tuple(self._waiting)


def _comes_after(one: WaitingAction, failed: WaitingAction) -> bool:
    return one.key == failed.key and one.order.in_turn and one.place > failed.place >= 0
