"""The POSIX shared memory itself: it is made, attached, checked, repaired and replaced here.

It always looks for a living RT process first (`rt_process_search.py`): that process's memory is adopted, or
left to it. `store.py` uses it.
"""

from __future__ import annotations

import mmap
import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import posix_ipc

from fieldstack_base.proc.stat import read_stat
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore.errors import (
    LayoutMismatchError,
    StoreBusyError,
    StoreError,
    StoreForbiddenError,
    StoreMissingError,
    StoreUnfinishedError,
)
from fieldstack_rt.datastore.rt_process_search import RtProcess, rt_processes

MODE = 0o660
MAGIC = 0x4B4341545344464C
SIZE: int = int(lib.fs_store_size())
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where POSIX shared memory is mounted
_PREFIX = int(ffi.sizeof("fs_header"))
_NAME = "/fieldstack-"


@dataclass(frozen=True, slots=True)
class Mapped:
    """A mapped memory. `inode`: identifies it, even if its name leads elsewhere later. `adopted`: it was
    there already. `repaired`: what was damaged and is repaired, for people; empty: nothing."""

    memory: mmap.mmap
    inode: int
    adopted: bool = True
    repaired: str = ""


def process_alive(pid: int) -> bool:
    """Whether a process of that pid exists and is no zombie."""
    try:
        return read_stat(Path(f"/proc/{pid}")).alive
    except OSError:
        return False


def file_of(name: str) -> Path:
    """Where the memory of that name is in the file system."""
    return SHARED_MEMORY / name.lstrip("/")


def rt_of(name: str) -> list[RtProcess]:
    """The living RT processes of the instance that this memory's name belongs to, this process left out."""
    return rt_processes(name.removeprefix(_NAME))


def _map(shared: posix_ipc.SharedMemory, size: int, *, read_only: bool = False) -> mmap.mmap:
    protection = mmap.PROT_READ if read_only else mmap.PROT_READ | mmap.PROT_WRITE
    return mmap.mmap(shared.fd, size, mmap.MAP_SHARED, protection)


def _open(name: str, *, read_only: bool = False) -> posix_ipc.SharedMemory:
    try:
        return posix_ipc.SharedMemory(name, read_only=read_only)
    except posix_ipc.ExistentialError:
        raise StoreMissingError(name) from None
    except posix_ipc.PermissionsError:
        raise StoreForbiddenError(name, _owner(name)) from None


def _owner(name: str) -> str:
    try:
        return pwd.getpwuid(file_of(name).stat().st_uid).pw_name
    except (OSError, KeyError):
        return ""


def _header_of(memory: mmap.mmap) -> Any:
    header = ffi.new("fs_header *")
    ffi.memmove(header, memory[:_PREFIX], _PREFIX)
    return header


def _store_of(memory: mmap.mmap) -> Any:
    return ffi.cast("fs_store *", ffi.from_buffer(memory))


def _mismatch(name: str, header: Any, size: int) -> LayoutMismatchError | None:
    """The part of the fixed prefix, or of the file's size, that is not this program's, if any."""
    again = "Stop the cell and start it again, with all processes of one version"
    if header.magic != MAGIC:
        return LayoutMismatchError(name, "magic", f"{MAGIC:#x}", f"{header.magic:#x}", again)
    if header.layout_hash != lib.fs_layout_hash():
        older = (
            "The memory is older"
            if header.layout_version < lib.FS_LAYOUT_VERSION
            else "One side is of another build"
        )
        return LayoutMismatchError(
            name, "layout", f"{lib.fs_layout_hash():#x}", f"{header.layout_hash:#x}", f"{older}. {again}"
        )
    if size != SIZE:  # the kernel's word: a page behind the file's end is no damage, but SIGBUS
        return LayoutMismatchError(name, "size", str(SIZE), str(size), again)
    return None


def attach(name: str, *, read_only: bool = False, by_suffix: bool = False) -> Mapped:
    """The memory of a running cell; `read_only`: the kernel refuses every write of this process to it.

    `by_suffix`: for who knows that its cell works on it. Then the fixed suffix proves the layout as well as
    the fixed prefix, one of which may be damaged.

    Raises:
        StoreMissingError: there is none, or it is still being made (StoreUnfinishedError).
        StoreForbiddenError: it is another user's.
        LayoutMismatchError: it is of another version, or damaged.
    """
    shared = _open(name, read_only=read_only)
    try:
        found = os.fstat(shared.fd)
        if found.st_size < _PREFIX:
            raise StoreUnfinishedError(name)
        memory = _map(shared, min(found.st_size, SIZE), read_only=read_only)
        if by_suffix and found.st_size == SIZE and lib.fs_identity_is_whole(_store_of(memory)):
            return Mapped(memory, found.st_ino)
        header = _header_of(memory)
        unfinished = StoreUnfinishedError(name) if header.magic == 0 else None  # the magic is stamped last
        if error := unfinished or _mismatch(name, header, found.st_size):
            memory.close()
            raise error
        return Mapped(memory, found.st_ino)
    finally:
        shared.close_fd()


