"""A living RT process is found, and ended with its outputs read back, before its memory is made again."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from fieldstack.cell.instances import instances, running_pids
from fieldstack.cell.takedown import take_down
from fieldstack.cli.estop import stop_cell
from fieldstack.nonrt.memory_claim import claim
from fieldstack.process.end_rt import Wire, end_rt, rt_on_other_memory
from fieldstack.status.status import StatusSource
from fieldstack_base.instance import Instance
from fieldstack_ethercat.wire.al import AlState
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore import DataStore, EventCode, ForeignMasterError, StoreBusyError, memory
from fieldstack_rt.datastore.rt_process_search import rt_processes
from fieldstack_rt.wire_state import make_safe, master_frames
from tests.rt.rt_cell import RtCell, rt_cell, wait_for

_STAND_IN = """
import ctypes, sys, time
from fieldstack_rt.datastore import DataStore
from fieldstack_base.instance import Instance
store = DataStore.attach(Instance(sys.argv[3]))
ctypes.CDLL(None).prctl(15, b"fieldstack-rt", 0, 0, 0)
print("ready", flush=True)
time.sleep(60)
"""


@contextlib.contextmanager
def stand_in(instance: Instance) -> Iterator[subprocess.Popen[str]]:
    """A process that the kernel shows as an RT process of the instance, on its memory; it does nothing."""
    command = [sys.executable, "-c", _STAND_IN, "run", "--instance", instance.name, "--interface", "lo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


def zero_both_ends(store: DataStore) -> None:
    """The layout cannot be proven any more."""
    for name in ("header", "identity"):
        ffi.memmove(ffi.addressof(store.raw, name), bytes(64), ffi.sizeof(f"fs_{name}"))


def guards_plan_says(store: DataStore, pid: int) -> None:
    plan = store.new("fs_guard_plan")
    plan.epoch, plan.rt_pid = 1, pid
    store.write_guard_plan(plan)


@pytest.fixture
def cell(instance: Instance) -> Iterator[RtCell]:
    with rt_cell(instance) as found:
        yield found


# ---- who lives ----


def test_the_kernel_shows_it_whatever_its_memory_says(store: DataStore) -> None:
    with stand_in(store.instance) as process:
        assert [(one.pid, one.interface) for one in rt_processes(store.instance.name)] == [
            (process.pid, "lo")
        ]
        assert not rt_processes(store.instance.name[:-1])
        assert not rt_on_other_memory(store.instance), "it works on the memory of that name"
        store.unlink()
        assert [one.pid for one in rt_on_other_memory(store.instance)] == [process.pid]
        looked = StatusSource(store.instance).take()
        assert (looked.cell, f"RT process {process.pid} LIVES" in looked.note) == ("down", True)
        listed = {one.instance: one for one in instances()}[store.instance.name]
        assert (listed.processes["rt"], listed.orphaned) == (process.pid, True)
        assert running_pids(store.instance)["rt"] == process.pid
        with pytest.raises(StoreBusyError, match=str(process.pid)):
            DataStore.create(store.instance)
    assert not rt_processes(store.instance.name)


@pytest.mark.parametrize("field", ["magic", "layout_hash", "size"])
def test_a_header_is_mended_under_the_process_that_the_guards_plan_names(
    store: DataStore, field: str
) -> None:
    created_ns, inode = int(store.raw.header.created_ns), store.inode
    with stand_in(store.instance) as process:
        guards_plan_says(store, process.pid)
        setattr(store.raw.header, field, 7)
        again = DataStore.create(store.instance)
        assert (again.inode, again.adopted) == (inode, True)
        assert bool(again.repaired) == (field != "size"), "of the size the kernel's word counts"
        assert lib.fs_header_is_whole(store.raw)
        assert int(store.raw.header.created_ns) == created_ns
        assert field == "size" or int(store.raw.header.rt_pid) == process.pid


@pytest.mark.parametrize("doubt", ["both ends", "whose plan", "no plan"])
def test_what_cannot_be_proven_is_neither_mended_nor_replaced(store: DataStore, doubt: str) -> None:
    with stand_in(store.instance) as process:
        guards_plan_says(store, process.pid if doubt == "both ends" else os.getpid())
        if doubt == "no plan":
            store.raw.guard_plan.checksum ^= 1
        store.raw.header.magic = 7
        if doubt == "both ends":
            zero_both_ends(store)
        with pytest.raises(StoreBusyError, match=str(process.pid)):
            DataStore.create(store.instance)
        with pytest.raises(StoreBusyError):
            memory.check_free(store.instance.shm_name)
        said: list[str] = []
        assert memory.file_of(store.instance.shm_name).stat().st_ino == store.inode
        assert take_down(store.instance, said.append)
        assert "NOT CONFIRMED" in " ".join(said), "there is no bus plan to read the wire by"
        assert not memory.file_of(store.instance.shm_name).exists()


def test_a_cut_memory_is_never_mapped(store: DataStore) -> None:
    store.raw.header.owner_pid = 0  # not this process, which lives
    os.truncate(memory.file_of(store.instance.shm_name), 4096)
    fresh = DataStore.create(store.instance)
    assert (fresh.adopted, fresh.inode != store.inode) == (False, True)
    assert "replaced" in store.lost
    assert not fresh.lost


# ---- on a real bus ----


def wire_of(cell: RtCell) -> Wire:
    return Wire(cell.segment.interface, len(cell.plan.slaves))


def nobody_in_op(cell: RtCell) -> bool:
    return all(slave.al_state & 0x0F != AlState.OP for slave in cell.segment.client.truth())


def let_go(cell: RtCell) -> None:
    """As a Non-RT process that was killed: nobody guards, nobody beats."""
    cell.beating.clear()
    if cell.guard is not None:
        cell.guard.stop()


@pytest.mark.system
def test_one_that_cannot_be_adopted_is_ended_and_read_back_first(cell: RtCell) -> None:
    let_go(cell)
    memory.unlink(cell.store.instance.shm_name)
    claimed = claim(cell.store.instance, wire_of(cell))
    assert cell.rt.poll() is not None
    assert nobody_in_op(cell)
    assert not claimed.store.adopted
    assert not claimed.unsafe
    assert [(one.pid, one.killed, one.wire.safe) for one in claimed.endings] == [(cell.rt.pid, False, True)]
    claimed.store.unlink()


@pytest.mark.system
def test_one_that_does_not_end_is_killed_and_its_slaves_are_made_safe(cell: RtCell) -> None:
    let_go(cell)
    ending = end_rt(rt_processes(cell.store.instance.name)[0], wire_of(cell), stand_s=0.0)
    assert (ending.gone, ending.killed, ending.safe) == (True, True, True)
    assert nobody_in_op(cell)
    assert not make_safe("lo", 5, 0.05).safe, "what is not heard is not safe"


@pytest.mark.system
def test_a_master_that_cannot_be_seen_is_heard(cell: RtCell) -> None:
    other = Instance(f"{cell.store.instance.name}-b")
    assert master_frames(cell.segment.interface) >= 3
    with pytest.raises(ForeignMasterError, match=cell.segment.interface):
        claim(other, wire_of(cell))
    assert not memory.file_of(other.shm_name).exists()
    assert cell.rt.poll() is None
    cell.stop_rt()
    wait_for(lambda: master_frames(cell.segment.interface) == 0, "nothing is heard any more")
    claim(other, wire_of(cell)).store.unlink()


@pytest.mark.system
def test_rt_ends_in_order_without_its_memory(cell: RtCell) -> None:
    """Bounds: a look every 100 ms, then its own controlled stop. It does not wait for somebody to end it."""
    let_go(cell)
    memory.unlink(cell.store.instance.shm_name)
    wait_for(lambda: cell.rt.poll() is not None, "RT ends", 3.0)
    assert cell.rt.returncode == 1
    assert cell.seen(EventCode.MEMORY_LOST)
    assert make_safe(cell.segment.interface, len(cell.plan.slaves), 0.5).safe
    assert cell.rt.stderr is not None
    assert "was removed under its cell" in cell.rt.stderr.read()


@pytest.mark.system
def test_a_restart_of_rt_does_not_fail_on_a_damaged_header(cell: RtCell) -> None:
    cell.stop_rt()
    cell.store.raw.header.magic = 7
    cell.start_rt()
    cell.wait_until_free_to_move()
    wait_for(lambda: lib.fs_header_is_whole(cell.store.raw), "mended", 2.0)


@pytest.mark.system
def test_rt_mends_its_guards_plan_that_was_left_torn(cell: RtCell) -> None:
    """Or no guard that is started later could read it, and RT would run unguarded for ever."""
    lib.fs_block_tear(cell.store.raw, lib.FS_BLOCK_GUARD_PLAN)
    wait_for(lambda: not int(cell.store.raw.guard_plan_seq) & 1, "mended", 2.0)
    assert int(cell.store.guard_plan().rt_pid) == cell.rt.pid


@pytest.mark.system
def test_rt_mends_a_header_that_was_damaged_under_it(cell: RtCell) -> None:
    zero_both_ends(cell.store)
    wait_for(lambda: lib.fs_header_is_whole(cell.store.raw), "mended", 2.0)
    wait_for(lambda: cell.seen(EventCode.MEMORY_MENDED), "and told")
    assert int(cell.store.raw.header.rt_pid) == cell.rt.pid


@pytest.mark.system
def test_status_does_not_take_a_new_memory_for_the_cell(cell: RtCell) -> None:
    instance = cell.store.instance
    memory.unlink(instance.shm_name)
    fresh = DataStore(instance, memory._make(instance.shm_name))
    found = StatusSource(instance).take()
    assert cell.rt.poll() is not None or f"RT process {cell.rt.pid} LIVES" in found.note
    fresh.unlink()


@pytest.mark.system
def test_an_emergency_stop_reaches_the_process_whose_memory_was_replaced(cell: RtCell) -> None:
    instance = cell.store.instance
    memory.unlink(instance.shm_name)
    fresh = DataStore(instance, memory._make(instance.shm_name))
    outcome = stop_cell(instance, "hand in the machine")
    assert cell.rt.poll() is not None
    assert nobody_in_op(cell)
    assert cell.store.estop.state().latched, "in the memory that it works on"
    assert fresh.estop.state().latched
    assert outcome.obeyed
    assert f"RT process {cell.rt.pid} ended" in outcome.text


def test_a_stop_that_is_asked_for_while_the_memory_is_made_anew_is_latched(instance: Instance) -> None:
    made: list[DataStore] = []
    later = threading.Timer(0.2, lambda: made.append(DataStore.create(instance)))
    later.start()
    try:
        stop_cell(instance, "hand in the machine")
        assert made[0].estop.state().latched
    finally:
        later.join()
        made[0].unlink()
