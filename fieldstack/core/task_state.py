"""The task state of the demo program: what a checkpoint keeps, as JSON of at most 1024 bytes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

MAX_BYTES = 1024


@dataclass(frozen=True, slots=True)
class TaskState:
    """Which program, and the step (0, 1, ...) that it is moving through."""

    program: str = "demo"
    step: int = 0

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, text: bytes) -> TaskState | None:
        """The state that `to_json` wrote; None if it is not one, for then the program begins anew."""
        try:
            raw = json.loads(text)
            state = cls(program=raw["program"], step=raw["step"])
        except (ValueError, KeyError, TypeError):
            return None
        if not isinstance(state.program, str) or type(state.step) is not int or state.step < 0:
            return None
        return state
