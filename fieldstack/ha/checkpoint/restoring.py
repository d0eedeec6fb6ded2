"""Finds the checkpoint when a Non-RT process starts: in shared memory, a file, or older versions' files.

Used by the StateCheckpoint.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fieldstack.ha.checkpoint import durable_state
from fieldstack.ha.checkpoint.crash_declarations import as_failed, tasks_by_declaration
from fieldstack.ha.checkpoint.record import Checkpoint, CheckpointFormatError, extra_of, from_memory
from fieldstack.ha.checkpoint.restore_for_core import unresolved
from fieldstack.ha.checkpoint.restore_rules import (
    Judgement,
    LastEnd,
    PlanMatch,
    RestoreFacts,
    Source,
    decide_restore,
)
from fieldstack_base.clock import boot_id
from fieldstack_base.durable import DurableRecord
from fieldstack_rt.datastore import DataStore, TornRecordError
from fieldstack_rt.datastore.layout import RtPhase
from fieldstack_rt.datastore.memory import process_alive

RECORD = "checkpoint"
OLD_HA_RECORD = "ha-state"
"""Where older versions, without the common record, kept budgets and latches."""


@dataclass(frozen=True, slots=True)
class Found:
    """The newest usable checkpoint, where it was, and all that was wrong with others."""

    checkpoint: Checkpoint | None
    source: Source
    remarks: tuple[str, ...] = ()
    unreadable: str = ""
    unresolved: str = ""
    migrated: bool = False
    """Budgets and latches are from a file of an older version."""


@dataclass(frozen=True, slots=True)
class Restored:
    """The result of a restore: `ha` is for `durable_state.restore`, `remark` for people."""

    generation: int
    judgement: Judgement
    facts: RestoreFacts
    remark: str
    ha: dict[str, Any] | None


def find(store: DataStore, file: DurableRecord, state_dir: Path) -> Found:
    """The copy with the higher generation; budgets and latches from the other one if it has none."""
    remarks: list[str] = []
    memory = _in_memory(store, remarks)
    filed = _in_file(file, remarks)
    if filed is None and (kept := file.set_aside()):
        remarks.append(f"kept as {' and '.join(kept)}")
    if memory is None and filed is None:
        whole = "; ".join(remarks)
        old = _old_ha(state_dir)
        if old is None:
            return Found(None, Source.NONE, (), whole)
        return Found(Checkpoint(0, ha=old), Source.NONE, (), whole, migrated=True)
    best, source = _newer(memory, filed)
    migrated = False
    if best.ha is None:
        spare = filed if source is Source.MEMORY else memory
        if spare is not None and spare.ha is not None:
            best = replace(best, ha=spare.ha)
        elif (old := _old_ha(state_dir)) is not None:
            best, migrated = replace(best, ha=old), True
    pending = best.pending if source is Source.FILE else unresolved(store, extra_of(store.checkpoint()))
    return Found(best, source, tuple(remarks), unresolved=pending, migrated=migrated)


def _newer(memory: Checkpoint | None, filed: Checkpoint | None) -> tuple[Checkpoint, Source]:
    if filed is None or (memory is not None and memory.generation >= filed.generation):
        assert memory is not None  # noqa: S101 - one of both is there
        return (memory if memory.boot else replace(memory, boot=boot_id())), Source.MEMORY
    return filed, Source.FILE


def _in_memory(store: DataStore, remarks: list[str]) -> Checkpoint | None:
    try:
        record = store.checkpoint()
    except TornRecordError as error:
        remarks.append(str(error))
        return None
    if not store.checkpoint_valid(record):
        if record.generation:
            remarks.append("the one in shared memory is damaged: its checksum is wrong")
        return None
    try:
        return from_memory(record)
    except CheckpointFormatError as error:
        remarks.append(f"the one in shared memory cannot be read: {error}")
        return None


def _in_file(file: DurableRecord, remarks: list[str]) -> Checkpoint | None:
    loaded = file.load()
    remarks += loaded.remarks
    if loaded.data is None:
        return None
    try:
        found = Checkpoint.from_dict(loaded.data)
    except CheckpointFormatError as error:
        remarks.append(f"the file {RECORD}.{loaded.generation % 2} cannot be used: {error}")
        return None
    if durable_state.went_down_by_request(found.ha):
        return found
    return replace(found, task=as_failed(found.task))  # the cell had come up again, or Core alone had ended


def _old_ha(state_dir: Path) -> dict[str, Any] | None:
    return DurableRecord(state_dir, OLD_HA_RECORD).load().data


def take_over(file: DurableRecord, state_dir: Path, data: dict[str, Any]) -> None:
    """Writes budgets and latches to their one place, then deletes the older version's file. Raises OSError;
    then at least one of the two has them."""
    file.save(data)
    DurableRecord(state_dir, OLD_HA_RECORD).remove()


def facts_of(
    store: DataStore, found: Found, plan: str, state_dir: Path, now: tuple[int, int]
) -> RestoreFacts:
    """The input of the rule, as far as it is known before RT has compared positions. `now`: CLOCK_MONOTONIC
    and Unix time of this moment, ns."""
    now_ns, wall_ns = now
    checkpoint = found.checkpoint or Checkpoint(0)
    boot_changed = found.source is not Source.NONE and checkpoint.boot != boot_id()
    sources, why = durable_state.latched(checkpoint.ha)
    latched = why or ("no reason given" if sources else "")
    if found.source is Source.MEMORY:
        state = store.estop.state()
        reasons = "; ".join(note.reason for note in state.notes) or "no reason given"
        latched = reasons if state.on_reset else ""
    asking, continuing = tasks_by_declaration(checkpoint.task, state_dir)
    return RestoreFacts(
        source=found.source,
        unreadable=found.unreadable,
        ended=_ended(checkpoint),
        rt_ran_on=rt_runs(store),
        age_ns=_age(checkpoint, boot_changed=boot_changed, now_ns=now_ns, wall_ns=wall_ns),
        boot_changed=boot_changed,
        plan=_match(checkpoint.plan, plan),
        latched=latched,
        unresolved=found.unresolved,
        asking=asking,
        continuing=continuing,
    )


def _ended(checkpoint: Checkpoint) -> LastEnd:
    if checkpoint.ha is None and not checkpoint.generation:
        return LastEnd.FIRST
    return LastEnd.REQUEST if durable_state.went_down_by_request(checkpoint.ha) else LastEnd.FAILURE


def rt_runs(store: DataStore) -> bool:
    """Whether an RT process of the cell's previous life still runs."""
    return store.adopted and store.rt_phase is RtPhase.CYCLING and process_alive(store.rt_pid)


def _age(checkpoint: Checkpoint, *, boot_changed: bool, now_ns: int, wall_ns: int) -> int | None:
    if not checkpoint.written_ns:
        return 0
    age = wall_ns - checkpoint.wall_ns if boot_changed else now_ns - checkpoint.written_ns
    return age if age >= 0 else None


def _match(kept: str, present: str) -> PlanMatch:
    if not kept or not present:
        return PlanMatch.UNKNOWN
    return PlanMatch.SAME if kept == present else PlanMatch.OTHER


def restored(found: Found, facts: RestoreFacts) -> Restored:
    checkpoint = found.checkpoint
    judgement = decide_restore(facts)
    where = {
        Source.NONE: "there is none yet" if not found.unreadable else found.unreadable,
        Source.MEMORY: "from shared memory",
        Source.FILE: "from the file",
    }[found.source]
    remark = "; ".join((where, *found.remarks))
    generation = checkpoint.generation if checkpoint is not None else 0
    return Restored(generation, judgement, facts, remark, checkpoint.ha if checkpoint else None)