def at(name: str, file: Path) -> Mapped:
    """The memory that this file leads to, whatever became of its name (`living.mapping_of`).

    Raises OSError, or LayoutMismatchError where neither prefix nor suffix is this program's.
    """
    descriptor = os.open(file, os.O_RDWR)
    try:
        found = os.fstat(descriptor)
        memory = mmap.mmap(descriptor, min(found.st_size, SIZE))
    finally:
        os.close(descriptor)
    by_suffix = found.st_size == SIZE and lib.fs_identity_is_whole(_store_of(memory))
    if not by_suffix and (error := _mismatch(name, _header_of(memory), found.st_size)):
        raise error
    return Mapped(memory, found.st_ino)


def create(name: str, before_new: Callable[[], None] = lambda: None) -> Mapped:
    """The memory for its owner: the one that is there with all that it holds, or a new one.

    One of this layout is adopted: a restarted owner goes on with the latches and the running RT process. So
    is one whose prefix is damaged, if a living RT process is known to work on it; it is repaired. Any other
    is replaced, unless something lives that may use it. `before_new` is called before that: it may refuse.

    Raises:
        StoreBusyError: a living RT process, of this instance or named in another layout, is in the way.
    """
    try:
        return _whole(attach(name))
    except StoreForbiddenError:
        raise
    except StoreError as error:
        if living := rt_of(name):
            return _adopt_under(name, living, error)
    check_free(name)
    before_new()
    unlink(name)
    return _make(name)


def _whole(mapped: Mapped) -> Mapped:
    """Repairs values that are stored twice and are damaged in one place."""
    store = _store_of(mapped.memory)
    if not (lib.fs_header_is_whole(store) and lib.fs_identity_is_whole(store)):
        lib.fs_store_stamp(store, store.header.created_ns)
    return mapped


def _adopt_under(name: str, living: list[RtProcess], error: StoreError) -> Mapped:
    """The guard's plan, which has its own checksum, says whose memory it is: nothing else is trusted."""
    pids = [one.pid for one in living]
    try:
        mapped = attach(name, by_suffix=True)
    except StoreError:
        raise StoreBusyError(name, pids[0]) from error
    store = _store_of(mapped.memory)
    if rt_in(store) not in pids:
        raise StoreBusyError(name, pids[0]) from error
    lib.fs_store_stamp(store, store.identity.created_ns)
    store.header.rt_pid = rt_in(store)
    return Mapped(mapped.memory, mapped.inode, repaired=str(error))


def rt_in(store: Any) -> int:
    """Pid of the RT process that wrote the guard's plan of this `fs_store *`; 0: none, or it is damaged."""
    plan = ffi.new("fs_guard_plan *")
    if lib.fs_block_read(store, lib.FS_BLOCK_GUARD_PLAN, plan, 1000):
        return 0
    stamped, plan.checksum = int(plan.checksum), 0
    whole = plan.epoch > 0 and stamped == int(lib.fs_checksum(plan, ffi.sizeof("fs_guard_plan")))
    return int(plan.rt_pid) if whole else 0


def _make(name: str) -> Mapped:
    shared = posix_ipc.SharedMemory(name, posix_ipc.O_CREX, mode=MODE, size=SIZE)
    try:
        os.fchmod(shared.fd, MODE)
        memory, inode = _map(shared, SIZE), os.fstat(shared.fd).st_ino
    finally:
        shared.close_fd()
    lib.fs_store_format(_store_of(memory), os.getpid(), lib.fs_now_ns())
    return Mapped(memory, inode, adopted=False)


def check_free(name: str) -> None:
    """Whether a new cell may have this name. One of this layout may be adopted.

    Raises:
        StoreBusyError: a living process works on a memory that cannot be adopted.
    """
    try:
        header, size = _peek(name)
    except StoreMissingError:
        header, size = None, 0
    if header is not None and _mismatch(name, header, size) is None:
        return
    for found in rt_of(name):
        raise StoreBusyError(name, found.pid)
    if header is None or header.magic != MAGIC:
        return
    for pid in (int(header.rt_pid), int(header.owner_pid)):
        if pid and process_alive(pid):
            raise StoreBusyError(name, pid)


def _peek(name: str) -> tuple[Any, int]:
    """The fixed prefix (None if there is none), and the file's size."""
    shared = _open(name)
    try:
        size = int(os.fstat(shared.fd).st_size)
        if size < _PREFIX:
            return None, size
        with _map(shared, _PREFIX) as memory:
            return _header_of(memory), size
    finally:
        shared.close_fd()


def unlink(name: str) -> None:
    """Removes the name; processes that are attached keep the memory. Without a memory nothing happens."""
    try:
        posix_ipc.unlink_shared_memory(name)
    except posix_ipc.ExistentialError:
        return
    except posix_ipc.PermissionsError:
        raise StoreForbiddenError(name, _owner(name)) from None


def lost(name: str, inode: int) -> str:
    """Why the memory of this inode no longer belongs to the instance, for people; empty: it does."""
    try:
        found = os.stat(file_of(name))
    except FileNotFoundError:
        return f"shared memory {name} was removed under its cell"
    except OSError:
        return ""  # not to be looked at is not known to be gone
    if found.st_ino != inode:
        return f"shared memory {name} was replaced under its cell"
    return "" if found.st_size == SIZE else f"shared memory {name} was cut to {found.st_size} bytes"
