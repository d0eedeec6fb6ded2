"""StateCheckpoint keeps what a cell needs to continue: in shared memory in each pass, on disk now and then.

A position is safe while the bus is in OP with the expected working counter, and RT has compared that axis
with the checkpoint before. So an unchecked position never replaces the one with which it must be compared.
Non-RT makes one: a pass gives it what to keep, `nonrt.beginning` takes what was kept.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fieldstack.ha.checkpoint import restoring
from fieldstack.ha.checkpoint.durable_state import MAX_TEXT
from fieldstack.ha.checkpoint.record import (
    TASK_BYTES,
    Checkpoint,
    fill,
    fill_ha,
    fill_task,
    from_memory,
)
from fieldstack.ha.checkpoint.restart_counts import RestartCounts
from fieldstack.ha.checkpoint.restore_for_core import NOBODY, addressee
from fieldstack.ha.checkpoint.restore_rules import Judgement, RestoreFacts, decide_restore
from fieldstack.ha.checkpoint.restoring import Restored
from fieldstack.ha.model.facts import PositionCheck
from fieldstack.ha.model.measures import FactKind, Measure
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.policy.in_force.view import Policy
from fieldstack_base.clock import boot_id
from fieldstack_base.durable import BackgroundSaver, DurableRecord
from fieldstack_base.units import NS_PER_S
from fieldstack_rt._native import ffi
from fieldstack_rt.datastore import DataStore, TornRecordError
from fieldstack_rt.datastore.layout import MAX_AXES, CoreState

MOVES_NS = 1_000_000_000
"""A cell in which something has changed within this time works: its file is expected to be fresh."""


@dataclass(frozen=True, slots=True)
class CheckpointReports:
    """Who is told: `failed`, `back` of the disk, in the saver's thread; `judged` of a changed verdict."""

    failed: Callable[[str], None]
    back: Callable[[], None] = lambda: None
    judged: Callable[[Judgement], None] = lambda _judgement: None


