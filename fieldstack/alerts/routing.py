"""Decides which alerts a channel gets: by severity, and no faster than its rate.

Each channel's pipeline asks it. Pure: time is an argument.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from fieldstack.alerts.model.alert import SEVERITIES, Alert, AlertState, Report
from fieldstack.alerts.token_bucket import TokenBucket
from fieldstack.events.kinds import Severity

_NAMED = 5
MAX_WITHHELD = 1000


@dataclass(slots=True)
class Route:
    """One channel's gate. A resolution needs no token if its alert has passed: there are no more of them."""

    min_severity: Severity
    bucket: TokenBucket
    held_back: int = 0
    """Since the start."""
    _withheld: set[str] = field(default_factory=set)
    _waiting: Counter[str] = field(default_factory=Counter)
    _worst: Severity = Severity.INFO

    def admits(self, alert: Alert, now_ns: int) -> bool:
        """Whether this alert goes to the channel now; what is held back is counted for the summary."""
        if SEVERITIES.index(alert.severity) < SEVERITIES.index(self.min_severity):
            return False
        if alert.state is AlertState.RESOLVED:
            withheld = alert.incident in self._withheld
            self._withheld.discard(alert.incident)
            return not withheld
        if not self._waiting and self.bucket.take(now_ns):
            self._withheld.discard(alert.incident)
            return True
        self._hold(alert)
        return False

    def _hold(self, alert: Alert) -> None:
        self.held_back += 1
        self._waiting[f"{alert.rule} {alert.subject}"] += alert.count
        self._worst = max(self._worst, alert.severity, key=SEVERITIES.index)
        if len(self._withheld) < MAX_WITHHELD:
            self._withheld.add(alert.incident)

    def summary(self, now_ns: int) -> Report | None:
        """A report of what was held back, as soon as the rate allows it."""
        if not self._waiting or not self.bucket.take(now_ns):
            return None
        named = ", ".join(f"{name} x{count}" for name, count in self._waiting.most_common(_NAMED))
        more = len(self._waiting) - _NAMED
        rest = f" and {more} others" if more > 0 else ""
        total = sum(self._waiting.values())
        report = Report("rate-limit", "alerts", f"{total} alerts were held back: {named}{rest}", self._worst)
        self._waiting.clear()
        self._worst = Severity.INFO
        return report
