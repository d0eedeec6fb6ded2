"""Replaces files as a whole: a reader finds the old content or the new one, never a part of it.

The new content goes into a temporary file beside the old one, which then takes its name (rename(2)).
Fieldstack writes every file in this way that somebody may read at the same time: records, pid files,
checkpoints, reports.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from enum import Enum, auto
from pathlib import Path
from typing import BinaryIO

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class Sync(Enum):
    """What a write waits for. After a crash of the process there is the old content or the new one in any
    case."""

    NONE = auto()
    """It waits for nothing: after a power cut there may be neither. For runtime folders, which end with a
    reboot."""
    CONTENT = auto()
    """The content is on the disk before the name changes; the caller syncs the folder."""
    ALL = auto()
    """First the content, then the name. After it returns, a power cut leaves the new content; before, old or
    new."""


@contextlib.contextmanager
def replacing(
    path: Path, *, sync: Sync = Sync.NONE, private: bool = False, shared: bool = False
) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of `path` when the block ends without an error.

    After an error `path` is as it was, and the temporary file is gone: a full disk needs even its room.
    Only where the folder could not be synced, the last step of `Sync.ALL`, is the new content there already.
    `private`: mode 0600. `shared`: several processes may replace it at the same time. Raises OSError.
    """
    fresh = path.with_name(f"{path.name}.{os.getpid()}.tmp" if shared else f"{path.name}.tmp")
    try:
        with open(_open(fresh, private=private), "wb") as file:
            yield file
            file.flush()
            if sync is not Sync.NONE:
                os.fsync(file.fileno())
        os.replace(fresh, path)
    except BaseException:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise
    if sync is Sync.ALL:
        sync_folder(path.parent)


def replace_file(
    path: Path,
    content: bytes | str,
    *,
    sync: Sync = Sync.NONE,
    private: bool = False,
    shared: bool = False,
) -> None:
    """`replacing` with the whole content; text is written as UTF-8. Raises OSError."""
    with replacing(path, sync=sync, private=private, shared=shared) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def sync_folder(folder: Path) -> None:
    """Make created, renamed and removed names durable. Raises OSError."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _open(fresh: Path, *, private: bool) -> int:
    if not private:
        return os.open(fresh, _FLAGS | os.O_TRUNC, 0o666)
    fresh.unlink(missing_ok=True)  # another one's file keeps that one's mode
    return os.open(fresh, _FLAGS | os.O_EXCL, 0o600)