class StateCheckpoint:
    """Keeps the checkpoint of one cell. `interval_ns` is the time between two files; the shared memory is
    written in every call of `keep`. Disk work is done in a thread. `plan`: the bus's fingerprint; `core`:
    the cell has a Main Core, which obeys the verdict of a restore.

    A verdict that has tasks ask is filed until a Core has obeyed it, and what the positions were taken on
    stays beside them until others are taken: neither is made young or forgotten by a power-up."""

    def __init__(
        self,
        store: DataStore,
        state_dir: Path,
        interval_ns: int,
        reports: CheckpointReports,
        plan: str = "",
        *,
        core: bool = True,
    ) -> None:
        self._store, self._state_dir = store, state_dir
        self._interval_ns = interval_ns
        self._reports = reports
        self._plan, self._core = plan, core
        self._file = DurableRecord(state_dir, restoring.RECORD)
        self._saver = BackgroundSaver(self._file, reports.failed, self._back)
        self.counts = RestartCounts(state_dir, self._counts_failed, self._back)
        self._record = store.new("fs_checkpoint")
        self._ha: dict[str, Any] | None = None
        self._started_ns = self._filed_ns = self._kept_ns = self._works_ns = 0
        self._missed = False
        self._task = b""
        self._facts = RestoreFacts()
        self._meant = addressee(store)
        self._pending = ""
        self._origin: Checkpoint | None = None
        """Where the positions come from, until this process keeps some."""
        self.judgement = decide_restore(self._facts)
        self.restored: Restored | None = None

    def follow_policy(self, policy: Policy) -> None:
        """Write the file as often as a new policy says, from now on."""
        self._interval_ns = round(policy.process(ProcessName.RT).checkpoint_interval_sec * NS_PER_S)

    # ---- restoring ----

    def restore(self) -> Restored:
        """At the start, before RT is: find the newest checkpoint, judge it, and have it in shared memory."""
        now_ns, wall_ns = time.monotonic_ns(), time.time_ns()
        self._meant = addressee(self._store)
        found = restoring.find(self._store, self._file, self._state_dir)
        self._facts = restoring.facts_of(self._store, found, self._plan, self._state_dir, (now_ns, wall_ns))
        result = restoring.restored(found, self._facts)
        self.restored, self.judgement, self._started_ns = result, result.judgement, now_ns
        if self.judgement.tasks_ask and self._core and self._meant["core_epoch"] != NOBODY:
            self._pending = (self._facts.unresolved or self.judgement.reason)[:MAX_TEXT]
        if found.checkpoint is not None:
            kept = found.checkpoint
            if kept.written_ns:
                known = kept.wall_ns or self._facts.boot_changed
                self._origin = kept if known else replace(kept, wall_ns=_wall_ns(kept.written_ns))
            if not result.judgement.use_positions:
                kept = replace(kept, positions=())
            if self._facts.boot_changed:  # its stamp means nothing in this run of the machine
                kept = replace(kept, written_ns=max(1, now_ns - (self._facts.age_ns or 0)))
            with contextlib.suppress(OverflowError):
                fill(self._record, kept)
            self._ha, self._task = kept.ha, kept.task
        remark = "; ".join((result.remark, *self.counts.remarks))
        self.restored = result = replace(result, ha=self.counts.join(result.ha), remark=remark)
        self._write_extra()
        if found.migrated:
            with contextlib.suppress(OSError):
                restoring.take_over(self._file, self._state_dir, self._to_file())
        return result

    def compare(self, positions: PositionCheck) -> None:
        """What RT found when it compared the axes with the checkpoint: may change the verdict."""
        if positions is self._facts.positions or positions is PositionCheck.PENDING:
            return
        self._facts = replace(self._facts, positions=positions)
        before, judged = self.judgement, decide_restore(self._facts)
        self.judgement = replace(judged, tasks_ask=judged.tasks_ask or before.tasks_ask)
        if before.verdict is not self.judgement.verdict:
            self._write_extra()
            self._reports.judged(self.judgement)

    def read(self) -> tuple[int, str]:
        """Generation (0: none that is whole) and a remark: the step `checkpoint read` of a recovery."""
        try:
            record = self._store.checkpoint()
        except TornRecordError as error:
            return 0, str(error)
        if not self._store.checkpoint_valid(record) or not record.axis_count:
            return 0, "there is none in shared memory"
        return int(record.generation), f"{int(record.axis_count)} axes, epoch {int(record.rt_epoch)}"

    # ---- keeping ----

    def keep(self, now_ns: int, status: Any, *, changed: bool = False, core: Any = None) -> None:
        """Take `status` (a safe fs_rt_status) over: of axes that are lost, or that RT has not confirmed, the
        positions from before stay. `changed`: file it now, not only when it is time. `core`: the
        fs_core_status of this moment, if it was read already."""
        axes = int(status.axes_confirmed) & ~int(status.axes_lost)
        if not axes and int(status.axis_count):
            self.keep_task(now_ns, core)
            return
        record = self._record
        record.written_ns, record.rt_epoch = now_ns, status.epoch
        record.stream, record.axis_count = status.stream, status.axis_count
        for axis in range(min(int(status.axis_count), MAX_AXES)):
            if axes >> axis & 1:
                record.position[axis] = status.axes[axis].position
        task_changed = self._take_task(core)
        if self._origin is not None:
            self._origin = None
            self._fill_extra()
        self._kept_ns = self._works_ns = now_ns
        self._missed = False
        self._write()
        if changed or task_changed or self._due(now_ns):
            self._file_now(now_ns)

    def keep_task(self, now_ns: int, core: Any = None, *, moves: bool = False) -> None:
        """Take over where the tasks stand while no position is safe: also those of a Core that has ended.
        `moves`: axes move by command all the same, so their positions are missed."""
        self._missed = moves
        before = self._task
        changed = self._take_task(core)
        if moves or self._task is not before:
            self._works_ns = now_ns
        if self._task is not before:
            self._write()
            if changed or self._due(now_ns):
                self._file_now(now_ns)

    def _due(self, now_ns: int) -> bool:
        return now_ns - self._filed_ns >= self._interval_ns

    def keep_ha(self, now_ns: int, ha: dict[str, Any]) -> None:
        """Take budgets and latches over (`durable_state.to_record`), and file them at once."""
        self._ha = self.counts.take(ha)  # first: a restart waits for it
        self._write_extra()
        self._file_now(now_ns)

    def keep_ledger(self, position: int) -> None:
        """The position of the ledger, for the next pass's record."""
        self._record.ledger_position = position

    def _take_task(self, core: Any) -> bool:
        """Whether it has to be filed at once: tasks came, went or changed, or Core came to its end."""
        try:
            core = self._store.core_status() if core is None else core
        except TornRecordError:
            return False
        self._record.core_epoch = core.epoch
        here = ffi.buffer(core.task, min(int(core.task_size), TASK_BYTES))
        if here == self._task or not here:
            return False
        task = bytes(here)
        before, self._task = self._task, task
        fill_task(self._record, task)
        if self._pending and core.epoch != self._meant["core_epoch"]:
            self._pending = ""  # this Core has obeyed: its tasks ask, and that is part of the record now
            return True
        return core.state == CoreState.STOPPED or _coarse(before) != _coarse(task)

    def _write_extra(self) -> None:
        self._fill_extra()
        self._write()

    def _fill_extra(self) -> None:
        extra: dict[str, Any] = {"plan": self._plan, "restore": self.judgement.to_dict() | self._meant}
        extra |= {"pending": self._pending, "state": self._ha}
        if self._origin is not None:
            extra["origin"] = self._origin.origin(positions=not self._record.axis_count)
        if not fill_ha(self._record, extra):
            fill_ha(self._record, extra | {"state": None})

    def _write(self) -> None:
        self._record.generation += 1
        self._record.nonrt_epoch = self._store.nonrt_epoch
        self._store.write_checkpoint(self._record)

    def _file_now(self, now_ns: int) -> None:
        self._filed_ns = now_ns
        self._saver.submit(self._to_file())

    def _to_file(self) -> dict[str, Any]:
        kept = replace(from_memory(self._record), pending=self._pending, ha=self._ha)
        if self._origin is not None:
            return kept.taken_from(self._origin).to_dict()
        wall_ns = _wall_ns(int(self._record.written_ns))
        return replace(kept, boot=boot_id(), wall_ns=wall_ns, plan=self._plan).to_dict()

    # ---- telling ----

    @property
    def ha_filed_ns(self) -> int:
        """The moment of the budgets that are on the disk; 0: none of this life are."""
        kept = (self._saver.saved or {}).get("ha") or {}
        filed_ns = int(kept.get("t_ns", 0)) if kept.get("boot") == boot_id() else 0
        return max(filed_ns, self.counts.filed_ns)

    @property
    def count_failure(self) -> str:
        """Why counts cannot reach the disk at present, neither way; empty: they can."""
        return self.counts.failure and (self._saver.failure or self.counts.failure)

    @property
    def failure(self) -> str:
        """Why the file cannot be written at present; empty: it can."""
        return self._saver.failure

    def measures(self, now_ns: int) -> Iterator[Measure]:
        """A probe: while the cell works, how old the file is, or its positions of axes that move. If nothing
        changes, there is nothing new to write, and the checkpoint is not stale however old the file is."""
        works = now_ns - self._works_ns < MOVES_NS
        kept_ns = self._kept_ns if self._missed else self._saver.saved_ns
        age_ns = max(0, now_ns - max(kept_ns, self._started_ns)) if works else 0
        yield Measure(FactKind.CHECKPOINT_STALE, "checkpoint", age_ns / 1e9, self._saver.failure)

    def describe(self) -> dict[str, Any]:
        """For `status`: the verdict of the restore, and whether keeping works."""
        saved_ns = self._saver.saved_ns
        return {
            "generation": int(self._record.generation),
            "restore": self.judgement.to_dict(),
            "filed_ns": saved_ns,
            "failure": self._saver.failure,
        }

    def _counts_failed(self, why: str) -> None:
        self._reports.failed(f"{why} (the counts of restarts)")

    def _back(self) -> None:
        """The disk works again."""
        if not self.failure and not self.counts.failure:
            self._reports.back()

    def close(self) -> None:
        self._saver.close()
        self.counts.close()


def _wall_ns(monotonic_ns: int) -> int:
    """Unix time of a moment of this run of the machine."""
    return time.time_ns() - time.monotonic_ns() + monotonic_ns


def _coarse(task: bytes) -> int:
    """Tasks of another shape are filed at once; one that only counts up waits for the interval."""
    return len(task.translate(None, b"0123456789.-e"))
