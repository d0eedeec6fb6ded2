"""Reads what the running tasks declare for a crash, from the checkpoint and the tasks' files.

What cannot be read is left out. The Core process decides for each task; this module only finds what the rule
of a restore needs, and what people are told. Used by `restoring`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fieldstack_base import bounded_json

ASK = "ask"
_UNDER_WAY = "b"
"""Key of a task in the checkpoint that has begun; see fieldstack/tasks/keep/checkpoint.py."""
_ORDERLY = "end"
"""Key of the checkpoint; 1: Core came to rest and ended as asked."""


def tasks_by_declaration(task: bytes, state_dir: Path) -> tuple[tuple[str, ...], int]:
    """The number of running tasks that ask a person, and of those that continue or start again by themselves.
    A task without a file is a built-in one: it continues. After an orderly end of Core all of them
    continue."""
    document = _document(task)
    declared = {} if document.get(_ORDERLY) else dict(_declared(state_dir))
    under_way = [
        name for name, one in _tasks(document).items() if isinstance(one, dict) and one.get(_UNDER_WAY)
    ]
    asking = tuple(sorted(name for name in under_way if declared.get(name) == ASK))
    return asking, len(under_way) - len(asking)


def as_failed(task: bytes) -> bytes:
    """The same tasks, if the orderly end of Core no longer counts because something ran after it."""
    document = _document(task)
    if not document.get(_ORDERLY):
        return task
    return json.dumps(document | {_ORDERLY: 0}, separators=(",", ":")).encode()


def _document(text: bytes) -> dict[str, Any]:
    try:
        found = bounded_json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _tasks(document: dict[str, Any]) -> dict[str, Any]:
    found = document.get("tasks")
    return found if isinstance(found, dict) else {}


def _declared(state_dir: Path) -> Iterator[tuple[str, str]]:
    """Each task's id and its `on_crash`; a task that does not declare it asks."""
    for file in (state_dir / "tasks").glob("*.task.json"):
        try:
            declaration = bounded_json.loads(file.read_bytes())["declaration"]
            yield str(declaration["id"]), str(declaration.get("on_crash", ASK))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
