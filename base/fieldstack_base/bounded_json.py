"""Reads JSON from other processes and from files, with a bounded depth.

The standard parser recurses: brackets that are nested deep enough raise RecursionError. This is not a
ValueError, so code that expects invalid JSON would not catch it. Control sockets, the event log, alerts,
checkpoints and policies are read with it.
"""

from __future__ import annotations

import json
import re
from typing import Any

MAX_DEPTH = 64
"""No document of ours is nested half as deep."""
_TEXTS = re.compile(r'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_BRACKETS = re.compile(r"[\[{\]}]")


class TooDeepError(ValueError):
    """Brackets nested more than MAX_DEPTH deep."""

    def __init__(self) -> None:
        super().__init__(f"nested more than {MAX_DEPTH} deep")


def loads(content: str | bytes | bytearray, **options: Any) -> Any:
    """`json.loads`, which raises ValueError for everything that it does not take.

    Raises:
        TooDeepError, json.JSONDecodeError, UnicodeDecodeError: ValueErrors all of them.
    """
    text = content if isinstance(content, str) else _decoded(content)
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(text)
    return json.loads(text, **options)


def _decoded(content: bytes | bytearray) -> str:
    """Decodes as the standard parser does."""
    return content.decode(json.detect_encoding(content), "surrogatepass")


def _check_depth(text: str) -> None:
    depth = 0
    for bracket in _BRACKETS.finditer(_TEXTS.sub("", text)):
        depth += 1 if bracket[0] in "[{" else -1
        if depth > MAX_DEPTH:
            raise TooDeepError
