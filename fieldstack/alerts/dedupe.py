"""Deduplication: what happens again within a window becomes one message with a count.

The alert service asks it for each report. Time is an argument.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from fieldstack.alerts.model.alert import AlertState, Report
from fieldstack.events.kinds import Severity

MAX_KEYS = 1000
AGAIN_PARTS = 10
"""What was resolved and fires again is sent after a tenth of the window at first, then after twice as long
each time: at most four times more in the first window, once a window from then on."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be sent."""

    report: Report
    state: AlertState
    count: int
    incident: str


@dataclass(slots=True)
class Incident:
    """One rule and subject. `sent_state`: what receivers believe (None: nothing yet); `firing`: what is true.

    `held`: it fires until it is cleared, however long nothing is heard of it. `times`: how often it has begun
    to fire since `began_ns`, without a window of rest; `again_ns`: how long the next time waits to be sent.
    """

    report: Report
    firing: bool
    held: bool
    id: str
    sent_ns: int
    began_ns: int
    fired_ns: int
    again_ns: int
    times: int = 1
    sent_state: AlertState | None = None
    pending: int = 0
    """Occurrences since the last message."""
    total: int = 0


class Deduplicator:
    """At most one FIRING message a window for one rule and subject; a resolution at once.

    What fires again after its resolution is a new alert, with how often it has fired by then: a repetition
    that is not sent looks like something that happened once. It waits longer each time, up to the window, so
    that a condition that comes and goes many times a minute sends few messages and not two each time.
    """

    def __init__(self, window_ns: int, new_id: Any) -> None:
        """`new_id()` gives each incident its id."""
        self._window_ns = window_ns
        self._new_id = new_id
        self._incidents: dict[str, Incident] = {}

    def hold(self, keys: frozenset[str]) -> None:
        """These conditions are watched: their end will be reported."""
        for key in keys & self._incidents.keys():
            self._incidents[key].held = True

    def fired(self, report: Report, now_ns: int, *, held: bool = False) -> list[Message]:
        """A condition took effect."""
        one = self._incidents.get(report.key)
        if one is None or (not one.firing and not one.pending and self._rested(one, now_ns)):
            self._bound()
            one = self._incidents[report.key] = self._begun(report, now_ns, held=held)
        elif not one.firing:
            one.times += 1
        fresh = one.sent_state is None or self._may_send_again(one, now_ns)
        one.report, one.firing, one.held = report, True, one.held or held or report.lasting
        one.pending, one.total, one.fired_ns = one.pending + 1, one.total + 1, now_ns
        return [self._send(one, now_ns)] if fresh else []

    def _begun(self, report: Report, now_ns: int, *, held: bool) -> Incident:
        first_ns = self._window_ns // AGAIN_PARTS
        return Incident(report, True, held, self._new_id(), now_ns, now_ns, now_ns, first_ns)

    def _rested(self, one: Incident, now_ns: int) -> bool:
        return now_ns - max(one.sent_ns, one.fired_ns) >= self._window_ns

    def _may_send_again(self, one: Incident, now_ns: int) -> bool:
        wait_ns = one.again_ns if one.sent_state is AlertState.RESOLVED else self._window_ns
        return now_ns - one.sent_ns >= wait_ns

    def cleared(self, key: str, _now_ns: int) -> list[Message]:
        """A condition has gone; nothing is sent if no receiver knows of it."""
        one = self._incidents.get(key)
        if one is None or not one.firing:
            return []
        one.firing = False
        return [self._resolve(one)] if one.sent_state is AlertState.FIRING else []

    def firing(self) -> frozenset[str]:
        """Keys of all conditions that are there."""
        return frozenset(key for key, one in self._incidents.items() if one.firing)

    def incidents(self) -> list[Incident]:
        return list(self._incidents.values())

    def due(self, now_ns: int) -> list[Message]:
        """Messages that waited to be sent; forgets what is long over."""
        messages = list[Message]()
        for key, one in list(self._incidents.items()):
            if one.pending and self._may_send_again(one, now_ns):
                messages.append(self._send(one, now_ns))
                if not one.firing:
                    messages.append(self._resolve(one))
            elif not one.pending and self._rested(one, now_ns) and not (one.firing and one.held):
                del self._incidents[key]
        return messages

    def _send(self, one: Incident, now_ns: int) -> Message:
        if one.sent_state is AlertState.RESOLVED:
            one.id, one.total = self._new_id(), one.pending
            one.again_ns = min(2 * one.again_ns, self._window_ns)
        message = Message(self._report(one, now_ns), AlertState.FIRING, one.pending, one.id)
        one.pending, one.sent_ns, one.sent_state = 0, now_ns, AlertState.FIRING
        return message

    def _report(self, one: Incident, now_ns: int) -> Report:
        if one.times == 1:
            return one.report
        again = f"{one.report.text} (fired {one.times} times within {_duration(now_ns - one.began_ns)})"
        return replace(one.report, text=again)

    def _resolve(self, one: Incident) -> Message:
        message = Message(one.report, AlertState.RESOLVED, max(one.total, 1), one.id)
        one.pending, one.sent_state = 0, AlertState.RESOLVED
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
            key: {"report": asdict(one.report), "id": one.id, "total": one.total, "times": one.times}
            for key, one in list(self._incidents.items())
            if one.firing and one.held
        }

    def restore(self, data: dict[str, Any], now_ns: int) -> None:
        """Go on with what `to_dict` gave; receivers count as informed just now.

        Raises:
            KeyError, ValueError, TypeError, AttributeError: it is something else.
        """
        for one in data.values():
            fields = dict(one["report"])
            fields["severity"] = Severity(fields["severity"])
            report = Report(**fields)
            found = self._begun(report, now_ns, held=True)
            found.id, found.sent_state, found.total = str(one["id"]), AlertState.FIRING, int(one["total"])
            found.times = int(one.get("times", 1))
            self._incidents[report.key] = found


def _duration(passed_ns: int) -> str:
    seconds = passed_ns / 1e9
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
