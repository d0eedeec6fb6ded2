"""Takes snapshots of an instance again and again, whether its cell is up, down, or was started again.

The dashboard, `fieldstack cells` and the health server take them from here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fieldstack.events.reader import EventReader
from fieldstack.ha.monitor.liveness_in_force import RulesInForce
from fieldstack.process.end_rt import rt_on_other_memory
from fieldstack.status import snapshot
from fieldstack.status.snapshot import Clock, Snapshot, wall_text
from fieldstack_base.instance import Instance
from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.config.plan_json import plan_from_json
from fieldstack_ethercat.bus.errors import PlanFormatError
from fieldstack_rt.datastore import DataStore, StoreMissingError
from fieldstack_rt.datastore.rt_process_search import RtProcess, rt_processes

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where POSIX shared memory is mounted

_BUILT_IN_NOTE = "which process is silent is judged by built-in times: no policy in force is known"


class StatusSource:
    """Takes snapshots of one instance; attaches when its memory appears and again when it was replaced."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._store: DataStore | None = None
        self._memory: tuple[int, int] | None = None
        self._plan: BusPlan | None = None
        self._plan_stamp: int | None = None
        self._rules = RulesInForce(instance.liveness_file)

    def take(self) -> Snapshot:
        """The state now. Raises LayoutMismatchError (other version) or StoreForbiddenError (other user)."""
        clock = Clock.read()
        store = self._current()
        self._refresh_plan()
        if store is None:
            return self._down(clock)
        found = self._with_rules_named(snapshot.take(store, self._plan, clock, self._rules.current()))
        return found if found.rt.alive else self._with_other_rt(found, rt_on_other_memory(self._instance))

    @staticmethod
    def _with_rules_named(found: Snapshot) -> Snapshot:
        """Says that silence is judged by numbers that may not be those of this cell's policy."""
        if found.liveness.policy or found.cell == "down":
            return found
        return replace(found, note="; ".join(filter(None, (found.note, _BUILT_IN_NOTE))))

    @staticmethod
    def _with_other_rt(found: Snapshot, others: Sequence[RtProcess]) -> Snapshot:
        """No RT process works on this memory. This does not mean that no RT process works at all."""
        if not others:
            return found
        pids = ", ".join(str(one.pid) for one in others)
        stray = f"RT process {pids} LIVES, on a memory that was removed or replaced: fieldstack estop ends it"
        return replace(found, note="; ".join(filter(None, (stray, found.note))))

    def _current(self) -> DataStore | None:
        memory = self._identity()
        if memory != self._memory or memory is None:
            self._store, self._memory = None, memory
        if self._store is None and memory is not None:
            try:
                self._store = DataStore.attach(self._instance, read_only=True)
            except StoreMissingError:
                return None
        return self._store

    @property
    def store(self) -> DataStore | None:
        """What the last snapshot was read from, read-only; None: there is no shared memory."""
        return self._store

    @property
    def plan(self) -> BusPlan | None:
        """The bus plan that the last snapshot was read with; None: not known."""
        return self._plan

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = os.stat(SHARED_MEMORY / self._instance.shm_name.lstrip("/"))
        except OSError:
            return None
        return found.st_ino, found.st_ctime_ns

    def _refresh_plan(self) -> None:
        try:
            stamp = self._instance.plan_file.stat().st_mtime_ns
            if stamp != self._plan_stamp:
                self._plan = plan_from_json(self._instance.plan_file.read_bytes())
                self._plan_stamp = stamp
        except (OSError, PlanFormatError):
            self._plan_stamp = None

    def _down(self, clock: Clock) -> Snapshot:
        last = EventReader(self._instance.state_dir).last(1)
        living = rt_processes(self._instance.name)
        if not last:
            return self._with_other_rt(snapshot.down(self._instance, clock, since=None, note=""), living)
        since = wall_text(last[0].wall_ns / 1e9)
        note = f"last event: {last[0].text}"
        return self._with_other_rt(snapshot.down(self._instance, clock, since=since, note=note), living)
