"""The token that commands over HTTP need: the server makes it, the routes check it.

It is in a file that only the cell's user can read, and made again if others could.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from enum import Enum, auto
from pathlib import Path

from fieldstack_base.atomic_file import replace_file
from fieldstack_base.instance import Instance

_PRIVATE = 0o600


class Access(Enum):
    """What a request's Authorization header is worth."""

    GRANTED = auto()
    MISSING = auto()
    WRONG = auto()


def token_file(instance: Instance) -> Path:
    return instance.runtime_dir / "health.token"


def ensure_token(path: Path) -> str:
    """The token in the file; a new one if there is none, or one that others could have read or written."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return _make(path)
    with open(handle, encoding="ascii", errors="replace") as file:
        found = os.fstat(handle)
        private = stat.S_IMODE(found.st_mode) == _PRIVATE and found.st_uid == os.geteuid()
        token = file.read().strip()
    return token if private and len(token) >= 32 else _make(path)


def _make(path: Path) -> str:
    token = secrets.token_urlsafe(32)
    replace_file(path, token + "\n", private=True)
    return token


def check(header: str | None, token: str) -> Access:
    """Compares in constant time. `header`: the request's Authorization header."""
    if not header:
        return Access.MISSING
    scheme, _, given = header.partition(" ")
    same = hmac.compare_digest(given.strip().encode(), token.encode())
    return Access.GRANTED if same and scheme.lower() == "bearer" else Access.WRONG
