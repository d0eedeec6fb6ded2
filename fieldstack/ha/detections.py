"""When a failure of a process becomes known: one event and one entry of its history for each failed start."""

from __future__ import annotations

from fieldstack.events.kinds import EventKind
from fieldstack.events.log import EventLog
from fieldstack.ha.facts import ProcessCondition, ProcessFacts
from fieldstack.ha.process_history import History

FAILED = frozenset({ProcessCondition.DEAD, ProcessCondition.SILENT})


class Detections:
    """Follows the facts of all processes from pass to pass."""

    def __init__(self, history: History, log: EventLog) -> None:
        self.history = history
        self._log = log
        self._told: dict[str, int] = {}
        self._alive_ns: dict[str, int] = {}

    def look(self, now_ns: int, facts: ProcessFacts, last_sign_ns: int) -> None:
        """`last_sign_ns`: when the process was last known to make progress, 0: never."""
        if facts.condition not in FAILED:
            if not facts.gone:
                self._alive_ns[facts.name] = now_ns
            return
        if self._told.get(facts.name) == facts.start_id:
            return
        self._told[facts.name] = facts.start_id
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

    def _took_ns(self, facts: ProcessFacts, last_sign_ns: int) -> int:
        """At most: a process that died was alive when it was last looked at, even without progress."""
        since_ns = last_sign_ns
        if facts.condition is ProcessCondition.DEAD:
            since_ns = max(since_ns, self._alive_ns.get(facts.name, 0))
        return max(0, facts.detected_ns - since_ns) if since_ns else 0
