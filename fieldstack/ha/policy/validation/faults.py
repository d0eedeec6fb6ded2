"""Makes the errors of checks: what is wrong with a part of the policy. All checks use it."""

from __future__ import annotations

from typing import Any

from pydantic_core import PydanticCustomError


def fault(key: str, why: str, remedy: str) -> PydanticCustomError:
    """An error of `key` (relative to the object that is checked; empty: the object itself)."""
    context: dict[str, Any] = {"key": key, "why": why, "remedy": remedy}
    return PydanticCustomError("policy", "{why}; {remedy}", context)
