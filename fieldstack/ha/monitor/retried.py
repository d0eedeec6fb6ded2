"""Tries a part of a supervision pass again, with a growing pause, when it raises.

No part is ever given up. A part that raises reports nothing. For how long that has been so is a fact of its
own (`probe_blind`). The pause is short again only after the part was well for a while: a part that fails now
and then is noticed, too. Used by `Supervision` and by what Non-RT does beside its passes.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from typing import Any

from fieldstack.events.kinds import EventKind, Severity
from fieldstack.events.log import EventLog
from fieldstack.ha.model.measures import FACTS_BY_PROBE, FactKind, Measure

FIRST_NS = 20_000_000
"""The pause after the first failure: the next pass tries again ..."""
MAX_DELAY_NS = 1_000_000_000
"""... and at last it is tried once a second."""
WELL_NS = 10_000_000_000
"""Without a failure for this long it is well: the next failure counts as the first again, and is logged."""
REPEAT_REPORT_NS, MIN_REPORT_GAP_NS = 60_000_000_000, 2_000_000_000
"""The same failure is logged this seldom while it lasts; another one, or one that is back, is logged sooner.
"""
TRACE_CALLS, TRACE_CHARS = 12, 4000


class InjectedError(RuntimeError):
    """An injected failure, if the cell allows it: for example by `bench failover`."""


class Retried:
    """`name` is its subject's: `probe:NAME`."""

    def __init__(self, name: str, log: EventLog) -> None:
        self.subject = f"probe:{name}"
        self.failure = ""
        """What it raised in its last attempt; empty: it did not."""
        self.failures = 0
        self.injected_until_ns = 0
        """It fails until then, because it was injected (benches and tests)."""
        self._log = log
        self._good_ns = self._failed_ns = self._again_ns = self._reported_ns = 0
        self._pause_ns = FIRST_NS
        self._reported, self._end_unreported = "", False

    def attempt(self, now_ns: int, work: Callable[[], object]) -> None:
        """Do it, if its pause is over. An exception is kept and logged."""
        self._good_ns = self._good_ns or now_ns
        if self.failure and now_ns < self._again_ns:
            return
        try:
            if now_ns < self.injected_until_ns:
                raise InjectedError("a failure was injected")
            work()
        except Exception as error:
            self._failed(now_ns, error)
            return
        if self.failure:
            self._back(now_ns)
        self._good_ns = now_ns

    def blind_ms(self, now_ns: int) -> float:
        """Since it was done without a failure; 0: the last attempt was well."""
        return (now_ns - self._good_ns) / 1e6 if self.failure else 0.0

    def _failed(self, now_ns: int, error: Exception) -> None:
        if now_ns - self._failed_ns >= WELL_NS:
            self._pause_ns, self._reported = FIRST_NS, ""
        self.failure, self.failures = f"{type(error).__name__}: {error}"[:200], self.failures + 1
        self._failed_ns, self._again_ns = now_ns, now_ns + self._pause_ns
        self._pause_ns = min(2 * self._pause_ns, MAX_DELAY_NS)
        goes_on = self.failure == self._reported and self._end_unreported
        if not self._reported or now_ns - self._reported_ns >= (
            REPEAT_REPORT_NS if goes_on else MIN_REPORT_GAP_NS
        ):
            self._reported, self._reported_ns, self._end_unreported = self.failure, now_ns, True
            what = f"{self.subject} failed, and is tried again: {self.failure}"
            self._tell(Severity.ERROR, what, state="failed", traceback=trace_of(error))

    def _back(self, now_ns: int) -> None:
        blind_ms = self.blind_ms(now_ns)
        self.failure = ""
        if self._end_unreported:
            self._end_unreported = False
            what = f"{self.subject} is well again after {blind_ms:.0f} ms"
            self._tell(Severity.INFO, what, state="well")

    def _tell(self, severity: Severity, what: str, **more: Any) -> None:
        self._log.append(EventKind.SUPERVISION, severity=severity, what=what, subject=self.subject, **more)


class Retries:
    """All parts of a pass that are tried again, by name: a part is known from its first attempt on."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._parts: dict[str, Retried] = {}

    def attempt(self, name: str, now_ns: int, work: Callable[[], object]) -> None:
        self.part(name).attempt(now_ns, work)

    def part(self, name: str) -> Retried:
        found = self._parts.get(name)
        if found is None:
            found = self._parts[name] = Retried(name, self._log)
        return found

    def inject(self, name: str, until_ns: int) -> None:
        """Let a part fail until then. KeyError: there is none of that name; it names those that are."""
        if name not in self._parts:
            raise KeyError(", ".join(self._parts))
        self._parts[name].injected_until_ns = until_ns

    def measures(self, now_ns: int) -> Iterator[Measure]:
        for one in self._parts.values():
            yield Measure(FactKind.PROBE_BLIND, one.subject, one.blind_ms(now_ns), one.failure)

    def describe(self, now_ns: int) -> list[dict[str, Any]]:
        """For `status`: what fails now, since when, and what is not known therefore."""
        return [
            {
                "subject": one.subject,
                "blind_ms": round(one.blind_ms(now_ns), 1),
                "failure": one.failure,
                "failures": one.failures,
                "facts": sorted(FACTS_BY_PROBE.get(one.subject, ())),
            }
            for one in self._parts.values()
            if one.failure
        ]


def trace_of(error: BaseException) -> str:
    """Where it was raised: the innermost calls, bounded (a recursion has thousands)."""
    return "".join(traceback.format_exception(error, limit=-TRACE_CALLS))[-TRACE_CHARS:]
