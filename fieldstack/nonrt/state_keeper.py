"""Keeps what must survive the Non-RT process: the decision's record, and positions while they are safe.

`Supervision` calls it in each pass. The `StateCheckpoint`'s own thread does the disk work.
"""

from __future__ import annotations

import time
from typing import Any

from fieldstack.ha.checkpoint.durable_state import outlives, to_record
from fieldstack.ha.checkpoint.state_checkpoint import StateCheckpoint
from fieldstack.ha.decision.context.decision_state import DecisionState
from fieldstack.ha.model.facts import Facts, unhealthy
from fieldstack.ha.monitor.process_monitor import ProcessMonitor
from fieldstack_rt.datastore import DataStore


class StateKeeper:
    """Hands over to the checkpoint what has changed."""

    def __init__(self, store: DataStore, monitor: ProcessMonitor, checkpoint: StateCheckpoint) -> None:
        self._store, self._monitor, self._checkpoint = store, monitor, checkpoint
        self._kept: tuple[Any, ...] = ()

    def keep_decision(self, now_ns: int, state: DecisionState) -> None:
        """Latches, budgets and rules that wait for a person go to the disk whenever they change."""
        waiting = tuple(one for one in state.active_rules if outlives(one))
        on_reset = self._store.estop.state().on_reset
        kept = (state.ha, waiting, state.budgets, state.interlock, on_reset)
        if kept == self._kept:
            return
        self._kept = kept
        estop = self._monitor.estop_facts()
        self._checkpoint.keep_ha(now_ns, to_record(state, estop, now_ns, time.time_ns()))

    def keep_positions(self, now_ns: int, facts: Facts, *, changed: bool) -> None:
        """Positions count as safe while everything that motion needs is read back."""
        checkpoint = self._checkpoint
        status, core = self._monitor.rt_status, self._monitor.core_status
        checkpoint.compare(facts.bus.positions)
        if status is not None and not unhealthy(facts):
            checkpoint.keep(now_ns, status, changed=changed, core=core)
        else:
            checkpoint.keep_task(now_ns, core, moves=status is not None and bool(status.axes_playing))

    def keep_task(self, now_ns: int) -> None:
        """On the way down: what the tasks have reached."""
        self._checkpoint.keep_task(now_ns)
