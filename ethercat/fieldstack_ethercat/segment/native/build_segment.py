"""Builds `fieldstack_ethercat.segment._native`, the virtual segment's frame path, with cffi in API mode.

`setup.py` names `ffibuilder`; setuptools runs it from the repository's root, so paths are relative to that.
"""

import re
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]
PUBLIC_HEADERS = ("digital_io.h", "drive402.h", "segment.h")


def declarations(header: Path) -> str:
    """A header's declarations without its preprocessor lines: these headers hold nothing else."""
    return re.sub(r"(?m)^#.*$", "", header.read_text(encoding="utf-8"))


def relative(pattern: str) -> list[str]:
    """Files beside this one that match, relative to the repository's root."""
    return [path.relative_to(ROOT).as_posix() for path in sorted(HERE.glob(pattern))]


ffibuilder = FFI()
ffibuilder.cdef("\n".join(declarations(HERE / name) for name in PUBLIC_HEADERS))
ffibuilder.set_source(
    "fieldstack_ethercat.segment._native",
    "\n".join(f'#include "{name}"' for name in PUBLIC_HEADERS),
    sources=relative("*.c"),
    depends=relative("*.h"),
    include_dirs=[HERE.relative_to(ROOT).as_posix()],
    extra_compile_args=[
        "-O2",
        "-std=gnu11",
        "-Wall",
        "-Wextra",
        "-Wconversion",
        "-fvisibility=hidden",
        "-pthread",
    ],
    extra_link_args=["-pthread"],
)
