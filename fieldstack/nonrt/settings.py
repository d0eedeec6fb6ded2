"""What the Non-RT process needs to know of its cell: one frozen record, handed over as a JSON file.

Whoever starts a cell writes the file; all of `nonrt` reads the record.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack_base import bounded_json


class SettingsError(ValueError):
    """A settings file of the Non-RT process that cannot be used.

    Raised by `load`, for example when a key is unknown or a number is given as text.
    """

    def __init__(self, path: Path, key: str, why: str, remedy: str) -> None:
        where = f"{path}: {key}" if key else str(path)
        super().__init__(f"{where}: {why}; {remedy}")
        self.path = path
        self.key = key


@dataclass(frozen=True, slots=True)
class NonRtSettings:
    """Settings of one Non-RT process.

    `rt_command` and `core_command` are whole command lines that the process manager starts.
    `health_server`: who started the cell keeps one running. `alerts_file`: JSON of the section `alerts`
    of the cell configuration (fieldstack/alerts/model/settings.py); empty: alerts go to the journal alone. A
    `guard_cpu` of -1 leaves the guard thread unpinned, a `guard_priority` of 0 leaves it SCHED_OTHER.
    `leave_running`: on SIGTERM only the Non-RT process ends and RT goes on (what systemd wants).
    `fault_injection`: obey injected faults (benches and tests).
    `rt_spare`: keep a warm spare of the RT process, so that a restart does not wait for an interpreter.
    `process_manager`: `local` starts the command lines, `systemd` the units `rt_unit` and `core_unit`; the
    cell goes down when `target_unit` is stopped. `life`: new with each start of the whole cell, the same
    for its restarts; `auto_start`: its axes may move at its first start without a person's word.
    """

    instance: str
    policy_path: str
    rt_command: tuple[str, ...]
    core_command: tuple[str, ...] | None = None
    health_server: bool = False
    alerts_file: str = ""
    guard_cpu: int = 0
    guard_priority: int = 70
    guard_threshold_cycles: int = 5
    supervision_interval_ms: int = 20
    stop_timeout_ms: int = 5000
    leave_running: bool = False
    rt_spare: bool = True
    fault_injection: bool = False
    event_segment_bytes: int = 4 * 1024 * 1024
    event_total_bytes: int = 64 * 1024 * 1024
    process_log_bytes: int = 1024 * 1024
    process_manager: str = "local"
    rt_unit: str = ""
    core_unit: str = ""
    target_unit: str = ""
    rt_memory_limit_mb: int = 0
    core_memory_limit_mb: int = 0
    nonrt_memory_limit_mb: int = 0
    life: str = ""
    auto_start: bool = False

    def memory_limits_mb(self) -> dict[str, int]:
        """By process; 0: none is configured."""
        return {
            ProcessName.RT: self.rt_memory_limit_mb,
            ProcessName.CORE: self.core_memory_limit_mb,
            ProcessName.NONRT: self.nonrt_memory_limit_mb,
        }

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    def write(self, path: Path) -> None:
        path.write_text(self.to_json(), encoding="utf-8")


_BOUNDS = {
    "guard_cpu": (-1, 4095),
    "guard_priority": (0, 98),
    "guard_threshold_cycles": (2, 10_000),
    "supervision_interval_ms": (1, 200),
    "stop_timeout_ms": (10, 60_000),
    "event_segment_bytes": (4096, 1 << 30),
    "event_total_bytes": (8192, 1 << 40),
    "process_log_bytes": (4096, 1 << 30),
    "rt_memory_limit_mb": (0, 1 << 24),
    "core_memory_limit_mb": (0, 1 << 24),
    "nonrt_memory_limit_mb": (0, 1 << 24),
}
_TEXTS = ("instance", "policy_path", "alerts_file", "life")
_EMPTY = ("alerts_file", "life")
_COMMANDS = ("rt_command", "core_command")
_OPTIONAL = ("core_command",)
_FLAGS = ("leave_running", "rt_spare", "fault_injection", "health_server", "auto_start")
_UNITS = {"rt_unit": ".service", "core_unit": ".service", "target_unit": ".target"}
_MANAGERS = ("local", "systemd")
_REMEDY = "write the file again with `fieldstack up` or `fieldstack-nonrt run --config FILE`"


def load(path: Path) -> NonRtSettings:
    """Read settings that `NonRtSettings.to_json` wrote.

    Raises:
        SettingsError: unreadable file, unknown, missing or unsuitable key.
    """
    try:
        data = bounded_json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(path, "", f"cannot be read ({error.strerror})", _REMEDY) from error
    except ValueError as error:
        raise SettingsError(path, "", f"is no JSON ({error})", _REMEDY) from error
    if not isinstance(data, dict):
        raise SettingsError(path, "", "must hold one JSON object", _REMEDY)
    _check_keys(path, data)
    settings = NonRtSettings(**{key: _checked(path, key, value) for key, value in data.items()})
    if settings.process_manager == "systemd" and not settings.rt_unit:
        raise SettingsError(path, "rt_unit", "is missing: systemd is the process manager", _REMEDY)
    return settings


def _check_keys(path: Path, data: dict[str, Any]) -> None:
    fields = {field.name: field for field in dataclasses.fields(NonRtSettings)}
    for key in data:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, 1)
            raise SettingsError(path, key, "unknown key", f"did you mean {near[0]!r}?" if near else _REMEDY)
    for name, field in fields.items():
        if field.default is dataclasses.MISSING and name not in data:
            raise SettingsError(path, name, "is missing", _REMEDY)


def _checked(path: Path, key: str, value: Any) -> Any:
    if key in _TEXTS:
        if not isinstance(value, str) or not (value or key in _EMPTY):
            raise SettingsError(path, key, f"must be text, not {value!r}", _REMEDY)
        return value
    if key in _COMMANDS:
        return _command(path, key, value)
    if key == "process_manager":
        if value not in _MANAGERS:
            raise SettingsError(path, key, f"must be one of {', '.join(_MANAGERS)}, not {value!r}", _REMEDY)
        return value
    if key in _UNITS:
        if not isinstance(value, str) or (value and not value.endswith(_UNITS[key])):
            raise SettingsError(path, key, f"must name a unit *{_UNITS[key]}, not {value!r}", _REMEDY)
        return value
    if key in _FLAGS:
        if not isinstance(value, bool):
            raise SettingsError(path, key, f"must be true or false, not {value!r}", _REMEDY)
        return value
    low, high = _BOUNDS[key]
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SettingsError(path, key, f"must be a whole number from {low} to {high}, not {value!r}", _REMEDY)
    return value


def _command(path: Path, key: str, value: Any) -> tuple[str, ...] | None:
    if value is None and key in _OPTIONAL:
        return None
    if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
        raise SettingsError(
            path, key, f"must be a list of words that begins with a program, not {value!r}", _REMEDY
        )
    return tuple(value)
