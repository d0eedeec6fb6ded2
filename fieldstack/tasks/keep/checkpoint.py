"""Where each task stands, as a text that outlives this process: JSON in `fs_core_status.task`.

The process writes it once a pass, Non-RT copies it to the disk, the restoration reads it. The tasks'
declarations are files (task_store.py). `ahead` tells what was planned beyond that, with ring positions: the
cycle plays on for a moment when this process dies, and the ring's tail then says how far it came. It counts
only in the same shared memory (`memory`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fieldstack.tasks.motion.job import StepMark
from fieldstack.tasks.state.phase import Phase
from fieldstack.tasks.state.task import Task
from fieldstack_base import bounded_json

VERSION = 1
MAX_AHEAD = 6
MAX_WHY = 120


class CheckpointTooLargeError(Exception):
    """The table takes no more tasks than fit, so this is a fault of ours; the text says so."""


@dataclass(frozen=True, slots=True)
class SavedTask:
    """Where one task stood."""

    id: str
    uid: str
    phase: Phase
    run: int
    step: int
    begun: bool
    group: str
    outputs: dict[str, int]
    ahead: tuple[StepMark, ...]
    due_ns: int = 0
    triggered: bool = False
    run_due: bool = False
    missed: int = 0
    attempt: int = 0
    why: str = ""
    about_call: bool = False
    pending_text: str = ""


@dataclass(frozen=True, slots=True)
class Saved:
    """`revision` tells which of two is newer; `steps`: completed in all tasks since ever;
    `orderly`: the process ended at rest by request; `lost`: groups that tasks were moved away from;
    `failed`: tasks that failed and nobody has seen to, with why, whether or not they are among `tasks`;
    `refused`: what is refused again and again: subject, how often, why. It is shown, and not restored."""

    revision: int = 0
    memory: int = 0
    steps: int = 0
    orderly: bool = False
    lost: tuple[str, ...] = ()
    failed: dict[str, str] = field(default_factory=dict)
    refused: dict[str, tuple[int, str]] = field(default_factory=dict)
    tasks: dict[str, SavedTask] = field(default_factory=dict)


def encode(tasks: Iterable[Task], state: Saved, *, ahead: bool = True) -> bytes:
    """The checkpoint's text; of `state` all but its tasks. `step` counts completed steps: what people watch.

    `ahead` False leaves out what is planned and not yet played.
    """
    document = {
        "v": VERSION,
        "rev": state.revision,
        "mem": state.memory,
        "step": state.steps,
        "end": int(state.orderly),
        "lost": list(state.lost),
        "failed": {name: why[: MAX_WHY if ahead else 0] for name, why in state.failed.items()},
        "refused": {name: [n, why[: MAX_WHY if ahead else 0]] for name, (n, why) in state.refused.items()},
        "tasks": {task.id: _compact(task, ahead) for task in tasks},
    }
    return json.dumps(document, separators=(",", ":")).encode()


def encode_to_fit(tasks: Sequence[Task], state: Saved, room: int) -> bytes:
    """Within `room` bytes. What is planned ahead is left out if need be: a step may be done again then.

    Raises:
        CheckpointTooLargeError: it does not fit without it either.
    """
    for ahead in (True, False):
        text = encode(tasks, state, ahead=ahead)
        if len(text) <= room:
            return text
    raise CheckpointTooLargeError("the tasks' checkpoint does not fit: this is a fault of Fieldstack")


def _compact(task: Task, with_ahead: bool) -> dict[str, Any]:
    ahead = list(task.runner.marks)[:MAX_AHEAD] if task.runner and with_ahead else []
    values = {
        "u": task.uid,
        "p": task.phase.value,
        "r": task.run,
        "s": task.step,
        "n": task.attempt,
        "b": int(task.begun),
        "g": task.group,
        "o": task.outputs,
        "a": [[mark.at, *mark.cursor] for mark in ahead],
        "d": task.due_ns,
        "t": int(task.triggered),
        "q": int(task.run_due),
        "m": task.missed,
        "w": task.why[: MAX_WHY if with_ahead else 0],
        "h": task.waits[: 2 * MAX_WHY if with_ahead else 0],
        "c": int(task.asks_about_call),
        "x": task.pending_text,
    }
    return {key: value for key, value in values.items() if value not in ("", 0, [], {})}


def decode(text: bytes) -> Saved | None:
    """What `encode` wrote; None for anything else."""
    try:
        raw = bounded_json.loads(text)
        if raw["v"] != VERSION:
            return None
        tasks = {str(name): _task(str(name), one) for name, one in raw["tasks"].items()}
        return Saved(
            revision=int(raw["rev"]),
            memory=int(raw["mem"]),
            steps=max(0, int(raw["step"])),
            orderly=bool(raw["end"]),
            lost=tuple(str(name) for name in raw["lost"]),
            failed={str(name): str(why) for name, why in raw.get("failed", {}).items()},
            tasks=tasks,
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def _task(name: str, raw: dict[str, Any]) -> SavedTask:
    run, step = int(raw.get("r", 0)), int(raw.get("s", 0))
    if run < 0 or step < 0:
        raise ValueError("a cursor below zero")
    return SavedTask(
        id=name,
        uid=str(raw["u"]),
        phase=Phase(raw["p"]),
        run=run,
        step=step,
        begun=bool(raw.get("b", 0)),
        group=str(raw.get("g", "")),
        outputs={str(key): int(value) for key, value in raw.get("o", {}).items()},
        ahead=tuple(StepMark(int(at), (int(r), int(s))) for at, r, s in raw.get("a", [])),
        due_ns=int(raw.get("d", 0)),
        triggered=bool(raw.get("t", 0)),
        run_due=bool(raw.get("q", 0)),
        missed=int(raw.get("m", 0)),
        attempt=int(raw.get("n", 0)),
        why=str(raw.get("w", "")),
        about_call=bool(raw.get("c", 0)),
        pending_text=str(raw.get("x", "")),
    )
