"""Watches one process from outside: it was started, is at work, is silent, or has ended.

It counts observations and not time alone, so that a stall of the whole machine is no failure of the
process. Used by `process_monitor`.
"""

from __future__ import annotations

from dataclasses import dataclass

from fieldstack.ha.model.facts import ProcessCondition, ProcessFacts
from fieldstack.ha.monitor.liveness import LivenessRule
from fieldstack.ha.monitor.process_history import History
from fieldstack.ha.policy.in_force.view import Watching
from fieldstack.process.manager import Ended, ProcessHandle
from fieldstack_base.units import NS_PER_MS


@dataclass(frozen=True, slots=True)
class SignOfLife:
    """What a process showed at one moment. `at_work`: it is past its start-up; once shown, this holds for the
    whole start. `stopping`: it announces its end. `released`: it has released the bus, and beats no more.
    `stopped`: it said last that it ended as it should."""

    beat: int
    at_work: bool
    stopping: bool = False
    released: bool = False
    stopped: bool = False


class ProcessWatch:
    """Turns signs of life into facts. A stall of the whole machine is one observation, however long."""

    def __init__(self, section: Watching, history: History | None = None) -> None:
        self.name = section.process_name
        self._rule = LivenessRule.of(section)
        self._history = history if history is not None else History()
        self.start_id = 0
        self.started_ns = 0
        self._pid = 0
        self._stop_requested = False
        self._refused = ""
        self._worked = False
        self._stopping_ns = 0
        self._beat = 0
        self.first_beat = 0
        self.progress_ns = 0
        self._checked_ns = 0
        self._misses = 0
        self._since: tuple[ProcessCondition, int] = (ProcessCondition.NEVER_SEEN, 0)

    def watch_by(self, section: Watching) -> None:
        """Use another policy from now on; observations so far stay."""
        self._rule = LivenessRule.of(section)

    def began(self, now_ns: int, pid: int, beat: int) -> None:
        """It was started, or found running."""
        self.start_id += 1
        self.started_ns = self.progress_ns = self._checked_ns = now_ns
        self._pid, self._misses = pid, 0
        self._worked = False
        self._beat = self.first_beat = beat
        self._stop_requested, self._refused = False, ""
        self._stopping_ns = 0

    def has_pid(self, pid: int) -> None:
        self._pid = pid

    def could_not_start(self, now_ns: int, why: str) -> None:
        self.began(now_ns, 0, self._beat)
        self._refused = why

    def asked_to_end(self) -> None:
        self._stop_requested = True

    def observe(
        self, now_ns: int, sign: SignOfLife, handle: ProcessHandle | None, ended: Ended | None
    ) -> ProcessFacts:
        condition, why = self._condition(now_ns, sign, handle, ended)
        if condition is not self._since[0]:
            self._since = (condition, now_ns)
        return ProcessFacts(
            self.name,
            condition,
            self.start_id,
            self._pid,
            since_ns=self._since[1],
            detected_ns=self._since[1],
            stop_requested=self._stop_requested,
            gone=handle is None,
            why=why,
            exit_code=_exit_code(handle, ended),
        )

    def _condition(
        self, now_ns: int, sign: SignOfLife, handle: ProcessHandle | None, ended: Ended | None
    ) -> tuple[ProcessCondition, str]:
        if self.start_id == 0:
            return ProcessCondition.NEVER_SEEN, ""
        if handle is None:
            return self._ended(sign, ended)
        if self._stop_requested:
            return ProcessCondition.STOPPING, "asked to end"
        self._count(now_ns, sign)
        self._worked = self._worked or sign.at_work
        if sign.stopping:
            return self._stopping(now_ns, sign)
        if not self._worked:
            return self._starting(now_ns)
        return self._working(now_ns)

    def _ended(self, sign: SignOfLife, ended: Ended | None) -> tuple[ProcessCondition, str]:
        why = self._refused or (ended.text if ended else "it has gone")
        # What its outcome is nobody knows: only the process itself can have said that it ended as it should.
        orderly = ended is not None and (ended.status == 0 or (ended.status is None and sign.stopped))
        stopped = self._stop_requested or (orderly and not self._refused)
        return (ProcessCondition.STOPPED if stopped else ProcessCondition.DEAD), why

    def _starting(self, now_ns: int) -> tuple[ProcessCondition, str]:
        if not self._rule.overdue(now_ns - self.started_ns):
            return ProcessCondition.STARTING, ""
        return ProcessCondition.SILENT, f"not at work {self._rule.grace_ns // NS_PER_MS} ms after its start"

    def _stopping(self, now_ns: int, sign: SignOfLife) -> tuple[ProcessCondition, str]:
        """It announces its end, which Non-RT did not ask for: this may not last for ever, and it beats until
        it has released the bus."""
        self._stopping_ns = self._stopping_ns or now_ns
        if self._worked and not sign.released and (silence := self._silence(now_ns)):
            return ProcessCondition.SILENT, f"{silence}, while it goes down"
        if not self._rule.overdue(now_ns - self._stopping_ns):
            return ProcessCondition.STOPPING, "it goes down, and Non-RT did not ask for it"
        return ProcessCondition.SILENT, f"still going down after {self._rule.grace_ns // NS_PER_MS} ms"

    def _count(self, now_ns: int, sign: SignOfLife) -> None:
        if sign.beat != self._beat:
            if self._misses and self._beat != self.first_beat:  # what it takes to start is no miss
                self._history.missed(self.name, self._misses, now_ns - self.progress_ns)
            self._beat, self.progress_ns, self._misses = sign.beat, now_ns, 0
            self._checked_ns = now_ns
        elif now_ns - self._checked_ns >= self._rule.interval_ns:
            self._misses += 1
            self._checked_ns = now_ns

    def _silence(self, now_ns: int) -> str:
        """Its problem in words; empty: it makes progress, or not enough observations are missing."""
        still_ns = now_ns - self.progress_ns
        if not self._rule.silent(still_ns, self._misses):
            return ""
        return f"no progress for {still_ns // NS_PER_MS} ms in {self._misses} observations"

    def _working(self, now_ns: int) -> tuple[ProcessCondition, str]:
        silence = self._silence(now_ns)
        return (ProcessCondition.SILENT if silence else ProcessCondition.RUNNING), silence


def _exit_code(handle: ProcessHandle | None, ended: Ended | None) -> int | None:
    if handle is not None or ended is None or ended.status is None or ended.status < 0:
        return None
    return ended.status
