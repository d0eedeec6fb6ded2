"""Processes and restart budgets while a decision is made: how far a recovery is, which restarts count.

The steps of `decide` reach them as `context.tracks` and `context.budgets`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fieldstack.ha.decision.context.decision_state import BudgetUse, ProcessTrack
from fieldstack.ha.model.vocabulary import ProcessName


class ProcessTracks:
    __slots__ = ("_core", "_rt")

    def __init__(self, rt: ProcessTrack, core: ProcessTrack) -> None:
        self._rt, self._core = rt, core

    @property
    def rt(self) -> ProcessTrack:
        return self._rt

    @property
    def core(self) -> ProcessTrack:
        return self._core

    def of(self, name: ProcessName) -> ProcessTrack:
        return self._rt if name is ProcessName.RT else self._core

    def put(self, track: ProcessTrack) -> None:
        if track.name is ProcessName.RT:
            self._rt = track
        else:
            self._core = track


class RestartBudgets:
    __slots__ = ("_uses",)

    def __init__(self, uses: tuple[BudgetUse, ...]) -> None:
        self._uses = uses

    def __iter__(self) -> Iterator[BudgetUse]:
        return iter(self._uses)

    def of(self, subject: str) -> BudgetUse:
        return next((one for one in self._uses if one.subject == subject), BudgetUse(subject))

    def count(self, subject: str, restarts: tuple[int, ...]) -> None:
        """Set the restarts of the subject that count from now on."""
        self._put(replace(self.of(subject), restarts=restarts))

    def mark_spent(self, subject: str, why: str) -> None:
        """Order no more restarts of the subject until a reset."""
        self._put(replace(self.of(subject), spent=why))

    def forget_spent(self) -> None:
        """Allow restarts again after a reset; those that still count for the budget keep counting."""
        self._uses = tuple(one for one in self._uses if not one.spent)

    def _put(self, use: BudgetUse) -> None:
        self._uses = (*(one for one in self._uses if one.subject != use.subject), use)

    def records(self) -> tuple[BudgetUse, ...]:
        return self._uses
