"""What the disk holds of a task: its declaration, its outcome, its last call.

The task store reads and writes it; the restoration puts tasks back from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fieldstack.tasks.program.program import Cursor


@dataclass(frozen=True, slots=True)
class CallRecord:
    """The last call of a task that must not run twice. `attempt`: that of the task which it was made in;
    `damaged`: why it cannot be read, and nothing else of it is known."""

    cursor: Cursor
    ended: bool
    attempt: int = 0
    damaged: str = ""


@dataclass(frozen=True, slots=True)
class StoredTask:
    """`declaration`: as `TaskDeclaration` reads it; `outcome`: its last status, None if it has not ended."""

    uid: str
    declaration: dict[str, Any]
    by: str
    number: int
    outcome: dict[str, Any] | None = None
    call: CallRecord | None = None

    @property
    def id(self) -> str:
        return str(self.declaration["id"])
