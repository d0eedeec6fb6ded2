"""What the tasks that were under way declare for a crash: from the checkpoint and the tasks' files.

Read with care: what cannot be read is left out. The Core process decides for each task; here is only what
the rule of a restore has to know, and what people are told.
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
"""Key of the checkpoint: 1 if the Core came to rest and ended as asked."""


def tasks_by_declaration(task: bytes, state_dir: Path) -> tuple[tuple[str, ...], int]:
    """The tasks under way that ask, and how many go on or start again by themselves.

    A task without a file is a built-in one: it goes on. After an orderly end of the Core all of them do.
    """
    document = _document(task)
    declared = {} if document.get(_ORDERLY) else dict(_declared(state_dir))
    under_way = [
        name for name, one in _tasks(document).items() if isinstance(one, dict) and one.get(_UNDER_WAY)
    ]
    asking = tuple(sorted(name for name in under_way if declared.get(name) == ASK))
    return asking, len(under_way) - len(asking)


def as_failed(task: bytes) -> bytes:
    """The same tasks, of a Core whose orderly end counts no more: something ran after it."""
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
    """Each task's id and its `on_crash`; it asks if it does not say."""
    for file in (state_dir / "tasks").glob("*.task.json"):
        try:
            declaration = bounded_json.loads(file.read_bytes())["declaration"]
            yield str(declaration["id"]), str(declaration.get("on_crash", ASK))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
