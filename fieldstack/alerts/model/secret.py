"""Reads secrets from files that others cannot read. They are never part of a text or an error.

Mail and webhook read passwords, tokens and signing keys with it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

MAX_BYTES = 4096


class SecretError(ValueError):
    """A secret's file is not usable; the text names the file and what to do, never what is in it."""


def read_secret(path: Path) -> str:
    """The file's content without its last line end.

    Raises:
        SecretError: unreadable, empty, too long, or open to others.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SecretError(f"secret file {path} cannot be read ({error.strerror})") from None
    if mode & stat.S_IRWXO:
        raise SecretError(f"secret file {path} is open to everybody (mode {mode:o}): chmod 600 {path}")
    try:
        text = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise SecretError(f"secret file {path} is no text") from None
    if not text or len(content) > MAX_BYTES or "\n" in text or "\r" in text:
        raise SecretError(f"secret file {path} must hold one line of 1 to {MAX_BYTES} bytes")
    return text
