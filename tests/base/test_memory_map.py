"""The memory map answers for addresses that are and are not this process' own."""

from __future__ import annotations

import ctypes
import mmap

from fieldstack_base.proc.memory_map import MemoryMap


def test_own_memory_is_readable_and_nothing_beyond_it() -> None:
    page = mmap.mmap(-1, mmap.PAGESIZE * 3)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    now = MemoryMap.read()
    assert now.readable(address, mmap.PAGESIZE * 3)
    assert now.writable(address + 1, 10)
    highest = max(mapping.end for mapping in now.mappings if "vsyscall" not in mapping.file)
    assert not now.readable(highest - 1, 10)


def test_null_and_wild_pointers_are_not_readable() -> None:
    now = MemoryMap.read()
    for wild in (None, 0, 1, 0xDEADBEEF, 2**63, 2**64 - 1):
        assert not now.readable(wild, 1)


def test_code_knows_its_file() -> None:
    address = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p).value or 0
    now = MemoryMap.read()
    assert "libc" in now.code_of(address)
    assert now.code_of(id(now)) == ""
    assert not now.writable(address, 1)
