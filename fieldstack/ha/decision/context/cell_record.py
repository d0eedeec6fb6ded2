"""The cell's state while a decision is made: where it is, why, and what a person has reset or accepted.

The steps of `decide` reach it as `context.cell`.
"""

from __future__ import annotations

from fieldstack.ha.decision.context.decision_state import DecisionState, Key
from fieldstack.ha.model.states import HaState


class CellRecord:
    __slots__ = ("_accepted_start", "_ha", "_held_by", "_reason", "_reset_ns", "_since_ns")

    def __init__(self, state: DecisionState) -> None:
        self._ha, self._since_ns = state.ha, state.since_ns
        self._reason, self._held_by = state.reason, state.held_by
        self._reset_ns, self._accepted_start = state.reset_ns, state.accepted_start

    @property
    def ha(self) -> HaState:
        return self._ha

    @property
    def since_ns(self) -> int:
        return self._since_ns

    @property
    def reason(self) -> str:
        return self._reason

    @property
    def held_by(self) -> tuple[Key, ...]:
        return self._held_by

    @property
    def reset_ns(self) -> int:
        return self._reset_ns

    @property
    def accepted_start(self) -> int:
        """The start of RT whose positions a person has accepted."""
        return self._accepted_start

    def enter(self, ha: HaState, now_ns: int) -> None:
        self._ha, self._since_ns = ha, now_ns

    def explain(self, reason: str, held_by: tuple[Key, ...]) -> None:
        """Why it is where it is, and the rules that hold it there."""
        self._reason, self._held_by = reason, held_by

    def note_reset(self, now_ns: int) -> None:
        self._reset_ns = now_ns

    def accept_positions(self, start_id: int) -> None:
        self._accepted_start = start_id

    def forget_accepted_positions(self) -> None:
        self._accepted_start = -1
