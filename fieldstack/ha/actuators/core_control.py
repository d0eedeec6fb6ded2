"""Carries out REALLOCATE: a thread of its own asks the Main Core through its control socket.

Used by the FailoverManager.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from fieldstack.ha.model.actions import Action
from fieldstack.ha.model.outcome import ExecutionResult, Outcome, PendingReadback
from fieldstack_base.control.client import request, why_unreachable
from fieldstack_base.units import NS_PER_MS

TIMEOUT_S = 5.0
CONFIRM_TIMEOUT_NS = 6000 * NS_PER_MS


@dataclass(slots=True)
class _Question:
    command: str
    fields: dict[str, Any]
    outcome: Outcome | None = None


class CoreControl:
    """Asks one question after the other; the supervision pass never waits for an answer."""

    def __init__(self, socket: Path, timeout_s: float = TIMEOUT_S) -> None:
        self._socket, self._timeout_s = socket, timeout_s
        self._questions: SimpleQueue[_Question | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="core-control", daemon=True)
        self._thread.start()

    def reallocate(self, action: Action) -> ExecutionResult:
        """Tasks of the failed axis group move to another group that can do the same. Tasks that may not move
        wait for their group."""
        kind, _, group = action.subject.partition(":")
        if kind != "group" or not group:
            return Outcome(False, f"REALLOCATE needs an axis group as its subject, not {action.subject!r}")
        return self._follow("reallocate", group=group, keep=True)

    def _follow(self, command: str, **fields: Any) -> ExecutionResult:
        question = _Question(command, fields)
        self._questions.put(question)

        def poll(_now_ns: int) -> Outcome | str:
            return question.outcome or "the Main Core has not answered"

        return PendingReadback(poll, CONFIRM_TIMEOUT_NS)

    def _run(self) -> None:
        while (question := self._questions.get()) is not None:
            question.outcome = self._ask(question)

    def _ask(self, question: _Question) -> Outcome:
        try:
            answer = request(self._socket, question.command, self._timeout_s, **question.fields)
        except OSError as error:
            return Outcome(False, f"the Main Core does not answer ({why_unreachable(error)})")
        except Exception as error:  # this thread asks on
            return Outcome(False, f"the Main Core could not be asked ({type(error).__name__}: {error})")
        return Outcome(answer.accepted, answer.message)

    def close(self) -> None:
        self._questions.put(None)
        self._thread.join(0.5)
