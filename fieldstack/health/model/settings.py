"""What the health server needs to know of its cell: one frozen record, handed over as a JSON file.

The cell's start writes it, the server reads it.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from fieldstack_base import bounded_json
from fieldstack_base.instance import Instance


class HealthSettingsError(ValueError):
    """A settings file of the health server that cannot be used; the text names file and key."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{path}: {why}; write it again by starting the cell, for example with `fieldstack up`"
        )
        self.path = path


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """Settings of one health server; bounds are checked where the cell configuration is read.

    `port` 0: any free one; the endpoint file tells which. `live_grace_s`: how long Non-RT may be gone before
    `/livez` fails. `disk_warn`, `disk_fail`: used shares (0 to 1) of the state folder's file system.
    """

    instance: str
    host: str = "127.0.0.1"
    port: int = 9120
    remote_commands: bool = False
    live_grace_s: float = 10.0
    disk_warn: float = 0.9
    disk_fail: float = 0.98

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n", encoding="utf-8")


def settings_file(instance: Instance) -> Path:
    return instance.runtime_dir / "health.json"


def load(path: Path) -> HealthSettings:
    """Read settings that `HealthSettings.write` wrote.

    Raises:
        HealthSettingsError: unreadable file, unknown or missing key.
    """
    try:
        data = bounded_json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise TypeError("must hold one JSON object")
        return HealthSettings(**data)
    except OSError as error:
        raise HealthSettingsError(path, f"cannot be read ({error.strerror})") from error
    except (ValueError, TypeError) as error:
        raise HealthSettingsError(path, str(error).replace("HealthSettings.__init__() ", "")) from error
