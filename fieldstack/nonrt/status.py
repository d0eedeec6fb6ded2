"""Writes the Non-RT process's own record in shared memory. Used by `supervision` in each pass."""

from __future__ import annotations

import os

from fieldstack.ha.decision.context.decision_state import DecisionState
from fieldstack.ha.decision.restart_interlock import reason_text
from fieldstack.ha.model.facts import AxesFacts
from fieldstack_rt.datastore import DataStore

REASON_BYTES = 191
NOTHING_KNOWN = AxesFacts()


class StatusWriter:
    """Writes `fs_nonrt_status` once a pass."""

    def __init__(self, store: DataStore, started_ns: int) -> None:
        self._store = store
        self._record = store.new("fs_nonrt_status")
        self._record.epoch = store.begin_nonrt_epoch()
        self._record.started_ns = started_ns
        self._record.pid = os.getpid()
        self._passes = 0

    def write(
        self,
        now_ns: int,
        state: DecisionState,
        axes: AxesFacts = NOTHING_KNOWN,
        *,
        restarts: int,
        budget: int,
        events: int,
    ) -> None:
        record = self._record
        self._passes += 1
        setattr(record, "pass", self._passes)  # a keyword in Python, a field in C
        record.pass_ns, record.ha_since_ns = now_ns, state.since_ns
        record.ha_state = int(state.ha)
        record.rt_restarts, record.rt_restart_budget = restarts, budget
        record.events_written = events
        record.ha_reason = _fitting(reason_text(state, axes))
        self._store.write_nonrt_status(record)


_MORE = "…".encode()


def _fitting(text: str) -> bytes:
    """No more than the record has room for, with an ellipsis where the text is longer. Invalid
    characters become `?`, for a pass must not end on them."""
    content = text.encode(errors="replace")
    if len(content) <= REASON_BYTES:
        return content
    return content[: REASON_BYTES - len(_MORE)].decode(errors="ignore").encode() + _MORE
