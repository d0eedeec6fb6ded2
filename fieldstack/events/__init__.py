"""The durable event log: every state change, action and fault is one record, which is kept on disk."""

from fieldstack.events.event import Event
from fieldstack.events.kinds import EventKind, Severity
from fieldstack.events.log import EventLog
from fieldstack.events.reader import EventReader

__all__ = ["Event", "EventKind", "EventLog", "EventReader", "Severity"]
