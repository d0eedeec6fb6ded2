"""Tells when a failure of a process became known: one event and one history entry for each failed start.

`process_monitor` hands it the facts of each pass, the loop of Non-RT the times of its own passes.
"""

from __future__ import annotations

import os

from fieldstack.events.kinds import EventKind
from fieldstack.events.log import EventLog
from fieldstack.ha.model.facts import ProcessCondition, ProcessFacts
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.monitor.process_history import History
from fieldstack_rt.datastore import EventCode, RtEvent

LATE_PASSES = 3
_PEER: dict[int, str] = {
    EventCode.NONRT_SILENT: str(ProcessCondition.SILENT),
    EventCode.NONRT_DEAD: str(ProcessCondition.DEAD),
}
FAILED = frozenset({ProcessCondition.DEAD, ProcessCondition.SILENT})


class Detections:
    """Follows the facts of all processes from pass to pass. `predecessor`: pid and last completed pass of the
    Non-RT process before this one, as it left them in shared memory."""

    def __init__(self, history: History, log: EventLog, predecessor: tuple[int, int] = (0, 0)) -> None:
        self._last_pid, self._last_pass_ns = predecessor
        self._pass_before_ns = self._beat_ns = 0
        self.history = history
        self._log = log
        self._reported: dict[str, int] = {}
        self._alive_ns: dict[str, int] = {}

    def observe(self, now_ns: int, facts: ProcessFacts, last_sign_ns: int) -> None:
        """`last_sign_ns`: when the process was last known to make progress, 0: never."""
        if facts.condition not in FAILED:
            if not facts.gone:
                self._alive_ns[facts.name] = now_ns
            return
        if self._reported.get(facts.name) == facts.start_id:
            return
        self._reported[facts.name] = facts.start_id
        took_ns = self._took_ns(facts, last_sign_ns)
        self.history.detected(facts.name, facts.condition, took_ns)
        self._log.append(
            EventKind.PROCESS_DETECTED,
            t_ns=facts.detected_ns,
            process=facts.name,
            pid=facts.pid,
            condition=str(facts.condition),
            took_ns=took_ns,
            took_ms=took_ns / 1e6,
            why=facts.why or "cause unknown",
        )

    def reported_by_rt(self, event: RtEvent) -> None:
        """RT's agent found Non-RT (this process or the one before) silent or dead."""
        condition = _PEER.get(event.code)
        if condition is None:
            return
        # A pass that was held up in its midst beat only after it.
        sign_ns = self._last_pass_ns if self._beat_ns <= event.t_ns else self._pass_before_ns
        took_ns = max(0, event.t_ns - sign_ns) if sign_ns else 0
        self.history.detected(ProcessName.NONRT, condition, took_ns)
        self._log.append(
            EventKind.PROCESS_DETECTED,
            t_ns=event.t_ns,
            process=ProcessName.NONRT,
            pid=self._last_pid,
            condition=condition,
            took_ns=took_ns,
            took_ms=took_ns / 1e6,
            why="as RT's agent saw it",
        )

    def passed(self, began_ns: int, expected_gap_ns: int) -> None:
        """A pass of this process begins. If it is some passes late, others have seen this delay, too."""
        gap_ns = began_ns - self._last_pass_ns
        if self._last_pid == os.getpid() and gap_ns >= LATE_PASSES * expected_gap_ns:
            self.history.missed(ProcessName.NONRT, gap_ns // expected_gap_ns - 1, gap_ns)

    def done(self, began_ns: int, beat_ns: int) -> None:
        """A pass was completed, with its beat, and RT's events up to it were seen."""
        self._pass_before_ns, self._beat_ns = self._last_pass_ns, beat_ns
        self._last_pass_ns, self._last_pid = began_ns, os.getpid()

    def _took_ns(self, facts: ProcessFacts, last_sign_ns: int) -> int:
        """The latest sign of life: a process that died was alive when it was last checked, even without
        progress."""
        since_ns = last_sign_ns
        if facts.condition is ProcessCondition.DEAD:
            since_ns = max(since_ns, self._alive_ns.get(facts.name, 0))
        return max(0, facts.detected_ns - since_ns) if since_ns else 0
