"""What the process needs to know of its cell: one frozen record, handed over as a JSON file.

The cell's start writes it, the process reads it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fieldstack_base import bounded_json


class CoreSettingsError(ValueError):
    """A settings file of the Main Core process that cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """A function that tasks may call, as `module:function`."""

    function: str
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """`lead_ms` of setpoints are kept ahead; speed as a share of the axes' limits; `demo` and its rests.

    `calls`: functions that tasks may call; `call_folder` is searched for their modules first.
    """

    lead_ms: int = 200
    speed_percent: int = 60
    dwell_ms: int = 150
    demo: bool = True
    calls: dict[str, EntryPoint] = field(default_factory=dict)
    call_folder: str = ""
    fault_injection: bool = False

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> CoreSettings:
        """What `write` wrote. Raises CoreSettingsError; a file that is not there gives the defaults."""
        try:
            raw = bounded_json.loads(path.read_text(encoding="utf-8"))
            raw["calls"] = {str(name): EntryPoint(**entry) for name, entry in raw.get("calls", {}).items()}
            return cls(**raw)
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise CoreSettingsError(
                f"{path}: not settings of the Main Core process ({error}); `fieldstack up` writes them again"
            ) from error
