"""A report of something that happened, and the alert that receivers get of it.

`AlertService` takes reports in and makes alerts of them; the channels send these.
"""

from __future__ import annotations

import socket
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from fieldstack.events.kinds import Severity

SEVERITIES = (Severity.INFO, Severity.WARNING, Severity.ERROR, Severity.CRITICAL)
"""Mildest first."""


class AlertState(StrEnum):
    """FIRING: the condition is there (again, if `count` is above 1). RESOLVED: it has cleared."""

    FIRING = "firing"
    RESOLVED = "resolved"
    SUMMARY = "summary"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Report:
    """What the alert service is asked to send: a rule took effect on a subject.

    `event`: its number in the event log. `lasting`: it is there until it is cleared; otherwise it is
    forgotten when it has not come again for a window.
    """

    rule: str
    subject: str
    text: str
    severity: Severity = Severity.CRITICAL
    event: int = 0
    lasting: bool = False

    @property
    def key(self) -> str:
        """The same for all alerts of one condition."""
        return f"{self.rule}|{self.subject}"


@dataclass(frozen=True, slots=True)
class Alert:
    """`id` stays the same however often it is delivered; `incident` is that of an alert, its repetitions and
    its resolution. `count`: occurrences that it stands for. `wall_ns`: UTC, Unix nanoseconds."""

    id: str
    incident: str
    state: AlertState
    severity: Severity
    rule: str
    subject: str
    text: str
    instance: str
    host: str
    count: int
    wall_ns: int
    event: int

    @property
    def title(self) -> str:
        """One line with everything that matters."""
        again = f" (x{self.count})" if self.count > 1 else ""
        what = f"{self.state.upper()} {self.severity} {self.rule} {self.subject}"
        return f"[{self.instance}] {what}{again}: {self.text}"

    @property
    def time(self) -> str:
        return datetime.fromtimestamp(self.wall_ns / 1e9, UTC).isoformat(timespec="milliseconds")

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "title": self.title, "time": self.time}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Alert:
        """Raises KeyError, ValueError or TypeError: not what `to_dict` gave."""
        fields = {name: data[name] for name in cls.__slots__}
        texts = [fields[name] for name in ("id", "incident", "rule", "subject", "text", "instance", "host")]
        numbers = [fields[name] for name in ("count", "wall_ns", "event")]
        if not all(isinstance(one, str) for one in texts) or not all(isinstance(one, int) for one in numbers):
            raise TypeError("an alert's fields have other types")
        fields["state"], fields["severity"] = AlertState(fields["state"]), Severity(fields["severity"])
        return cls(**fields)


def new_id() -> str:
    return uuid.uuid4().hex


def make(
    report: Report, state: AlertState, instance: str, wall_ns: int, *, incident: str = "", count: int = 1
) -> Alert:
    """An alert with an id of its own; without an `incident` it begins one."""
    own = new_id()
    return Alert(
        own,
        incident or own,
        state,
        report.severity,
        report.rule,
        report.subject,
        report.text.encode(errors="replace").decode(),  # half a character would stop every channel
        instance,
        socket.gethostname(),
        count,
        wall_ns,
        report.event,
    )
