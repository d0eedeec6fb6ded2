"""The POSIX shared memory itself: made, attached, checked, replaced."""

from __future__ import annotations

import mmap
import os
import pwd
from typing import Any

import posix_ipc

from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore.errors import (
    LayoutMismatchError,
    StoreBusyError,
    StoreForbiddenError,
    StoreMissingError,
    StoreUnfinishedError,
)

MODE = 0o660
MAGIC = 0x4B4341545344464C
SIZE: int = int(lib.fs_store_size())
_PREFIX = int(ffi.sizeof("fs_header"))


def process_alive(pid: int) -> bool:
    """Whether a process of that pid exists and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


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
        return pwd.getpwuid(os.stat(f"/dev/shm/{name.lstrip('/')}").st_uid).pw_name  # noqa: S108 - its place
    except (OSError, KeyError):
        return ""


def _header_of(memory: mmap.mmap) -> Any:
    header = ffi.new("fs_header *")
    ffi.memmove(header, memory[:_PREFIX], _PREFIX)
    return header


def _mismatch(name: str, header: Any, size: int) -> LayoutMismatchError | None:
    """What of the fixed prefix is not this program's, if anything."""
    again = "Stop the cell and start it anew, with all processes of one version"
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
    if SIZE not in (header.size, size):
        return LayoutMismatchError(name, "size", str(SIZE), str(header.size), again)
    return None


def attach(name: str, *, read_only: bool = False) -> mmap.mmap:
    """The memory of a running cell; `read_only`: the kernel refuses every write of this process to it.

    Raises:
        StoreMissingError: there is none, or it is still being made (StoreUnfinishedError).
        StoreForbiddenError: it is another user's.
        LayoutMismatchError: it is of another version, or damaged.
    """
    shared = _open(name, read_only=read_only)
    try:
        size = int(os.fstat(shared.fd).st_size)
        if size < _PREFIX:
            raise StoreMissingError(name)
        memory = _map(shared, min(size, SIZE), read_only=read_only)
        header = _header_of(memory)
        unfinished = StoreUnfinishedError(name) if header.magic == 0 else None  # the magic is stamped last
        if error := unfinished or _mismatch(name, header, size):
            memory.close()
            raise error
        return memory
    finally:
        shared.close_fd()


def create(name: str) -> tuple[mmap.mmap, bool]:
    """The memory for its owner, and whether it is one that was adopted with all that it holds.

    One of this layout is adopted: a restarted owner goes on with the latches and the running RT process.
    Any other is replaced, unless a live RT process is attached to it (StoreBusyError).
    """
    try:
        return attach(name), True
    except (StoreUnfinishedError, LayoutMismatchError):
        _discard(name)
    except StoreMissingError:
        pass
    shared = posix_ipc.SharedMemory(name, posix_ipc.O_CREX, mode=MODE, size=SIZE)
    try:
        os.fchmod(shared.fd, MODE)
        memory = _map(shared, SIZE)
    finally:
        shared.close_fd()
    lib.fs_store_format(ffi.cast("fs_store *", ffi.from_buffer(memory)), os.getpid(), lib.fs_now_ns())
    return memory, False


def check_free(name: str) -> None:
    """Whether a new cell may have this name. One of this layout may be adopted.

    Raises:
        StoreBusyError: a living process works on a memory of another layout.
    """
    try:
        shared = _open(name)
    except StoreMissingError:
        return
    try:
        size = int(os.fstat(shared.fd).st_size)
        if size < _PREFIX:
            return
        memory = _map(shared, _PREFIX)
        header = _header_of(memory)
        memory.close()
    finally:
        shared.close_fd()
    if header.magic != MAGIC or _mismatch(name, header, size) is None:
        return
    for pid in (int(header.rt_pid), int(header.owner_pid)):
        if pid and process_alive(pid):
            raise StoreBusyError(name, pid)


def _discard(name: str) -> None:
    check_free(name)
    unlink(name)


def unlink(name: str) -> None:
    """Removes the name; who is attached keeps the memory. Nothing happens if there is none."""
    try:
        posix_ipc.unlink_shared_memory(name)
    except posix_ipc.ExistentialError:
        return
    except posix_ipc.PermissionsError:
        raise StoreForbiddenError(name, _owner(name)) from None
