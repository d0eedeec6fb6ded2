"""The actions that a decision has ordered so far. The steps of `decide` reach it as `context.actions`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fieldstack.ha.model.actions import Action, ActionKind, by_severity

_START_STOP = frozenset({ActionKind.STOP_PROCESS, ActionKind.START_PROCESS, ActionKind.REBOOT_PROCESS})


class EmittedActions:
    __slots__ = ("_actions",)

    def __init__(self) -> None:
        self._actions: list[Action] = []

    def __iter__(self) -> Iterator[Action]:
        return iter(self._actions)

    def emit(self, action: Action) -> None:
        self._actions.append(action)

    def has(self, kind: ActionKind) -> bool:
        return any(action.kind is kind for action in self._actions)

    def start_or_stop(self, subject: str) -> bool:
        """Whether a start or stop of the process was ordered in this decision."""
        return any(action.subject == subject and action.kind in _START_STOP for action in self._actions)

    def withdraw(self, kinds: frozenset[ActionKind]) -> None:
        """Cancel what of these kinds was ordered in this decision."""
        self._actions = [one for one in self._actions if one.kind not in kinds]

    def revise(self, change: Callable[[Action], Action]) -> None:
        self._actions = [change(one) for one in self._actions]

    def records(self) -> tuple[Action, ...]:
        """Worst first."""
        return by_severity(self._actions)
