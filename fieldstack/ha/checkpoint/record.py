"""One checkpoint: a record that is in shared memory and in a file, with one generation number for both.

Positions, task, ledger position, epochs, and the decision core's budgets and latches (`ha`) are in one
record, so they cannot disagree. Of two copies, the one with the higher generation counts: each file is a copy
of what the shared memory held before. The StateCheckpoint writes it; `fieldstack status` shows what is in it.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from typing import Any

from fieldstack_base import bounded_json
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore.layout import MAX_AXES

VERSION = 2
TASK_BYTES: int = lib.FS_MAX_TASK_BYTES
HA_BYTES: int = lib.FS_MAX_HA_BYTES
_NUMBERS = (
    "generation",
    "written_ns",
    "rt_epoch",
    "core_epoch",
    "nonrt_epoch",
    "stream",
    "ledger_position",
)


_ORIGIN = ("written_ns", "boot", "wall_ns", "plan", "positions")


class CheckpointFormatError(ValueError):
    """A checkpoint is complete, but this version cannot read it; the text says why."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One checkpoint.

    `written_ns` is CLOCK_MONOTONIC of the machine's run `boot`, `wall_ns` the same moment in UTC (Unix
    time): when the positions were taken. `positions` in counts, by axis number. `plan`: fingerprint of the
    bus configuration that they are of, empty: unknown. `pending`: why tasks are to ask, as long as no Core
    has obeyed it. `ha`: what `durable_state.to_record` made; None: not in this copy.
    """

    generation: int
    written_ns: int = 0
    boot: str = ""
    wall_ns: int = 0
    plan: str = ""
    rt_epoch: int = 0
    core_epoch: int = 0
    nonrt_epoch: int = 0
    stream: int = 0
    ledger_position: int = 0
    positions: tuple[int, ...] = ()
    task: bytes = b""
    pending: str = ""
    ha: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The form in which it is written to the file."""
        return {
            "version": VERSION,
            **{name: getattr(self, name) for name in _NUMBERS},
            "boot": self.boot,
            "wall_ns": self.wall_ns,
            "plan": self.plan,
            "positions": list(self.positions),
            "task": base64.b64encode(self.task).decode(),
            "pending": self.pending,
            "ha": self.ha,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Checkpoint:
        """From a file of this version or of version 1 (which had no `version`, `plan` and `ha`).

        Raises:
            CheckpointFormatError: it is of a newer version, or its shape is wrong.
        """
        version = data.get("version", 1)
        if type(version) is not int or not 1 <= version <= VERSION:
            raise CheckpointFormatError(
                f"it is of version {version!r}, this program reads up to {VERSION}: a newer version wrote it"
            )
        try:
            ha = data.get("ha")
            return cls(
                **{name: int(data.get(name, 0)) for name in _NUMBERS},
                boot=str(data.get("boot", "")),
                wall_ns=int(data.get("wall_ns", 0)),
                plan=str(data.get("plan", "")),
                positions=tuple(int(position) for position in data["positions"])[:MAX_AXES],
                task=base64.b64decode(data["task"])[:TASK_BYTES],
                pending=str(data.get("pending", "")),
                ha=ha if isinstance(ha, dict) else None,
            )
        except (KeyError, ValueError, TypeError, OverflowError) as error:
            raise CheckpointFormatError(f"its shape is not that of a checkpoint: {error!r}") from error

    def taken_from(self, origin: Checkpoint) -> Checkpoint:
        """This checkpoint with the positions of `origin`, and with when and where those were taken."""
        return replace(self, **{name: getattr(origin, name) for name in _ORIGIN})

    def origin(self, *, positions: bool) -> dict[str, Any]:
        """For the shared memory: when and where the positions were taken in another run of the machine or on
        another bus. `positions`: and they themselves, as RT is not to use them."""
        names = _ORIGIN if positions else _ORIGIN[:-1]
        return {name: getattr(self, name) for name in names}


def from_memory(record: Any) -> Checkpoint:
    """From a whole `fs_checkpoint`.

    Raises:
        CheckpointFormatError: what it says in JSON is not of a checkpoint's shape: another version wrote it.
    """
    try:
        return _from_memory(record, extra_of(record))
    except (AttributeError, ValueError, TypeError, OverflowError) as error:
        raise CheckpointFormatError(f"its shape is not that of a checkpoint: {error!r}") from error


def _from_memory(record: Any, extra: dict[str, Any]) -> Checkpoint:
    ha, origin = extra.get("state"), extra.get("origin") or {}
    numbers: dict[str, Any] = {name: int(getattr(record, name)) for name in _NUMBERS}
    positions = record.position[0 : min(int(record.axis_count), MAX_AXES)]
    return Checkpoint(
        **(numbers | {"written_ns": int(origin.get("written_ns", record.written_ns))}),
        boot=str(origin.get("boot", "")),
        wall_ns=int(origin.get("wall_ns", 0)),
        plan=str(origin.get("plan", extra.get("plan", ""))),
        positions=tuple(int(position) for position in origin.get("positions", positions))[:MAX_AXES],
        task=bytes(ffi.buffer(record.task))[: min(int(record.task_size), TASK_BYTES)],
        ha=ha if isinstance(ha, dict) else None,
    )


def fill(record: Any, checkpoint: Checkpoint) -> None:
    """Into a `fs_checkpoint`, all but `ha`. OverflowError if a number does not fit."""
    for name in _NUMBERS:
        setattr(record, name, getattr(checkpoint, name))
    record.axis_count = len(checkpoint.positions)
    record.position[0 : len(checkpoint.positions)] = list(checkpoint.positions)
    fill_task(record, checkpoint.task)


def fill_task(record: Any, task: bytes) -> None:
    record.task_size = len(task)
    ffi.memmove(record.task, task, len(task))


def fill_ha(record: Any, extra: dict[str, Any]) -> bool:
    """The decision core's part and what belongs to it; False if it has no room: then only the file has it."""
    text = json.dumps(extra, separators=(",", ":")).encode()
    if len(text) > HA_BYTES:
        record.ha_size = 0
        return False
    record.ha_size = len(text)
    ffi.memmove(record.ha, text, len(text))
    return True


def extra_of(record: Any) -> dict[str, Any]:
    """What `fill_ha` put into a `fs_checkpoint`."""
    return _json(bytes(ffi.buffer(record.ha))[: min(int(record.ha_size), HA_BYTES)])


def _json(text: bytes) -> dict[str, Any]:
    try:
        found = bounded_json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
