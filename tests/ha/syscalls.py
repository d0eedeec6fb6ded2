"""A small tracer: stops a child before each of its system calls, records it, or cuts the child off there.

Linux ptrace(2) through ctypes; PTRACE_GET_SYSCALL_INFO tells entries from exits on every architecture.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
from collections.abc import Callable
from dataclasses import dataclass

_TRACEME, _SYSCALL, _SETOPTIONS, _GET_SYSCALL_INFO = 0, 24, 0x4200, 0x420E
_SYSGOOD, _EXITKILL = 1, 0x100000
_ENTRY, _EXIT = 1, 2
_INFO = struct.Struct("<B3xIQQQ6Q")
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

_X86 = {1: "write", 2: "open", 3: "close", 18: "pwrite64", 74: "fsync", 75: "fdatasync", 77: "ftruncate",
        82: "rename", 87: "unlink", 257: "openat", 263: "unlinkat", 264: "renameat",
        316: "renameat2"}  # fmt: skip
_ARM = {64: "write", 57: "close", 68: "pwrite64", 82: "fsync", 83: "fdatasync", 46: "ftruncate",
        56: "openat", 35: "unlinkat", 38: "renameat", 276: "renameat2"}  # fmt: skip
NAMES = {"x86_64": _X86, "aarch64": _ARM}.get(platform.machine(), {})


@dataclass(slots=True)
class Call:
    """One system call: what it was given, and (after it) what it returned."""

    number: int
    name: str
    args: tuple[int, ...]
    paths: tuple[str, ...] = ()
    data: bytes = b""
    result: int = 0


def _ptrace(request: int, pid: int, address: int = 0, data: object = 0) -> int:
    ctypes.set_errno(0)
    done = int(_libc.ptrace(request, pid, address, data))
    if done == -1 and ctypes.get_errno():
        raise OSError(ctypes.get_errno(), f"ptrace({request:#x})")
    return done


def _text(pid: int, address: int) -> str:
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        found = b""
        while b"\0" not in found:
            found += memory.read(256 - (address + len(found)) % 256)
    return os.fsdecode(found.partition(b"\0")[0])


def _bytes(pid: int, address: int, count: int) -> bytes:
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        return memory.read(count)


def _call(pid: int, number: int, args: tuple[int, ...]) -> Call:
    name = NAMES.get(number, "")
    call = Call(number, name, args)
    if name in ("open", "unlink"):
        call.paths = (_text(pid, args[0]),)
    elif name in ("openat", "unlinkat"):
        call.paths = (_text(pid, args[1]),)
    elif name == "rename":
        call.paths = (_text(pid, args[0]), _text(pid, args[1]))
    elif name in ("renameat", "renameat2"):
        call.paths = (_text(pid, args[1]), _text(pid, args[3]))
    elif name in ("write", "pwrite64"):
        call.data = _bytes(pid, args[1], args[2])
    return call


def run(action: Callable[[], object], before: Callable[[int], bool] = lambda _place: True) -> list[Call]:
    """Forks; the child does `action`. `before(n)` is asked before its n-th call (0, 1, ...): False kills it.

    Returns the calls that were made. Call it in a process of one thread.
    """
    pid = os.fork()
    if pid == 0:
        try:
            _ptrace(_TRACEME, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            action()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    _ptrace(_SETOPTIONS, pid, 0, _SYSGOOD | _EXITKILL)
    return _follow(pid, before)


def _follow(pid: int, before: Callable[[int], bool]) -> list[Call]:
    calls: list[Call] = []
    buffer = ctypes.create_string_buffer(_INFO.size + 16)
    while True:
        _ptrace(_SYSCALL, pid)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            return calls
        if os.WSTOPSIG(status) != signal.SIGTRAP | 0x80:
            continue
        _ptrace(_GET_SYSCALL_INFO, pid, len(buffer), ctypes.addressof(buffer))
        kind, _, _, _, first, *rest = _INFO.unpack_from(buffer)
        if kind == _EXIT and calls:
            calls[-1].result = first - (1 << 64) if first >> 63 else first
        elif kind == _ENTRY:
            if not before(len(calls)):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                return calls
            calls.append(_call(pid, first, tuple(rest)))
