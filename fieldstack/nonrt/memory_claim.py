"""Gets the shared memory for a Non-RT process: adopts it, repairs it, or makes a new one.

It makes a new one only if no RT process lives. Nobody guards an RT process on a memory that cannot be
adopted: such a process is ended first, and the wire is read back. Used by `opening`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from fieldstack.process.end_rt import STANDSTILL_TIMEOUT_S, RtEndResult, Wire, end_rt, rt_on_other_memory
from fieldstack_base.instance import Instance
from fieldstack_rt.datastore import DataStore, ForeignMasterError, RtInTheWayError, StoreBusyError
from fieldstack_rt.datastore.rt_process_search import RtProcess, rt_processes
from fieldstack_rt.wire_state import MASTER_FRAMES, master_frames

TOGETHER_S = 8.0
"""The time that all of them together may take: a process that hangs, and the reading of the wire."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The memory, and what had to be done for it. `unsafe`: ends that were not confirmed as safe."""

    store: DataStore
    remarks: tuple[str, ...] = ()
    endings: tuple[RtEndResult, ...] = ()

    @property
    def unsafe(self) -> str:
        return "; ".join(str(one) for one in self.endings if not one.safe)


def claim(instance: Instance, wire: Wire) -> Claim:
    """For the one Non-RT process of an instance.

    Raises:
        StoreBusyError: what works on the memory of before is no RT process of ours.
        RtInTheWayError: it is, and could not be ended.
        ForeignMasterError: a master that cannot be seen drives the bus.
    """
    endings = tuple(_end_all(rt_on_other_memory(instance), wire))

    def before_new() -> None:
        _refuse_foreign_master(instance, wire)

    try:
        store = DataStore.create(instance, before_new)
    except StoreBusyError:
        living = rt_processes(instance.name)
        if not living:
            raise
        endings += tuple(_end_all(living, wire))
        if stuck := [str(one) for one in endings if not one.gone]:
            raise RtInTheWayError(instance.shm_name, "; ".join(stuck)) from None
        store = DataStore.create(instance, before_new)
    damage = "the shared memory's header was damaged and is repaired"
    remarks = [f"{damage}: {store.repaired}"] if store.repaired else []
    remarks += [f"record {name} was left torn, and is emptied" for name in store.torn]
    return Claim(store, tuple(remarks), endings)


def _end_all(found: list[RtProcess], wire: Wire) -> list[RtEndResult]:
    until = time.monotonic() + TOGETHER_S
    return [end_rt(one, wire, max(0.0, min(STANDSTILL_TIMEOUT_S, until - time.monotonic()))) for one in found]


def _refuse_foreign_master(instance: Instance, wire: Wire) -> None:
    """Only its frames are seen: it is in another process namespace, or belongs to another instance."""
    if not wire.interface:
        return
    try:
        frames = master_frames(wire.interface)
    except OSError:
        return  # an interface that is not there, or not ours to listen to: RT's start will tell
    if frames >= MASTER_FRAMES:
        raise ForeignMasterError(instance.shm_name, wire.interface, frames)
