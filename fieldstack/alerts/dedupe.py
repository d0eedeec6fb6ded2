"""Deduplication: what happens again within a window becomes one message with a count. Time is an argument."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fieldstack.alerts.alert import AlertState, Report
from fieldstack.events.kinds import Severity

MAX_KEYS = 1000


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be sent."""

    report: Report
    state: AlertState
    count: int
    incident: str


@dataclass(slots=True)
class Incident:
    """One rule and subject. `told`: what receivers believe (None: nothing yet); `firing`: what is true.

    `held`: it fires until it is cleared, however long nothing is heard of it.
    """

    report: Report
    firing: bool
    held: bool
    id: str
    sent_ns: int
    told: AlertState | None = None
    pending: int = 0
    """Occurrences since the last message."""
    total: int = 0


class Deduplicator:
    """At most one FIRING message a window for one rule and subject; a resolution at once.

    An occurrence soon after a resolution waits for the window's end, so that a condition that comes and goes
    many times a minute sends two messages a window and not two each time.
    """

    def __init__(self, window_ns: int, new_id: Any) -> None:
        """`new_id()` gives each incident its id."""
        self._window_ns = window_ns
        self._new_id = new_id
        self._incidents: dict[str, Incident] = {}

    def hold(self, keys: frozenset[str]) -> None:
        """These conditions are watched: their end will be told."""
        for key in keys & self._incidents.keys():
            self._incidents[key].held = True

    def fired(self, report: Report, now_ns: int, *, held: bool = False) -> list[Message]:
        """A condition took effect."""
        one = self._incidents.get(report.key)
        if one is None:
            self._bound()
            one = self._incidents[report.key] = Incident(report, True, held, self._new_id(), now_ns)
        fresh = one.told is None or now_ns - one.sent_ns >= self._window_ns
        if fresh and one.told is AlertState.RESOLVED:
            one.id, one.total = self._new_id(), 0
        one.report, one.firing, one.held = report, True, one.held or held or report.lasting
        one.pending, one.total = one.pending + 1, one.total + 1
        return [self._send(one, now_ns)] if fresh else []

    def cleared(self, key: str, now_ns: int) -> list[Message]:
        """A condition has gone; nothing is sent if nobody was told of it."""
        one = self._incidents.get(key)
        if one is None or not one.firing:
            return []
        one.firing = False
        return [self._resolve(one, now_ns)] if one.told is AlertState.FIRING else []

    def firing(self) -> frozenset[str]:
        """Keys of all conditions that are there."""
        return frozenset(key for key, one in self._incidents.items() if one.firing)

    def incidents(self) -> list[Incident]:
        return list(self._incidents.values())

    def due(self, now_ns: int) -> list[Message]:
        """What waited for the end of its window; forgets what is long over."""
        messages = list[Message]()
        for key, one in list(self._incidents.items()):
            if now_ns - one.sent_ns < self._window_ns:
                continue
            if one.pending and one.firing:
                messages.append(self._send(one, now_ns))
            elif one.pending:
                messages.append(self._resolve(one, now_ns))
            elif not (one.firing and one.held):
                del self._incidents[key]
        return messages

    def _send(self, one: Incident, now_ns: int) -> Message:
        message = Message(one.report, AlertState.FIRING, one.pending, one.id)
        one.pending, one.sent_ns, one.told = 0, now_ns, AlertState.FIRING
        return message

    def _resolve(self, one: Incident, now_ns: int) -> Message:
        message = Message(one.report, AlertState.RESOLVED, max(one.total, 1), one.id)
        one.pending, one.told = 0, AlertState.RESOLVED
        one.sent_ns = max(one.sent_ns, now_ns) if now_ns - one.sent_ns >= self._window_ns else one.sent_ns
        return message

    def _bound(self) -> None:
        """The number of incidents is bounded: what was quiet for longest is forgotten, what is over first."""
        if len(self._incidents) >= MAX_KEYS:
            ages = {key: (one.firing, one.sent_ns) for key, one in self._incidents.items()}
            del self._incidents[min(ages, key=lambda key: ages[key])]

    # ---- across restarts ----

    def to_dict(self) -> dict[str, Any]:
        """What a restarted service needs of each watched condition, by its key."""
        return {
            key: {"report": asdict(one.report), "id": one.id, "total": one.total}
            for key, one in list(self._incidents.items())
            if one.firing and one.held
        }

    def restore(self, data: dict[str, Any], now_ns: int) -> None:
        """Go on with what `to_dict` gave; receivers count as told just now.

        Raises:
            KeyError, ValueError, TypeError, AttributeError: it is something else.
        """
        for one in data.values():
            told = dict(one["report"])
            told["severity"] = Severity(told["severity"])
            report = Report(**told)
            self._incidents[report.key] = Incident(
                report, True, True, str(one["id"]), now_ns, AlertState.FIRING, 0, int(one["total"])
            )
