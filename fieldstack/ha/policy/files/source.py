"""Reads the bytes of a policy file. Used by `loading` and `cache`."""

from __future__ import annotations

from pathlib import Path

from fieldstack.ha.policy.in_force.errors import PolicyError, Problem

MAX_BYTES = 1024 * 1024


def read(path: Path) -> bytes:
    """At most MAX_BYTES and one more, which tells that it is too large. Raises PolicyError."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        problem = Problem("", "", f"cannot be read ({error.strerror})", "check path and permissions")
        raise PolicyError(str(path), (problem,)) from error
