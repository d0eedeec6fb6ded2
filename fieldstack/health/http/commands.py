"""Forwards commands over HTTP to Non-RT's control socket, with who asked. The routes for commands use it.

EMERGENCY_STOP works where Non-RT does not answer: the latch is set straight in shared memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fieldstack.process.nonrt_client import NonRtUnreachableError, ask
from fieldstack.process.unreachable_rt import attach_or_damaged, stop_unreachable_rt
from fieldstack_base.instance import Instance
from fieldstack_rt.datastore import Clear, EstopSource, StoreError

TIMEOUT_S = 2.0
RESET_TIMEOUT_S = 5.0
"""The longest that a command waits for Non-RT; a reset may have RT started first."""
MAX_TEXT = 500

FIELDS: dict[str, tuple[str, ...]] = {
    "estop": ("by", "reason"),
    "reset": ("by", "note"),
    "ack": ("by", "note"),
    "restart": ("by", "subject", "process", "note"),
}
"""What each command takes; `by` is always needed."""
_NEEDED = {"estop": ("by", "reason"), "ack": ("by", "note")}


class BadCommandError(ValueError):
    """A command's body is not usable; the text names the field and what it must be."""


@dataclass(frozen=True, slots=True)
class Reply:
    """HTTP status, and whether and how the cell took the command."""

    code: int
    accepted: bool
    message: str

    def to_dict(self) -> dict[str, Any]:
        return {"ok": self.accepted, "message": self.message}


def fields_of(command: str, body: Any) -> dict[str, str]:
    """The checked fields of a command's body.

    Raises:
        BadCommandError: a field is missing, unknown, no text, or too long.
    """
    if not isinstance(body, dict):
        raise BadCommandError('send a JSON object, for example {"by": "Ann", "reason": "door open"}')
    known = FIELDS[command]
    for key, value in body.items():
        if key not in known:
            raise BadCommandError(f"unknown field {key!r}; {command} takes {', '.join(known)}")
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            raise BadCommandError(f"field {key!r} must be text of at most {MAX_TEXT} characters")
    for key in _NEEDED.get(command, ("by",)):
        if not body.get(key, "").strip():
            raise BadCommandError(f"field {key!r} is missing: say who asks and why")
    if command == "restart" and not (body.get("subject") or body.get("process")):
        raise BadCommandError(
            "field 'subject' is missing: say what is to be restarted, for example module:health"
        )
    return dict(body)


def forward(instance: Instance, command: str, fields: dict[str, str]) -> Reply:
    """Ask Non-RT and wait for its answer, at most TIMEOUT_S (a reset: RESET_TIMEOUT_S)."""
    timeout_s = RESET_TIMEOUT_S if command == "reset" else TIMEOUT_S
    try:
        answer = ask(instance, command, timeout_s, source="api", **fields)
    except NonRtUnreachableError as error:
        if command == "estop":
            return _latch(instance, fields, str(error))
        return Reply(503, False, str(error))
    return Reply(200 if answer.accepted else 409, answer.accepted, answer.message)


def _latch(instance: Instance, fields: dict[str, str], why: str) -> Reply:
    """An RT process that this memory does not reach is ended as well. The answer says what was read back."""
    reason = f"{fields['reason']} ({fields['by']})"
    try:
        store = attach_or_damaged(instance)
    except (StoreError, OSError) as error:
        endings = stop_unreachable_rt(instance, None, EstopSource.API, reason)
        ended = "".join(f"; {ending}" for ending in endings)
        return Reply(503, False, f"EMERGENCY_STOP could not be latched: {error}{ended}")
    store.estop.raise_(EstopSource.API, reason, until=Clear.ON_RESET)
    if endings := stop_unreachable_rt(instance, store, EstopSource.API, reason):
        why = "; ".join([*map(str, endings), why])
    return Reply(
        202,
        False,
        "EMERGENCY_STOP latched in shared memory; RT obeys it in its next cycle, if it cycles. "
        f"Nobody confirmed it: {why}",
    )
