"""Actions in flight while a decision is made: ordered, numbered, each with the one deadline that it has.

The steps of `decide` reach it as `context.in_flight`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fieldstack.ha.decision.context.decision_state import InFlightAction
from fieldstack.ha.model.vocabulary import REMEDIES, PolicyAction


class InFlightSet:
    __slots__ = ("_in_flight", "_last_id")

    def __init__(self, in_flight: tuple[InFlightAction, ...], last_id: int) -> None:
        self._in_flight = {one.id: one for one in in_flight}
        self._last_id = last_id

    def __contains__(self, number: int) -> bool:
        return number in self._in_flight

    def __iter__(self) -> Iterator[InFlightAction]:
        return iter(self._in_flight.values())

    def get(self, number: int) -> InFlightAction | None:
        return self._in_flight.get(number)

    @property
    def last_id(self) -> int:
        return self._last_id

    def register(self, new: InFlightAction) -> InFlightAction:
        """Add an action, with the next number; an earlier one of the same order of the same rule is
        forgotten."""
        meant = (new.key, new.order.action, new.subject)
        for old in [one.id for one in self if (one.key, one.order.action, one.subject) == meant]:
            del self._in_flight[old]
        self._last_id += 1
        numbered = replace(new, id=self._last_id)
        self._in_flight[numbered.id] = numbered
        return numbered

    def confirm(self, one: InFlightAction) -> None:
        """It was read back, but it stays until its cause is gone, too."""
        self._in_flight[one.id] = replace(one, done=True)

    def forget(self, number: int) -> None:
        del self._in_flight[number]

    def forget_kind(self, action: PolicyAction) -> None:
        for number in [one.id for one in self if one.order.action is action]:
            del self._in_flight[number]

    def has_remedy_for(self, subject: str) -> bool:
        return any(one.subject == subject and one.order.action in REMEDIES for one in self)

    def clear(self) -> None:
        self._in_flight.clear()

    def records(self) -> tuple[InFlightAction, ...]:
        return tuple(self._in_flight.values())
