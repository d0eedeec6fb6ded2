"""cffi build script of `fieldstack_rt._native`: the shared-memory contract, the cycle and the guard.

`setup.py` runs it when the package is built.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from cffi import FFI

HERE = Path("rt/fieldstack_rt/native")
PUBLIC = [
    *("layout.h", "store.h", "lock.h", "bus.h", "agent.h", "axis.h", "standstill.h", "cycle.h"),
    *("guard.h", "bare_loop.h"),
]
HEADERS = [
    *(*PUBLIC, "cycle_state.h", "guard_state.h"),
    *("thread.h", "witness.h", "safe_frames.h", "watched.h"),
]
SOURCES = [
    *(
        "store.c",
        "lock.c",
        "bus.c",
        "thread.c",
        "agent.c",
        "axis.c",
        "standstill.c",
        "stop.c",
        "stop_watch.c",
        "groups.c",
        "start.c",
        "setpoints.c",
        "exchange.c",
        "cycle.c",
        "cycle_life.c",
        "cycle_config.c",
    ),
    *("witness.c", "safe_frames.c", "watched.c", "guard.c", "guard_watch.c", "guard_trip.c", "bare_loop.c"),
]


def root() -> Path:
    """The repository's root: the working folder of pip's builds; two folders up when run by hand."""
    here = Path(__file__).resolve().parents[3] if "__file__" in globals() else Path.cwd()
    return here if (here / HERE).is_dir() else Path.cwd()


def declarations(header: str) -> str:
    """A header without what cffi's parser does not take: the preprocessor's lines."""
    text = (root() / HERE / header).read_text()
    return re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)


def layout_hash() -> int:
    """64 bits that change with the layout, not with its comments or white space."""
    bare = re.sub(r"/\*.*?\*/", "", declarations("layout.h"), flags=re.DOTALL)
    return int.from_bytes(hashlib.sha256(" ".join(bare.split()).encode()).digest()[:8], "little")


ffibuilder = FFI()
ffibuilder.cdef("\n".join(declarations(header) for header in PUBLIC))
ffibuilder.set_source(
    "fieldstack_rt._native",
    "\n".join(f'#include "{header}"' for header in PUBLIC),
    sources=[str(HERE / source) for source in SOURCES],
    include_dirs=[str(HERE)],
    depends=[str(HERE / header) for header in HEADERS],
    define_macros=[("FS_LAYOUT_HASH", f"{layout_hash():#x}ULL")],
    extra_compile_args=["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wconversion"],
    libraries=["pthread"],
)
